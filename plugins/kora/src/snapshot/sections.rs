//! The sections of one tenant, from what the host answered. Pure.

use kora_plugin_api::{
    CostState, DaemonHealth, OperationalState, Result, Transition,
    serde_json::{Value, json},
};

use crate::moment;

const UNKNOWN: &str = "unknown";

const PAUSED: &str = "paused";
const STOPPED: &str = "stopped";

/// States of a daemon entry that are no trouble. A state that is not known here is taken for trouble.
const WELL: [&str; 5] = ["waiting", "starting", "running", "stopping", "stopped"];

/// All sections of a tenant. What an answer is missing for is `unknown`.
pub fn tenant(
    state: &Result<OperationalState>,
    history: &Result<Vec<Transition>>,
    health: &Result<DaemonHealth>,
    costs: &Result<CostState>,
    cost_telemetry: Option<Value>,
) -> Value {
    let reason = pause_reason(state, history);
    json!({
        "operational_state": state.as_ref().map_or(json!(UNKNOWN), |state| operational_state(state, &reason)),
        "alerts": state.as_ref().map_or(json!(UNKNOWN), |state| alerts(state, &reason)),
        "cost_ladder": costs.as_ref().map_or(json!(UNKNOWN), cost_ladder),
        // Nobody hands out tickets or probes services yet.
        "tasks": UNKNOWN,
        "service_health": UNKNOWN,
        "cost_telemetry": cost_telemetry.unwrap_or(json!(UNKNOWN)),
        "daemon_health": health.as_ref().map_or(json!(UNKNOWN), |health| daemon_health(health, state)),
    })
}

/// The words with which the tenant was paused: null if it is not, `unknown` if its history does not answer.
fn pause_reason(state: &Result<OperationalState>, history: &Result<Vec<Transition>>) -> Value {
    match (state, history) {
        (Ok(state), _) if state.primary_state != PAUSED => Value::Null,
        (Ok(_), Ok(history)) => history
            .iter()
            .rfind(|transition| transition.to_state == PAUSED && transition.from_state != PAUSED)
            .map_or(json!(UNKNOWN), |transition| json!(transition.trigger)),
        _ => json!(UNKNOWN),
    }
}

/// A figure that the host itself does not believe is `unknown`: a reader must not take the rung for true.
fn cost_ladder(costs: &CostState) -> Value {
    if costs.unknown.is_some() {
        return json!(UNKNOWN);
    }
    json!({
        "rung": costs.rung,
        "credit_pool_micro_usd": costs.credit_pool_micro_usd,
        "spent_to_date_micro_usd": costs.spent_to_date_micro_usd,
        "projected_micro_usd": costs.projected_micro_usd,
    })
}

fn operational_state(state: &OperationalState, pause_reason: &Value) -> Value {
    json!({
        "primary": state.primary_state,
        "paused": state.primary_state == PAUSED,
        "pause_reason": pause_reason,
    })
}

/// The two alerts whose conditions can be known; the other rules wait for what they watch.
fn alerts(state: &OperationalState, pause_reason: &Value) -> Value {
    match state.primary_state.as_str() {
        PAUSED => {
            let detail = pause_reason.as_str().unwrap_or(UNKNOWN);
            json!([alert("operator_paused", "The agent is paused", detail, state)])
        }
        STOPPED => json!([alert(
            "operator_stopped",
            "The agent is stopped",
            "It takes no work until the host boots again.",
            state
        )]),
        _ => json!([]),
    }
}

fn alert(id: &str, title: &str, detail: &str, state: &OperationalState) -> Value {
    let since = state
        .entered_at_us
        .map(|us| moment::text(moment::from_microseconds(us)));
    json!({
        "id": id,
        "severity": "critical",
        "category": "operational_state",
        "title": title,
        "detail": detail,
        "source_panel": "state",
        "source_panel_route": "/state",
        "first_seen_at": since,
    })
}

fn daemon_health(health: &DaemonHealth, state: &Result<OperationalState>) -> Value {
    let listeners: Vec<Value> = health
        .daemons
        .iter()
        .map(|daemon| json!({"plugin": daemon.plugin, "name": daemon.name, "state": daemon.state}))
        .collect();
    json!({
        "overall_status": overall_status(health, state),
        "boot_at": moment::text(moment::from_microseconds(health.boot_at_us)),
        "uptime_seconds": health.uptime_seconds,
        "listeners": listeners,
        "recent_error_count_5min": health.recent_error_count_5min,
    })
}

fn overall_status(health: &DaemonHealth, state: &Result<OperationalState>) -> &'static str {
    let Ok(state) = state else { return UNKNOWN };
    let all_well = health
        .daemons
        .iter()
        .all(|daemon| WELL.contains(&daemon.state.as_str()));
    if state.primary_state == STOPPED {
        STOPPED
    } else if !all_well || !state.degradation_reasons.is_empty() {
        "degraded"
    } else {
        "healthy"
    }
}

#[cfg(test)]
mod tests {
    use kora_plugin_api::{PluginError, serde_json::from_value};

    use super::*;

