//! MCP over standard input and output, as a client that starts `kora mcp serve` speaks it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{Receiver, channel},
};

use serde_json::{Value, json};

use crate::harness::{DEADLINE, HttpClient, RunningHost, TestHome, eventually};

/// A client and the command that it started.
struct Client {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    next_id: u64,
    /// What came without being an answer.
    heard: Vec<Value>,
}

impl Client {
    fn start(home: &TestHome, arguments: &[&str]) -> Self {
        let mut command = home.command(&[&["mcp", "serve"], arguments].concat());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, from) = channel();
        std::thread::spawn(move || {
            for line in lines {
                let line = line.unwrap();
                // Nothing but the protocol is written there.
                let message = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self {
            to: child.stdin.take(),
            child,
            from,
            next_id: 1,
            heard: Vec::new(),
        }
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.to.as_mut().unwrap(), "{message}").unwrap();
    }

    fn send(&mut self, method: &str, params: &Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// The next message that is wanted; others are kept.
    #[track_caller]
    fn wait_for(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.heard.iter().position(&is_it) {
            return self.heard.remove(at);
        }
        loop {
            let message = self.from.recv_timeout(DEADLINE).expect("another message");
            if is_it(&message) {
                return message;
            }
            self.heard.push(message);
        }
    }

    #[track_caller]
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.send(method, params);
        self.wait_for(|message| message["id"] == id && message.get("method").is_none())
    }

    #[track_caller]
    fn result(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.ask(method, params);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// With the handshake of the revision of 2025.
    fn initialised(home: &TestHome, arguments: &[&str]) -> Self {
        let mut client = Self::start(home, arguments);
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" }
        });
        let result = client.result("initialize", &params);
        assert_eq!(result["protocolVersion"], "2025-11-25", "{result}");
        assert_eq!(result["serverInfo"]["name"], "kora");
        assert_eq!(result["capabilities"]["resources"], json!({}), "{result}");
        client.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        client
    }

    fn end_input(&mut self) {
        drop(self.to.take());
    }

    fn exit_code(&mut self) -> i32 {
        eventually("the command ends", || self.child.try_wait().unwrap())
            .code()
            .unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The parameters of a request of the revision of 2026, which carries its version itself.
fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    params
}

fn call(tool: &str, arguments: &Value) -> Value {
    json!({ "name": tool, "arguments": arguments })
}

fn home_with_callers() -> TestHome {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    for (name, more) in [
        (
            "pm",
            ["--tenant", "acme", "--capability", "kora__request_pause"].as_slice(),
        ),
        ("looks", &["--tenant", "globex"]),
    ] {
        let add = ["callers", "add", name, "--kind", "agent"];
        home.kora(&[&add, more].concat()).ok();
    }
    home
}

/// What the audit says of a caller's calls by this way, the newest last: tool and result.
fn audited(host: &RunningHost<'_>, caller: &str) -> Vec<(String, String)> {
    let found = host.kora(&["audit", "grep", caller, "--json"]).stdout;
    let lines = found
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_stdio = lines.filter(|line| line["source"] == "mcp_stdio" && line["details"]["caller"] == caller);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    of_stdio
        .map(|line| {
            (
                text(&line["details"]["tool_name"]),
                text(&line["details"]["result"]),
            )
        })
        .collect()
}

#[test]
fn a_client_of_2025_has_tools_prompts_and_resources() {
    let home = home_with_callers();
    let host = home.start();
    let mut client = Client::initialised(&home, &["--caller", "pm"]);

    let tools = client.result("tools/list", &json!({}));
    let tools = tools["tools"].as_array().unwrap();
    let pause = tools
        .iter()
        .find(|tool| tool["name"] == "kora__request_pause")
        .unwrap();
    assert_eq!(pause["_meta"]["requires_cap_gate"], true, "{pause}");

    let state = client.result("tools/call", &call("kora__get_operational_state", &json!({})));
    assert_eq!(
        state["structuredContent"]["primary_state"], "ready",
        "its only tenant: {state}"
    );

    let prompts = client.result("prompts/list", &json!({}));
    assert_eq!(prompts["prompts"].as_array().unwrap().len(), 1, "{prompts}");
    let prompt = client.result("prompts/get", &json!({ "name": "identity:acme" }));
    assert!(
        prompt["messages"][0]["content"]["text"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );

    let resources = client.result("resources/list", &json!({}));
    assert_eq!(resources["resources"].as_array().unwrap().len(), 2, "{resources}");
    let read = client.result("resources/read", &json!({ "uri": "kora://acme/recent-events" }));
    assert!(
        read["contents"][0]["text"].as_str().unwrap().contains("boot"),
        "{read}"
    );
    let foreign = client.ask("resources/read", &json!({ "uri": "kora://globex/recent-events" }));
    assert!(foreign["error"].is_object(), "{foreign}");

    let denied = client.ask(
        "tools/call",
        &call("kora__request_stop", &json!({ "level": 1, "reason": "test" })),
    );
    assert_eq!(denied["error"]["code"], -32001, "{denied}");

    client.end_input();
    assert_eq!(client.exit_code(), 0);
    // A denial is written before it is answered.
    let denial = ("kora__request_stop".to_owned(), "capability_denied".to_owned());
    assert!(audited(&host, "pm").contains(&denial));
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_client_that_says_a_revision_of_before_is_offered_one_that_is_spoken() {
    let home = home_with_callers();
    let _host = home.start();
    for revision in ["2024-11-05", "2025-03-26"] {
        let mut client = Client::start(&home, &["--caller", "looks"]);
        let params = json!({
            "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" }
        });
        let result = client.result("initialize", &params);
        assert_eq!(result["protocolVersion"], "2025-11-25", "{revision}: {result}");
    }
}

#[test]
fn what_is_told_before_the_client_said_its_revision_ends_nothing() {
    let home = home_with_callers();
    let _host = home.start();
    let mut client = Client::start(&home, &["--caller", "looks"]);
    client.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    client.say(&json!({ "jsonrpc": "2.0", "id": "to nothing", "result": {} }));
    let refused = client.wait_for(|message| message["error"].is_object());
    assert_eq!(refused["error"]["code"], -32600, "{refused}");
    assert_eq!(client.result("ping", &json!({})), json!({}));
    client
        .say(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } }));
    assert!(client.result("tools/list", &modern(json!({})))["tools"].is_array());
    client.end_input();
    assert_eq!(client.exit_code(), 0);
}

