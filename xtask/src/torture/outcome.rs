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
    /// Where the store went away as well.
    #[serde(flatten)]
    pub outages: Option<Outages>,
}

/// What came of appends that had to wait.
#[derive(Debug, Serialize)]
pub struct Outages {
    /// Appends, of those acknowledged, that were so as pending.
    pub pending: u64,
    /// Events that stand before one that had been answered when they were asked for, or that waited before them.
    pub out_of_order: u64,
}

impl Outcome {
    /// Nothing lost, doubled or broken.
    pub fn is_well(&self) -> bool {
        let in_order = self
            .outages
            .as_ref()
            .is_none_or(|outages| outages.out_of_order == 0);
        self.lost == 0 && self.doubled == 0 && self.broken_chains == 0 && in_order
    }

    /// As it is printed.
    ///
    /// # Errors
    /// None that is known: numbers can always be written.
    pub fn shown(&self, json: bool) -> Result<String> {
        if json {
            return Ok(serde_json::to_string(self)?);
        }
        let mut shown = format!(
            "rounds         {}\nacknowledged   {}\nlost           {}\ndoubled        {}\nbroken chains  {}",
            self.rounds, self.acknowledged, self.lost, self.doubled, self.broken_chains
        );
        if let Some(outages) = &self.outages {
            shown += &format!(
                "\npending        {}\nout of order   {}",
                outages.pending, outages.out_of_order
            );
        }
        Ok(shown)
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
            outages: None,
        };
        assert_eq!(
            outcome.shown(true).expect("has a form"),
            r#"{"rounds":50,"acknowledged":7,"lost":0,"doubled":1,"broken_chains":0}"#
        );
        assert!(!outcome.is_well());
    }

    #[test]
    fn where_the_store_went_away_it_also_says_what_waited_and_in_which_order_it_came() {
        let outcome = |out_of_order| Outcome {
            rounds: 2,
            acknowledged: 9,
            lost: 0,
            doubled: 0,
            broken_chains: 0,
            outages: Some(Outages {
                pending: 3,
                out_of_order,
            }),
        };
        assert_eq!(
            outcome(0).shown(true).expect("has a form"),
            r#"{"rounds":2,"acknowledged":9,"lost":0,"doubled":0,"broken_chains":0,"pending":3,"out_of_order":0}"#
        );
        assert!(outcome(0).is_well());
        assert!(!outcome(1).is_well());
    }
}
