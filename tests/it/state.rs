//! The operational state of a tenant, from boot over pause and resume to the end, with every change in the chain.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{RunningHost, TestHome, eventually};

const PROMPT: &str = "acme.md";

/// A home in which a prompt speaks for `acme`: states need no plugin.
fn home() -> TestHome {
    let home = mute_home();
    fs::write(home.path().join(PROMPT), "You are patient.").unwrap();
    home
}

/// A home in which nobody speaks for `acme`.
fn mute_home() -> TestHome {
    TestHome::with_config(&format!("[tenants.acme]\nfallback_prompt = \"{PROMPT}\"\n"))
}

const TRANSITIONED: &str = "kora.operational_state.transitioned";

fn state(host: &RunningHost<'_>) -> Value {
    host.json(&["state", "show"])["primary_state"].clone()
}

fn state_events(host: &RunningHost<'_>) -> Vec<String> {
    let of_state = |event_type: &str| {
        event_type == TRANSITIONED
            || event_type.starts_with("kora.boot.")
            || event_type.starts_with("kora.paused.")
    };
    host.events("acme")
        .iter()
        .map(|event| event["event_type"].as_str().unwrap().to_owned())
        .filter(|event_type| of_state(event_type))
        .collect()
}

#[test]
fn a_clean_boot_appends_exactly_two_state_events_and_a_second_one_two_more() {
    let home = home();
    let host = home.start();
    assert_eq!(state_events(&host), [TRANSITIONED, "kora.boot.ready"]);
    let ready = host.payloads("acme", "kora.boot.ready").pop().unwrap();
    for (field, expected) in [
        ("from_primary_state", json!("booting")),
        ("to_primary_state", json!("ready")),
        ("claim_permission", json!("normal")),
        ("degradation_reasons", json!([])),
        ("trigger_kind", json!("boot_passed")),
    ] {
        assert_eq!(ready[field], expected, "{field}: {ready}");
    }
    let gates: Vec<_> = ready["gates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gate| gate["gate_id"].as_str().unwrap())
        .collect();
    assert_eq!(
        gates,
        [
            "home_modes",
            "store",
            "schema",
            "chain_tail",
            "epoch",
            "store_rights",
            "plugins_admitted",
            "callers",
            "secrets",
            "fatal_daemons_up",
            "chain_tail",
            "canonical_actor",
            "tenant_identity"
        ]
    );
    assert_eq!(host.stop(), 0);
    let host = home.start();
    assert_eq!(state_events(&host).len(), 4);
}

#[test]
fn a_tenant_is_paused_and_resumed_and_each_change_is_one_event() {
    let home = home();
    let host = home.start();
    let paused = host.json(&["state", "pause", "--reason", " lunch "]);
    assert_eq!(
        paused,
        json!({"tenant": "acme", "from_state": "ready", "to_state": "paused", "trigger": "lunch", "pending": false})
    );
    let shown = host.json(&["state", "show"]);
    assert_eq!(
        (&shown["primary_state"], &shown["degradation_reasons"]),
        (&json!("paused"), &json!(["operator"]))
    );
    host.json(&["state", "resume", "--reason", "back"]);
    let shown = host.json(&["state", "show"]);
    assert_eq!(
        (
            &shown["primary_state"],
            &shown["degradation_reasons"],
            &shown["claim_permission"]
        ),
        (&json!("ready"), &json!([]), &json!("normal"))
    );
    let told: Vec<_> = host
        .payloads("acme", TRANSITIONED)
        .into_iter()
        .skip(1)
        .map(|told| {
            (
                told["to_primary_state"].clone(),
                told["trigger"].clone(),
                told["trigger_kind"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (json!("paused"), json!("lunch"), json!("operator")),
            (json!("ready"), json!("back"), json!("operator"))
        ]
    );
    let event = host.events("acme").pop().unwrap();
    assert_eq!(event["actor_kind"], "operator");
}

#[test]
fn what_the_table_does_not_have_is_refused_with_what_may_follow() {
    let home = home();
    let host = home.start();
    let problem = host.problem(&["state", "resume"]);
    insta::assert_json_snapshot!(problem, @r#"
    {
      "code": "state.not_allowed",
      "data": {
        "current_state": "ready",
        "legal_next_states": [
          "active",
          "paused",
          "stopped"
        ]
      },
      "hints": [
        "`acme` is `ready`; it may go to: `active`, `paused`, `stopped`"
      ],
      "kind": "wrong_state",
      "message": "the state is `ready`, not `paused` as was expected: from `ready` one may go to `active`, `paused`, `stopped`"
    }
    "#);
    host.json(&["state", "pause"]);
    let again = host.problem(&["state", "pause"]);
    assert_eq!(again["kind"], "wrong_state", "{again}");
    assert_eq!(
        host.problem(&["state", "pause", "--reason", "  "])["code"],
        "state.reason"
    );
    assert_eq!(state_events(&host).len(), 3, "what is refused is no event");
}

#[test]
fn a_pause_survives_a_kill_and_a_restart_and_is_lifted_by_the_same_resume() {
    let home = home();
    let host = home.start();
    host.json(&["state", "pause", "--reason", "lunch"]);
    host.kill();
    let host = home.start();
    let shown = host.json(&["state", "show"]);
    assert_eq!(
        (&shown["primary_state"], &shown["degradation_reasons"]),
        (&json!("paused"), &json!(["operator"]))
    );
    assert_eq!(host.json(&["status"])["tenants"][0]["primary_state"], "paused");
    host.kill();
    let host = home.start();
    host.json(&["state", "resume"]);
    assert_eq!(state(&host), "ready");
    assert_eq!(host.stop(), 0);
    let host = home.start();
    assert_eq!(
        state(&host),
        "ready",
        "a pause that was lifted does not come back"
    );
}

#[test]
fn stopped_ends_with_the_process_and_nothing_changes_in_it() {
    let home = mute_home();
    let host = home.start();
    assert_eq!(state(&host), "stopped", "nobody speaks for it");
    for command in ["pause", "resume"] {
        let problem = host.problem(&["state", command]);
        assert_eq!(problem["kind"], "wrong_state", "{problem}");
    }
    assert_eq!(state_events(&host), [TRANSITIONED, "kora.boot.failed"]);
    assert_eq!(host.stop(), 0);
    fs::write(home.path().join(PROMPT), "You are patient.").unwrap();
    let host = home.start();
    assert_eq!(state(&host), "ready");
}

/// Only the kind of a trigger decides what is emitted, and a caller's text is never one.
#[test]
fn a_callers_reason_fakes_no_special_event() {
    let home = home();
    let host = home.start();
    for reason in [
        "cost 100% of the month",
        "boot gate invariant failed",
        "all boot gates pass",
        "dr epoch",
    ] {
        host.json(&["state", "pause", "--reason", reason]);
        host.json(&["state", "resume", "--reason", "monthly credit refresh confirmed"]);
    }
    assert_eq!(
        state_events(&host)
            .into_iter()
            .filter(|event_type| event_type != TRANSITIONED)
            .collect::<Vec<_>>(),
        ["kora.boot.ready"]
    );
    let kinds = host.payloads("acme", TRANSITIONED);
    assert!(
        kinds
            .iter()
            .skip(1)
            .all(|told| told["trigger_kind"] == "operator"),
        "{kinds:?}"
    );
}

#[test]
fn the_history_that_is_shown_is_as_long_as_the_history_that_is_kept() {
    let home = home();
    let host = home.start();
    for _ in 0..12 {
        host.json(&["state", "pause"]);
        host.json(&["state", "resume"]);
    }
    let history = host.json(&["state", "show"])["transition_history"].clone();
    let history = history.as_array().unwrap();
    assert_eq!(history.len(), 20);
    assert!(
        history
            .iter()
            .all(|record| record["trigger_kind"] != "boot_passed"),
        "the oldest goes first"
    );
}

/// Neither a reload nor a tenant that goes and comes back wires a listener a second time.
#[test]
fn no_event_of_a_state_is_ever_doubled() {
    let home = home();
    let host = home.start();
    host.json(&["config", "reload"]);
    host.signal("HUP");
    host.json(&["tenants", "disable", "acme"]);
    host.json(&["tenants", "enable", "acme"]);
    host.json(&["tenants", "enable", "acme"]);
    assert_eq!(state(&host), "ready");
    let before = state_events(&host).len();
    host.json(&["state", "pause"]);
    assert_eq!(state_events(&host).len(), before + 1);
}

/// Holds the lock that every writer of the database needs.
fn lock(home: &TestHome) -> Connection {
    let connection = Connection::open(home.database()).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

/// The primary states that the chain tells of, without those in which only the reasons changed.
fn told_states(host: &RunningHost<'_>) -> Vec<String> {
    let told = host.payloads("acme", TRANSITIONED).into_iter();
    let mut states: Vec<_> = told
        .map(|told| told["to_primary_state"].as_str().unwrap().to_owned())
        .collect();
    states.dedup();
    states
}

fn reasons(host: &RunningHost<'_>) -> Value {
    host.json(&["state", "show"])["degradation_reasons"].clone()
}

#[test]
fn a_change_while_the_store_is_away_stands_and_its_event_is_appended_in_order_afterwards() {
    let home = home();
    let host = home.start();
    let locked = lock(&home);
    let paused = host.json(&["state", "pause", "--reason", "the store is away"]);
    assert_eq!(
        (&paused["to_state"], &paused["pending"]),
        (&json!("paused"), &json!(true))
    );
    assert_eq!(state(&host), "paused");
    let status = eventually("the status says so", || {
        let status = host.json(&["status"]);
        (status["store"] == "unavailable" && status["spooled_events"] != 0).then_some(status)
    });
    assert!(status["store_cause"].is_string(), "{status}");
    eventually("nothing is claimed", || {
        (reasons(&host) == json!(["operator", "substrate"])).then_some(())
    });
    host.wait_for_log(&["[kora.chain.emit.failed]", TRANSITIONED]);
    drop(locked);
    eventually("the store is back", || {
        let status = host.json(&["status"]);
        (status["store"] == "available" && status["spooled_events"] == 0).then_some(())
    });
    eventually("work may be claimed", || {
        (reasons(&host) == json!(["operator"])).then_some(())
    });
    host.json(&["state", "resume"]);
    assert_eq!(told_states(&host), ["ready", "paused", "ready"]);
    assert_eq!(home.kora(&["events", "verify"]).code, 0);
}

#[test]
fn a_change_while_the_store_is_away_survives_a_kill_and_leaves_nothing_that_cannot_be_lifted() {
    let home = home();
    let host = home.start();
    let locked = lock(&home);
    host.json(&["state", "pause", "--reason", "the store is away"]);
    eventually("nothing is claimed", || {
        (reasons(&host) == json!(["operator", "substrate"])).then_some(())
    });
    host.kill();
    drop(locked);
    let host = home.start();
    assert_eq!(state(&host), "paused");
    eventually("the store is back", || {
        (reasons(&host) == json!(["operator"])).then_some(())
    });
    host.json(&["state", "resume"]);
    assert_eq!(told_states(&host), ["ready", "paused", "ready"]);
    assert_eq!(home.kora(&["events", "verify"]).code, 0);
}
