//! `kora__request_stop`: the order of its checks, its answers, and what the audit says of it.

use serde_json::{Value, json};

use super::{Client, home, session, state_of};
use crate::harness::add_caller;

const STOP: &str = "kora__request_stop";
const REASON: &str = "because of the flood in the cellar";

fn with(base: &Value, changes: &[(&str, Value)]) -> Value {
    let mut arguments = base.clone();
    for (key, value) in changes {
        arguments[key] = value.clone();
    }
    arguments
}

#[test]
fn the_first_check_that_fails_answers() {
    let home = home();
    let host = home.start();
    // Nobody answers for this caller: the last of the checks.
    let token = add_caller(&home, "faceless", &[STOP], &["acme"], None);
    let client = Client::with_token(&host, token);
    let wrong = json!({ "reason": " ", "level": 4, "confirm_token": "no session of anything" });
    let right = [
        ("reason", json!(REASON)),
        ("level", json!(1)),
        ("confirm_token", json!(session(&host))),
    ];
    let steps = [
        ("`reason`", "tool.input"),
        ("operator on the machine alone", "control.level"),
        ("`confirm_token`", "control.confirmation"),
    ];
    for (done, (message, code)) in steps.iter().enumerate() {
        let fault = client.error(STOP, with(&wrong, &right[..done]));
        assert_eq!(fault.code(), -32602, "{fault:?}");
        assert_eq!(&fault.data()["code"], code, "{fault:?}");
        assert!(fault.message().contains(message), "{fault:?}");
    }
    let fault = client.error(STOP, with(&wrong, &right));
    assert_eq!(
        (fault.code(), fault.message()),
        (-32001, "actor_id_required_for_stop")
    );
    assert_eq!(fault.data()["caller_actor_kind"], "faceless_kind");
    assert_eq!(fault.data()["tool"], STOP);
    assert!(fault.data()["remediation"].as_str().unwrap().contains("actor_id"));
    let last = super::last_audited(&home, "acme", "actor_id_required");
    assert_eq!(last["details"]["tool_status"], "not_allowed", "{last}");
    assert_eq!(last["details"]["actor_id_present"], false, "{last}");
    assert_eq!(state_of(&host, "acme"), "ready");

    // The tenant comes after all of them, and is missing or wrong only then.
    let token = add_caller(&home, "wandering", &[STOP], &["acme", "globex"], None);
    let wandering = Client::with_token(&host, token);
    for tenant in [None, Some("nobody")] {
        let mut base = wrong.clone();
        if let Some(tenant) = tenant {
            base["workspace_id"] = tenant.into();
        }
        for (done, (_, code)) in steps.iter().enumerate() {
            let fault = wandering.error(STOP, with(&base, &right[..done]));
            assert_eq!(&fault.data()["code"], code, "{fault:?}");
        }
        let fault = wandering.error(STOP, with(&base, &right));
        assert_eq!(fault.message(), "actor_id_required_for_stop");
    }
    let token = add_caller(
        &home,
        "somebody",
        &[STOP],
        &["acme", "globex"],
        Some(super::ACTOR),
    );
    let fault = Client::with_token(&host, token).error(STOP, with(&wrong, &right));
    assert_eq!(fault.data()["code"], "tenant.missing", "{fault:?}");

    for level in [json!(3), json!(5)] {
        let fault = client.error(STOP, with(&wrong, &[right[0].clone(), ("level", level)]));
        assert!(
            fault.message().contains("operator on the machine alone"),
            "{fault:?}"
        );
    }
    for level in [
        json!(0),
        json!(-1),
        json!(6),
        json!(u64::MAX),
        json!(1.5),
        json!("1"),
        json!(null),
    ] {
        let fault = client.error(STOP, with(&wrong, &[right[0].clone(), ("level", level.clone())]));
        assert_eq!(fault.code(), -32602, "{level}: {fault:?}");
    }
}

#[test]
fn a_dry_run_says_what_would_be_and_a_command_does_it() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "stopper", &[STOP]);
    let base = json!({ "reason": REASON, "level": 1, "confirm_token": session(&host), "dry_run": true });

    let foreseen = client.output(STOP, base.clone());
    let expected = json!({
        "success": true, "kora_control_id": "00000000-0000-0000-0000-000000000000", "sequence": -1,
        "lifecycle_state": "created", "superseded_command_ids": [], "level": 1, "kind": "pause",
        "requested_at": foreseen["requested_at"],
        "predicted_state_change": "active->paused (intake stops; in-flight work continues)",
        "dry_run": true, "caller_actor_kind": "stopper_kind",
    });
    assert_eq!(foreseen, expected);
    assert!(foreseen["requested_at"].as_str().unwrap().contains('T'));
    assert_eq!(state_of(&host, "acme"), "ready");
    let line = super::last_audited(&home, "acme", "dry_run_predicted:pause");
    assert_eq!(line["details"]["dry_run"], true);

    let paused = client.output(STOP, with(&base, &[("dry_run", json!(false))]));
    assert_eq!(
        (&paused["sequence"], &paused["dry_run"]),
        (&json!(1), &json!(false))
    );
    assert_ne!(paused["kora_control_id"], foreseen["kora_control_id"]);
    assert_eq!(state_of(&host, "acme"), "paused");
    super::last_audited(&home, "acme", "issued:pause@seq1");

    let drained = client.output(
        STOP,
        with(&base, &[("dry_run", json!(false)), ("level", json!(2))]),
    );
    assert_eq!(
        (&drained["kind"], &drained["level"], &drained["sequence"]),
        (&json!("drain"), &json!(2), &json!(2))
    );
    assert!(
        drained["predicted_state_change"]
            .as_str()
            .unwrap()
            .starts_with("active->paused"),
        "{drained}"
    );
    let line = super::last_audited(&home, "acme", "issued:drain@seq2")["details"].clone();
    assert_eq!(
        (&line["level"], &line["actor_id_present"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(
        line["args_keys"],
        json!(["confirm_token", "dry_run", "level", "reason"])
    );

    // The chain holds why and who; nothing else does.
    let issuer = host
        .events("acme")
        .into_iter()
        .find(|event| event["event_type"].as_str().unwrap().starts_with("kora_control."));
    assert_eq!(issuer.unwrap()["actor_id"], super::ACTOR);
    for tenant in ["acme", "host"] {
        assert!(
            !json!(super::audit(&home, tenant)).to_string().contains("cellar"),
            "{tenant}"
        );
    }
    assert!(!host.log().contains("cellar"));
}
