//! Whose trouble it is when a tool misbehaves: its own, at worst its plugin's.

use std::time::Duration;

use kora_host::plugin::{OfferError, PluginState, WebhookRequest};
use serde_json::json;

use super::text;
use crate::harness::{DEADLINE, TestRegistry, rewritten};

const MISBEHAVING: &str = r#"[provides]
tools = ["misbehave__fine", "misbehave__panic", "misbehave__error", "misbehave__invalid", "misbehave__hang", "misbehave__spin", "misbehave__huge", "misbehave__foreign_call"]
webhooks = ["panic"]
"#;

async fn misbehave(more: &[(&str, &str)]) -> TestRegistry {
    let test = TestRegistry::new();
    let bytes = rewritten("misbehave", &[&[("[provides]\n", MISBEHAVING)], more].concat());
    assert!(
        test.load("misbehave", &bytes).await,
        "{}",
        test.cause("misbehave")
    );
    test
}

#[tokio::test]
async fn a_tool_that_panics_is_out_of_use_and_no_other() {
    let test = misbehave(&[]).await;
    let first = test
        .call("misbehave", "misbehave__panic", json!({}))
        .await
        .unwrap_err();
    assert_eq!(
        first,
        OfferError::Panicked("panicked: misbehaves on purpose in a tool".to_owned())
    );
    let second = test
        .call("misbehave", "misbehave__panic", json!({}))
        .await
        .unwrap_err();
    assert_eq!(second, OfferError::Poisoned);
    assert_eq!(
        test.call("misbehave", "misbehave__fine", json!({}))
            .await
            .unwrap(),
        text("fine")
    );
    let webhook = WebhookRequest {
        headers: Vec::new(),
        body: Vec::new(),
        received_at_us: 0,
        peer: String::new(),
    };
    let panicked = test.registry.receive_webhook("misbehave", "panic", webhook).await;
    assert_eq!(panicked.unwrap_err().kind(), "panicked");
    let instance = test.registry.instance("misbehave").unwrap();
    assert_eq!(
        instance.offers().poisoned(),
        ["tool misbehave__panic", "webhook panic"]
    );
}

#[tokio::test]
async fn a_tool_fails_with_the_kind_that_its_author_gave() {
    let test = misbehave(&[]).await;
    let error = test
        .call("misbehave", "misbehave__error", json!({}))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        OfferError::Failed("misbehaves on purpose in a tool".to_owned())
    );
    let invalid = test
        .call("misbehave", "misbehave__invalid", json!({}))
        .await
        .unwrap_err();
    assert_eq!(invalid, OfferError::Invalid("the moon is not full".to_owned()));
    let huge = test
        .call("misbehave", "misbehave__huge", json!({}))
        .await
        .unwrap_err();
    assert!(
        matches!(&huge, OfferError::BadAnswer(why) if why.contains("expected at most 4194304")),
        "{huge}"
    );
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cancelled_at_its_deadline() {
    let test = misbehave(&[]).await;
    let late = test
        .call("misbehave", "misbehave__hang", json!({}))
        .await
        .unwrap_err();
    assert_eq!(late, OfferError::TimedOut(Duration::from_millis(500)));
    let cancelled = async {
        while !test.has_logged("the call was cancelled") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, cancelled).await.unwrap();
    assert!(test.call("misbehave", "misbehave__fine", json!({})).await.is_ok());
}

#[tokio::test]
async fn a_tool_that_never_lets_go_of_the_thread_makes_its_plugin_wedged() {
    let test = misbehave(&[]).await;
    let wedged = test
        .call("misbehave", "misbehave__spin", json!({}))
        .await
        .unwrap_err();
    assert_eq!(wedged.kind(), "wedged");
    assert_eq!(
        test.registry.report("misbehave").unwrap().state,
        PluginState::Wedged
    );
    assert!(
        test.cause("misbehave")
            .contains("the tool `misbehave__spin` holds the plugin's thread")
    );
    let after = test
        .call("misbehave", "misbehave__fine", json!({}))
        .await
        .unwrap_err();
    assert_eq!(after.kind(), "wedged");
    assert!(test.registry.tools().is_empty());
}