#[test]
fn a_client_of_2026_needs_no_handshake_and_hears_of_changes() {
    let home = home_with_callers();
    let host = home.start();
    let mut client = Client::start(&home, &["--caller", "pm"]);
    let tools = client.result("tools/list", &modern(json!({})));
    assert!(!tools["tools"].as_array().unwrap().is_empty());

    let uris = ["kora://acme/operational-state", "kora://globex/operational-state"];
    let listen = client.send(
        "subscriptions/listen",
        &modern(json!({ "notifications": { "resourceSubscriptions": uris } })),
    );
    let acknowledged =
        client.wait_for(|message| message["method"] == "notifications/subscriptions/acknowledged");
    let granted = &acknowledged["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(
        granted,
        &json!([uris[0]]),
        "what is not its own is left out: {acknowledged}"
    );

    host.json(&["state", "pause", "--tenant", "globex"]);
    host.json(&["state", "pause", "--tenant", "acme"]);
    let updated = client.wait_for(|message| message["method"] == "notifications/resources/updated");
    assert_eq!(updated["params"]["uri"], uris[0], "{updated}");
    let read = client.result("resources/read", &modern(json!({ "uri": uris[0] })));
    assert!(
        read["contents"][0]["text"].as_str().unwrap().contains("paused"),
        "{read}"
    );

    assert_eq!(host.stop(), 0);
    assert_eq!(client.exit_code(), 2, "the host has ended, the input has not");
    let of_globex = client
        .heard
        .iter()
        .any(|message| message.to_string().contains("globex"));
    assert!(!of_globex, "subscription {listen}: {:?}", client.heard);
}

#[test]
fn the_conversation_of_who_is_revoked_ends() {
    let home = home_with_callers();
    let host = home.start();
    let mut client = Client::initialised(&home, &["--caller", "pm"]);
    let mut other = Client::initialised(&home, &[]);
    let state = json!({ "workspace_id": "acme" });
    client.result("tools/call", &call("kora__get_operational_state", &state));

    host.kora(&["callers", "revoke", "pm"]).ok();
    // Whether it asks or not, nothing is answered and nothing told any more.
    assert_eq!(client.exit_code(), 2);
    host.wait_for_log(&["[kora.mcp.stdio]", "no longer in force", "pm"]);
    other.result("ping", &json!({}));
}

#[test]
fn without_a_caller_nothing_that_needs_a_capability_is_done_and_one_that_is_not_there_is_refused() {
    let home = home_with_callers();
    let host = home.start();
    let mut client = Client::initialised(&home, &[]);
    let denied = client.ask(
        "tools/call",
        &call(
            "kora__request_pause",
            &json!({ "workspace_id": "acme", "reason": "x" }),
        ),
    );
    assert_eq!(
        (
            &denied["error"]["code"],
            &denied["error"]["data"]["caller_actor_kind"]
        ),
        (&json!(-32001), &json!("anonymous")),
        "{denied}"
    );
    client.end_input();
    assert_eq!(client.exit_code(), 0);

    let refused = host.kora(&["mcp", "serve", "--caller", "stranger", "--json"]);
    assert_eq!(
        (refused.code, &refused.problem()["code"]),
        (2, &json!("caller.unknown"))
    );
}

