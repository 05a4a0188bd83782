//! Models by size, and how to step down.

use super::ModelRule;

/// Models, the largest first. A name stands for each model that holds it as a word: `opus` for `claude-opus-4-7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSteps(Vec<String>);

impl ModelSteps {
    /// In this order; empty ones are of no use to anybody, so without any there is no smaller model.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().filter(|name| !name.is_empty()).collect())
    }

    /// The model that does the work which `model` was meant to do. Absent if there is none: the work must wait then. Of a model
    /// that stands nowhere in the list nobody knows how large it is, so the smallest takes its place.
    pub fn choose<'a>(&'a self, rule: ModelRule, model: &'a str) -> Option<&'a str> {
        let place = self.0.iter().position(|step| stands_for(step, model));
        let smallest = self.0.len().checked_sub(1);
        let chosen = match (rule, place) {
            (ModelRule::AsConfigured, _) => return Some(model),
            (ModelRule::OneStepDown, Some(place)) => (place + 1).min(smallest?),
            (ModelRule::OneStepDown, None) | (ModelRule::Smallest, _) => smallest?,
        };
        // Whoever meant the chosen one already knows it by its full name.
        Some(if Some(chosen) == place {
            model
        } else {
            &self.0[chosen]
        })
    }
}

fn stands_for(step: &str, model: &str) -> bool {
    step == model || model.split('-').any(|word| word == step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_steps_down_until_there_is_no_smaller_one() {
        let steps = ModelSteps::new(["opus", "sonnet", "haiku"].map(str::to_owned));
        let down = |model| steps.choose(ModelRule::OneStepDown, model);
        assert_eq!(down("claude-opus-4-7"), Some("sonnet"));
        assert_eq!(down("sonnet"), Some("haiku"));
        assert_eq!(
            down("claude-haiku-4-5-20251001"),
            Some("claude-haiku-4-5-20251001")
        );
        assert_eq!(steps.choose(ModelRule::Smallest, "opus"), Some("haiku"));
        assert_eq!(
            steps.choose(ModelRule::AsConfigured, "anything"),
            Some("anything")
        );
    }

    #[test]
    fn a_model_of_unknown_size_is_not_believed_to_be_small() {
        let steps = ModelSteps::new(["opus", "haiku"].map(str::to_owned));
        assert_eq!(steps.choose(ModelRule::OneStepDown, "opusculum"), Some("haiku"));
        let none = ModelSteps::new([]);
        assert_eq!(none.choose(ModelRule::OneStepDown, "opus"), None);
        assert_eq!(none.choose(ModelRule::Smallest, "opus"), None);
    }
}
