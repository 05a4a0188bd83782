//! The tools as callers reach them: MCP over HTTP and the original's bare JSON-RPC, with a real host.

mod audited;
mod away;
mod blocked;
mod by_plugins;
mod claims;
mod envelope;
mod gate;
mod listed;
mod malformed;
mod protocol;
mod reads;
mod revisions;
mod secrets;
mod state;
mod stop;
mod streams;

use std::fs;

use serde_json::{Map, Value, json};

use crate::harness::{HttpClient, HttpRequest, HttpResponse, RunningHost, TestHome, add_caller, eventually};

const PROMPT: &str = "patient.md";
const ACTOR: &str = "6f1f7f52-1c9c-4c8e-9d65-0d4d5a4f7e11";
/// The revision of the protocol that is current, and one of before.
const CURRENT: &str = "2026-07-28";
const OLDER: &str = "2025-11-25";

/// The tools that need a capability: the one of their own name.
const GATED: [&str; 12] = [
    "kora__request_state_transition",
    "kora__request_pause",
    "kora__request_resume",
    "kora__request_stop",
    "kora__create_sea_ticket",
    "kora__claim_sea_ticket",
    "kora__refresh_claim",
    "kora__release_claim",
    "kora__append_event",
    "kora__swap_identity",
    "kora__rollback_identity",
    "kora__send_webhook_test_event",
];
/// Those that need none.
const OPEN: [&str; 9] = [
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

/// A home in which a prompt speaks for `acme` and `globex`. Each line of its audit is written at once, and callers may ask as often as
/// they like.
fn home() -> TestHome {
    home_with("")
}

/// The same with more lines under `[access]`.
fn home_with(access: &str) -> TestHome {
    let tenant = |id| format!("[tenants.{id}]\nfallback_prompt = \"{PROMPT}\"\n");
    let home = TestHome::with_config(&format!(
        "{}{}[audit]\nbatch_size = 1\n[events]\ntypes = [\"deploy.finished\"]\n[access]\nrequests_per_second = 0\n{access}",
        tenant("acme"),
        tenant("globex"),
    ));
    fs::write(home.path().join(PROMPT), "You are patient.").unwrap();
    home
}

/// The same with more of the configuration, and the plugin `conformance`, which acts for `acme`.
fn home_with_plugin(more: &str) -> TestHome {
    let home = home();
    let config = fs::read_to_string(home.path().join("kora.toml")).unwrap();
    let bound = config.replace(
        "[tenants.acme]\n",
        "[tenants.acme]\nplugins = [\"conformance\"]\n",
    );
    home.configure(&format!("{bound}{more}"));
    home.install(&["conformance"]);
    home
}

/// A caller with a token, on its way to a host.
#[derive(Clone)]
struct Client {
    http: HttpClient,
    token: String,
}

impl Client {
    /// One for the tenant `acme` with these capabilities and an actor. The caller is added to the home.
    fn new(home: &TestHome, host: &RunningHost<'_>, name: &str, capabilities: &[&str]) -> Self {
        let token = add_caller(home, name, capabilities, &["acme"], Some(ACTOR));
        Self::with_token(host, token)
    }

    fn with_token(host: &RunningHost<'_>, token: String) -> Self {
        Self {
            http: HttpClient::of(host),
            token,
        }
    }

    /// A request of the original's, from before it spoke the protocol.
    fn bare(&self, body: &Value) -> HttpRequest {
        self.http.post_json("/mcp", body).bearer(&self.token)
    }

    /// Calls a tool so, and answers the whole envelope.
    #[track_caller]
    fn call(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
        let answer = self.bare(&body).send().expect(200);
        assert_eq!(
            (&answer["jsonrpc"], &answer["id"]),
            (&json!("2.0"), &json!(7)),
            "{answer}"
        );
        answer
    }

    /// What a tool answers.
    #[track_caller]
    fn output(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments);
        let content = &answer["result"]["content"];
        assert_eq!(content[0]["type"], "text", "{answer}");
        assert_eq!(content.as_array().unwrap().len(), 1, "{answer}");
        serde_json::from_str(content[0]["text"].as_str().unwrap()).unwrap()
    }

    /// Why a tool was not done.
    #[track_caller]
    fn error(&self, tool: &str, arguments: Value) -> Fault {
        let answer = self.call(tool, arguments);
        assert!(answer.get("result").is_none(), "{answer}");
        Fault(answer["error"].clone())
    }

    /// A request of the current revision, with the headers that it asks for.
    fn current(&self, method: &str, params: Value) -> HttpRequest {
        let mut params = match params {
            Value::Object(params) => params,
            _ => Map::new(),
        };
        params.insert("_meta".to_owned(), meta(CURRENT));
        let params = Value::Object(params);
        let name = params.get("name").or_else(|| params.get("uri")).cloned();
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let request = self.of_revision(CURRENT, &body).header("Mcp-Method", method);
        match name.as_ref().and_then(Value::as_str) {
            Some(name) => request.header("Mcp-Name", name),
            None => request,
        }
    }

    /// A body in the protocol's envelope of HTTP.
    fn of_revision(&self, revision: &str, body: &Value) -> HttpRequest {
        self.of_protocol(body).header("MCP-Protocol-Version", revision)
    }

    /// The same without a revision.
    fn of_protocol(&self, body: &Value) -> HttpRequest {
        let request = self.http.post_json("/mcp", body).bearer(&self.token);
        request.header("Accept", "application/json, text/event-stream")
    }
}

