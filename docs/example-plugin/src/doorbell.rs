//! The listener that tells when somebody comes or goes.

use kora_plugin_api::{Host, Listener, Result, StateChange, tracing};

pub struct Doorbell;

impl Listener for Doorbell {
    async fn on_state(&self, host: &Host, change: &StateChange) -> Result {
        let to = change.to.primary_state.as_str();
        host.count("state_changes_total", &[("to", to)], 1.0)?;
        tracing::info!(tenant = change.tenant, to, "the doorbell rang");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kora_plugin_api::serde_json::{from_value, json};

    use super::*;

    #[test]
    fn what_the_host_tells_can_be_made_in_a_test() {
        let state = |primary: &str| json!({"primary_state": primary, "claim_permission": "normal", "degradation_reasons": []});
        let change: StateChange = from_value(json!({
            "tenant": "acme", "from": state("ready"), "to": state("paused"),
            "trigger_kind": "operator", "trigger": "lunch",
        }))
        .expect("has all fields");
        assert_eq!(change.to.primary_state, "paused");
    }
}
