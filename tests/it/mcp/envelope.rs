//! The original's transport and envelope, and what is no request at all.

use serde_json::{Value, json};

use super::{Client, GATED, OPEN, Trail, fault, fields, home};

#[test]
fn both_methods_answer_and_arguments_may_be_left_out() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);

    let get = client
        .http
        .get("/mcp/tools/list")
        .bearer(&client.token)
        .send()
        .expect(200);
    assert_eq!(fields(&get), ["tools"]);
    let body = json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/list" });
    let post = client.bare(&body).send().expect(200);
    assert_eq!((&post["id"], &post["result"]), (&json!("a"), &get));
    let mut names: Vec<_> = get["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    let mut expected = [&GATED[..], &OPEN[..]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);

    for params in [
        json!({ "name": "kora__get_operational_state" }),
        json!({ "name": "kora__get_operational_state", "arguments": null }),
        json!({ "name": "kora__get_operational_state", "arguments": {} }),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let answer = client.bare(&body).send().expect(200);
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        let output: Value = serde_json::from_str(text).unwrap();
        assert_eq!(output["primary_state"], "ready", "{answer}");
    }
}

#[test]
fn what_is_no_request_of_the_original_is_told_by_its_code() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    let mut trail = Trail::new(&home);
    let post = |body: &str| {
        client
            .bare(&Value::Null)
            .body(body)
            .header("Content-Length", &body.len().to_string())
            .send()
    };
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for (body, code) in [
        ("".to_owned(), -32700),
        ("{".to_owned(), -32700),
        ("not json".to_owned(), -32700),
        ("[]".to_owned(), -32600),
        (format!("[{list}]"), -32600),
        (format!("[{list},{list}]"), -32600),
        (format!("[{list},{list},{list}]"), -32600),
        ("3".to_owned(), -32600),
        ("\"tools/list\"".to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#.to_owned(), -32600),
        // It would come back as another.
        (r#"{"jsonrpc":"2.0","id":99999999999999999999999999,"method":"tools/list"}"#.to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"tools/list"}"#.to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":3}"#.to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#.to_owned(), -32601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/drop"}"#.to_owned(), -32601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#.to_owned(), -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#.to_owned(), -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#.to_owned(), -32602),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"kora__daemon_status","arguments":[]}}"#.to_owned(),
            -32602,
        ),
    ] {
        let answer = post(&body);
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{body}");
        let told = fault(&answer);
        assert_eq!(told.code(), code, "{body}: {answer:?}");
        if code == -32602 {
            assert_eq!(told.data()["code"], "mcp.params", "{body}: {answer:?}");
        }
        // One line for each of them.
        let last = trail.next("host");
        assert_eq!(
            (&last["seam"], &last["details"]["result"], &last["details"]["caller"]),
            (&json!("http.request_refused"), &json!("bad_input"), &json!("reader")),
            "{body}"
        );
    }
}

#[test]
fn a_notification_is_never_answered_and_does_nothing() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "maker", &["kora__create_sea_ticket"]);
    for body in [
        json!({ "jsonrpc": "2.0", "method": "tools/list" }),
        json!({ "jsonrpc": "2.0", "method": "tools/call",
            "params": { "name": "kora__create_sea_ticket", "arguments": { "title": "a ticket" } } }),
        json!({ "jsonrpc": "2.0", "method": "no/such" }),
    ] {
        let answer = client.bare(&body).send();
        assert_eq!((answer.status, answer.body.as_str()), (202, ""), "{body}");
    }
    assert_eq!(host.json(&["tickets", "list", "--tenant", "acme"]), json!([]));
}

#[test]
fn a_missing_a_malformed_and_an_unknown_token_are_401_and_say_nothing_more() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let request = || client.http.post_json("/mcp", &list);
    let token = &client.token;
    for (what, request) in [
        ("none", request()),
        (
            "another scheme",
            request().header("Authorization", &format!("Basic {token}")),
        ),
        ("no scheme", request().header("Authorization", token)),
        ("no token", request().header("Authorization", "Bearer ")),
        ("a part of it", request().bearer(&token[..token.len() - 1])),
        ("more than it", request().bearer(&format!("{token}x"))),
        ("two", request().bearer(token).bearer(token)),
        (
            "in the path",
            client.http.post_json(&format!("/mcp?token={token}"), &list),
        ),
    ] {
        let answer = request.send();
        assert_eq!(answer.status, 401, "{what}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{what}"
        );
        assert_eq!(answer.json()["code"], "access.unauthorized", "{what}");
        let last = super::last_audited(&home, "host", "unauthorized");
        assert_eq!(last["details"]["route"], "/mcp", "{what}");
    }
    assert_eq!(request().bearer(token).send().status, 200);
    assert_eq!(
        request()
            .header("authorization", &format!("bearer {token}"))
            .send()
            .status,
        200
    );
}

#[test]
fn a_token_of_the_environment_is_read_anew_and_opens_what_needs_no_capability() {
    let home = super::home_with("anonymous_tokens = \"env:TOKENS\"\n");
    let folder = home.beside("tokens");
    std::fs::write(&folder, "").unwrap();
    let place = format!("file:{}", folder.display());
    let config = std::fs::read_to_string(home.path().join("kora.toml")).unwrap();
    home.configure(&config.replace("env:TOKENS", &place));
    let write = |tokens: &str| {
        let path = &folder;
        std::fs::write(path, tokens).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path, mode).unwrap();
    };
    write("first-of-the-environment,second-of-the-environment");
    let host = home.start();
    for token in ["first-of-the-environment", "second-of-the-environment"] {
        let client = Client::with_token(&host, token.to_owned());
        let status = client.output("kora__daemon_status", json!({}));
        assert_eq!(status["state"], "running");
        for tool in GATED {
            let fault = client.error(tool, json!({ "workspace_id": "acme" }));
            assert_eq!(
                (fault.code(), fault.message()),
                (-32001, "capability_denied"),
                "{tool}"
            );
            assert_eq!(fault.data()["caller_actor_kind"], "anonymous", "{tool}");
        }
    }
    write("third-of-the-environment");
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let status = |token: &str| {
        Client::with_token(&host, token.to_owned())
            .bare(&list)
            .send()
            .status
    };
    assert_eq!(status("first-of-the-environment"), 401);
    assert_eq!(status("third-of-the-environment"), 200);
    write("");
    assert_eq!(status("third-of-the-environment"), 401);
}
