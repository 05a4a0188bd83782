//! The protocol over HTTP: the current revision and those before, each with the headers that it asks for.

use serde_json::{Value, json};

use super::{CURRENT, Client, OLDER, fault, home, meta};

fn initialize(revision: &str) -> Value {
    let client = json!({ "name": "tests", "version": "1" });
    let params = json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}

#[test]
fn clients_of_every_revision_connect_list_and_call() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    for revision in [OLDER, "2025-06-18"] {
        let hello = client.of_protocol(&initialize(revision)).send().expect(200);
        assert_eq!(hello["result"]["protocolVersion"], revision, "{hello}");
        assert_eq!(hello["result"]["serverInfo"]["name"], "kora");
        // What is told outside of a request never reaches such a client, so it is not promised.
        let promised = &hello["result"]["capabilities"];
        assert_eq!(
            [&promised["tools"], &promised["prompts"], &promised["resources"]],
            [&json!({}); 3],
            "{revision}"
        );
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(client.of_revision(revision, &initialized).send().status, 202);
        let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
        let listed = client.of_revision(revision, &list).send().expect(200);
        assert_eq!(
            listed["result"]["tools"].as_array().unwrap().len(),
            21,
            "{revision}"
        );
        let call = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": { "name": "kora__daemon_status" } });
        let called = client.of_revision(revision, &call).send().expect(200);
        assert_eq!(
            called["result"]["structuredContent"]["state"], "running",
            "{called}"
        );
        // The gate is the same.
        let call = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": { "name": "kora__request_pause" } });
        let denied = client.of_revision(revision, &call).send();
        assert_eq!(
            (denied.status, fault(&denied).code()),
            (200, -32001),
            "{revision}"
        );
        let ping = json!({ "jsonrpc": "2.0", "id": 4, "method": "ping" });
        assert_eq!(
            client.of_revision(revision, &ping).send().expect(200)["result"],
            json!({})
        );
    }
    let discovered = client.current("server/discover", json!({})).send().expect(200);
    let resources = &discovered["result"]["capabilities"]["resources"];
    assert_eq!(resources, &json!({ "subscribe": true, "listChanged": true }));
    let versions = json!(["2025-06-18", OLDER, CURRENT]);
    assert_eq!(
        discovered["result"]["supportedVersions"], versions,
        "{discovered}"
    );
    let called = client
        .current("tools/call", json!({ "name": "kora__daemon_status" }))
        .send()
        .expect(200);
    assert_eq!(
        called["result"]["structuredContent"]["state"], "running",
        "{called}"
    );
    let denied = client
        .current("tools/call", json!({ "name": "kora__request_pause" }))
        .send();
    assert_eq!(
        (fault(&denied).code(), fault(&denied).message()),
        (-32001, "capability_denied")
    );
}

#[test]
fn a_revision_that_is_not_spoken_is_refused_or_another_is_offered() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    // Before 2026 a server answers with one that it speaks.
    let offered = client.of_protocol(&initialize("2099-01-01")).send().expect(200);
    assert_eq!(offered["result"]["protocolVersion"], OLDER, "{offered}");
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    assert_eq!(client.of_revision("2099-01-01", &list).send().status, 400);
    let params = json!({ "_meta": meta("2099-01-01") });
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": params });
    let refused = client
        .of_revision("2099-01-01", &list)
        .header("Mcp-Method", "tools/list")
        .send();
    assert_eq!(refused.status, 400);
    let refused = fault(&refused);
    assert!(refused.data()["supported"].is_array(), "{refused:?}");
}

