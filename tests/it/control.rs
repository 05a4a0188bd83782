//! Stop commands, from the command line to the chain: what they hold, what lifts them, and what a crash does to them.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{RunningHost, TestHome};

const PROMPT: &str = "acme.md";

/// A home in which a prompt speaks for `acme` and `globex`.
fn home() -> TestHome {
    let tenant = |id| format!("[tenants.{id}]\nfallback_prompt = \"{PROMPT}\"\n");
    let home = TestHome::with_config(&[tenant("acme"), tenant("globex")].concat());
    fs::write(home.path().join(PROMPT), "You are patient.").unwrap();
    home
}

fn state(host: &RunningHost<'_>, tenant: &str) -> Value {
    host.json(&["state", "show", "--tenant", tenant])["primary_state"].clone()
}

fn session(host: &RunningHost<'_>) -> String {
    let status = host.json(&["status"]);
    status["daemon_session_id"].as_str().unwrap().to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What the chain tells of commands.
fn told(host: &RunningHost<'_>, chain: &str) -> Vec<String> {
    let events = host.events(chain).into_iter();
    events
        .filter_map(|event| {
            let told = event["event_type"].as_str()?.strip_prefix("kora_control.")?;
            Some(told.to_owned())
        })
        .collect()
}

#[test]
fn a_stop_holds_until_it_is_reset_and_the_refusal_names_it() {
    let home = home();
    let host = home.start();
    let foreseen = host.json(&["state", "stop", "--level", "2", "--tenant", "acme", "--dry-run"]);
    assert_eq!(
        (&foreseen["command_id"], &foreseen["predicted_state_changes"]),
        (
            &Value::Null,
            &json!([{"tenant": "acme", "from_state": "ready", "to_state": "paused"}])
        )
    );
    assert_eq!(state(&host, "acme"), "ready");

    let stopped = host.json(&[
        "state", "stop", "--level", "2", "--tenant", "acme", "--reason", "smoke",
    ]);
    assert_eq!(
        (
            &stopped["kind"],
            &stopped["lifecycle_state"],
            &stopped["sequence"]
        ),
        (&json!("drain"), &json!("enforced"), &json!(1))
    );
    let id = stopped["command_id"].as_str().unwrap();
    let shown = host.json(&["state", "show", "--tenant", "acme"]);
    assert_eq!(
        (&shown["primary_state"], &shown["command_in_force"]["command_id"]),
        (&json!("paused"), &json!(id))
    );
    assert_eq!(state(&host, "globex"), "ready");
    let blocked = |shown: &Value| -> Vec<_> {
        let next = shown["valid_next_states"].as_array().unwrap().iter();
        next.map(|next| {
            (
                text(&next["to_state"]),
                next["blocked_by"].to_string().contains(id),
            )
        })
        .collect()
    };
    let (ready, stopped_state) = ("ready".to_owned(), "stopped".to_owned());
    assert_eq!(
        blocked(&shown),
        [(ready.clone(), true), (stopped_state.clone(), false)],
        "{shown}"
    );

    let refused = host.problem(&["state", "resume", "--tenant", "acme"]);
    assert_eq!(refused["code"], "state.blocked", "{refused}");
    let blocked_by = &refused["data"]["blocked_by"];
    assert_eq!(blocked_by[0]["what"], "drain", "{refused}");
    assert!(
        blocked_by[0]["detail"].as_str().unwrap().contains(id),
        "{refused}"
    );

    let reset = host.json(&["state", "reset", "--tenant", "acme"]);
    assert_eq!(reset["superseded_command_ids"], json!([id]));
    let shown = host.json(&["state", "show", "--tenant", "acme"]);
    assert_eq!(
        blocked(&shown),
        [(ready, false), (stopped_state, false)],
        "{shown}"
    );
    host.json(&["state", "resume", "--tenant", "acme"]);
    let shown = host.json(&["state", "show", "--tenant", "acme"]);
    assert_eq!(
        (
            &shown["primary_state"],
            &shown["degradation_reasons"],
            &shown["command_in_force"]
        ),
        (&json!("ready"), &json!([]), &Value::Null)
    );
    assert_eq!(
        told(&host, "acme"),
        ["issued", "acknowledged", "enforced", "superseded", "enforced"]
    );
    let listed = host.json(&["state", "commands", "--tenant", "acme"]);
    assert_eq!(listed["active"], json!([]));
    assert_eq!(listed["history"][1]["lifecycle_state"], "superseded");
    assert_eq!(home.kora(&["events", "verify"]).code, 0);
    assert!(
        !host.log().contains("smoke"),
        "a reason is for the chain, not for the log"
    );
}

#[test]
fn commands_in_force_survive_a_kill_and_a_restart() {
    let home = home();
    let host = home.start();
    host.json(&["state", "stop", "--level", "1", "--tenant", "acme"]);
    let session = session(&host);
    let kill = [
        "state",
        "stop",
        "--level",
        "4",
        "--tenant",
        "globex",
        "--confirm",
        &session,
    ];
    host.json(&kill);
    assert_eq!(state(&host, "globex"), "stopped");
    host.kill();

    let host = home.start();
    assert_eq!(
        (state(&host, "acme"), state(&host, "globex")),
        (json!("paused"), json!("stopped"))
    );
    let refused = host.problem(&["state", "resume", "--tenant", "acme"]);
    assert_eq!(refused["data"]["blocked_by"][0]["what"], "pause", "{refused}");
    for tenant in ["acme", "globex"] {
        host.json(&["state", "reset", "--tenant", tenant]);
    }
    assert_eq!(state(&host, "globex"), "stopped", "only a boot ends that");
    assert_eq!(host.stop(), 0);
    let host = home.start();
    assert_eq!(
        (state(&host, "acme"), state(&host, "globex")),
        (json!("paused"), json!("ready"))
    );
    host.json(&["state", "resume", "--tenant", "acme"]);
    assert_eq!(state(&host, "acme"), "ready");
}

#[test]
fn l4_on_the_host_has_to_be_confirmed_and_ends_it_in_order() {
    let home = home();
    let host = home.start();
    let stop = ["state", "stop", "--level", "4", "--host"];
    let unconfirmed = host.problem(&stop);
    assert_eq!(
        unconfirmed["code"], "control.confirmation_missing",
        "{unconfirmed}"
    );
    let wrong = host.problem(&[&stop[..], &["--confirm", "yes"]].concat());
    assert_eq!(wrong["code"], "control.confirmation", "{wrong}");
    let session = session(&host);
    let stopped = host.json(&[&stop[..], &["--confirm", &session]].concat());
    assert_eq!(stopped["ends_host"], true);
    assert_eq!(host.exit_code(), 0);

    let host = home.start();
    assert_eq!(told(&host, "host"), ["issued", "acknowledged", "enforced"]);
    assert_eq!(state(&host, "acme"), "ready");
    let stale = host.problem(&[&stop[..], &["--confirm", &session]].concat());
    assert_eq!(
        stale["code"], "control.confirmation",
        "each run has a session of its own"
    );
    assert_eq!(host.stop(), 0);
}

#[test]
fn l2_on_the_host_pauses_every_tenant() {
    let home = home();
    let host = home.start();
    let session = session(&host);
    host.json(&["state", "stop", "--level", "2", "--host", "--confirm", &session]);
    for tenant in ["acme", "globex"] {
        assert_eq!(state(&host, tenant), "paused");
        let refused = host.problem(&["state", "resume", "--tenant", tenant]);
        let detail = &refused["data"]["blocked_by"][0]["detail"];
        assert!(
            detail.as_str().unwrap().contains("kora state reset --host"),
            "{refused}"
        );
    }
    host.json(&["state", "reset", "--host"]);
    host.json(&["state", "resume", "--tenant", "acme"]);
}
