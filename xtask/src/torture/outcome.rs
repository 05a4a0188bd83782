//! What came of it: the figures that are printed, and whether all is well.

use anyhow::Result;
use serde::Serialize;

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// How often the host was struck.
    pub rounds: u32,
    /// Appends that it acknowledged.
    pub acknowledged: usize,
    /// Of these, those that the store does not hold under their id.
    pub lost: u64,
    /// Events that are there more than once.
    pub doubled: u64,
    /// Chains that were ever found broken, and files.
    pub broken_chains: usize,
}

impl Outcome {
    /// Nothing lost, doubled or broken.
    pub const fn is_well(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.broken_chains == 0
    }

    /// As it is printed.
    ///
    /// # Errors
    /// None that is known: numbers can always be written.
    pub fn shown(&self, json: bool) -> Result<String> {
        if json {
            return Ok(serde_json::to_string(self)?);
        }
        Ok(format!(
            "rounds         {}\nacknowledged   {}\nlost           {}\ndoubled        {}\nbroken chains  {}",
            self.rounds, self.acknowledged, self.lost, self.doubled, self.broken_chains
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_as_json_has_these_fields_and_no_others() {
        let outcome = Outcome {
            rounds: 50,
            acknowledged: 7,
            lost: 0,
            doubled: 1,
            broken_chains: 0,
        };
        assert_eq!(
            outcome.shown(true).expect("has a form"),
            r#"{"rounds":50,"acknowledged":7,"lost":0,"doubled":1,"broken_chains":0}"#
        );
        assert!(!outcome.is_well());
    }
}
