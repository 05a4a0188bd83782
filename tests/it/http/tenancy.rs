//! Who sees what: a caller of some tenants learns nothing of the others.

use serde_json::json;

use super::{home, home_with};
use crate::harness::{HttpClient, add_caller};

/// Routes that are about one tenant.
const OF_TENANT: [&str; 8] = [
    "/api/operational-state",
    "/api/chain-events",
    "/api/boot-status",
    "/api/cost-state",
    "/api/health-rollup",
    "/api/kora-control/observed-state",
    "/api/sea-tickets",
    "/api/audit",
];
/// Routes that are about the host.
const OF_HOST: [&str; 4] = ["/api/status", "/api/plugins", "/api/identities", "/api/tenants"];

/// Tools that anybody may call who has a token.
const READING: [&str; 9] = [
    "kora__daemon_status",
    "kora__get_operational_state",
    "kora__get_health_rollup",
    "kora__get_recent_ledger_entries",
    "kora__get_recent_chain_events",
    "kora__list_active_sea_tickets",
    "kora__list_plugins",
    "kora__list_identities",
    "kora__get_identity",
];

#[test]
fn another_tenant_and_none_at_all_are_answered_alike() {
    let home = home();
    let own = add_caller(&home, "own", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    for route in OF_TENANT.into_iter().chain(["/api/events/stream"]) {
        let ask = |tenant: &str| {
            let answer = http.get(&format!("{route}?tenant={tenant}")).bearer(&own).send();
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            answer.expect(404)
        };
        let foreign = ask("globex");
        assert_eq!(foreign["code"], "tenant.unknown", "{route}");
        for other in ["initech", "host", "..", ""] {
            assert_eq!(ask(other), foreign, "{route}?tenant={other}");
        }
        assert!(!foreign.to_string().contains("globex"), "{foreign}");
    }
}

#[test]
fn nothing_that_is_answered_names_a_tenant_of_others() {
    let home = home();
    let own = add_caller(&home, "own", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    for route in OF_TENANT.into_iter().chain(OF_HOST) {
        let answer = http.get(route).bearer(&own).send();
        assert_eq!(answer.status, 200, "{route}: {answer:?}");
        assert!(!answer.body.contains("globex"), "{route}: {}", answer.body);
    }
    let status = http.get("/api/status").bearer(&own).send().json();
    assert_eq!(status["tenants"][0]["tenant"], "acme");
    assert!(status["host"].is_null(), "{status}");
    let tenants = http.get("/api/tenants").bearer(&own).send().json();
    assert_eq!(tenants["tenants"].as_array().unwrap().len(), 1);
    let identities = http.get("/api/identities").bearer(&own).send().json();
    assert_eq!(identities["tenants"].as_array().unwrap().len(), 1);
}

#[test]
fn a_caller_of_several_must_say_which_and_one_of_all_may_ask_for_the_host() {
    let home = home();
    let both = add_caller(&home, "both", &[], &["acme", "globex"], None);
    let all = add_caller(&home, "all", &[], &["*"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    for route in OF_TENANT {
        let problem = http.get(route).bearer(&both).send().expect(400);
        assert_eq!(problem["code"], "tenant.missing", "{route}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("`acme`, `globex`"), "{detail}");
        let answer = http.get(&format!("{route}?tenant=globex")).bearer(&both).send();
        assert_eq!(answer.status, 200, "{route}: {answer:?}");
    }
    for route in [
        "/api/chain-events",
        "/api/boot-status",
        "/api/health-rollup",
        "/api/kora-control/observed-state",
        "/api/audit",
    ] {
        let path = format!("{route}?tenant=host");
        assert_eq!(http.get(&path).bearer(&all).send().status, 200, "{route}");
        assert_eq!(http.get(&path).bearer(&both).send().status, 404, "{route}");
    }
    for route in ["/api/operational-state", "/api/cost-state", "/api/sea-tickets"] {
        let answer = http.get(&format!("{route}?tenant=host")).bearer(&all).send();
        assert_eq!(answer.status, 404, "{route}");
    }
    let status = http.get("/api/status").bearer(&all).send().json();
    assert_eq!(status["tenants"].as_array().unwrap().len(), 2);
    assert!(status["host"]["pid"].is_u64(), "{status}");
    let health = http
        .get("/api/health-rollup?tenant=host")
        .bearer(&all)
        .send()
        .json();
    assert_eq!(health["tenant"], json!(null));
}

#[test]
fn metrics_are_for_who_may_know_of_all_tenants() {
    let home = home_with("[audit]\nbatch_size = 1\n");
    let both = add_caller(&home, "both", &[], &["acme", "globex"], None);
    let all = add_caller(&home, "all", &[], &["*"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    let refused = http.get("/metrics").bearer(&both).send();
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let refused = refused.expect(403);
    assert_eq!(refused["code"], "tenant.all_expected", "{refused}");
    let metrics = http.get("/metrics").bearer(&all).send();
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.contains("kora_appends_total"), "{}", metrics.body);
    let audit = http.get("/api/audit?tenant=host").bearer(&all).send().expect(200);
    let details = &audit["lines"][0]["details"];
    assert_eq!(
        (&details["route"], &details["caller"], &details["result"]),
        (&json!("/metrics"), &json!("both"), &json!("tenant_denied")),
        "{audit}"
    );
}

#[test]
fn why_the_host_was_stopped_is_no_tenant_s_affair() {
    let home = home();
    let own = add_caller(&home, "own", &[], &["acme"], None);
    let all = add_caller(&home, "all", &[], &["*"], None);
    std::fs::write(home.plugins().join("libglobex.so"), "no library").unwrap();
    let host = home.start();
    let session = host.json(&["status"])["daemon_session_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let reason = "globex is under attack";
    host.json(&[
        "state",
        "stop",
        "--level",
        "2",
        "--host",
        "--confirm",
        &session,
        "--reason",
        reason,
    ]);
    let http = HttpClient::of(&host);
    let commands = "/api/kora-control/observed-state?tenant=acme";
    let shown = http.get(commands).bearer(&own).send().expect(200);
    let command = &shown["active"][0];
    assert_eq!(
        (&command["on"], &command["level"]),
        (&json!("host"), &json!(2)),
        "{shown}"
    );
    for hidden in ["reason", "issuer_kind", "issuer_id"] {
        assert!(command[hidden].is_null(), "{hidden}: {shown}");
    }
    let whole = http.get(commands).bearer(&all).send().expect(200);
    assert_eq!(whole["active"][0]["reason"], reason, "{whole}");
    let state = http.get("/api/operational-state").bearer(&own).send().expect(200);
    assert_eq!(state["primary_state"], "paused", "{state}");
    let trigger = &state["transition_history"].as_array().unwrap().last().unwrap()["trigger"];
    let id = command["command_id"].as_str().unwrap();
    assert_eq!(
        trigger,
        &json!(format!("STOP-KORA L2: command {id} on the host")),
        "{state}"
    );

    for route in OF_TENANT.into_iter().chain(OF_HOST) {
        let answer = http.get(route).bearer(&own).send();
        assert_eq!(answer.status, 200, "{route}: {answer:?}");
        assert!(!answer.body.contains("globex"), "{route}: {}", answer.body);
    }
    for tool in READING {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": {} },
        });
        let shown = |token: &str| {
            http.post_json("/mcp", &call)
                .bearer(token)
                .send()
                .expect(200)
                .to_string()
        };
        let answer = shown(&own);
        assert!(
            !answer.contains("globex") && !answer.contains("\"error\""),
            "{tool}: {answer}"
        );
        if tool == "kora__list_plugins" {
            let cause = "not an ELF file";
            assert!(
                !answer.contains(cause) && shown(&all).contains(cause),
                "{tool}: {answer}"
            );
        }
    }
}