#[tokio::test]
async fn a_plugin_calls_tools_through_the_gate_if_its_manifest_asks_for_that() {
    let test = misbehave(&[]).await;
    let refused = test
        .call("misbehave", "misbehave__foreign_call", json!({}))
        .await
        .unwrap();
    let said = refused["content"][0]["text"].as_str().unwrap();
    assert!(
        said.contains("Denied") && said.contains("permissions.tools"),
        "{said}"
    );

    let test = misbehave(&[("[permissions]\n", "[permissions]\ntools = true\n")]).await;
    let called = test
        .call("misbehave", "misbehave__foreign_call", json!({"a": 1}))
        .await
        .unwrap();
    let said = called["content"][0]["text"].as_str().unwrap();
    assert!(
        said.contains(r#"misbehave called somebody__else for acme with {\"a\":1}"#),
        "{said}"
    );
}

#[tokio::test]
async fn answers_that_are_none_are_the_plugins_fault_and_said_to_be() {
    let test = TestRegistry::new();
    let bytes = rewritten(
        "raw",
        &[("[provides]\n", "[provides]\ntools = [\"raw__answer\"]\n")],
    );
    assert!(test.load("raw", &bytes).await, "{}", test.cause("raw"));
    let mut faults = String::new();
    for answer in [
        "empty",
        "non_utf8",
        "garbage",
        "wrong_shape",
        "huge",
        "deep",
        "unknown_error_code",
        "non_utf8_error",
    ] {
        let error = test
            .call("raw", "raw__answer", json!({"answer": answer}))
            .await
            .unwrap_err();
        faults += &format!("{answer}: {}: {error}\n", error.kind());
    }
    insta::assert_snapshot!(faults, @r"
    empty: bad_answer: the plugin's answer is not valid: EOF while parsing a value at line 1 column 0
    non_utf8: bad_answer: the plugin's answer is not valid: it is not UTF-8
    garbage: bad_answer: the plugin's answer is not valid: EOF while parsing a value at line 1 column 11
    wrong_shape: bad_answer: the plugin's answer is not valid: `content[0]` has no text `text`
    huge: bad_answer: the plugin's answer is not valid: the answer has 104857600 bytes, expected at most 4194304
    deep: bad_answer: the plugin's answer is not valid: recursion limit exceeded at line 1 column 128
    unknown_error_code: failed: an error of a kind that nobody has heard of
    non_utf8_error: invalid: raw �(�( �
    ");
    let fine = test.call("raw", "raw__answer", json!({})).await.unwrap();
    assert_eq!(fine, json!({"content": [], "structuredContent": {"a": 1}}));
    let panicked = test
        .call("raw", "raw__answer", json!({"answer": "panic_in_poll"}))
        .await
        .unwrap_err();
    assert_eq!(panicked.kind(), "panicked");
    // It does not guard itself, so the host remembers for it.
    let after = test.call("raw", "raw__answer", json!({})).await.unwrap_err();
    assert_eq!(after, OfferError::Poisoned);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_plugin_that_does_not_return_from_a_call_holds_no_worker_of_the_host() {
    let test = TestRegistry::new();
    let bytes = rewritten(
        "raw",
        &[("[provides]\n", "[provides]\ntools = [\"raw__answer\"]\n")],
    );
    assert!(test.load("raw", &bytes).await, "{}", test.cause("raw"));
    let blocked = test
        .call("raw", "raw__answer", json!({"answer": "block"}))
        .await
        .unwrap_err();
    assert_eq!(blocked.kind(), "wedged");
}

#[tokio::test]
async fn the_second_plugin_that_takes_a_name_is_refused_whole() {
    let test = misbehave(&[]).await;
    let imitator = ("name = \"misbehave\"", "name = \"imitator\"");
    let bytes = rewritten("misbehave", &[("[provides]\n", MISBEHAVING), imitator]);
    assert!(!test.load("imitator", &bytes).await);
    insta::assert_snapshot!(test.cause("imitator"), @"the plugin registers the tool `misbehave__fine`: expected a name that no other plugin has, found that of `misbehave`; rename one, or remove one of the plugins");
    assert!(test.call("misbehave", "misbehave__fine", json!({})).await.is_ok());
    assert_eq!(test.tool_names().len(), 8);
}
