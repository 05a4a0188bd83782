//! What is no request, or not as the method takes it: told by the protocol's own codes, whichever revision asks, and never done.

use serde_json::{Value, json};

use super::{CURRENT, Client, OLDER, fault, home, home_with_plugin, last_audited, meta};

#[test]
fn parameters_that_a_method_does_not_take_are_invalid_and_the_method_is_not_unknown() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    let secret = "a-secret-of-the-caller";
    for (method, params, expected) in [
        ("tools/call", json!({ "name": 5 }), "`name` (text)"),
        ("tools/call", json!({}), "`name` (text)"),
        (
            "tools/call",
            json!({ "name": "kora__daemon_status", "arguments": secret }),
            "`arguments` (an object)",
        ),
        ("prompts/get", json!({ "name": [secret] }), "`name` (text)"),
        (
            "resources/read",
            json!({ "uri": { "a": secret } }),
            "`uri` (text)",
        ),
        ("completion/complete", json!({ "ref": secret }), "`ref/prompt`"),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let older = client.of_revision(OLDER, &body).send();
        let mut answers = vec![older];
        // The header repeats the name, if there is one to repeat.
        if !matches!(params.get("name").or(params.get("uri")), Some(name) if !name.is_string()) {
            answers.push(client.current(method, params.clone()).send());
        }
        for answer in answers {
            let told = fault(&answer);
            assert_eq!((answer.status, told.code()), (200, -32602), "{method} {params}");
            assert_eq!(told.data()["code"], "mcp.params", "{method} {params}");
            assert!(told.message().contains(expected), "{method} {params}: {told:?}");
            assert!(!answer.body.contains(secret), "{method} {params}: {told:?}");
        }
        let last = last_audited(&home, "host", "bad_input");
        assert_eq!(last["details"]["route"], "/mcp", "{last}");
    }
    let unknown = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/drop", "params": { "name": 5 } });
    let older = client.of_revision(OLDER, &unknown).send();
    assert_eq!((older.status, fault(&older).code()), (200, -32601));
    // What the current revision has no more is unknown to it, whatever comes with it.
    for method in ["tools/drop", "initialize"] {
        let current = client.current(method, Value::Null).send();
        assert_eq!(
            (current.status, fault(&current).code()),
            (404, -32601),
            "{method}"
        );
    }
}

#[test]
fn a_revision_in_the_body_is_held_to_without_its_header_too() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "maker", &["kora__create_sea_ticket"]);
    for revision in ["2030-01-01", CURRENT] {
        let arguments = json!({ "title": "t" });
        let params =
            json!({ "name": "kora__create_sea_ticket", "arguments": arguments, "_meta": meta(revision) });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        for accepted in ["application/json", "*/*", "application/json, text/event-stream"] {
            let refused = client.bare(&body).header("Accept", accepted).send();
            assert!(
                (400..500).contains(&refused.status),
                "{revision} {accepted}: {refused:?}"
            );
        }
    }
    assert_eq!(host.json(&["tickets", "list", "--tenant", "acme"]), json!([]));
}