    fn state(primary: &str) -> Result<OperationalState> {
        Ok(from_value(json!({
            "primary_state": primary, "claim_permission": "normal", "degradation_reasons": [], "entered_at_us": 60_000_000,
        }))?)
    }

    fn history() -> Result<Vec<Transition>> {
        let transition = |from: &str, to: &str, trigger: &str| json!({"timestamp": "", "from_state": from, "to_state": to, "trigger": trigger});
        Ok(from_value(json!([
            transition("ready", "paused", "an earlier one"),
            transition("paused", "ready", "back"),
            transition("ready", "paused", "lunch"),
            transition("paused", "paused", "a reason was added"),
        ]))?)
    }

    fn health(daemon_state: &str) -> Result<DaemonHealth> {
        Ok(from_value(json!({
            "daemon_session_id": "s", "boot_at_us": 0, "uptime_seconds": 60, "recent_error_count_5min": 2,
            "daemons": [{"plugin": "kora", "name": "heartbeat", "state": daemon_state}],
        }))?)
    }

    fn costs_on(rung: &str, unknown: Value) -> Result<CostState> {
        Ok(from_value(json!({
            "rung": rung, "unknown": unknown, "credit_pool_micro_usd": 200_000_000,
            "spent_to_date_micro_usd": 160_000_000, "billing_period_start_us": 0, "billing_period_end_us": 1,
            "last_reconciled_at_us": null, "last_reconciled_micro_usd": null, "burn_rate_micro_usd_per_day": 0,
            "projected_micro_usd": null,
        }))?)
    }

    #[test]
    fn a_rung_that_is_not_known_is_never_shown_as_a_calm_one() {
        for costs in [costs_on("normal", json!("never compared")), failed()] {
            let section = tenant(&state("ready"), &history(), &health("running"), &costs, None);
            assert_eq!(section["cost_ladder"], "unknown");
        }
    }

    fn failed<T>() -> Result<T> {
        Err(PluginError::new("does not answer"))
    }

    #[test]
    fn a_calm_tenant_has_all_sections_and_says_what_nobody_knows() {
        let expected = json!({
            "operational_state": {"primary": "ready", "paused": false, "pause_reason": null},
            "alerts": [],
            "cost_ladder": {
                "rung": "warn_75",
                "credit_pool_micro_usd": 200_000_000,
                "spent_to_date_micro_usd": 160_000_000,
                "projected_micro_usd": null,
            },
            "tasks": "unknown",
            "service_health": "unknown",
            "cost_telemetry": {"monthly": {}},
            "daemon_health": {
                "overall_status": "healthy",
                "boot_at": "1970-01-01T00:00:00Z",
                "uptime_seconds": 60,
                "listeners": [{"plugin": "kora", "name": "heartbeat", "state": "running"}],
                "recent_error_count_5min": 2,
            },
        });
        let costs = Some(json!({"monthly": {}}));
        assert_eq!(
            tenant(
                &state("ready"),
                &history(),
                &health("running"),
                &costs_on("warn_75", Value::Null),
                costs
            ),
            expected
        );
    }

    #[test]
    fn a_pause_is_shown_with_the_words_it_was_asked_for_with_and_raises_an_alert() {
        let section = tenant(&state("paused"), &history(), &health("running"), &failed(), None);
        let expected = json!({"primary": "paused", "paused": true, "pause_reason": "lunch"});
        assert_eq!(section["operational_state"], expected);
        let expected = json!([{
            "id": "operator_paused", "severity": "critical", "category": "operational_state",
            "title": "The agent is paused", "detail": "lunch",
            "source_panel": "state", "source_panel_route": "/state", "first_seen_at": "1970-01-01T00:01:00Z",
        }]);
        assert_eq!(section["alerts"], expected);
    }

    #[test]
    fn a_stop_raises_an_alert_and_is_the_overall_status() {
        let section = tenant(&state("stopped"), &history(), &health("running"), &failed(), None);
        assert_eq!(section["alerts"][0]["id"], "operator_stopped");
        assert_eq!(section["daemon_health"]["overall_status"], "stopped");
    }

    #[test]
    fn a_daemon_that_is_not_well_degrades_the_overall_status() {
        let section = tenant(&state("ready"), &history(), &health("failed"), &failed(), None);
        assert_eq!(section["daemon_health"]["overall_status"], "degraded");
    }

    #[test]
    fn a_section_that_fails_becomes_unknown_and_the_rest_stays() {
        let section = tenant(&failed(), &history(), &health("running"), &failed(), None);
        for unknown in ["operational_state", "alerts", "cost_telemetry"] {
            assert_eq!(section[unknown], "unknown", "{unknown}");
        }
        assert_eq!(section["daemon_health"]["uptime_seconds"], 60);
        assert_eq!(section["daemon_health"]["overall_status"], "unknown");

        let section = tenant(&state("paused"), &failed(), &failed(), &failed(), None);
        assert_eq!(section["operational_state"]["paused"], true);
        assert_eq!(section["operational_state"]["pause_reason"], "unknown");
        assert_eq!(section["daemon_health"], "unknown");
    }
}
