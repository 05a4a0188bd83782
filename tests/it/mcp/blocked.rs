//! What a stop command holds of what plugins offer, how that is told, and what it does not hold.

use serde_json::{Value, json};

use super::{Client, OPEN, audit, fault, fields, home_with_plugin, last_audited, session};
use crate::harness::{RunningHost, TestHome, eventually};

/// A tool, a prompt, a resource and a completion of the plugin `conformance`, each as it is asked for.
const TOOL: &str = "test_simple_text";
const ASKED: [(&str, &str, &str); 4] = [
    ("tools/call", "name", TOOL),
    ("prompts/get", "name", "test_simple_prompt"),
    ("resources/read", "uri", "test://static-text"),
    ("completion/complete", "ref", "test_prompt_with_arguments"),
];

/// What is answered by the current revision of the protocol.
fn ask(client: &Client, (method, key, name): (&str, &str, &str)) -> Value {
    let params = match method {
        "tools/call" => json!({ key: name, "arguments": {} }),
        "completion/complete" => json!({
            key: { "type": "ref/prompt", "name": name }, "argument": { "name": "arg1", "value": "" }
        }),
        _ => json!({ key: name }),
    };
    client.current(method, params).send().json()
}

#[track_caller]
fn assert_that_all_answer(client: &Client) {
    for asked in ASKED {
        let answer = ask(client, asked);
        assert!(answer["result"].is_object(), "{asked:?}: {answer}");
    }
}

/// That each of them is held by this command, which is on `whom`, and that the audit of `acme` says so.
#[track_caller]
fn assert_that_all_are_held(client: &Client, home: &TestHome, (id, whom, action): (&Value, &str, &str)) {
    for asked in ASKED {
        let (method, ..) = asked;
        let before = audit(home, "acme").len();
        let answer = ask(client, asked);
        assert_eq!(answer["error"]["code"], -32001, "{method}: {answer}");
        let data = &answer["error"]["data"];
        assert_eq!(
            fields(data),
            ["block_kind", "command_id", "error", "stop_kora_action"],
            "{method}"
        );
        assert_eq!(
            (
                &data["block_kind"],
                &data["stop_kora_action"],
                &data["command_id"]
            ),
            (&json!("stop_kora"), &json!(action), id),
            "{method}"
        );
        // What it is, on whom, and what lifts it; not why it was given.
        let error = data["error"].as_str().unwrap();
        for part in ["no tool may be called", whom, "kora state reset"] {
            assert!(error.contains(part), "{method}: {error}");
        }
        assert!(!answer.to_string().contains("cellar"), "{method}: {answer}");
        assert_eq!(
            answer["error"]["message"],
            format!("stop_kora: {error}"),
            "{method}"
        );

        let line = eventually("the audit has one more line", || {
            audit(home, "acme").get(before).cloned()
        });
        let details = &line["details"];
        assert_eq!(
            (
                &details["result"],
                &details["code"],
                &details["tool_status"],
                &line["source"]
            ),
            (
                &json!("blocked_by_control"),
                &json!("stop_kora"),
                &json!("error"),
                &json!("mcp_http")
            ),
            "{method}: {line}"
        );
        let named = match method {
            "tools/call" => (&line["seam"], &details["tool_name"]),
            _ => (&line["seam"], &details["route"]),
        };
        let expected = match method {
            "tools/call" => ("mcp.tool_called", TOOL),
            _ => ("mcp.read", method),
        };
        assert_eq!(named, (&json!(expected.0), &json!(expected.1)), "{line}");
        assert_eq!(audit(home, "acme").len(), before + 1, "{method}");
    }
}

fn stop(host: &RunningHost<'_>, level: &str, whom: &[&str]) -> Value {
    let stop = [
        "state",
        "stop",
        "--level",
        level,
        "--reason",
        "a flood in the cellar",
    ];
    host.json(&[stop.as_slice(), whom].concat())["command_id"].clone()
}

#[test]
fn what_plugins_offer_is_held_by_a_stop_command_of_level_2_and_what_the_host_shows_is_not() {
    const ACME: [&str; 2] = ["--tenant", "acme"];
    let home = home_with_plugin("");
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    let client = Client::new(&home, &host, "asker", &[TOOL]);
    assert_that_all_answer(&client);
    // A pause keeps new work out, and holds no call.
    stop(&host, "1", &ACME);
    assert_that_all_answer(&client);
    eventually("all that was asked is audited", || {
        (audit(&home, "acme").len() == 2 * ASKED.len()).then_some(())
    });

    let drained = stop(&host, "2", &ACME);
    assert_that_all_are_held(&client, &home, (&drained, "`acme`", "drain_current_finish"));
    // The original's form says the same.
    let blocked = client.error(TOOL, json!({}));
    assert_eq!(
        (blocked.code(), &blocked.data()["command_id"]),
        (-32001, &drained),
        "{blocked:?}"
    );
    last_audited(&home, "acme", "blocked_by_control");
    for tool in OPEN {
        client.output(tool, json!({}));
    }
    assert_eq!(
        client.output("kora__get_operational_state", json!({}))["primary_state"],
        "paused"
    );
    let own = client.current(
        "resources/read",
        json!({ "uri": "kora://acme/operational-state" }),
    );
    assert!(own.send().json()["result"].is_object());
    // Who may not call it is told that, and not how the tenant fares.
    let stranger = Client::new(&home, &host, "stranger", &[]);
    let denied = fault(
        &stranger
            .current("tools/call", json!({ "name": TOOL, "arguments": {} }))
            .send(),
    );
    assert_eq!(denied.message(), "capability_denied");

    host.json(&["state", "reset", "--tenant", "acme"]);
    assert_that_all_answer(&client);
}

#[test]
fn a_stop_command_on_the_host_holds_what_plugins_offer_to_every_tenant() {
    let home = home_with_plugin("");
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    let client = Client::new(&home, &host, "asker", &[TOOL]);
    let aborted = stop(&host, "3", &["--host", "--confirm", &session(&host)]);
    assert_that_all_are_held(&client, &home, (&aborted, "the host", "abort_release_claim"));
    client.output("kora__get_operational_state", json!({}));
    host.json(&["state", "reset", "--host"]);
    assert_that_all_answer(&client);
}