fn meta(revision: &str) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": revision,
        "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// An error of JSON-RPC.
#[derive(Debug)]
struct Fault(Value);

impl Fault {
    fn code(&self) -> i64 {
        self.0["code"].as_i64().unwrap()
    }

    fn message(&self) -> &str {
        self.0["message"].as_str().unwrap()
    }

    fn data(&self) -> &Value {
        &self.0["data"]
    }
}

/// The error of an answer.
#[track_caller]
fn fault(answer: &HttpResponse) -> Fault {
    let answer = answer.json();
    assert!(answer.get("result").is_none(), "{answer}");
    Fault(answer["error"].clone())
}

/// The lines of a tenant's audit, or of the host's own, the oldest first.
fn audit(home: &TestHome, tenant: &str) -> Vec<Value> {
    let path = home
        .path()
        .join("audit")
        .join(tenant)
        .join("kora_audit_log.jsonl");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The last line of a tenant's audit, once it is one of this result. What is no denial is written soon after its answer.
#[track_caller]
fn last_audited(home: &TestHome, tenant: &str, result: &str) -> Value {
    eventually(
        &format!("`{result}` is the last of the audit of {tenant}"),
        || {
            audit(home, tenant)
                .pop()
                .filter(|line| line["details"]["result"] == result)
        },
    )
}

/// The audit as it grows, line by line.
struct Trail<'a> {
    home: &'a TestHome,
    seen: usize,
}

impl<'a> Trail<'a> {
    /// Of a home where nothing was asked yet.
    fn new(home: &'a TestHome) -> Self {
        Self { home, seen: 0 }
    }

    /// Waits for the line of what was asked last, and answers it. There is no other.
    #[track_caller]
    fn next(&mut self, tenant: &str) -> Value {
        let count = || {
            ["acme", "globex", "host"]
                .iter()
                .map(|tenant| audit(self.home, tenant).len())
                .sum::<usize>()
        };
        let found = eventually("the audit has one more line", || {
            Some(count()).filter(|count| *count > self.seen)
        });
        assert_eq!(found, self.seen + 1);
        self.seen = found;
        audit(self.home, tenant)
            .pop()
            .expect("a line of this tenant's audit")
    }
}

/// The names of the fields of an object, sorted.
#[track_caller]
fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn session(host: &RunningHost<'_>) -> String {
    let status = host.json(&["status"]);
    status["daemon_session_id"].as_str().unwrap().to_owned()
}

fn state_of(host: &RunningHost<'_>, tenant: &str) -> Value {
    host.json(&["state", "show", "--tenant", tenant])["primary_state"].clone()
}
