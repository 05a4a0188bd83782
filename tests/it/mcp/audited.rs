//! Every outcome leaves one line: what was done, what was refused and by whom, and nothing that a caller said.

use serde_json::{Value, json};

use super::{Client, GATED, Trail, fields, home};
use crate::harness::RunningHost;

/// What the line says of its outcome.
fn result(line: &Value) -> (&str, &str) {
    let details = &line["details"];
    (
        details["result"].as_str().unwrap(),
        details["tool_status"].as_str().unwrap(),
    )
}

#[test]
fn a_call_and_each_way_of_refusing_one_is_one_line_and_one_record() {
    let home = home();
    let host = home.start();
    let all = Client::new(&home, &host, "all", &GATED);
    let plain = Client::new(&home, &host, "plain", &[]);
    let mut trail = Trail::new(&home);

    all.output(
        "kora__create_sea_ticket",
        json!({ "title": "the title", "body": "the body" }),
    );
    let line = trail.next("acme");
    assert_eq!(
        (&line["seam"], &line["source"], &line["tenant"]),
        (&json!("mcp.tool_called"), &json!("mcp_http"), &json!("acme"))
    );
    let details = line["details"].clone();
    assert_eq!(
        fields(&details),
        [
            "args_keys",
            "caller",
            "caller_actor_id",
            "caller_actor_kind",
            "duration_ms",
            "result",
            "tool_kind",
            "tool_name",
            "tool_status"
        ]
    );
    assert_eq!(result(&line), ("ok", "ok"));
    assert_eq!(
        (&details["caller"], &details["tool_kind"]),
        (&json!("all"), &json!("mutating"))
    );

    plain.output("kora__get_operational_state", json!({}));
    assert_eq!(trail.next("acme")["details"]["tool_kind"], "read");

    // Of a tenant's tools, what was refused is the tenant's to know.
    plain.error("kora__request_pause", json!({ "reason": "r" }));
    let line = trail.next("acme");
    assert_eq!(result(&line), ("capability_denied", "not_allowed"));
    assert_eq!(line["details"]["required_capability"], "kora__request_pause");
    assert_eq!(line["details"]["duration_ms"], 0);

    for (tool, arguments, tenant, expected) in [
        (
            "kora__send_webhook_test_event",
            json!({}),
            "host",
            ("dev_only_refused", "not_allowed"),
        ),
        ("kora__request_pause", json!({}), "acme", ("bad_input", "error")),
        (
            "kora__request_pause",
            json!({ "reason": "r" }),
            "acme",
            ("wrong_state", "error"),
        ),
        (
            "kora__request_pause",
            json!({ "reason": "r", "workspace_id": "globex" }),
            "host",
            ("tenant_denied", "not_allowed"),
        ),
        ("kora__no_such", json!({}), "host", ("unknown", "error")),
        (
            "kora__swap_identity",
            json!({ "provider": "nobody" }),
            "acme",
            ("bad_input", "error"),
        ),
    ] {
        all.error(tool, arguments);
        let line = trail.next(tenant);
        assert_eq!(result(&line), expected, "{tool}: {line}");
        assert!(line["details"]["code"].is_string(), "{line}");
    }

    // What is no request is noted as the host's, and so is what the protocol does not know.
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    assert_eq!(all.http.post_json("/mcp", &list).send().status, 401);
    let line = trail.next("host");
    assert_eq!(line["seam"], "http.request_refused");
    assert_eq!(result(&line), ("unauthorized", "not_allowed"));
    assert_eq!(
        all.bare(&list).header("Host", "evil.example.com").send().status,
        403
    );
    assert_eq!(result(&trail.next("host")).0, "foreign_origin");
    assert_eq!(
        all.bare(&list)
            .header("Origin", "https://evil.example.com")
            .send()
            .status,
        403
    );
    assert_eq!(result(&trail.next("host")).0, "foreign_origin");
    all.bare(&json!([])).send();
    assert_eq!(result(&trail.next("host")).0, "bad_input");
    for (method, params, expected) in [
        ("prompts/get", json!({ "name": "no such prompt" }), "unknown"),
        (
            "resources/read",
            json!({ "uri": "kora://acme/no-such" }),
            "unknown",
        ),
        (
            "resources/read",
            json!({ "uri": "kora://globex/recent-events" }),
            "tenant_denied",
        ),
    ] {
        assert!(
            all.current(method, params).send().json()["error"].is_object(),
            "{method}"
        );
        let line = trail.next("host");
        assert_eq!(
            (&line["seam"], result(&line).0),
            (&json!("mcp.read"), expected),
            "{line}"
        );
    }
    all.current("no/such", json!({})).send();
    assert_eq!(result(&trail.next("host")).0, "bad_input");
    let list = all.current("tools/list", json!({}));
    list.header("Mcp-Method", "tools/call").send();
    assert_eq!(result(&trail.next("host")).0, "bad_input");

    let text = json!([super::audit(&home, "acme"), super::audit(&home, "host")]).to_string();
    for said in ["the title", "the body", "no-such", "evil.example.com"] {
        assert!(!text.contains(said), "{said}");
    }
    let log = host.log();
    for (tag, parts) in [
        (
            "[kora.mcp.tool_called]",
            ["kora__create_sea_ticket", "caller=\"all\""],
        ),
        (
            "[kora.mcp.tool_denied]",
            ["kora__request_pause", "caller=\"plain\""],
        ),
    ] {
        let found = log
            .lines()
            .any(|line| line.contains(tag) && parts.iter().all(|part| line.contains(part)));
        assert!(found, "{tag} {parts:?}");
    }
}

