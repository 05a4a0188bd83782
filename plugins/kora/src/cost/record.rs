//! One model call, as an event tells of it.

use kora_plugin_api::{Result, serde_json};
use serde::Deserialize;

use super::counters::{MAX_USD, nano_usd};

/// The routes that are counted apart. A closed list, so that nothing can make the counters grow without end.
const ROUTES: [&str; 8] = [
    "alert_investigation",
    "email_inbound",
    "email_outbound_compose",
    "mcp_tool",
    "probe_investigation",
    "scheduled_task",
    "slack_dm",
    "tool_loop_iteration",
];

/// Where calls of no known route are counted.
pub const UNKNOWN: &str = "unknown";

/// The payload of such an event. Fields beyond these are nobody's concern here.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CostRecord {
    route: Option<String>,
    model: Option<String>,
    /// Tokens that the model read.
    pub input_tokens: u64,
    /// Tokens that the model wrote.
    pub output_tokens: u64,
    /// Tokens that were read from the prompt cache.
    pub cache_read_tokens: u64,
    /// Tokens that were written to the prompt cache.
    pub cache_creation_tokens: u64,
    cost_usd: Option<f64>,
    /// Why a larger model was taken, if one was.
    pub escalation_reason: Option<String>,
}

impl CostRecord {
    /// Reads an event's payload.
    ///
    /// # Errors
    /// If a field is not of its kind, or the cost is negative or beyond reason.
    pub fn parse(payload: &str) -> Result<Self> {
        let record: Self = serde_json::from_str(payload)?;
        match record.cost_usd {
            Some(cost) if !(0.0..=MAX_USD).contains(&cost) => Err(kora_plugin_api::PluginError::new(
                format!("`cost_usd`: expected 0 to {MAX_USD}, found {cost}"),
            )),
            _ => Ok(record),
        }
    }

    /// The route under which it is counted.
    pub fn route(&self) -> &'static str {
        let named = self.route.as_deref().unwrap_or(UNKNOWN);
        ROUTES
            .into_iter()
            .find(|route| *route == named)
            .unwrap_or(UNKNOWN)
    }

    /// The model, or `unknown`.
    pub fn model(&self) -> &str {
        self.model.as_deref().unwrap_or(UNKNOWN)
    }

    /// What it cost, in billionths of a dollar; absent if the event does not say, which is not the same as nothing.
    pub fn cost_nano_usd(&self) -> Option<u64> {
        self.cost_usd.map(nano_usd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_nobody_knows_is_counted_as_unknown() {
        for payload in ["{}", r#"{"route":"made_up"}"#, r#"{"route":null}"#] {
            assert_eq!(
                CostRecord::parse(payload).expect("reads").route(),
                "unknown",
                "{payload}"
            );
        }
        assert_eq!(
            CostRecord::parse(r#"{"route":"slack_dm"}"#)
                .expect("reads")
                .route(),
            "slack_dm"
        );
    }

    #[test]
    fn a_cost_that_is_not_given_is_not_zero() {
        assert_eq!(CostRecord::parse("{}").expect("reads").cost_nano_usd(), None);
        assert_eq!(
            CostRecord::parse(r#"{"cost_usd":0}"#)
                .expect("reads")
                .cost_nano_usd(),
            Some(0)
        );
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        for payload in [
            r#"{"cost_usd":-0.01}"#,
            r#"{"cost_usd":1e300}"#,
            r#"{"input_tokens":-1}"#,
            "null",
        ] {
            assert!(CostRecord::parse(payload).is_err(), "{payload}");
        }
    }
}