#[test]
fn requests_that_are_piped_in_are_all_answered() {
    let home = home_with_callers();
    let _host = home.start();
    let mut client = Client::start(&home, &["--caller", "looks"]);
    let ids: Vec<_> = (0..20)
        .map(|_| {
            client.send(
                "tools/call",
                &modern(call("kora__get_recent_chain_events", &json!({}))),
            )
        })
        .collect();
    client.end_input();
    for id in ids {
        let answer = client.wait_for(|message| message["id"] == id);
        assert!(answer["result"].is_object(), "{answer}");
    }
    assert_eq!(client.exit_code(), 0);
}

#[test]
fn who_asks_too_often_over_standard_input_is_refused_until_it_is_calmer() {
    let home = home_with_callers();
    let add = [
        "callers",
        "add",
        "hasty",
        "--kind",
        "agent",
        "--tenant",
        "acme",
        "--requests-per-second",
        "1",
    ];
    let token = home.kora(&add).ok().stdout.trim().to_owned();
    let host = home.start();
    let mut client = Client::initialised(&home, &["--caller", "hasty"]);
    let ids: Vec<_> = (0..30).map(|_| client.send("ping", &json!({}))).collect();
    let answers = ids
        .into_iter()
        .map(|id| client.wait_for(|message| message["id"] == id));
    let refused: Vec<_> = answers.filter(|answer| !answer["error"].is_null()).collect();
    assert!(!refused.is_empty());
    for answer in &refused {
        let error = &answer["error"];
        assert_eq!(error["code"], -32603, "{answer}");
        assert!(
            error["message"].as_str().unwrap().starts_with("rate_limited"),
            "{answer}"
        );
    }
    // A handshake is answered all the same: refused, it would be the end of the conversation.
    Client::initialised(&home, &["--caller", "hasty"]);
    // It has one allowance, by whatever way it asks.
    let http = HttpClient::of(&host);
    eventually("it is refused over HTTP for what it asked here", || {
        client.ask("ping", &json!({}));
        (http.get("/api/tenants").bearer(&token).send().status == 429).then_some(())
    });
    let mut calm = Client::initialised(&home, &["--caller", "pm"]);
    for _ in 0..30 {
        calm.result("ping", &json!({}));
    }
    let noted = eventually("the refusals are in the audit", || {
        let noted = audited(&host, "hasty");
        noted
            .contains(&(String::new(), "rate_limited".to_owned()))
            .then_some(noted)
    });
    assert!(noted.iter().all(|(tool, _)| tool.is_empty()), "{noted:?}");
    eventually("it may go on", || {
        client.ask("ping", &json!({}))["error"].is_null().then_some(())
    });
}

#[test]
fn each_line_that_is_no_request_has_an_answer_of_its_own() {
    let home = home_with_callers();
    let host = home.start();
    // It has to begin with its revision, one way or the other.
    let mut client = Client::start(&home, &["--caller", "looks"]);
    assert_eq!(client.ask("tools/list", &json!({}))["error"]["code"], -32602);
    let mut client = Client::initialised(&home, &["--caller", "looks"]);
    let lines = [
        ("garbage", -32700, Value::Null),
        ("[]", -32600, Value::Null),
        (
            r#"{"jsonrpc":"2.0","id":{},"method":"tools/list"}"#,
            -32600,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":5}}"#,
            -32602,
            json!("a"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":5}"#,
            -32602,
            json!("a"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/drop"}"#,
            -32601,
            json!("a"),
        ),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#,
            -32600,
            Value::Null,
        ),
    ];
    let count = lines.len() + 1;
    for (line, code, id) in lines {
        writeln!(client.to.as_mut().unwrap(), "{line}").unwrap();
        let answer = client.wait_for(|message| message["error"].is_object());
        assert_eq!(answer["error"]["code"], code, "{line}: {answer}");
        assert_eq!(answer.get("id"), Some(&id), "{line}: {answer}");
    }
    // As over HTTP: each of them has its line, and what was a request and could not be done has the one of its tool.
    client.ask("tools/call", &call("kora__no_such", &json!({})));
    let mut expected = vec![(String::new(), "bad_input".to_owned()); count];
    expected.push((String::new(), "unknown".to_owned()));
    let mut noted = audited(&host, "looks");
    noted.sort();
    assert_eq!(noted, expected);
    assert!(client.result("tools/list", &json!({}))["tools"].is_array());
    client.end_input();
    assert_eq!(client.exit_code(), 0);
}