#[test]
fn headers_that_contradict_the_body_are_refused_and_nothing_is_done() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "maker", &["kora__create_sea_ticket"]);
    let params =
        json!({ "name": "kora__create_sea_ticket", "arguments": { "title": "t" }, "_meta": meta(CURRENT) });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let (method, name) = (Some("tools/call"), Some("kora__create_sea_ticket"));
    for (revision, method, name) in [
        (Some(OLDER), method, name),
        (None, method, name),
        (Some(CURRENT), None, name),
        (Some(CURRENT), Some("tools/list"), name),
        (Some(CURRENT), method, None),
        (Some(CURRENT), method, Some("kora__daemon_status")),
    ] {
        let mut request = client.of_protocol(&call);
        for (header, value) in [
            ("MCP-Protocol-Version", revision),
            ("Mcp-Method", method),
            ("Mcp-Name", name),
        ] {
            if let Some(value) = value {
                request = request.header(header, value);
            }
        }
        let refused = request.send();
        assert_eq!(
            refused.status, 400,
            "{revision:?} {method:?} {name:?}: {refused:?}"
        );
        assert!(fault(&refused).code() < -32000, "{refused:?}");
    }
    assert_eq!(host.json(&["tickets", "list", "--tenant", "acme"]), json!([]));
}

#[test]
fn there_is_no_stream_to_get_no_session_to_delete_and_bad_json_is_told_in_json() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    for method in ["GET", "DELETE", "PUT"] {
        let request = client.http.request(method, "/mcp").bearer(&client.token);
        let answer = request
            .header("Accept", "text/event-stream")
            .header("Mcp-Session-Id", "1")
            .send();
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("POST")),
            "{method}"
        );
    }
    for revision in [CURRENT, OLDER] {
        for (body, code) in [("{", -32700), ("", -32700), ("[]", -32600), ("3", -32600)] {
            let request = client
                .http
                .request("POST", "/mcp")
                .bearer(&client.token)
                .body(body);
            let request = request
                .header("Content-Type", "application/json")
                .header("Content-Length", &body.len().to_string());
            let answer = request.header("MCP-Protocol-Version", revision).send();
            assert_eq!(answer.status, 400, "{revision} {body}");
            assert_eq!(fault(&answer).code(), code, "{revision} {body}");
        }
    }
}

#[test]
fn prompts_and_resources_are_those_of_the_caller_s_tenants() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    let names = |method: &str, list: &str, key: &str| -> Vec<String> {
        let answer = client.current(method, json!({})).send().expect(200);
        let list = answer["result"][list].as_array().unwrap().clone();
        list.iter()
            .map(|one| one[key].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("prompts/list", "prompts", "name"), ["identity:acme"]);
    assert_eq!(
        names("resources/list", "resources", "uri"),
        ["kora://acme/operational-state", "kora://acme/recent-events"]
    );
    assert_eq!(
        names("resources/templates/list", "resourceTemplates", "uriTemplate").len(),
        2
    );
    let prompt = client
        .current("prompts/get", json!({ "name": "identity:acme" }))
        .send()
        .expect(200);
    assert_eq!(
        prompt["result"]["messages"][0]["content"]["text"], "You are patient.",
        "{prompt}"
    );
    let uri = "kora://acme/operational-state";
    let read = client
        .current("resources/read", json!({ "uri": uri }))
        .send()
        .expect(200);
    let text = read["result"]["contents"][0]["text"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(text).unwrap()["primary_state"],
        "ready"
    );

    for (method, params, code) in [
        ("prompts/get", json!({ "name": "identity:globex" }), -32602),
        ("prompts/get", json!({ "name": "identity:nobody" }), -32602),
        ("prompts/get", json!({ "name": "other" }), -32602),
        (
            "resources/read",
            json!({ "uri": "kora://globex/operational-state" }),
            -32602,
        ),
        (
            "resources/read",
            json!({ "uri": "kora://nobody/operational-state" }),
            -32602,
        ),
        ("resources/read", json!({ "uri": "file:///etc/passwd" }), -32602),
    ] {
        let refused = client.current(method, params.clone()).send();
        assert_eq!(fault(&refused).code(), code, "{method} {params}: {refused:?}");
        assert!(!refused.body.contains("You are patient"), "{refused:?}");
        assert!(
            fault(&refused).data()["code"].is_string(),
            "{method} {params}: {refused:?}"
        );
    }
    // Clients of before know a number of its own for a resource that there is not.
    let read = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": "kora://nobody/x" } });
    let refused = fault(&client.of_revision(OLDER, &read).send());
    assert_eq!(
        (refused.code(), &refused.data()["code"]),
        (-32002, &json!("resource.unknown"))
    );
}
