//! Tools, prompts, resources and webhooks of real libraries, called through the registry: what comes back, and what is told meanwhile.

mod faults;

use std::{fs, time::Duration};

use kora_host::plugin::{
    CallNotice, CompletionArgument, CompletionRequest, OfferError, PluginState, ResourceUpdated,
    WebhookRequest, WebhookStatus,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::{TENANT, TestRegistry, caller, library, request};

async fn conformance() -> TestRegistry {
    let test = TestRegistry::new();
    let bytes = fs::read(library("conformance")).unwrap();
    assert!(
        test.load("conformance", &bytes).await,
        "{}",
        test.cause("conformance")
    );
    test
}

impl TestRegistry {
    fn tool_names(&self) -> Vec<String> {
        let tools = self.registry.tools();
        tools
            .iter()
            .map(|tool| tool.descriptor().name.to_string())
            .collect()
    }
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

#[tokio::test]
async fn tools_are_listed_with_what_was_said_of_them_and_answer() {
    let test = conformance().await;
    let tools = test.registry.tools();
    let simple = tools
        .iter()
        .find(|tool| tool.descriptor().name.as_str() == "test_simple_text")
        .unwrap();
    let said = simple.descriptor();
    assert_eq!(
        (simple.plugin().name.as_str(), simple.plugin().version.as_str()),
        ("conformance", "0.1.0")
    );
    assert_eq!(said.required_capability, "test_simple_text");
    assert!(said.annotations.read_only && !said.annotations.destructive && !said.dev_only);
    assert_eq!(said.deadline(), Duration::from_secs(60));
    assert_eq!(
        said.input_schema,
        json!({"type": "object", "additionalProperties": false})
    );

    let answer = test
        .call("conformance", "test_simple_text", json!({}))
        .await
        .unwrap();
    assert_eq!(answer, text("This is a simple text response for testing."));
    let answer = test
        .call("conformance", "test_error_handling", json!({}))
        .await
        .unwrap();
    assert_eq!(answer["isError"], true);
    let answer = test
        .call("conformance", "test_image_content", json!({}))
        .await
        .unwrap();
    assert_eq!(answer["content"][0]["mimeType"], "image/png");
    assert!(
        answer["content"][0]["data"]
            .as_str()
            .unwrap()
            .starts_with("iVBORw0KGgo")
    );
    let answer = test
        .call("conformance", "test_structured_content", json!({}))
        .await
        .unwrap();
    assert_eq!(
        answer["structuredContent"],
        json!({"temperature": 22.5, "unit": "celsius"})
    );
    let answer = test
        .call("conformance", "test_custom_headers", json!({"region": "eu"}))
        .await
        .unwrap();
    assert_eq!(answer, text(r#"Arguments: {"region":"eu"}"#));
}

#[tokio::test]
async fn what_a_tool_tells_on_the_way_is_heard_in_order() {
    let test = conformance().await;
    let call = async |name: &str| {
        let (notices, mut heard) = mpsc::channel(16);
        let answer = test
            .registry
            .call_tool("conformance", name, &request(json!({})), notices)
            .await;
        answer.unwrap();
        let mut told = Vec::new();
        while let Some(notice) = heard.recv().await {
            told.push(match notice {
                CallNotice::Progress(notice) => format!("{}/{:?}", notice.progress, notice.total),
                CallNotice::Log(notice) => format!("{} {}", notice.level, notice.data),
            });
        }
        told
    };
    assert_eq!(
        call("test_tool_with_progress").await,
        ["0/Some(100.0)", "50/Some(100.0)", "100/Some(100.0)"]
    );
    assert_eq!(
        call("test_tool_with_logging").await,
        [
            "info \"Tool execution started\"",
            "info \"Tool processing data\"",
            "info \"Tool execution completed\""
        ]
    );
}

#[tokio::test]
async fn a_tool_that_asks_back_is_answered_and_finds_out_what_was_tampered_with() {
    let test = conformance().await;
    let round = async |name: &str, responses: Value, state: Option<String>| {
        let mut request = request(json!({}));
        request.client_capabilities = json!({"sampling": {}}).as_object().cloned();
        request.input_responses = responses.as_object().cloned();
        request.request_state = state;
        let (notices, _heard) = mpsc::channel(1);
        test.registry
            .call_tool("conformance", name, &request, notices)
            .await
    };
    let name = "test_input_required_result_multi_round";
    let first = round(name, Value::Null, None).await.unwrap();
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(first["inputRequests"]["step1"]["method"], "elicitation/create");
    let state = |answer: &Value| answer["requestState"].as_str().map(str::to_owned);
    let answer = json!({"step1": {"action": "accept", "content": {"name": "Alice"}}});
    let second = round(name, answer, state(&first)).await.unwrap();
    assert!(second["inputRequests"]["step2"].is_object() && state(&second) != state(&first));
    let answer = json!({"step2": {"action": "accept", "content": {"color": "blue"}}});
    let third = round(name, answer.clone(), state(&second)).await.unwrap();
    assert_eq!(third, text("Both were answered."));
    let tampered = state(&second).map(|state| state + "-TAMPERED");
    let refused = round(name, answer, tampered).await.unwrap_err();
    assert_eq!(
        refused,
        OfferError::Invalid("the request state was tampered with".to_owned())
    );

    let asked = round("test_input_required_result_capabilities", Value::Null, None)
        .await
        .unwrap();
    let methods: Vec<_> = asked["inputRequests"]
        .as_object()
        .unwrap()
        .values()
        .map(|ask| &ask["method"])
        .collect();
    assert_eq!(methods, ["sampling/createMessage"]);
}

#[tokio::test]
async fn what_is_hidden_is_neither_listed_nor_called_and_the_change_is_told() {
    let test = conformance().await;
    let mut generations = test.registry.offer_generations();
    let before = *generations.borrow_and_update();
    assert!(test.tool_names().contains(&"test_dynamic_tool".to_owned()));
    test.call("conformance", "test_trigger_tool_change", json!({}))
        .await
        .unwrap();
    generations.changed().await.unwrap();
    let after = *generations.borrow_and_update();
    assert_eq!((after.tools, after.prompts), (before.tools + 1, before.prompts));
    assert!(!test.tool_names().contains(&"test_dynamic_tool".to_owned()));
    let unknown = test
        .call("conformance", "test_dynamic_tool", json!({}))
        .await
        .unwrap_err();
    assert_eq!(
        unknown,
        OfferError::Unknown("tool `test_dynamic_tool`".to_owned())
    );
    test.call("conformance", "test_trigger_tool_change", json!({}))
        .await
        .unwrap();
    assert!(
        test.call("conformance", "test_dynamic_tool", json!({}))
            .await
            .is_ok()
    );
    test.call("conformance", "test_trigger_prompt_change", json!({}))
        .await
        .unwrap();
    assert_eq!(generations.borrow_and_update().prompts, before.prompts + 1);
    let prompts = test.registry.prompts();
    assert!(
        prompts
            .iter()
            .all(|prompt| prompt.descriptor().name.as_str() != "test_dynamic_prompt")
    );
}

#[tokio::test]
async fn a_plugin_that_was_stopped_offers_nothing_until_it_starts_again() {
    let test = conformance().await;
    let mut generations = test.registry.offer_generations();
    let before = *generations.borrow_and_update();
    let name = "conformance".parse().unwrap();
    test.registry.set_state(&name, PluginState::Stopping, None);
    let after = *generations.borrow_and_update();
    assert_eq!(
        (after.tools, after.prompts, after.resources, after.webhooks),
        (
            before.tools + 1,
            before.prompts + 1,
            before.resources + 1,
            before.webhooks + 1
        )
    );
    assert!(test.registry.tools().is_empty() && test.registry.webhooks().is_empty());
    assert!(test.registry.resource("test://static-text").is_none());
    let gone = test
        .call("conformance", "test_simple_text", json!({}))
        .await
        .unwrap_err();
    assert_eq!(gone.to_string(), "the plugin `conformance` is stopping");
    test.registry.set_state(&name, PluginState::Starting, None);
    assert!(
        test.call("conformance", "test_simple_text", json!({}))
            .await
            .is_ok()
    );
    let nobody = test.call("nobody", "x", json!({})).await.unwrap_err();
    assert_eq!(nobody.kind(), "gone");
}

#[tokio::test]
async fn nothing_is_called_for_a_tenant_that_the_plugin_does_not_act_for() {
    let test = conformance().await;
    assert!(test.registry.serves("conformance", &TENANT.parse().unwrap()));
    assert!(!test.registry.serves("conformance", &"globex".parse().unwrap()));
    let mut foreign = request(json!({}));
    foreign.tenant = "globex".parse().unwrap();
    let (notices, _heard) = mpsc::channel(1);
    let refused = test
        .registry
        .call_tool("conformance", "test_simple_text", &foreign, notices)
        .await;
    assert_eq!(refused.unwrap_err().kind(), "not_served");
    let refused = test
        .registry
        .read_resource("conformance", "test://static-text", &foreign)
        .await;
    assert_eq!(refused.unwrap_err().kind(), "not_served");
}

#[tokio::test]
async fn prompts_and_resources_answer_and_complete() {
    let test = conformance().await;
    let registry = &test.registry;
    let arguments = request(json!({"arg1": "hello", "arg2": "world"}));
    let prompt = registry
        .get_prompt("conformance", "test_prompt_with_arguments", &arguments)
        .await
        .unwrap();
    assert_eq!(
        prompt["messages"][0]["content"]["text"],
        "Prompt with arguments: arg1='hello', arg2='world'"
    );
    let asks = registry
        .get_prompt(
            "conformance",
            "test_input_required_result_prompt",
            &request(json!({})),
        )
        .await;
    assert_eq!(asks.unwrap()["resultType"], "input_required");

    let completion = CompletionRequest {
        argument: CompletionArgument {
            name: "arg1".to_owned(),
            value: "par".to_owned(),
        },
        arguments: serde_json::Map::new(),
        tenant: TENANT.parse().unwrap(),
        caller: caller(),
    };
    let completed = registry
        .complete_prompt("conformance", "test_prompt_with_arguments", &completion)
        .await;
    assert_eq!(
        completed.unwrap(),
        json!({"values": ["paris", "park", "party"], "total": 3, "hasMore": false})
    );
    let template = "test://template/{id}/data";
    let nothing = registry
        .complete_resource("conformance", template, &completion)
        .await
        .unwrap();
    assert_eq!(nothing["values"], json!([]));

    let (found, values) = registry.resource("test://template/123/data").unwrap();
    assert_eq!(
        (found.descriptor().uri.as_str(), values["id"].as_str()),
        (template, "123")
    );
    let read = async |uri: &str| {
        registry
            .read_resource("conformance", uri, &request(json!({})))
            .await
    };
    let contents = read("test://template/123/data").await.unwrap();
    let data: Value = serde_json::from_str(contents["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(data["id"], "123");
    assert!(read("test://static-binary").await.unwrap()["contents"][0]["blob"].is_string());
    for missing in ["test://template/missing/data", "test://nonexistent"] {
        let error = read(missing).await.unwrap_err();
        assert_eq!(error, OfferError::Unknown(format!("resource `{missing}`")));
    }
    let mut updates = registry.resource_updates();
    read("test://watched-resource").await.unwrap();
    let update = ResourceUpdated {
        plugin: "conformance".parse().unwrap(),
        uri: "test://watched-resource".to_owned(),
    };
    assert_eq!(updates.recv().await.unwrap(), update);
}

#[tokio::test]
async fn a_webhook_is_told_what_it_asked_for_and_no_more() {
    let test = conformance().await;
    let send = async |headers: &[(&str, &str)], body: &[u8]| {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let request = WebhookRequest {
            headers: headers.collect(),
            body: body.to_vec(),
            received_at_us: 7,
            peer: "192.0.2.x".to_owned(),
        };
        test.registry
            .receive_webhook("conformance", "echo", request)
            .await
    };
    let headers = [("x-test", "a"), ("authorization", "secret")];
    let accepted = send(&headers, br#"{"b":1}"#).await.unwrap();
    assert_eq!(accepted.status, WebhookStatus::Accepted);
    let told: Value = serde_json::from_str(&accepted.body.unwrap()).unwrap();
    assert_eq!(
        told,
        json!({"webhook": "echo", "headers": [["x-test", "a"]], "peer": "192.0.2.x", "body": {"b": 1}})
    );
    let challenge = send(&[], br#"{"challenge":"abc"}"#).await.unwrap();
    assert_eq!(
        (challenge.status, challenge.body.as_deref()),
        (WebhookStatus::Challenge, Some("abc"))
    );
    let rejected = send(&[], b"\xff").await.unwrap();
    assert_eq!(rejected.reason.as_deref(), Some("body_not_json"));
    let too_old = send(&[("x-test", "too-old")], b"{}").await.unwrap();
    assert_eq!(too_old.http_status, Some(408));
    let webhooks = test.registry.webhooks();
    assert_eq!(webhooks[0].descriptor().body_limit_bytes(), 4096);
}
