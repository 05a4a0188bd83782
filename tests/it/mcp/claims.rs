//! Tickets, events and identities: what the host sets whatever a caller says, and which events may be appended.

use serde_json::{Value, json};

use super::{Client, GATED, home};
use crate::harness::{add_caller, add_caller_with, payload};

#[test]
fn a_ticket_is_of_the_host_s_kind_and_of_its_caller_whatever_he_says() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "maker", &["kora__create_sea_ticket"]);
    let made = client.output(
        "kora__create_sea_ticket",
        json!({ "title": " a ticket ", "priority": "frontier", "body": "do it",
            "kind": "admin", "origin_actor_kind": "operator", "origin_actor_id": "root", "ticket_id": super::ACTOR }),
    );
    assert_eq!(made["success"], true);
    assert_eq!(made["caller_actor_kind"], "maker_kind");
    let raw = &made["raw_response"];
    assert_eq!(
        (&raw["kind"], &raw["origin_actor_kind"]),
        (&json!("sea"), &json!("caller")),
        "{made}"
    );
    assert_eq!(
        (&raw["ticket_id"], &raw["sea_priority"]),
        (&made["ticket_id"], &json!("frontier"))
    );
    // As it is kept: with what it is about.
    assert_eq!(
        (&raw["title"], &raw["body"]),
        (&json!("a ticket"), &json!("do it"))
    );
    assert_ne!(made["ticket_id"], super::ACTOR);
    let last = super::last_audited(&home, "acme", "ok")["details"].clone();
    assert_eq!(
        (&last["args_keys"], &last["unknown_args"]),
        (&json!(["body", "priority", "title"]), &json!(4)),
        "{last}"
    );
    for blank in ["", "  "] {
        assert_eq!(
            client
                .error("kora__create_sea_ticket", json!({ "title": blank }))
                .code(),
            -32602
        );
    }
}

#[test]
fn a_claim_is_taken_kept_and_given_back_under_its_fence() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "worker", &GATED);
    assert_eq!(
        client.output("kora__claim_sea_ticket", json!({}))["result"],
        json!(null)
    );
    let made = client.output(
        "kora__create_sea_ticket",
        json!({ "title": "a ticket", "body": "do it" }),
    );
    let claimed = client.output(
        "kora__claim_sea_ticket",
        json!({ "ticket_id": made["ticket_id"] }),
    );
    assert_eq!(
        (&claimed["result"], &claimed["claim_count"]),
        (&json!("claimed"), &json!(1)),
        "{claimed}"
    );
    let again = client.output(
        "kora__claim_sea_ticket",
        json!({ "ticket_id": made["ticket_id"] }),
    );
    assert_eq!(again["result"], "already_claimed");
    let held = |fence: u64| json!({ "ticket_id": made["ticket_id"], "claim_fence_token": fence });
    let fence = claimed["claim_fence_token"].as_u64().unwrap();
    let mut refresh = held(fence);
    refresh["extend_by_seconds"] = json!(120);
    // Without progress a claim does not last longer.
    assert_eq!(client.error("kora__refresh_claim", refresh).code(), -32602);
    assert_eq!(
        client.output("kora__list_active_sea_tickets", json!({}))["tickets"][0]["sea_status"],
        "claimed"
    );
    let mut refresh = held(fence + 1);
    refresh["progress"] = json!("tool_call_boundary");
    assert_eq!(client.error("kora__refresh_claim", refresh).code(), -32602);
    let mut refresh = held(fence);
    refresh["progress"] = json!("tool_call_boundary");
    let refreshed = client.output("kora__refresh_claim", refresh);
    // The first sign of progress begins the work, and the lease is as long as a fresh one.
    let expected = json!({
        "success": true, "ticket_id": made["ticket_id"], "sea_status": "in_progress",
        "lease_expires_at": refreshed["lease_expires_at"], "claim_count": 1,
    });
    assert_eq!(refreshed, expected);
    let ends = |answer: &Value| answer["lease_expires_at"].as_str().unwrap().to_owned();
    assert!(ends(&refreshed) > ends(&claimed), "{refreshed} {claimed}");
    let told = host.payloads("acme", "sea_ticket.claim_refreshed");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (
            &told[0]["progress"],
            &told[0]["claim_fence_token"],
            &told[0]["lease_expires_at"]
        ),
        (
            &json!("tool_call_boundary"),
            &json!(fence),
            &refreshed["lease_expires_at"]
        ),
        "{told:?}"
    );
    // A shorter one does not shorten it.
    let mut shorter = held(fence);
    shorter["progress"] = json!("streaming_token_advanced");
    shorter["extend_by_seconds"] = json!(1);
    assert_eq!(
        ends(&client.output("kora__refresh_claim", shorter)),
        ends(&refreshed)
    );
    let fault = client.error("kora__release_claim", held(fence + 1));
    assert_eq!(fault.code(), -32602, "{fault:?}");
    let released = client.output("kora__release_claim", held(fence));
    assert_eq!(
        (&released["success"], &released["sea_status"]),
        (&json!(true), &json!("open")),
        "{released}"
    );
    assert_eq!(client.error("kora__release_claim", held(fence)).code(), -32602);
}

