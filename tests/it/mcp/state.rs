//! The tools that move a tenant's state: who may, which arrows, what holds a pause, and two at once.

use serde_json::{Value, json};

use super::{Client, fields, home, session, state_of};
use crate::harness::RunningHost;

const TRANSITION: &str = "kora__request_state_transition";
const PAUSE: &str = "kora__request_pause";
const RESUME: &str = "kora__request_resume";

/// A tenant is active while a ticket is claimed.
fn make_active(host: &RunningHost<'_>) {
    host.json(&["tickets", "create", "a ticket", "--tenant", "acme"]);
    host.json(&["tickets", "claim", "--tenant", "acme"]);
    assert_eq!(state_of(host, "acme"), "active");
}

#[test]
fn a_tenant_is_paused_from_active_alone_and_resumed_to_ready() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "steerer", &[PAUSE, RESUME]);
    let fault = client.error(PAUSE, json!({ "reason": "too early" }));
    assert_eq!(fault.code(), -32602, "{fault:?}");
    assert_eq!(fault.data()["current_state"], "ready", "{fault:?}");
    assert!(fault.data()["legal_next_states"].is_array(), "{fault:?}");
    super::last_audited(&home, "acme", "wrong_state");

    make_active(&host);
    for blank in ["", " ", "\n\t"] {
        assert_eq!(
            client.error(PAUSE, json!({ "reason": blank })).code(),
            -32602,
            "{blank:?}"
        );
    }
    let paused = client.output(PAUSE, json!({ "reason": "  lunch  " }));
    let expected = json!({
        "success": true, "from_state": "active", "to_state": "paused", "trigger": "lunch", "caller_actor_kind": "steerer_kind",
    });
    assert_eq!(paused, expected);
    assert_eq!(
        client.error(PAUSE, json!({ "reason": "again" })).data()["current_state"],
        "paused"
    );

    let resumed = client.output(RESUME, json!({ "reason": "back" }));
    assert_eq!(
        (&resumed["from_state"], &resumed["to_state"]),
        (&json!("paused"), &json!("ready"))
    );
    assert_eq!(fields(&resumed), fields(&expected));
    assert_eq!(client.error(RESUME, json!({ "reason": "again" })).code(), -32602);
    // The chain says why and who; the audit and the log say neither the reason nor any other text of the caller's.
    let told = host.payloads("acme", "kora.operational_state.transitioned");
    assert!(
        told.iter().any(|payload| payload["trigger"] == "lunch"),
        "{told:?}"
    );
    let events = host.events("acme");
    let by_caller = events
        .iter()
        .find(|event| event["payload"].as_str().unwrap().contains("lunch"))
        .unwrap();
    assert_eq!(
        (&by_caller["actor_kind"], &by_caller["actor_id"]),
        (&json!("caller"), &json!(super::ACTOR))
    );
    assert_eq!(host.stop(), 0);
    let audited: Vec<Value> = super::audit(&home, "acme");
    assert!(audited.len() > 2, "{audited:?}");
    assert!(!json!(audited).to_string().contains("lunch"), "{audited:?}");
}

#[test]
fn the_right_to_every_transition_is_neither_that_to_pause_nor_that_to_resume() {
    let home = home();
    let host = home.start();
    let mover = Client::new(&home, &host, "mover", &[TRANSITION]);
    let steerer = Client::new(&home, &host, "steerer", &[PAUSE, RESUME]);
    for tool in [PAUSE, RESUME] {
        let fault = mover.error(tool, json!({ "reason": "r" }));
        assert_eq!(
            (fault.code(), fault.message()),
            (-32001, "capability_denied"),
            "{tool}"
        );
    }
    let fault = steerer.error(TRANSITION, json!({ "target_state": "paused", "reason": "r" }));
    assert_eq!((fault.code(), fault.message()), (-32001, "capability_denied"));

    let moved = mover.output(
        TRANSITION,
        json!({ "target_state": "PaUsEd", "reason": "by hand" }),
    );
    let expected = json!({
        "success": true, "from_state": "ready", "to_state": "paused", "trigger": "by hand", "caller_actor_kind": "mover_kind",
    });
    assert_eq!(moved, expected);
    // Lifting the pause is not an arrow like others: the tool that looks at why it holds does it, and nobody else.
    let fault = mover.error(
        TRANSITION,
        json!({ "target_state": "ready", "reason": "by hand" }),
    );
    assert_eq!(fault.code(), -32602, "{fault:?}");
    assert_eq!(fault.data()["current_state"], "paused", "{fault:?}");
    // So `ready` is not named among what may follow, and the way there is.
    assert_eq!(fault.data()["legal_next_states"], json!(["stopped"]), "{fault:?}");
    let hints = fault.data()["hints"].to_string();
    assert!(hints.contains("kora__request_resume"), "{fault:?}");
    // What the table does not have is refused in the same words.
    let fault = mover.error(
        TRANSITION,
        json!({ "target_state": "booting", "reason": "by hand" }),
    );
    assert_eq!(fault.code(), -32602, "{fault:?}");
    assert!(fault.data()["legal_next_states"].is_array(), "{fault:?}");
    assert_eq!(
        mover
            .error(TRANSITION, json!({ "target_state": "draining", "reason": "r" }))
            .code(),
        -32602
    );
    assert_eq!(state_of(&host, "acme"), "paused");
}

#[test]
fn a_resume_is_told_what_holds_the_pause() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "steerer", &[RESUME, "kora__request_stop"]);
    let stop = json!({ "reason": "r", "level": 1, "confirm_token": session(&host) });
    let stopped = client.output("kora__request_stop", stop);
    let fault = client.error(RESUME, json!({ "reason": "go on" }));
    assert_eq!(
        (fault.code(), &fault.data()["code"]),
        (-32602, &json!("state.blocked")),
        "{fault:?}"
    );
    let blocked_by = &fault.data()["blocked_by"][0];
    assert_eq!(blocked_by["what"], "pause", "{fault:?}");
    let id = stopped["kora_control_id"].as_str().unwrap();
    assert!(blocked_by["detail"].as_str().unwrap().contains(id), "{fault:?}");
    assert_eq!(state_of(&host, "acme"), "paused");

    host.json(&["state", "reset", "--tenant", "acme"]);
    assert_eq!(
        client.output(RESUME, json!({ "reason": "go on" }))["to_state"],
        "ready"
    );
}

#[test]
fn of_many_that_pause_at_once_one_does() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "steerer", &[PAUSE]);
    make_active(&host);
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| client.call(PAUSE, json!({ "reason": "r" }))))
            .collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.get("error").is_none());
    assert_eq!((done.len(), refused.len()), (1, 7), "{answers:?}");
    for answer in refused {
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    let paused = host.payloads("acme", "kora.operational_state.transitioned");
    let times = paused
        .iter()
        .filter(|payload| payload["to_primary_state"] == "paused")
        .count();
    assert_eq!(times, 1);
}
