//! The HTTP interface of a running host: what it answers whom, what it refuses, and what it withstands.

mod load;
mod refusals;
mod routes;
mod stream;
mod tenancy;

use serde_json::{Value, json};

use crate::harness::{HttpClient, TestHome, add_caller_with};

/// The type of an operator's events in these homes.
const EVENT: &str = "deploy.finished";

/// A home with the tenants `acme` and `globex`, for whom a prompt speaks, and these lines more of configuration.
fn home_with(more: &str) -> TestHome {
    let home = TestHome::with_config(&format!(
        "[events]\ntypes = [\"{EVENT}\"]\n[tenants.acme]\nfallback_prompt = \"prompt.md\"\n[tenants.globex]\n\
         fallback_prompt = \"prompt.md\"\n{more}"
    ));
    std::fs::write(home.path().join("prompt.md"), "You are patient.").unwrap();
    home
}

fn home() -> TestHome {
    home_with("")
}

/// A caller that may append and asks as often as it likes.
fn writer(home: &TestHome, tenants: &[&str]) -> String {
    add_caller_with(
        home,
        "writer",
        &["kora__append_event"],
        tenants,
        None,
        "requests_per_second = 0\n",
    )
}

/// Appends an event as a caller does.
#[track_caller]
fn append(http: &HttpClient, token: &str, tenant: &str, payload: &Value) {
    let arguments = json!({ "workspace_id": tenant, "event_type": EVENT, "payload": payload });
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "kora__append_event", "arguments": arguments },
    });
    let answer = http.post_json("/mcp", &call).bearer(token).send().expect(200);
    assert!(answer["error"].is_null(), "{answer}");
}
