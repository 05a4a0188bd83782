//! Money in the form in which plugins tell of it and get it: whole millionths of a dollar.

use serde_json::{Value, json};

use super::wire;
use crate::{
    cost::{CostError, CostState, NewUsage, Recorded},
    domain::{Actor, ActorKind, Money, Timestamp},
    engine::cost::{Criticality, Decision, ModelSteps, Usage},
    plugin::{PluginIdentity, PortError, ReportedUsage},
};

/// A usage that this plugin tells of. Ids of two plugins do not meet.
pub fn usage(from: &PluginIdentity, reported: ReportedUsage) -> NewUsage {
    NewUsage {
        usage: Usage {
            route: reported.route,
            model: reported.model,
            input_tokens: reported.input_tokens,
            output_tokens: reported.output_tokens,
            cost_usd: Money::from_micros(reported.cost_micro_usd),
        },
        id: reported.id,
        source: format!("plugin/{}", from.name),
        actor: Actor {
            kind: ActorKind::Plugin,
            id: Some(from.name.to_string()),
        },
    }
}

pub fn recorded(recorded: Recorded) -> Value {
    json!({
        "repeated": recorded.repeated,
        "rung": recorded.rung,
        "spent_to_date_micro_usd": recorded.spent_to_date_usd.as_micros(),
    })
}

pub fn state(state: CostState) -> Value {
    json!({
        "rung": state.rung,
        "unknown": state.unknown.map(|why| why.to_string()),
        "credit_pool_micro_usd": state.ladder.pool.as_micros(),
        "spent_to_date_micro_usd": state.account.spent_to_date_usd.as_micros(),
        "billing_period_start_us": state.period.start().as_micros(),
        "billing_period_end_us": state.period.end().as_micros(),
        "last_reconciled_at_us": state.account.last_reconciled_at.map(Timestamp::as_micros),
        "last_reconciled_micro_usd": state.account.last_reconciled_usd.map(Money::as_micros),
        "burn_rate_micro_usd_per_day": state.last_24h_usd.as_micros(),
        "projected_micro_usd": state.projected_usd.map(Money::as_micros),
    })
}

/// What a plugin says of its work. A word that is none is refused, not taken for the stricter one: the plugin meant something.
pub fn criticality(said: Option<String>) -> Result<Option<Criticality>, PortError> {
    said.map(|said| said.parse::<Criticality>())
        .transpose()
        .map_err(|error| PortError::Invalid(error.to_string()))
}

pub fn decided(decision: &Decision, steps: &ModelSteps, model: &str) -> Value {
    let (word, model, detail) = match decision {
        Decision::Allowed(rule) => match steps.choose(*rule, model) {
            Some(chosen) => ("allowed", Some(chosen), None),
            None => (
                "deferred",
                None,
                Some("no smaller model is configured in `cost.models`".to_owned()),
            ),
        },
        Decision::Deferred(rung) => ("deferred", None, Some(format!("the tenant is on `{rung}`"))),
        Decision::Halted => ("halted", None, Some("all credit is spent".to_owned())),
        Decision::Unknown(why) => ("unknown", None, Some(why.to_string())),
    };
    json!({"decision": word, "model": model, "detail": detail})
}

pub fn error(error: CostError) -> PortError {
    let message = error.to_string();
    match error {
        CostError::Usage(_) | CostError::Key { .. } | CostError::Figure { .. } => PortError::Invalid(message),
        CostError::KeyReused { .. } | CostError::Period { .. } | CostError::KeptChanging { .. } => {
            PortError::Conflict(message)
        }
        CostError::Commit(error) => wire::commit_error(error),
        CostError::Store(_) | CostError::Interrupted(_) | CostError::Unreadable { .. } => {
            PortError::Unavailable(message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cost::{Rung, UnknownCost};

    #[test]
    fn a_plugin_is_told_which_model_to_take_or_why_none() {
        let steps = ModelSteps::new(["opus", "haiku"].map(str::to_owned));
        let eligible = Some(Criticality::DownshiftEligible);
        let said = |decision: Decision| {
            let said = decided(&decision, &steps, "claude-opus-4-7");
            (said["decision"].clone(), said["model"].clone())
        };
        let on = |rung, criticality| said(Decision::on(rung, criticality));
        assert_eq!(
            on(Rung::Normal, None),
            (json!("allowed"), json!("claude-opus-4-7"))
        );
        assert_eq!(on(Rung::Warn75, eligible), (json!("allowed"), json!("haiku")));
        assert_eq!(on(Rung::Warn75, None), (json!("deferred"), Value::Null));
        assert_eq!(on(Rung::HardStop100, eligible), (json!("halted"), Value::Null));
        let unknown = Decision::Unknown(UnknownCost::Unreadable("away".to_owned()));
        assert_eq!(said(unknown), (json!("unknown"), Value::Null));
        let none = decided(
            &Decision::on(Rung::Warn75, eligible),
            &ModelSteps::new([]),
            "opus",
        );
        assert_eq!(none["decision"], "deferred");
    }

    #[test]
    fn a_criticality_that_is_none_is_refused() {
        assert_eq!(criticality(None), Ok(None));
        assert!(criticality(Some("whatever".to_owned())).is_err());
    }
}