#[test]
fn too_many_and_too_large_requests_are_cut_and_noted() {
    let home = home();
    let host = home.start();
    let more = "requests_per_second = 1";
    let token = crate::harness::add_caller_with(&home, "hasty", &[], &["acme"], None, more);
    let hasty = Client::with_token(&host, token);
    let calm = Client::new(&home, &host, "calm", &[]);
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let limited = (0..50)
        .map(|_| hasty.bare(&list).send())
        .find(|answer| answer.status == 429);
    let limited = limited.expect("one of fifty requests at one a second is too many");
    assert_eq!(limited.json()["code"], "http.rate_limited");
    assert!(limited.header("retry-after").is_some());
    let line = super::last_audited(&home, "host", "rate_limited");
    assert_eq!(line["details"]["caller"], "hasty");
    assert_eq!(calm.bare(&list).send().status, 200);

    let large = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": "x".repeat(8 << 20) });
    let answer = calm
        .bare(&large)
        .open()
        .and_then(crate::harness::HttpStream::into_response);
    // It may be cut off while it is still being sent.
    if let Ok(answer) = answer {
        assert_eq!(answer.status, 413, "{answer:?}");
    }
    let line = super::last_audited(&home, "host", "too_large");
    assert_eq!(line["details"]["route"], "/mcp");
}

#[test]
fn what_waits_to_be_written_is_written_when_the_host_stops() {
    let home = home();
    let config = std::fs::read_to_string(home.path().join("kora.toml")).unwrap();
    home.configure(&config.replace("batch_size = 1", "batch_size = 100\nflush_interval_seconds = 60"));
    let host: RunningHost<'_> = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    client.output("kora__get_operational_state", json!({}));
    assert_eq!(super::audit(&home, "acme"), [] as [Value; 0]);
    // A denial is there before its answer, and with it what came before.
    client.error("kora__request_pause", json!({ "reason": "r" }));
    let denied = super::audit(&home, "acme").pop().unwrap();
    assert_eq!(result(&denied), ("capability_denied", "not_allowed"));
    client.output("kora__get_operational_state", json!({}));
    assert_eq!(host.stop(), 0);
    assert_eq!(super::audit(&home, "acme").len(), 3);
}
