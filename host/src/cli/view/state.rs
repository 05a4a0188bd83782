//! The operational state of a tenant.

use super::{
    daemon::not_started,
    table::{Table, fields},
    text::{list, one_line, or_nothing},
};
use crate::service::api::{State, StateChanged};

/// What it is, what it was, what it may become.
pub(in crate::cli) fn state(state: &State) -> String {
    let now = fields([
        ("tenant", state.tenant.clone()),
        ("state", state.primary_state.clone()),
        ("since", or_nothing(state.state_entered_at.as_deref())),
        ("may claim", may_claim(state)),
        ("degraded by", list(&state.degradation_reasons)),
        ("stop command", or_nothing(in_force(state).as_deref())),
    ]);
    let why = not_started(&state.tenant, state.failed_gate.as_ref());
    let past = Table::new(["AT", "FROM", "TO", "KIND", "TRIGGER"])
        .rows(&state.transition_history, |transition| {
            [
                transition.timestamp.clone(),
                transition.from_state.clone(),
                transition.to_state.clone(),
                transition.trigger_kind.clone(),
                transition.trigger.clone(),
            ]
        })
        .to_text("no transition since the host started");
    let next = Table::new(["MAY BECOME", "BY", "BLOCKED BY"])
        .rows(&state.valid_next_states, |next| {
            [
                next.to_state.clone(),
                next.trigger.clone(),
                next.blocked_by.join("; "),
            ]
        })
        .to_text("no other state may follow before the next boot");
    format!("{now}{why}\n{past}\n{next}{}", way_on(state))
}

/// A permission counts while the tenant takes work; in other states it is what it will have.
fn may_claim(state: &State) -> String {
    let permission = &state.claim_permission;
    match state.primary_state.as_str() {
        "ready" | "active" => permission.clone(),
        _ if permission == "none" => permission.clone(),
        other => format!("none while it is {other} ({permission} after that)"),
    }
}

/// What lets it take work again.
fn way_on(state: &State) -> String {
    let tenant = one_line(&state.tenant);
    let reset = match state.command_in_force.as_ref().map(|command| command.on.as_str()) {
        None => String::new(),
        Some("host") => "`kora state reset --host` lifts the stop command, then ".to_owned(),
        Some(_) => format!("`kora state reset --tenant {tenant}` lifts the stop command, then "),
    };
    let is_blocked = state
        .valid_next_states
        .iter()
        .any(|next| !next.blocked_by.is_empty());
    let reset = match reset.as_str() {
        "" if is_blocked => "once nothing blocks it, ".to_owned(),
        _ => reset,
    };
    match state.primary_state.as_str() {
        "paused" => format!("\n{reset}`kora state resume --tenant {tenant}` lets it take work again\n"),
        _ => String::new(),
    }
}

fn in_force(state: &State) -> Option<String> {
    let command = state.command_in_force.as_ref()?;
    let which = command.command_id.as_deref().unwrap_or("cannot be read");
    Some(format!(
        "L{} {} on {}: {which}",
        command.level, command.kind, command.on
    ))
}

/// What a pause or resume changed.
pub(in crate::cli) fn changed(changed: &StateChanged) -> String {
    let waits = if changed.pending {
        "; the store is away, its events wait"
    } else {
        ""
    };
    format!(
        "{}: {} → {} ({}){waits}\n",
        one_line(&changed.tenant),
        one_line(&changed.from_state),
        one_line(&changed.to_state),
        one_line(&changed.trigger)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::api::{CommandInForce, Gate, NextState, Transition};

    #[test]
    fn the_state_is_shown_with_its_past_and_future() {
        let paused = State {
            tenant: "acme".to_owned(),
            primary_state: "paused".to_owned(),
            claim_permission: "none".to_owned(),
            degradation_reasons: vec!["operator".to_owned()],
            is_degraded: true,
            state_entered_at: Some("2026-11-20T10:00:00Z".to_owned()),
            transition_history: vec![Transition {
                timestamp: "2026-11-20T10:00:00Z".to_owned(),
                from_state: "ready".to_owned(),
                to_state: "paused".to_owned(),
                trigger: "lunch".to_owned(),
                trigger_kind: "operator".to_owned(),
            }],
            valid_next_states: vec![NextState {
                to_state: "ready".to_owned(),
                trigger: "operator clears".to_owned(),
                blocked_by: vec!["L2 drain on the host".to_owned()],
            }],
            command_in_force: Some(CommandInForce {
                command_id: Some("id-1".to_owned()),
                on: "host".to_owned(),
                level: 2,
                kind: "drain".to_owned(),
                action: "drain_current_finish".to_owned(),
            }),
            failed_gate: None,
        };
        let held = State {
            command_in_force: None,
            ..paused.clone()
        };
        assert!(
            state(&held).ends_with(
                "\nonce nothing blocks it, `kora state resume --tenant acme` lets it take work again\n"
            ),
            "{}",
            state(&held)
        );
        insta::assert_snapshot!(state(&paused), @r"
        tenant        acme
        state         paused
        since         2026-11-20T10:00:00Z
        may claim     none
        degraded by   operator
        stop command  L2 drain on host: id-1

        AT                    FROM   TO      KIND      TRIGGER
        2026-11-20T10:00:00Z  ready  paused  operator  lunch

        MAY BECOME  BY               BLOCKED BY
        ready       operator clears  L2 drain on the host

        `kora state reset --host` lifts the stop command, then `kora state resume --tenant acme` lets it take work again
        ");
    }

    #[test]
    fn a_tenant_that_did_not_start_says_why() {
        let stopped = State {
            tenant: "acme".to_owned(),
            primary_state: "stopped".to_owned(),
            claim_permission: "none".to_owned(),
            degradation_reasons: vec![],
            is_degraded: false,
            state_entered_at: None,
            transition_history: vec![],
            valid_next_states: vec![],
            command_in_force: None,
            failed_gate: Some(Gate {
                gate_id: "tenant_identity".to_owned(),
                gate_class: "invariant".to_owned(),
                outcome: "fail".to_owned(),
                attempts: 1,
                elapsed_ms: 1,
                detail: "tenant `acme` has no identity".to_owned(),
            }),
        };
        let shown = state(&stopped);
        assert!(
            shown.contains("\nacme did not start: `tenant_identity`, tenant `acme` has no identity\n"),
            "{shown}"
        );
    }

    #[test]
    fn a_change_is_one_line() {
        let mut change = StateChanged {
            tenant: "acme".to_owned(),
            from_state: "ready".to_owned(),
            to_state: "paused".to_owned(),
            trigger: "operator".to_owned(),
            pending: false,
        };
        assert_eq!(changed(&change), "acme: ready → paused (operator)\n");
        change.pending = true;
        assert!(changed(&change).contains("its events wait"));
    }
}
