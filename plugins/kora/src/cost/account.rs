//! Costs that events tell of, on their way into the host's account of the tenant, which decides what may be spent.
//!
//! Each event is recorded under its own id, so reading a chain twice counts nothing twice.

use kora_plugin_api::{ErrorKind, Event, Host, Result, Usage, tracing};

use super::record::CostRecord;

const NANO_PER_MICRO: u64 = 1000;
/// As many bytes of a model's name as the host takes.
const MODEL_BYTES: usize = 64;

/// Records what these events cost. Those from before the current billing period are left out: what they cost was that period's.
///
/// # Errors
/// If the host could not record one; it and those after it have to be handed in again.
pub async fn record(host: &Host, tenant: &str, events: &[Event]) -> Result {
    let usages: Vec<_> = events.iter().filter_map(usage).collect();
    if usages.is_empty() {
        return Ok(());
    }
    let period_start = match host.cost_state(tenant).await {
        Ok(state) => state.billing_period_start_us,
        // A host of an earlier release keeps no accounts.
        Err(error) if error.kind() == ErrorKind::Denied => return Ok(()),
        Err(error) => return Err(error),
    };
    for (occurred_at_us, usage) in usages {
        if occurred_at_us < period_start {
            continue;
        }
        match host.record_usage(tenant, &usage).await {
            Err(error) if error.kind() == ErrorKind::Invalid => {
                tracing::warn!(tenant, id = usage.id, %error, "this cost is not in the host's account");
            }
            recorded => drop(recorded?),
        }
    }
    Ok(())
}

/// When it happened and what it used; nothing if the event does not say what it cost.
fn usage(event: &Event) -> Option<(i64, Usage)> {
    let call = CostRecord::parse(&event.payload).ok()?;
    let cost = call.cost_nano_usd()?;
    let usage = Usage {
        route: call.route().to_owned(),
        model: plain(call.model()),
        input_tokens: call.input_tokens,
        output_tokens: call.output_tokens,
        cost_micro_usd: cost.div_ceil(NANO_PER_MICRO),
        id: Some(event.event_id.clone()),
    };
    Some((event.occurred_at_us, usage))
}

/// A name as the host takes one.
fn plain(model: &str) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric() || "_-.:/".contains(character);
    let plain = model
        .chars()
        .map(|character| if fits(character) { character } else { '_' });
    plain.take(MODEL_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use kora_plugin_api::serde_json::{from_value, json};

    use super::*;

    fn event(payload: &str) -> Event {
        from_value(json!({
            "tenant": "acme", "seq": 1, "event_id": "0197", "event_type": "kora.cost.recorded", "occurred_at_us": 7,
            "source": "", "payload": payload, "this_hash": "",
        }))
        .expect("is an event")
    }

    #[test]
    fn a_cost_is_recorded_once_for_each_event_and_never_rounded_down() {
        let payload = r#"{"route":"slack_dm","model":"a model ü","cost_usd":0.0000101,"input_tokens":3,"output_tokens":1}"#;
        let expected = Usage {
            route: "slack_dm".to_owned(),
            model: "a_model__".to_owned(),
            input_tokens: 3,
            output_tokens: 1,
            cost_micro_usd: 11,
            id: Some("0197".to_owned()),
        };
        assert_eq!(usage(&event(payload)), Some((7, expected)));
    }

    #[test]
    fn what_does_not_say_its_cost_is_not_recorded_as_free() {
        for payload in ["{}", r#"{"cost_usd":null}"#, r#"{"cost_usd":"dear"}"#] {
            assert_eq!(usage(&event(payload)), None, "{payload}");
        }
        let free = usage(&event(r#"{"cost_usd":0}"#)).expect("is a metered zero");
        assert_eq!(free.1.cost_micro_usd, 0);
    }
}