#[test]
fn a_caller_appends_what_the_operator_declared_and_of_the_host_s_own_types_at_most_those_of_sessions() {
    let home = home();
    let host = home.start();
    let types = [
        "kora.session.ended",
        "kora.operational_state.transitioned",
        "kora_control.issued",
        "kora.identity.swapped",
        "plugin.loaded",
        "marvin.sighed",
    ];
    let more = format!("allowed_events = {types:?}");
    let capabilities = ["kora__append_event"];
    let token = add_caller_with(
        &home,
        "teller",
        &capabilities,
        &["acme"],
        Some(super::ACTOR),
        &more,
    );
    let teller = Client::with_token(&host, token);
    let plain = Client::with_token(&host, add_caller(&home, "plain", &capabilities, &["acme"], None));
    let event = |event_type: &str| json!({ "event_type": event_type, "payload": { "actor_id": "root", "actor_kind": "operator" } });

    for (client, event_type) in [
        (&teller, "deploy.finished"),
        (&plain, "deploy.finished"),
        (&teller, "kora.session.ended"),
    ] {
        let appended = client.output("kora__append_event", event(event_type));
        let found = host
            .events("acme")
            .into_iter()
            .find(|event| event["event_id"] == appended["event_id"])
            .unwrap();
        assert_eq!(found["event_type"], event_type);
        // Who did it is the host's word, not the payload's.
        let actor = if std::ptr::eq(client, &teller) {
            super::ACTOR
        } else {
            "plain"
        };
        assert_eq!(
            (&found["actor_kind"], &found["actor_id"]),
            (&json!("caller"), &json!(actor)),
            "{found}"
        );
        assert_eq!(
            (&appended["seq"], &appended["pending"]),
            (&found["seq"], &json!(false))
        );
    }
    assert_eq!(
        plain
            .error("kora__append_event", event("kora.session.ended"))
            .code(),
        -32602
    );
    let denied = super::last_audited(&home, "acme", "capability_denied");
    assert_eq!(
        [&denied["details"]["code"], &denied["details"]["tool_status"]],
        ["events.not_allowed", "not_allowed"],
        "{denied}"
    );
    let before = host.events("acme").len();
    for event_type in &types[1..] {
        let fault = teller.error("kora__append_event", event(event_type));
        assert_eq!(fault.code(), -32602, "{event_type}: {fault:?}");
    }
    for event_type in ["", "no dots", "deploy.started", "deploy.finished.twice"] {
        assert_eq!(
            teller.error("kora__append_event", event(event_type)).code(),
            -32602,
            "{event_type:?}"
        );
    }
    assert_eq!(host.events("acme").len(), before);
}

