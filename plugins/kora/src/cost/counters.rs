//! Counters of one route in one window.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::record::CostRecord;

/// Counters by route.
pub type Routes = BTreeMap<String, Counters>;

/// The dearest call that is believed. It keeps sums far from overflow.
pub const MAX_USD: f64 = 1e6;

/// Names of models and reasons come from events: beyond so many, the rest is counted under [`OTHER`].
const MAX_NAMES: usize = 64;
const OTHER: &str = "other";

/// What is counted of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    calls_count: u64,
    input_tokens: u64,
    output_tokens: u64,
    cache_read_tokens: u64,
    cache_creation_tokens: u64,
    /// Kept whole in billionths: a sum of floating-point dollars drifts.
    #[serde(
        rename = "cost_estimate_usd_total",
        serialize_with = "write_usd",
        deserialize_with = "read_usd"
    )]
    cost_nano_usd_total: u64,
    /// Calls whose cost is not in the sum above, because nobody said it.
    calls_without_cost_count: u64,
    escalation_count: u64,
    model_breakdown: BTreeMap<String, u64>,
    escalation_reason_breakdown: BTreeMap<String, u64>,
}

impl Counters {
    /// Counts one call.
    pub fn add(&mut self, call: &CostRecord) {
        self.calls_count += 1;
        add_to(&mut self.input_tokens, call.input_tokens);
        add_to(&mut self.output_tokens, call.output_tokens);
        add_to(&mut self.cache_read_tokens, call.cache_read_tokens);
        add_to(&mut self.cache_creation_tokens, call.cache_creation_tokens);
        match call.cost_nano_usd() {
            Some(cost) => add_to(&mut self.cost_nano_usd_total, cost),
            None => self.calls_without_cost_count += 1,
        }
        count_name(&mut self.model_breakdown, call.model(), 1);
        if let Some(reason) = &call.escalation_reason {
            self.escalation_count += 1;
            count_name(&mut self.escalation_reason_breakdown, reason, 1);
        }
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        // Destructured, so that a counter which is added one day cannot be forgotten here.
        let Self {
            calls_count,
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_creation_tokens,
            cost_nano_usd_total,
            calls_without_cost_count,
            escalation_count,
            model_breakdown,
            escalation_reason_breakdown,
        } = other;
        add_to(&mut self.calls_count, *calls_count);
        add_to(&mut self.input_tokens, *input_tokens);
        add_to(&mut self.output_tokens, *output_tokens);
        add_to(&mut self.cache_read_tokens, *cache_read_tokens);
        add_to(&mut self.cache_creation_tokens, *cache_creation_tokens);
        add_to(&mut self.cost_nano_usd_total, *cost_nano_usd_total);
        add_to(&mut self.calls_without_cost_count, *calls_without_cost_count);
        add_to(&mut self.escalation_count, *escalation_count);
        for (name, count) in model_breakdown {
            count_name(&mut self.model_breakdown, name, *count);
        }
        for (name, count) in escalation_reason_breakdown {
            count_name(&mut self.escalation_reason_breakdown, name, *count);
        }
    }
}

/// Dollars in billionths. Negative ones become 0; callers have refused them before.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and sums stay far below 2^64"
)]
pub fn nano_usd(usd: f64) -> u64 {
    (usd * NANO).round() as u64
}

const NANO: f64 = 1e9;

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to nine million dollars, and an estimate beyond"
)]
fn write_usd<S: Serializer>(nano: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(*nano as f64 / NANO)
}

fn read_usd<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    f64::deserialize(deserializer).map(nano_usd)
}

fn add_to(total: &mut u64, more: u64) {
    *total = total.saturating_add(more);
}

fn count_name(names: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    let name = if names.contains_key(name) || names.len() < MAX_NAMES {
        name
    } else {
        OTHER
    };
    add_to(names.entry(name.to_owned()).or_default(), count);
}

#[cfg(test)]
mod tests {
    use kora_plugin_api::serde_json::{self, json};

    use super::*;

    fn call(payload: serde_json::Value) -> CostRecord {
        CostRecord::parse(&payload.to_string()).expect("is a record")
    }

    fn counted(calls: &[serde_json::Value]) -> Counters {
        let mut counters = Counters::default();
        for payload in calls {
            counters.add(&call(payload.clone()));
        }
        counters
    }

    #[test]
    fn every_field_of_a_call_is_counted() {
        let counters = counted(&[
            json!({
                "model": "opus", "input_tokens": 10, "output_tokens": 2, "cache_read_tokens": 3,
                "cache_creation_tokens": 4, "cost_usd": 0.1, "escalation_reason": "low_confidence_marker",
            }),
            json!({"model": "haiku", "input_tokens": 1, "cost_usd": 0.2}),
            json!({}),
        ]);
        let expected = json!({
            "calls_count": 3, "input_tokens": 11, "output_tokens": 2, "cache_read_tokens": 3, "cache_creation_tokens": 4,
            "cost_estimate_usd_total": 0.3, "calls_without_cost_count": 1, "escalation_count": 1,
            "model_breakdown": {"haiku": 1, "opus": 1, "unknown": 1},
            "escalation_reason_breakdown": {"low_confidence_marker": 1},
        });
        assert_eq!(json!(counters), expected);
    }

    #[test]
    fn merging_two_parts_gives_what_counting_the_whole_gives() {
        let first = json!({"model": "a", "cost_usd": 0.7, "output_tokens": 5});
        let second = json!({"model": "b", "escalation_reason": "r", "cache_creation_tokens": 6});
        let mut merged = counted(std::slice::from_ref(&first));
        merged.merge(&counted(std::slice::from_ref(&second)));
        assert_eq!(merged, counted(&[first, second]));
    }

    #[test]
    fn counters_survive_being_written_and_read_exactly() {
        let counters = counted(&vec![json!({"cost_usd": 0.000_000_123, "model": "m"}); 1000]);
        let text = serde_json::to_string(&counters).expect("writes");
        assert_eq!(serde_json::from_str::<Counters>(&text).expect("reads"), counters);
    }

    #[test]
    fn made_up_model_names_cannot_grow_the_counters_without_end() {
        let calls: Vec<_> = (0..1000).map(|n| json!({"model": format!("m{n}")})).collect();
        let counters = counted(&calls);
        assert_eq!(counters.model_breakdown.len(), MAX_NAMES + 1);
        assert_eq!(counters.model_breakdown.values().sum::<u64>(), 1000);
    }
}
