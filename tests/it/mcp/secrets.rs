//! Whatever a caller sends and wherever in it a token stands: none is in an error, in the log or in the audit.

use std::fs;

use serde_json::{Value, json};

use super::{Client, GATED, OPEN, home_with, meta};
use crate::harness::{HttpRequest, HttpResponse, add_caller};

/// The token of somebody else, in the form that the host gives tokens.
const ANOTHERS: &str = "koratok_another0another1another2another3another4aaa";
/// A token of the environment, in a form of its own that looks otherwise within JSON.
const OF_THE_ENVIRONMENT: &str = "s3cret\"of\\the-environment/with=signs";

/// Numbers that are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// A text with a token in it, alone or among others, or a harmless one.
fn text(chance: &mut Chance, token: &str) -> String {
    let token = *chance.one(&[token, token, ANOTHERS]);
    match chance.below(8) {
        0 => format!("{}{token}", "x".repeat(chance.below(100))),
        1 => format!("kora://{token}/operational-state"),
        2 => format!("kora__{token}"),
        3 => format!("Bearer {token}"),
        4 => format!("identity:{token}"),
        5 => format!("{token}{token}"),
        6 => format!("\u{1}\"{token}\\\n"),
        _ => token.to_owned(),
    }
}

fn value(chance: &mut Chance, token: &str, depth: usize) -> Value {
    match chance.below(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(chance.below(1000)),
        2 => json!(true),
        3..=5 => text(chance, token).into(),
        6 => json!([value(chance, token, depth - 1), text(chance, token)]),
        _ => {
            let key = text(chance, token);
            json!({ key: value(chance, token, depth - 1), "a": text(chance, token) })
        }
    }
}

/// The name of a tool, or a token.
fn name(chance: &mut Chance, token: &str) -> String {
    match chance.below(4) {
        0 => text(chance, token),
        _ => (*chance.one(&[&GATED[..], &OPEN[..]].concat())).to_owned(),
    }
}

fn arguments(chance: &mut Chance, token: &str) -> Value {
    let keys = [
        "reason",
        "level",
        "confirm_token",
        "workspace_id",
        "title",
        "target_state",
        "limit",
        "status",
        "event_kind",
        "event_type",
        "payload",
        "provider",
        "endpoint",
        "ticket_id",
        "claim_fence_token",
        "priority",
        "dry_run",
        "idempotency_key",
        "progress",
    ];
    let mut arguments = json!({});
    for _ in 0..chance.below(5) {
        let key = match chance.below(4) {
            0 => text(chance, token),
            _ => (*chance.one(&keys)).to_owned(),
        };
        arguments[key] = value(chance, token, 2);
    }
    match chance.below(12) {
        0 => value(chance, token, 2),
        _ => arguments,
    }
}

fn params(chance: &mut Chance, token: &str, method: &str) -> Value {
    match method {
        "tools/call" => json!({ "name": name(chance, token), "arguments": arguments(chance, token) }),
        "prompts/get" => json!({ "name": text(chance, token), "arguments": { "a": text(chance, token) } }),
        "resources/read" => json!({ "uri": text(chance, token) }),
        "completion/complete" => json!({
            "ref": { "type": "ref/prompt", "name": text(chance, token) },
            "argument": { "name": text(chance, token), "value": text(chance, token) },
        }),
        "initialize" => json!({
            "protocolVersion": text(chance, token), "capabilities": {},
            "clientInfo": { "name": text(chance, token), "version": text(chance, token) },
        }),
        _ => value(chance, token, 2),
    }
}

