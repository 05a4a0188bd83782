//! What one call of a model used.

use serde::{Deserialize, Serialize};

use crate::domain::Money;

/// Names of routes and models come from outside and stay for ever.
pub const MAX_NAME_BYTES: usize = 64;
/// The dearest call that is believed: a slip of a decimal point must not stop a tenant for the rest of a month unseen.
pub const MAX_USAGE_COST: Money = Money::from_dollars(1_000_000);

/// One call of a model, or several that are told of as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// What it was for, for example `slack_dm`.
    pub route: String,
    /// Which model.
    pub model: String,
    /// Tokens that the model read.
    pub input_tokens: u64,
    /// Tokens that the model wrote.
    pub output_tokens: u64,
    /// What it cost.
    pub cost_usd: Money,
}

/// A usage that cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUsage {
    /// A name that is none.
    #[error(
        "the {what} `{found}` is not valid: expected 1 to {MAX_NAME_BYTES} letters, digits and `_ - . : /`"
    )]
    Name {
        /// `route` or `model`.
        what: &'static str,
        /// What was given.
        found: String,
    },
    /// An amount that nobody spends on a call.
    #[error("a cost of {found} USD is not believed: expected 0 to {MAX_USAGE_COST} USD for one usage")]
    Cost {
        /// What was given.
        found: Money,
    },
}

impl Usage {
    /// Judges it.
    ///
    /// # Errors
    /// If a name is none, or the cost is negative or beyond reason.
    pub fn check(&self) -> Result<(), InvalidUsage> {
        check_name("route", &self.route)?;
        check_name("model", &self.model)?;
        if (Money::ZERO..=MAX_USAGE_COST).contains(&self.cost_usd) {
            Ok(())
        } else {
            Err(InvalidUsage::Cost { found: self.cost_usd })
        }
    }
}

fn check_name(what: &'static str, name: &str) -> Result<(), InvalidUsage> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(InvalidUsage::Name {
        what,
        found: name.escape_debug().take(MAX_NAME_BYTES).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_that_makes_no_sense_is_refused_by_name() {
        let usage = |route: &str, cost: &str| Usage {
            route: route.to_owned(),
            model: "haiku".to_owned(),
            input_tokens: 0,
            output_tokens: 0,
            cost_usd: cost.parse().unwrap(),
        };
        assert_eq!(usage("slack_dm", "0").check(), Ok(()));
        for route in ["", "with space", "ü", &"x".repeat(65), "line\nbreak"] {
            let refused = usage(route, "0").check().unwrap_err();
            assert!(refused.to_string().starts_with("the route `"), "{refused}");
        }
        for cost in ["-0.000001", "1000000.01"] {
            assert!(matches!(usage("a", cost).check(), Err(InvalidUsage::Cost { .. })));
        }
    }
}
