//! The gate: each capability alone, development, schemas, tenants, and what `tools/list` says of all that.

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{ACTOR, Client, GATED, OPEN, Trail, fields, home};
use crate::harness::{RunningHost, add_caller};

#[test]
fn a_capability_opens_its_own_tool_and_no_other() {
    let home = home();
    let host = RunningHost::spawn_command(
        &home,
        {
            let mut command = home.command(&["daemon", "--log-level", "debug"]);
            command.env("KORA_DEPLOY_ENV", "dev");
            command
        },
        &[],
    );
    host.wait_until_running();
    for own in GATED {
        let client = Client::new(&home, &host, own, &[own]);
        for tool in GATED {
            // What opens answers what it thinks of the arguments, and nothing is done.
            let fault = client.error(tool, json!({ "no_such_argument": 1, "title": "" }));
            if tool == own {
                assert_eq!(fault.code(), -32602, "{own}: {fault:?}");
                continue;
            }
            assert_eq!(
                (fault.code(), fault.message()),
                (-32001, "capability_denied"),
                "{own} on {tool}"
            );
            let expected = json!({ "required_capability": tool, "caller_actor_kind": format!("{own}_kind") });
            assert_eq!(fault.data(), &expected, "{own} on {tool}");
        }
    }
    let nobody = Client::new(&home, &host, "without", &[]);
    for tool in OPEN {
        nobody.output(tool, json!({}));
    }
    for tool in GATED {
        assert_eq!(
            nobody.error(tool, json!({})).message(),
            "capability_denied",
            "{tool}"
        );
    }
    // A name that begins like it, or holds it, grants nothing.
    let near = Client::new(
        &home,
        &host,
        "near",
        &["kora__request_pause2", "kora__request", "KORA__REQUEST_PAUSE"],
    );
    assert_eq!(
        near.error("kora__request_pause", json!({ "reason": "r" }))
            .message(),
        "capability_denied"
    );
}

#[test]
fn tools_for_development_are_refused_unless_it_is_said_to_be_none_of_production() {
    let home = home();
    let tool = "kora__send_webhook_test_event";
    let arguments = json!({ "endpoint": "slack", "payload": { "b": 1, "a": 2 } });
    for (environment, is_refused) in [
        (None, true),
        (Some("prd"), true),
        (Some("stg"), false),
        (Some("dev"), false),
    ] {
        let mut command = home.command(&["daemon", "--log-level", "debug"]);
        if let Some(environment) = environment {
            command.env("KORA_DEPLOY_ENV", environment);
        }
        let host = RunningHost::spawn_command(&home, command, &[]);
        host.wait_until_running();
        let client = Client::new(&home, &host, "developer", &[tool]);
        if is_refused {
            let fault = client.error(tool, arguments.clone());
            assert_eq!(fault.code(), -32001, "{environment:?}");
            assert!(fault.message().starts_with("dev_only_tool: "), "{fault:?}");
            let last = super::last_audited(&home, "host", "dev_only_refused");
            assert_eq!(last["details"]["tool_name"], tool, "{last}");
        } else {
            let sent = client.output(tool, arguments.clone());
            let expected = json!({
                "success": true, "endpoint": "slack", "payload_keys": ["a", "b"],
                "caller_actor_kind": "developer_kind", "deploy_env": environment.unwrap(),
            });
            assert_eq!(sent, expected);
            host.wait_for_log(&["[kora.webhook.test_event]", "slack"]);
        }
        assert_eq!(host.stop(), 0);
        std::fs::remove_file(home.path().join("callers.toml")).unwrap();
    }
}

/// An input that a tool takes, though not what it does with it.
fn sound(tool: &str) -> Value {
    let ticket = ACTOR;
    match tool {
        "kora__request_state_transition" => json!({ "target_state": "READY", "reason": "r" }),
        "kora__request_pause" | "kora__request_resume" => json!({ "reason": "r" }),
        "kora__request_stop" => json!({ "reason": "r", "level": 1, "confirm_token": "t", "dry_run": true }),
        "kora__create_sea_ticket" => json!({ "title": "t", "body": "b", "priority": "frontier" }),
        "kora__refresh_claim" | "kora__release_claim" => {
            json!({ "ticket_id": ticket, "claim_fence_token": 1 })
        }
        "kora__append_event" => json!({ "event_type": "deploy.finished", "payload": {} }),
        "kora__swap_identity" => json!({ "provider": "p" }),
        "kora__send_webhook_test_event" => json!({ "endpoint": "email", "payload": {} }),
        "kora__get_recent_ledger_entries" => json!({ "limit": 200, "status": "allocated" }),
        "kora__get_recent_chain_events" => json!({ "limit": 1, "event_kind": "kora.boot" }),
        "kora__list_active_sea_tickets" => json!({ "limit": 200 }),
        _ => json!({}),
    }
}