#[test]
fn a_type_of_a_plugin_for_others_is_told_as_one_that_there_is_not() {
    let home = home();
    let config = std::fs::read_to_string(home.path().join("kora.toml")).unwrap();
    home.configure(&config.replace("[tenants.globex]\n", "[tenants.globex]\nplugins = [\"kora\"]\n"));
    home.install(&["kora"]);
    let host = home.start();
    host.wait_for_plugin("kora", "running");
    let told = |tenant: &str, name: &str, event_type: &str| {
        let token = add_caller(&home, name, &["kora__append_event"], &[tenant], None);
        let event = json!({ "event_type": event_type, "payload": {} });
        let fault = Client::with_token(&host, token).error("kora__append_event", event);
        fault.message().replace(event_type, "TYPE")
    };
    let of_none = told("acme", "a", "kora.cost.nothing");
    assert_eq!(told("acme", "b", "kora.cost.recorded"), of_none);
    let of_its_own = told("globex", "c", "kora.cost.recorded");
    assert!(of_its_own.contains("belongs to"), "{of_its_own}");
}

#[test]
fn identities_are_swapped_and_rolled_back_for_those_who_may() {
    let home = home();
    home.install(&["marvin"]);
    let host = home.start();
    host.wait_for_plugin("marvin", "running");
    let client = Client::new(
        &home,
        &host,
        "swapper",
        &["kora__swap_identity", "kora__rollback_identity"],
    );
    let before = client.output("kora__get_identity", json!({}));
    let swapped = client.output(
        "kora__swap_identity",
        json!({ "provider": "marvin/marvin", "reason": "for a change" }),
    );
    assert_eq!(
        (&swapped["agent_name"], &swapped["success"]),
        (&json!("Marvin"), &json!(true)),
        "{swapped}"
    );
    assert_eq!(swapped["caller_actor_kind"], "swapper_kind");
    let fault = client.error("kora__swap_identity", json!({ "provider": "nobody/nobody" }));
    assert_eq!(fault.code(), -32602, "{fault:?}");
    let stale = json!({ "provider": "marvin/marvin", "expect_generation": before["generation"] });
    assert_eq!(client.error("kora__swap_identity", stale).code(), -32602);
    let back = client.output("kora__rollback_identity", json!({}));
    assert_eq!(back["to_hash"], before["snapshot_hash"], "{back}");

    // Of several, the one that is named: that which speaks now and those that there are not are none to go back to.
    let to = |generation: u64| json!({ "generation": generation, "reason": "as it was" });
    let named = client.output("kora__rollback_identity", to(2));
    let expected = json!({
        "success": true, "generation": 4, "from": before["provider"], "to": "marvin/marvin",
        "from_hash": before["snapshot_hash"], "to_hash": swapped["to_hash"], "agent_name": "Marvin",
        "event_id": named["event_id"], "caller_actor_kind": "swapper_kind",
    });
    assert_eq!(named, expected);
    let speaks = client.output("kora__get_identity", json!({}));
    assert_eq!(
        (&speaks["generation"], &speaks["snapshot_hash"]),
        (&json!(4), &swapped["to_hash"]),
        "{speaks}"
    );
    let told = host
        .events("acme")
        .into_iter()
        .find(|event| event["event_id"] == named["event_id"])
        .unwrap();
    assert_eq!(told["event_type"], "kora.identity.rolled_back", "{told}");
    let told = payload(&told);
    assert_eq!(
        (&told["from_generation"], &told["to_generation"]),
        (&json!(3), &json!(2)),
        "{told}"
    );
    for generation in [0, 4, 99] {
        let fault = client.error("kora__rollback_identity", to(generation));
        assert_eq!(
            (fault.code(), &fault.data()["code"]),
            (-32602, &json!("identity.generation_unknown")),
            "{generation}: {fault:?}"
        );
    }
    assert_eq!(client.output("kora__get_identity", json!({})), speaks);
}
