//! What is listed to whom: nothing that he could use for no tenant of his.

use serde_json::{Value, json};

use super::{Client, OLDER, home_with_plugin, last_audited};
use crate::harness::add_caller;

const TOOL: &str = "test_simple_text";

fn names(answer: &Value, list: &str, key: &str) -> Vec<String> {
    let list = answer[list].as_array().unwrap_or_else(|| panic!("{answer}"));
    list.iter()
        .map(|one| one[key].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_plugins_offer_is_listed_to_callers_of_the_tenants_that_they_act_for() {
    let home = home_with_plugin("");
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    let caller =
        |name: &str, tenants: &[&str]| Client::with_token(&host, add_caller(&home, name, &[], tenants, None));
    for (client, is_shown) in [
        (caller("served", &["acme"]), true),
        (caller("both", &["globex", "acme"]), true),
        (caller("all", &["*"]), true),
        (caller("other", &["globex"]), false),
        (caller("none", &[]), false),
    ] {
        let bare = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let get = client.http.get("/mcp/tools/list").bearer(&client.token);
        let of_protocol = |method: &str| {
            let answer = client.current(method, json!({})).send().expect(200);
            answer["result"].clone()
        };
        for tools in [
            client.bare(&bare).send().expect(200)["result"].clone(),
            get.send().expect(200),
            of_protocol("tools/list"),
        ] {
            let tools = names(&tools, "tools", "name");
            // It needs a capability that none of them has, and is listed all the same.
            assert_eq!(tools.iter().any(|name| name == TOOL), is_shown, "{tools:?}");
            assert!(
                tools.iter().any(|name| name == "kora__request_pause"),
                "{tools:?}"
            );
        }
        for (method, list, key, word) in [
            ("prompts/list", "prompts", "name", "test_"),
            ("resources/list", "resources", "uri", "test://"),
            (
                "resources/templates/list",
                "resourceTemplates",
                "uriTemplate",
                "test://",
            ),
        ] {
            let listed = names(&of_protocol(method), list, key);
            let has_any = listed.iter().any(|name| name.starts_with(word));
            assert_eq!(has_any, is_shown, "{method}: {listed:?}");
        }
        let plugins = client.http.get("/api/plugins").bearer(&client.token);
        let plugins = plugins.send().expect(200);
        let mut plugins = plugins["plugins"].as_array().unwrap().iter();
        let plugin = plugins.find(|plugin| plugin["name"] == "conformance").unwrap();
        assert!(plugin["digest"].is_string(), "which code runs is no secret");
        for offered in ["tools", "prompts", "resources"] {
            let offered = plugin[offered].as_array().unwrap();
            assert_eq!(!offered.is_empty(), is_shown, "{plugin}");
        }
    }
}

#[test]
fn what_a_plugin_has_for_tenants_of_others_answers_as_what_there_is_not() {
    let home = home_with_plugin("");
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    // It may call the tool, but for its tenant.
    let token = add_caller(&home, "other", &[TOOL], &["globex"], None);
    let other = Client::with_token(&host, token);
    let both = Client::with_token(
        &host,
        add_caller(&home, "both", &[TOOL], &["globex", "acme"], None),
    );
    let completion =
        |reference: Value| json!({ "ref": reference, "argument": { "name": "arg1", "value": "" } });
    let prompt = |name: &str| completion(json!({ "type": "ref/prompt", "name": name }));
    let resource = |uri: &str| completion(json!({ "type": "ref/resource", "uri": uri }));
    let unknown = "test_no_such_thing";
    let unknown_uri = "test://no-such-thing";
    for (method, hidden, absent) in [
        (
            "tools/call",
            json!({ "name": TOOL, "arguments": { "workspace_id": "acme" } }),
            json!({ "name": unknown, "arguments": { "workspace_id": "acme" } }),
        ),
        (
            "prompts/get",
            json!({ "name": "test_simple_prompt" }),
            json!({ "name": unknown }),
        ),
        (
            "prompts/get",
            json!({ "name": "test_simple_prompt", "arguments": { "workspace_id": "acme" } }),
            json!({ "name": unknown, "arguments": { "workspace_id": "acme" } }),
        ),
        (
            "resources/read",
            json!({ "uri": "test://static-text" }),
            json!({ "uri": unknown_uri }),
        ),
        (
            "completion/complete",
            prompt("test_prompt_with_arguments"),
            prompt(unknown),
        ),
        (
            "completion/complete",
            resource("test://template/{id}/data"),
            resource("test://template/{id}/none"),
        ),
    ] {
        let ask = |client: &Client, params: &Value| {
            let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
            let older = client.of_revision(OLDER, &body).send();
            let current = client.current(method, params.clone()).send();
            [older, current].map(|answer| {
                let name = params.get("name").or(params.get("uri")).and_then(Value::as_str);
                let body = answer.body.replace(name.unwrap_or("no name"), "NAME");
                (answer.status, body)
            })
        };
        assert_eq!(ask(&other, &hidden), ask(&other, &absent), "{method} {hidden}");
        // It is there, for who has the tenant.
        if !hidden.to_string().contains("ref/resource") {
            assert_ne!(ask(&both, &hidden), ask(&other, &absent), "{method} {hidden}");
        }
        if method != "completion/complete" {
            ask(&other, &absent);
            last_audited(&home, "host", "unknown");
        }
        // For a template there is nothing to complete, whoever asks.
        if !hidden.to_string().contains("ref/resource") {
            ask(&other, &hidden);
            last_audited(&home, "host", "tenant_denied");
        }
        if method != "completion/complete" {
            continue;
        }
        if let Some(name) = hidden["ref"]["name"].as_str() {
            ask(&both, &hidden);
            let line = last_audited(&home, "acme", "ok");
            assert_eq!(line["details"]["route"], method, "{line}");
            assert!(!line.to_string().contains(name), "{line}");
        }
    }
}