#[test]
fn the_schema_that_is_shown_is_the_one_that_is_enforced() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "all", &GATED);
    let mut trail = Trail::new(&home);
    let listed = client
        .http
        .get("/mcp/tools/list")
        .bearer(&client.token)
        .send()
        .expect(200);
    for tool in listed["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        let schema = Validator::new(&tool["inputSchema"]).unwrap();
        assert!(schema.is_valid(&sound(name)), "{name}: {}", tool["inputSchema"]);
        assert!(tool["inputSchema"]["properties"].is_object(), "{name}");
        let is_of_tenant = tool["inputSchema"]["properties"].get("workspace_id").is_some();
        // Each of these the schema refuses, and so does the gate; what the schema takes, the gate does not call bad.
        let mut bad = vec![json!({ "workspace_id": 3 }), json!({ "workspace_id": null })];
        for key in sound(name).as_object().unwrap().keys() {
            let mut without = sound(name);
            without.as_object_mut().unwrap().remove(key);
            bad.push(without);
            for wrong in [
                json!(null),
                json!([]),
                json!({ "a": [] }),
                json!(""),
                json!(-1),
                json!(201),
                json!("?"),
                json!(true),
            ] {
                let mut changed = sound(name);
                changed[key] = wrong;
                bad.push(changed);
            }
        }
        if name != "kora__create_sea_ticket" {
            let mut more = sound(name);
            more["no_such_argument"] = json!(1);
            assert!(!schema.is_valid(&more), "{name}: unknown arguments are taken");
            bad.push(more);
        }
        for arguments in bad.into_iter().filter(|arguments| !schema.is_valid(arguments)) {
            if !is_of_tenant && arguments.get("workspace_id").is_some() {
                continue;
            }
            let answer = client.call(name, arguments.clone());
            let error = &answer["error"];
            // Of a tool for development nothing is looked at in production.
            if tool["dev_only"] == true {
                assert_eq!(error["code"], -32001, "{name} {arguments}: {answer}");
                trail.next("host");
                continue;
            }
            assert_eq!(error["code"], -32602, "{name} {arguments}: {answer}");
            assert!(
                error["message"].as_str().unwrap().starts_with("invalid params: "),
                "{answer}"
            );
            let last = trail.next("host");
            assert_eq!(
                last["details"]["result"], "bad_input",
                "{name} {arguments}: {last}"
            );
            assert_eq!(last["details"]["tool_name"], name, "{last}");
        }
    }
}

#[test]
fn a_number_is_whole_however_it_is_written_and_as_large_as_the_schema_says() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "all", &GATED);
    let recent = client.output("kora__get_recent_chain_events", json!({ "limit": 1.0 }));
    assert_eq!(recent["events"].as_array().unwrap().len(), 1, "{recent}");
    let session = super::session(&host);
    let stop = |level: &str| {
        let level: Value = serde_json::from_str(level).unwrap();
        json!({ "reason": "r", "level": level, "confirm_token": session, "dry_run": true })
    };
    let planned = client.output("kora__request_stop", stop("1.0"));
    assert_eq!(
        (&planned["level"], &planned["dry_run"]),
        (&json!(1), &json!(true)),
        "{planned}"
    );
    // The level comes before what confirms it.
    for level in ["3", "-1", "99999999999999999999", "1e300"] {
        let mut asked = stop(level);
        asked["confirm_token"] = json!("another");
        let refused = client.error("kora__request_stop", asked);
        assert_eq!(
            (refused.code(), &refused.data()["code"]),
            (-32602, &json!("control.level")),
            "{level}"
        );
    }
    let fence = json!({ "ticket_id": ACTOR, "claim_fence_token": 1e30 });
    let refused = client.error("kora__release_claim", fence);
    assert_eq!(refused.data()["code"], "tool.input");
    assert!(
        refused.message().contains("/claim_fence_token") && refused.message().contains("maximum"),
        "{refused:?}"
    );
    // Whoever names no tenant leaves the parameter out.
    let pause = json!({ "reason": "r", "workspace_id": null });
    let refused = client.error("kora__request_pause", pause);
    assert!(refused.message().contains("/workspace_id"), "{refused:?}");
    // What is in a payload is the caller's: it stays as it was written.
    let event = json!({ "event_type": "deploy.finished", "payload": { "n": 1.0 } });
    client.output("kora__append_event", event);
    let kept = host.payloads("acme", "deploy.finished");
    assert_eq!(kept, [json!({ "n": 1.0 })]);
}

