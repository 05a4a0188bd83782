//! What is listed to whom: nothing that he could use for no tenant of his.

use serde_json::{Value, json};

use super::{Client, home_with_plugin};
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
    }
}
