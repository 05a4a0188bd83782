//! Callers as the running host knows them: let in and turned away at once, over HTTP and by the operator's own calls of tools.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Stdio,
};

use serde_json::{Value, json};

use crate::harness::{DEADLINE, RunningHost, TestHome, finish};

/// What `POST /mcp` with this token answers to the original's form of a call: the status, and the body as JSON.
fn post(host: &RunningHost<'_>, token: &str, request: &Value) -> (u16, Value) {
    let status = host.json(&["status"]);
    let address = status["http"].as_str().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let body = request.to_string();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn call(tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

fn token(host: &RunningHost<'_>, arguments: &[&str]) -> String {
    host.kora(arguments).ok().stdout.trim().to_owned()
}

#[test]
fn a_caller_is_known_at_once_and_turned_away_at_once() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let host = home.start();
    let add = [
        "callers",
        "add",
        "ci",
        "--kind",
        "ci",
        "--tenant",
        "acme",
        "--capability",
    ];
    let first = token(&host, &[&add, ["kora__request_pause"].as_slice()].concat());
    let state = call("kora__get_operational_state", &json!({}));
    let (status, answer) = post(&host, &first, &state);
    assert_eq!((status, answer["error"].is_null()), (200, true), "{answer}");

    let second = token(&host, &["callers", "rotate", "ci"]);
    assert_eq!(post(&host, &first, &state).0, 401, "the old token");
    assert_eq!(post(&host, &second, &state).0, 200);
    let denied = post(
        &host,
        &second,
        &call("kora__request_resume", &json!({ "reason": "x" })),
    )
    .1;
    assert_eq!(denied["error"]["code"], -32001, "{denied}");

    host.kora(&["callers", "revoke", "ci"]).ok();
    assert_eq!(post(&host, &second, &state).0, 401);
    let audit = host.kora(&["audit", "tail", "--json"]).stdout;
    for part in ["\"unauthorized\"", "\"capability_denied\""] {
        assert!(audit.contains(part), "{part}: {audit}");
    }
    for token in [first, second] {
        assert!(!audit.contains(&token) && !host.log().contains(&token));
    }
}

#[test]
fn callers_that_are_added_at_the_same_time_are_all_there() {
    let home = TestHome::new();
    let names: Vec<_> = (0..8).map(|number| format!("caller-{number}")).collect();
    let spawn = |name: &String| {
        let mut command = home.command(&["callers", "add", name, "--kind", "ci", "--all-tenants"]);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = names.iter().map(spawn).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let listed = home.json(&["callers", "list"]);
    let mut found: Vec<_> = listed["callers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|caller| caller["name"].clone())
        .collect();
    found.sort_by_key(ToString::to_string);
    assert_eq!(json!(found), json!(names));
}

#[test]
fn the_operator_calls_tools_through_the_same_gate() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let host = home.start();
    let tools = host.json(&["tools", "list"]);
    let stop = tools
        .as_array()
        .unwrap()
        .iter()
        .find(|tool| tool["name"] == "kora__request_stop")
        .unwrap();
    assert_eq!(stop["required_capability"], "kora__request_stop", "{stop}");

    let state = host.json(&["tools", "call", "kora__get_operational_state", "--tenant", "acme"]);
    assert_eq!(state["primary_state"], "ready", "{state}");
    let paused = host.kora(&[
        "tools",
        "call",
        "kora__request_pause",
        "--tenant",
        "acme",
        "reason=lunch",
    ]);
    // An idle tenant is paused by `kora state pause`; the tool answers why it does not.
    assert_eq!(paused.code, 1, "{paused:?}");

    let code = |arguments: &[&str]| {
        let problem = host.problem(&[&["tools", "call"], arguments].concat());
        problem["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code(&["kora__no_such"]), "tool.unknown");
    assert_eq!(code(&["kora__get_operational_state"]), "tenant.missing");
    assert_eq!(
        code(&["kora__get_operational_state", "--tenant", "nobody"]),
        "tenant.unknown"
    );
    assert_eq!(
        code(&["kora__request_pause", "--tenant", "acme", "colour=red"]),
        "tool.input"
    );

    assert_eq!(host.stop(), 0);
    let audit = home
        .kora(&["audit", "grep", "\"source\":\"socket\"", "--json"])
        .stdout;
    let results: Vec<_> = audit
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["details"]["result"].clone())
        .collect();
    for result in ["ok", "wrong_state", "unknown", "tenant_denied", "bad_input"] {
        assert!(results.contains(&json!(result)), "{result}: {audit}");
    }
    assert!(!audit.contains("lunch"), "no reason stands in the audit");
}

#[test]
fn a_token_that_a_stop_command_revokes_is_listed_and_a_rotation_lets_it_in_again() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let host = home.start();
    let first = token(
        &host,
        &["callers", "add", "ci", "--kind", "ci", "--tenant", "acme"],
    );
    let session = host.json(&["status"])["daemon_session_id"]
        .as_str()
        .unwrap()
        .to_owned();
    host.json(&[
        "state",
        "stop",
        "--level",
        "5",
        "--tenant",
        "acme",
        "--reason",
        "leak",
        "--confirm",
        &session,
    ]);
    assert_eq!(host.json(&["callers", "list"])["revoked"], json!(["ci"]));
    let status = call("kora__daemon_status", &json!({}));
    assert_eq!(post(&host, &first, &status).0, 401);
    let second = token(&host, &["callers", "rotate", "ci"]);
    assert_eq!(post(&host, &second, &status).0, 200);
    let mut doctor = home.command(&["doctor"]);
    doctor.env("KORA_HTTP_LISTEN", "0.0.0.0:9119");
    assert!(
        finish(doctor)
            .stdout
            .contains("can be reached from other machines")
    );
}
