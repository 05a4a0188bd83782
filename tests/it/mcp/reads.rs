//! The tools that only look: their fields, and that what they answer is what their schemas say, by either way.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{Client, OPEN, fields, home, session};

/// The validators of what tools answer, by name, of those that say it.
pub(super) fn output_schemas(client: &Client) -> BTreeMap<String, Validator> {
    let listed = client
        .http
        .get("/mcp/tools/list")
        .bearer(&client.token)
        .send()
        .expect(200);
    let tools = listed["tools"].as_array().unwrap();
    tools
        .iter()
        // Plugins need not say what their tools answer.
        .filter(|tool| tool["outputSchema"].is_object())
        .map(|tool| {
            let name = tool["name"].as_str().unwrap().to_owned();
            (name, Validator::new(&tool["outputSchema"]).unwrap())
        })
        .collect()
}

#[test]
fn each_answers_its_fields_by_either_way_and_they_conform_to_its_schema() {
    let home = home();
    let host = home.start();
    let client = Client::new(
        &home,
        &host,
        "maker",
        &["kora__create_sea_ticket", "kora__claim_sea_ticket"],
    );
    client.output("kora__create_sea_ticket", json!({ "title": "a ticket" }));
    client.output("kora__claim_sea_ticket", json!({}));
    let schemas = output_schemas(&client);
    for (tool, expected) in [
        (
            "kora__daemon_status",
            "daemon_session_id listeners shutdown_reason state uptime_seconds",
        ),
        (
            "kora__get_operational_state",
            "claim_permission degradation_reasons holder_available primary_state recent_transitions state_entered_at",
        ),
        (
            "kora__get_health_rollup",
            "control_plane_status holder_available overall_status subsignals worker_status",
        ),
        (
            "kora__get_recent_ledger_entries",
            "entries limit_applied provider_unavailable status_filter",
        ),
        (
            "kora__get_recent_chain_events",
            "event_kind_filter events limit_applied provider_unavailable",
        ),
        (
            "kora__list_active_sea_tickets",
            "limit_applied provider_unavailable tickets",
        ),
        ("kora__list_plugins", "plugins"),
        ("kora__list_identities", "identities providers"),
        (
            "kora__get_identity",
            "agent_name agent_version drift generation plugin_digest plugin_version provider provider_missing snapshot snapshot_hash workspace_id",
        ),
    ] {
        let bare = client.output(tool, json!({}));
        assert_eq!(fields(&bare).join(" "), expected, "{tool}");
        let answer = client
            .current("tools/call", json!({ "name": tool, "arguments": {} }))
            .send()
            .expect(200);
        let result = &answer["result"];
        let content = &result["structuredContent"];
        assert!(schemas[tool].is_valid(content), "{tool}: {result}");
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(&text, content, "{tool}");
        assert!(schemas[tool].is_valid(&bare), "{tool}: {bare}");
        // A schema that takes anything says nothing.
        assert!(!schemas[tool].is_valid(&json!({})), "{tool}");
    }
    assert_eq!(OPEN.len(), 9, "one of them is not tested above");
}