#[test]
fn every_tool_shows_its_schemas_all_four_annotations_and_who_may_call_it() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    let bare = client
        .http
        .get("/mcp/tools/list")
        .bearer(&client.token)
        .send()
        .expect(200);
    let of_protocol = client.current("tools/list", json!({})).send().expect(200);
    let of_protocol = of_protocol["result"]["tools"].as_array().unwrap();
    for (tool, shown) in bare["tools"].as_array().unwrap().iter().zip(of_protocol) {
        let name = tool["name"].as_str().unwrap();
        assert_eq!(
            fields(&tool["annotations"]),
            [
                "destructiveHint",
                "idempotentHint",
                "openWorldHint",
                "readOnlyHint",
                "title"
            ],
            "{name}"
        );
        assert_eq!(
            tool["annotations"]["readOnlyHint"],
            !GATED.contains(&name),
            "{name}"
        );
        for key in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[key]["type"], "object", "{name}");
        }
        assert_eq!(tool["requires_cap_gate"], GATED.contains(&name), "{name}");
        assert_eq!(
            tool["dev_only"],
            name == "kora__send_webhook_test_event",
            "{name}"
        );
        let hints = json!({ "requires_cap_gate": tool["requires_cap_gate"], "dev_only": tool["dev_only"] });
        assert_eq!(shown["_meta"], hints, "{name}");
        // Beside where the hints stand, both show the same.
        let mut same = tool.as_object().unwrap().clone();
        same.retain(|key, _| key != "requires_cap_gate" && key != "dev_only");
        same.insert("_meta".to_owned(), hints);
        assert_eq!(&Value::Object(same), shown, "{name}");
    }
}

#[test]
fn a_tenant_that_is_unknown_is_answered_like_one_that_is_forbidden() {
    let home = home();
    let host = home.start();
    let one = Client::new(&home, &host, "one", &GATED);
    let token = add_caller(&home, "both", &GATED, &["acme", "globex"], None);
    let both = Client::with_token(&host, token);
    let all = Client::with_token(&host, add_caller(&home, "all", &GATED, &["*"], None));
    let none = Client::with_token(&host, add_caller(&home, "none", &GATED, &[], None));
    let tool = "kora__get_operational_state";
    let ask = |client: &Client, tenant: &str| client.error(tool, json!({ "workspace_id": tenant }));

    let forbidden = ask(&one, "globex");
    for tenant in ["nobody", "host", "", "../acme", "acme/", "ACME", "*"] {
        let unknown = ask(&one, tenant);
        assert_eq!(unknown.0, forbidden.0, "{tenant}");
        assert_eq!(ask(&all, tenant).code(), -32602, "{tenant}");
    }
    assert_eq!(forbidden.code(), -32602);
    assert!(forbidden.message().contains("`acme`") && !forbidden.message().contains("globex"));
    super::last_audited(&home, "host", "tenant_denied");

    // One may leave it out; several and none are told their own.
    assert_eq!(one.output(tool, json!({}))["holder_available"], true);
    let missing = both.error(tool, json!({}));
    assert_eq!(missing.code(), -32602);
    assert!(missing.message().contains("`acme`, `globex`"), "{missing:?}");
    assert_eq!(
        both.output(tool, json!({ "workspace_id": "globex" }))["holder_available"],
        true
    );
    let missing = none.error(tool, json!({}));
    assert!(missing.message().contains("are none"), "{missing:?}");
    assert!(!ask(&none, "acme").message().contains("acme"));
    // The same on a tool that changes something: nothing is changed for another.
    let fault = one.error(
        "kora__create_sea_ticket",
        json!({ "title": "t", "workspace_id": "globex" }),
    );
    assert_eq!(fault.0, forbidden.0);
    assert_eq!(host.json(&["tickets", "list", "--tenant", "globex"]), json!([]));
    // A list over all tenants shows a caller its own.
    let seen = one.output("kora__list_identities", json!({}));
    let seen: Vec<_> = seen["identities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["workspace_id"])
        .collect();
    assert_eq!(seen, ["acme"]);
}

#[test]
fn an_unknown_tool_passes_the_gate_and_is_named_back_unless_its_name_is_long() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    let fault = client.error("kora__no_such", json!({}));
    assert_eq!(
        (fault.code(), fault.message()),
        (-32602, "unknown tool: 'kora__no_such'")
    );
    assert_eq!(fault.data()["code"], "tool.unknown");
    let last = super::last_audited(&home, "host", "unknown");
    assert_eq!(last["details"].get("tool_name"), None, "{last}");
    let fault = client.error(&"x".repeat(81), json!({}));
    assert_eq!(fault.message(), "unknown tool: '(a name of 81 characters)'");
}