#[test]
fn every_refusal_is_json() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    for method in ["GET", "PUT", "DELETE"] {
        let refused = client.http.request(method, "/mcp").bearer(&client.token).send();
        assert_eq!(refused.header("allow"), Some("POST"), "{method}");
        assert_eq!(refused.expect(405)["code"], "http.wrong_method", "{method}");
    }
    let list = json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/list" });
    let post = |headers: &[(&str, &str)]| {
        let body = list.to_string();
        let request = client.http.request("POST", "/mcp").bearer(&client.token);
        let request = request
            .header("Content-Length", &body.len().to_string())
            .body(body);
        headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value))
            .send()
    };
    let both = ("Accept", "application/json, text/event-stream");
    let json_body = ("Content-Type", "application/json");
    let older = ("MCP-Protocol-Version", OLDER);
    for (status, code, headers) in [
        (
            406,
            "http.not_acceptable",
            [("Accept", "text/html"), json_body, older],
        ),
        (
            406,
            "http.not_acceptable",
            [("Accept", "application/json"), json_body, older],
        ),
        (
            415,
            "http.unsupported_media_type",
            [both, ("Content-Type", "text/plain"), older],
        ),
    ] {
        let refused = post(&headers);
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        assert_eq!(refused.expect(status)["code"], code);
    }
    let unspoken = post(&[both, json_body, ("MCP-Protocol-Version", "1999-01-01")]);
    let told = unspoken.expect(400);
    assert_eq!(
        (&told["id"], &told["error"]["code"]),
        (&json!("a"), &json!(-32022)),
        "{told}"
    );
    assert_eq!(told["error"]["data"]["requested"], "1999-01-01", "{told}");
    assert_eq!(told["error"]["data"]["supported"][2], CURRENT, "{told}");

    for (body, id) in [
        (
            json!({ "jsonrpc": "2.0", "id": null, "method": "tools/list" }),
            Value::Null,
        ),
        (
            json!({ "jsonrpc": "2.0", "id": {}, "method": "tools/list" }),
            Value::Null,
        ),
        (json!({ "hello": 1 }), Value::Null),
        (json!({ "jsonrpc": "2.0", "id": 1, "result": {} }), Value::Null),
        (json!({ "jsonrpc": "2.0", "id": 4 }), json!(4)),
        (
            json!({ "jsonrpc": "1.0", "id": 5, "method": "tools/list" }),
            json!(5),
        ),
    ] {
        for revision in [CURRENT, OLDER] {
            let refused = client
                .of_revision(revision, &body)
                .header("Mcp-Method", "tools/list");
            let told = refused.send().expect(400);
            assert_eq!(
                (&told["error"]["code"], &told["id"]),
                (&json!(-32600), &id),
                "{body}"
            );
        }
    }
}

#[test]
fn a_tool_that_asks_back_is_an_error_to_who_cannot_answer_it() {
    let home = home_with_plugin("");
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    let tool = "test_input_required_result_elicitation";
    let client = Client::new(&home, &host, "asker", &[tool]);
    let refused = client.error(tool, json!({}));
    assert_eq!(
        (refused.code(), &refused.data()["code"]),
        (-32603, &json!("plugin.input_required")),
        "{refused:?}"
    );
    assert!(refused.message().contains("2026-07-28"), "{refused:?}");
}

#[test]
fn what_is_no_request_is_refused_and_audited_without_an_id_too() {
    let home = home_with_plugin("");
    let host = home.start();
    let client = Client::new(&home, &host, "one", &[]);
    for body in [
        json!({}),
        json!({ "jsonrpc": "2.0" }),
        json!({ "jsonrpc": "2.0", "method": 5 }),
    ] {
        let answer = client.bare(&body).send().json();
        assert_eq!(answer["error"]["code"], -32600, "{body}: {answer}");
        assert_eq!(answer["id"], Value::Null, "{body}");
        let line = last_audited(&home, "host", "bad_input");
        assert_eq!(line["details"]["caller"], "one", "{line}");
    }
    // A notification is one.
    let told = client
        .bare(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
        .send();
    assert_eq!((told.status, told.body.as_str()), (202, ""));
    // Neither is a method that a route has not.
    let wrong = client
        .http
        .request("DELETE", "/api/tenants")
        .bearer(&client.token)
        .send();
    assert_eq!(wrong.status, 405);
    let of_route = || {
        let line = last_audited(&home, "host", "bad_input");
        (line["details"]["route"] == "/api/tenants").then_some(())
    };
    crate::harness::eventually("the wrong method is in the audit", of_route);
    // What there is not is noted before it is answered, without the path, which could be anything.
    let nowhere = client.http.get("/api/no-such-route").send();
    assert_eq!(nowhere.expect(404)["code"], "http.not_found");
    let line = last_audited(&home, "host", "unknown");
    assert_eq!(line["seam"], "http.request_refused");
    assert!(!line.to_string().contains("no-such-route"), "{line}");
}