#[test]
fn what_they_say_is_how_it_is() {
    let home = home();
    let host = home.start();
    let client = Client::new(
        &home,
        &host,
        "maker",
        &["kora__create_sea_ticket", "kora__claim_sea_ticket"],
    );
    let made = client.output(
        "kora__create_sea_ticket",
        json!({ "title": "a ticket", "priority": "high" }),
    );
    let claimed = client.output("kora__claim_sea_ticket", json!({}));
    let unclaimed = client.output("kora__create_sea_ticket", json!({ "title": "another" }));

    let status = client.output("kora__daemon_status", json!({}));
    assert_eq!(
        (&status["state"], &status["shutdown_reason"]),
        (&json!("running"), &Value::Null)
    );
    assert_eq!(status["daemon_session_id"], session(&host));

    let state = client.output("kora__get_operational_state", json!({}));
    assert_eq!(
        (&state["primary_state"], &state["claim_permission"]),
        (&json!("active"), &json!("normal"))
    );
    assert_eq!(state["holder_available"], true);
    let newest = &state["recent_transitions"][0];
    assert_eq!(fields(newest), ["from_state", "timestamp", "to_state", "trigger"]);
    let entered: Vec<_> = state["recent_transitions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|past| past["to_state"] == "active")
        .collect();
    assert_eq!(entered.len(), 1, "{state}");
    assert_eq!(state["state_entered_at"], entered[0]["timestamp"]);

    let rollup = client.output("kora__get_health_rollup", json!({}));
    let subsignals = rollup["subsignals"].as_array().unwrap();
    let names: Vec<_> = subsignals
        .iter()
        .map(|signal| signal["name"].as_str().unwrap())
        .collect();
    // Whom no daemon acts for has no heartbeat: of the eight it is the one that is left out.
    assert_eq!(names.len(), 7, "{rollup}");
    assert!(!names.contains(&"last_heartbeat"), "{names:?}");
    assert_eq!(
        fields(&subsignals[0]),
        ["detail", "last_update_at", "name", "status"]
    );

    let tickets = client.output("kora__list_active_sea_tickets", json!({}));
    assert_eq!(
        (&tickets["limit_applied"], &tickets["provider_unavailable"]),
        (&json!(50), &json!(false))
    );
    let tickets = tickets["tickets"].as_array().unwrap();
    assert_eq!(tickets.len(), 1, "{tickets:?} holds {unclaimed}");
    assert_eq!(
        fields(&tickets[0]),
        [
            "active_claim_token",
            "claim_count",
            "created_at",
            "next_eligible_at",
            "sea_priority",
            "sea_status",
            "ticket_id",
            "title",
            "work_attempt_count"
        ]
    );
    assert_eq!(tickets[0]["ticket_id"], made["ticket_id"]);
    assert_eq!(tickets[0]["active_claim_token"], claimed["claim_fence_token"]);

    let ledger = client.output(
        "kora__get_recent_ledger_entries",
        json!({ "status": "allocated", "limit": 3 }),
    );
    assert_eq!(
        (&ledger["limit_applied"], &ledger["status_filter"]),
        (&json!(3), &json!("allocated"))
    );
    let row = &ledger["entries"][0];
    assert_eq!(
        fields(row),
        [
            "created_at",
            "kora_operation_id",
            "sequence_within_attempt",
            "status",
            "ticket_id",
            "tool_name",
            "updated_at",
            "work_attempt_id"
        ]
    );
    assert_eq!(row["kora_operation_id"], claimed["kora_operation_id"]);
    let none = client.output(
        "kora__get_recent_ledger_entries",
        json!({ "status": "abandoned" }),
    );
    assert_eq!(none["entries"], json!([]));
}

#[test]
fn a_prefix_is_looked_for_in_the_whole_chain_and_not_in_its_newest_events() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "teller", &["kora__append_event"]);
    for number in 0..60 {
        let payload = json!({ "number": number });
        client.output(
            "kora__append_event",
            json!({ "event_type": "deploy.finished", "payload": payload }),
        );
    }
    let ask = |arguments: Value| client.output("kora__get_recent_chain_events", arguments);
    let found = ask(json!({ "event_kind": "kora.boot", "limit": 1 }));
    assert_eq!(found["event_kind_filter"], "kora.boot");
    let event = &found["events"][0];
    assert_eq!(
        fields(event),
        [
            "actor_kind",
            "emitted_at",
            "event_id",
            "event_type",
            "payload_summary"
        ]
    );
    assert_eq!(event["event_type"], "kora.boot.ready");
    assert!(!event["emitted_at"].as_str().unwrap().is_empty());
    // A prefix ends at a dot.
    assert_eq!(ask(json!({ "event_kind": "kora.bo" }))["events"], json!([]));
    let newest = ask(json!({ "event_kind": "deploy.finished" }));
    assert_eq!(
        (
            &newest["limit_applied"],
            newest["events"].as_array().unwrap().len()
        ),
        (&json!(50), 50)
    );
    assert!(
        newest["events"][0]["payload_summary"]
            .as_str()
            .unwrap()
            .contains("59"),
        "{newest}"
    );
    // Without one, what the host tells of itself.
    let own = ask(json!({}));
    assert_eq!(
        own["events"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["event_type"] == "deploy.finished")
            .count(),
        0
    );
}
