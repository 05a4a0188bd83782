//! What the tools that only look say when they cannot: of a store that is away, and of a tenant that another host holds.

use std::fs;

use serde_json::{Value, json};

use super::{Client, audit, home, home_with_plugin, last_audited, reads::output_schemas};
use crate::{
    harness::{TestHome, eventually},
    postgres::server::Server,
};

/// The tools that read the store, what each is asked with, and where its list stands.
fn lists() -> [(&'static str, Value, &'static str); 3] {
    [
        (
            "kora__get_recent_ledger_entries",
            json!({ "limit": 7, "status": "allocated" }),
            "entries",
        ),
        (
            "kora__get_recent_chain_events",
            json!({ "limit": 7, "event_kind": "kora.boot" }),
            "events",
        ),
        ("kora__list_active_sea_tickets", json!({ "limit": 7 }), "tickets"),
    ]
}

/// The capabilities of somebody who makes and claims tickets, and calls the plugin's tool.
const CAPABILITIES: [&str; 3] = [
    "kora__create_sea_ticket",
    "kora__claim_sea_ticket",
    "test_simple_text",
];

fn store_at(url: &str) -> String {
    format!("[store]\nurl = \"{url}\"\n")
}

#[track_caller]
fn make_and_claim(client: &Client) {
    client.output("kora__create_sea_ticket", json!({ "title": "a ticket" }));
    client.output("kora__claim_sea_ticket", json!({}));
}

#[test]
fn a_list_whose_store_is_away_is_empty_and_says_so() {
    let server = Server::start();
    let home = home_with_plugin(&store_at(&server.database()));
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    let client = Client::new(&home, &host, "reader", &CAPABILITIES);
    make_and_claim(&client);
    let schemas = output_schemas(&client);
    let there: Vec<Value> = lists()
        .into_iter()
        .map(|(tool, arguments, key)| {
            let found = client.output(tool, arguments);
            assert_eq!(found["provider_unavailable"], false, "{tool}: {found}");
            assert_eq!(found[key].as_array().unwrap().len(), 1, "{tool}: {found}");
            found
        })
        .collect();

    server.stop();
    for ((tool, arguments, key), before) in lists().into_iter().zip(&there) {
        let found = client.output(tool, arguments);
        let mut expected = before.clone();
        expected[key] = json!([]);
        expected["provider_unavailable"] = json!(true);
        assert_eq!(found, expected, "{tool}");
        assert!(schemas[tool].is_valid(&found), "{tool}: {found}");
        let line = eventually(&format!("{tool} is audited"), || {
            let last = audit(&home, "acme").pop();
            last.filter(|line| line["details"]["tool_name"] == tool)
        });
        assert_eq!(line["details"]["result"], "ok", "{line}");
    }
    // What the host knows itself it tells as ever.
    let state = client.output("kora__get_operational_state", json!({}));
    assert_eq!(
        (&state["primary_state"], &state["holder_available"]),
        (&json!("active"), &json!(true)),
        "{state}"
    );
    // What cannot be read of stop commands counts as one of level 2.
    let held = client.error("test_simple_text", json!({}));
    assert_eq!(held.code(), -32001, "{held:?}");
    assert_eq!(
        (
            &held.data()["block_kind"],
            &held.data()["stop_kora_action"],
            &held.data()["command_id"]
        ),
        (&json!("stop_kora"), &json!("drain_current_finish"), &Value::Null),
        "{held:?}"
    );
    // What changes something is no list: that it could not be done is an error.
    let fault = client.error("kora__create_sea_ticket", json!({ "title": "another" }));
    assert_eq!(
        (fault.code(), fault.message()),
        (-32603, "tool error: store.unavailable")
    );

    server.start_again();
    for ((tool, arguments, _), before) in lists().into_iter().zip(there) {
        eventually(&format!("{tool} answers as before"), || {
            (client.output(tool, arguments.clone()) == before).then_some(())
        });
    }
    eventually("the plugin's tool is called again", || {
        client
            .call("test_simple_text", json!({}))
            .get("result")
            .map(|_| ())
    });
}

fn home_on(url: &str) -> TestHome {
    let home = home();
    let config = fs::read_to_string(home.path().join("kora.toml")).unwrap();
    home.configure(&format!("{config}{}", store_at(url)));
    home
}

#[test]
fn of_a_tenant_that_another_host_holds_the_state_is_unknown_and_what_is_stored_is_shown() {
    let url = Server::shared().database();
    let (home, other_home) = (home_on(&url), home_on(&url));
    let host = home.start();
    let holder = Client::new(&home, &host, "holder", &CAPABILITIES);
    assert_eq!(
        holder.output("kora__get_operational_state", json!({}))["holder_available"],
        true
    );
    make_and_claim(&holder);
    let other = other_home.start();
    let client = Client::new(&other_home, &other, "reader", &[]);

    let state = client.output("kora__get_operational_state", json!({}));
    let expected = json!({
        "primary_state": "unknown", "degradation_reasons": [], "claim_permission": "unknown",
        "state_entered_at": null, "recent_transitions": [], "holder_available": false,
    });
    assert_eq!(state, expected);
    let schemas = output_schemas(&client);
    assert!(schemas["kora__get_operational_state"].is_valid(&state));
    last_audited(&other_home, "acme", "ok");
    // Health is looked at where the tenant runs.
    let health = client.output("kora__get_health_rollup", json!({}));
    let expected = json!({
        "overall_status": "unknown", "control_plane_status": "unknown", "worker_status": "unknown",
        "subsignals": [], "holder_available": false,
    });
    assert_eq!(health, expected);
    assert!(schemas["kora__get_health_rollup"].is_valid(&health));
    // The store is there, and is everybody's.
    for (tool, arguments, key) in lists() {
        let found = client.output(tool, arguments.clone());
        assert_eq!(found["provider_unavailable"], false, "{tool}: {found}");
        assert_eq!(found[key].as_array().unwrap().len(), 1, "{tool}: {found}");
        assert_eq!(found, holder.output(tool, arguments), "{tool}");
    }
    assert_eq!(client.output("kora__get_identity", json!({}))["generation"], 1);

    assert_eq!(host.stop(), 0);
    eventually("the tenant has a state where it was taken up", || {
        let state = client.output("kora__get_operational_state", json!({}));
        (state["holder_available"] == true).then_some(())
    });
}