/// A request that is wrong in one way or another.
fn request(chance: &mut Chance, client: &Client) -> HttpRequest {
    let token = client.token.as_str();
    let methods = [
        "tools/call",
        "tools/call",
        "tools/call",
        "tools/list",
        "prompts/get",
        "resources/read",
        "completion/complete",
        "initialize",
        "server/discover",
        "logging/setLevel",
        "resources/subscribe",
    ];
    let method = match chance.below(12) {
        0 => text(chance, token),
        _ => (*chance.one(&methods)).to_owned(),
    };
    let id = match chance.below(3) {
        0 => json!(1),
        1 => text(chance, token).into(),
        _ => value(chance, token, 1),
    };
    let mut params = params(chance, token, &method);
    let revision = chance.one(&["2026-07-28", "2025-11-25", "2025-06-18", "2024-11-05", ANOTHERS]);
    if chance.below(3) == 0 && params.is_object() {
        params["_meta"] = meta(revision);
    }
    let mut body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string();
    match chance.below(20) {
        0 => body.truncate(body.len() / 2),
        1 => body = format!("[{body},{body}]"),
        2 => body = text(chance, token),
        _ => {}
    }
    let path = match chance.below(10) {
        0 => format!("/{ANOTHERS}"),
        1 => format!("/mcp?token={ANOTHERS}"),
        2 => format!("/mcp/tools/{ANOTHERS}"),
        _ => "/mcp".to_owned(),
    };
    let verb = *chance.one(&["POST", "POST", "POST", "POST", "POST", "POST", "GET", "DELETE"]);
    let mut request = client.http.request(verb, &path).body(body);
    request = match chance.below(12) {
        0 => request.header("Authorization", &format!("Basic {token}")),
        1 => request.bearer(&format!("{token}x")),
        _ => request.bearer(token),
    };
    if chance.below(8) != 0 {
        request = request.header("Content-Type", "application/json");
    }
    if chance.below(2) == 0 {
        request = request.header("Accept", "application/json, text/event-stream");
    }
    for header in [
        "MCP-Protocol-Version",
        "Mcp-Method",
        "Mcp-Name",
        "Mcp-Session-Id",
        "Last-Event-ID",
        "X-Token",
        "Origin",
    ] {
        match chance.below(10) {
            0 => request = request.header(header, token),
            1 => request = request.header(header, ANOTHERS),
            2 if header == "MCP-Protocol-Version" => request = request.header(header, revision),
            2 if header == "Mcp-Method" => {
                request = request.header(header, &method.replace(char::is_control, ""))
            }
            _ => {}
        }
    }
    request
}

fn is_error(answer: &HttpResponse) -> bool {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let body = answer
        .body
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .map_or(body, |data| serde_json::from_str(data).unwrap_or_default());
    answer.status >= 400 || body.get("error").is_some() || body["result"]["isError"] == true
}

/// Whether a token stands in a text, or the greater part of one: what was cut in two is as good as whole to who has the rest.
fn holds(text: &str, token: &str) -> bool {
    let part = &token[..token.len() * 2 / 3];
    let within_json = Value::from(part).to_string();
    text.contains(part) || text.contains(&within_json[1..within_json.len() - 1])
}

#[test]
fn no_token_comes_back_in_an_error_or_stays_in_the_log_or_the_audit() {
    let home = home_with("anonymous_tokens = \"env:TOKENS\"\n");
    let path = home.beside("tokens");
    let config = fs::read_to_string(home.path().join("kora.toml")).unwrap();
    home.configure(&config.replace("env:TOKENS", &format!("file:{}", path.display())));
    fs::write(&path, OF_THE_ENVIRONMENT).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let host = home.start();
    let token = add_caller(&home, "fuzzer", &GATED, &["acme"], Some(super::ACTOR));
    let clients = [token, OF_THE_ENVIRONMENT.to_owned()].map(|token| Client::with_token(&host, token));
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut errors = 0;
    for round in 0..3000 {
        let client = &clients[round % 2];
        let request = request(&mut chance, client);
        let shown = String::from_utf8_lossy(&request.bytes()).into_owned();
        let answer = request.send();
        assert!(answer.status < 500, "{shown}\n{answer:?}");
        if is_error(&answer) {
            errors += 1;
            let whole = format!("{:?} {}", answer.headers, answer.body);
            for token in [client.token.as_str(), ANOTHERS] {
                assert!(!holds(&whole, token), "{shown}\n{answer:?}");
            }
        }
    }
    assert!(errors > 2000, "only {errors} of them were errors");
    assert_eq!(host.json(&["status"])["state"], "running");
    let log = host.log();
    let audits = ["acme", "globex", "host"].map(|tenant| {
        let path = home
            .path()
            .join("audit")
            .join(tenant)
            .join("kora_audit_log.jsonl");
        fs::read_to_string(path).unwrap_or_default()
    });
    assert_eq!(host.stop(), 0);
    for token in [clients[0].token.as_str(), OF_THE_ENVIRONMENT, ANOTHERS] {
        for text in audits.iter().chain([&log]) {
            let line = text.lines().find(|line| holds(line, token));
            assert_eq!(line, None);
        }
    }
    assert!(audits.iter().all(|text| {
        text.lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    }));
}
