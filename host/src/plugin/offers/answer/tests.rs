//! What passes, what is left out, and what is refused, in answers of plugins.

use serde_json::json;

use super::*;

#[track_caller]
fn taken(read: fn(&[u8]) -> Result<Value, Fault>, answer: &Value) -> Value {
    read(answer.to_string().as_bytes()).unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(read: fn(&[u8]) -> Result<T, Fault>, answer: &Value) -> String {
    read(answer.to_string().as_bytes()).unwrap_err()
}

fn blocks() -> Value {
    json!([
        {"type": "text", "text": "a", "annotations": {"audience": ["user"]}},
        {"type": "image", "data": "aGk=", "mimeType": "image/png"},
        {"type": "audio", "data": "", "mimeType": "audio/wav"},
        {"type": "resource", "resource": {"uri": "a:b", "text": "t"}},
        {"type": "resource", "resource": {"uri": "a:b", "blob": "aGk="}},
        {"type": "resource_link", "uri": "a:b", "name": "b"},
    ])
}

#[test]
fn a_result_of_a_tool_passes_as_it_is_but_for_keys_that_nobody_knows() {
    let result = json!({"content": blocks(), "structuredContent": [1], "isError": false, "_meta": {"a": 1}});
    let mut answer = result.clone();
    answer["surprise"] = json!(1);
    answer["resultType"] = json!("complete");
    assert_eq!(taken(tool_result, &answer), result);
    let least = json!({"content": []});
    assert_eq!(taken(tool_result, &least), least);
}

#[test]
fn what_is_no_result_of_a_tool_is_refused_with_its_place() {
    let block = |block: Value| json!({"content": [{"type": "text", "text": "fine"}, block]});
    for (answer, expected) in [
        (json!([]), "the answer is no JSON object"),
        (json!({}), "`content` is no list"),
        (block(json!("x")), "`content[1]`.type is none of"),
        (block(json!({"type": "video"})), "`content[1]`.type is none of"),
        (
            block(json!({"type": "text", "text": 1})),
            "`content[1]` has no text `text`",
        ),
        (
            block(json!({"type": "image", "data": "*", "mimeType": "image/png"})),
            "`content[1]`.data is not base64",
        ),
        (
            block(json!({"type": "image", "data": ""})),
            "`content[1]` has no text `mimeType`",
        ),
        (
            block(json!({"type": "resource", "resource": {"uri": "a:b"}})),
            "`content[1]`.resource has not one of the texts `text` and `blob`",
        ),
        (
            block(json!({"type": "resource"})),
            "`content[1]`.resource has no text `uri`",
        ),
        (
            json!({"content": [], "isError": "yes"}),
            "`isError` is not a boolean",
        ),
        (json!({"content": [], "_meta": 1}), "`_meta` is not an object"),
        (
            json!({"content": vec![json!({"type": "text", "text": ""}); 1025]}),
            "`content` has 1025 items, expected at most 1024",
        ),
        (
            json!({"content": [], "resultType": "later"}),
            "`resultType` is neither",
        ),
    ] {
        let fault = refused(tool_result, &answer);
        assert!(fault.starts_with(expected), "{fault}");
    }
}

#[test]
fn bytes_that_are_no_sound_json_are_refused() {
    assert_eq!(tool_result(b"\xff").unwrap_err(), "it is not UTF-8");
    assert!(tool_result(b"").is_err() && tool_result(b"{").is_err());
    let nested = |levels: usize| {
        format!(
            r#"{{"content":[],"structuredContent":{}{}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    assert!(tool_result(nested(60).as_bytes()).is_ok());
    assert!(
        tool_result(nested(64).as_bytes())
            .unwrap_err()
            .contains("deeper than 64")
    );
    assert!(tool_result(nested(100_000).as_bytes()).is_err());
}

#[test]
fn what_requires_input_passes_and_must_say_what() {
    let ask = |method: &str| json!({"resultType": "input_required", "inputRequests": {"a": {"method": method, "params": {}}}});
    for method in ["elicitation/create", "sampling/createMessage", "roots/list"] {
        assert_eq!(taken(tool_result, &ask(method)), ask(method));
        assert_eq!(taken(prompt_result, &ask(method)), ask(method));
        let read = resource_result(ask(method).to_string().as_bytes()).unwrap();
        assert_eq!(read, Some(ask(method)));
    }
    let state = json!({"resultType": "input_required", "requestState": "s", "content": []});
    assert_eq!(
        taken(tool_result, &state),
        json!({"resultType": "input_required", "requestState": "s"})
    );
    for answer in [
        ask("tools/call"),
        json!({"resultType": "input_required"}),
        json!({"resultType": "input_required", "requestState": 1}),
        json!({"resultType": "input_required", "requestState": "x".repeat(STATE_BYTES + 1)}),
        json!({"resultType": "input_required", "inputRequests": []}),
        json!({"resultType": "input_required", "inputRequests": {"a": {"method": "roots/list", "params": 1}}}),
    ] {
        refused(tool_result, &answer);
    }
}

#[test]
fn a_prompt_is_made_of_messages() {
    let prompt = json!({"description": "d", "messages": [{"role": "user", "content": blocks()[0]}]});
    assert_eq!(taken(prompt_result, &prompt), prompt);
    for answer in [
        json!({}),
        json!({"messages": [{"role": "system", "content": blocks()[0]}]}),
        json!({"messages": [{"role": "user"}]}),
        json!({"messages": ["x"]}),
        json!({"messages": [], "description": 1}),
    ] {
        refused(prompt_result, &answer);
    }
}

#[test]
fn a_resource_has_contents_or_is_not_there() {
    let contents = json!({"contents": [{"uri": "a:b", "mimeType": "text/plain", "text": "t"}]});
    assert_eq!(
        resource_result(contents.to_string().as_bytes()).unwrap(),
        Some(contents)
    );
    assert_eq!(resource_result(b"null").unwrap(), None);
    for answer in [
        json!({}),
        json!({"contents": [{"text": "t"}]}),
        json!({"contents": [{"uri": "a:b", "text": "t", "blob": ""}]}),
    ] {
        refused(resource_result, &answer);
    }
}

#[test]
fn completions_are_a_hundred_lines_at_most() {
    let full = json!({"values": vec!["x"; 100], "total": 150, "hasMore": true});
    assert_eq!(taken(completion, &full), full);
    for answer in [
        json!({}),
        json!({"values": vec!["x"; 101]}),
        json!({"values": [1]}),
        json!({"values": ["x".repeat(1001)]}),
        json!({"values": [], "total": -1}),
        json!({"values": [], "hasMore": 1}),
    ] {
        refused(completion, &answer);
    }
}

#[test]
fn an_answer_to_a_webhook_says_why_it_rejects() {
    let read = |answer: Value| webhook_answer(answer.to_string().as_bytes());
    let rejected =
        read(json!({"status": "rejected", "http_status": 408, "reason": "slack_timestamp_too_old"})).unwrap();
    assert_eq!(rejected.status, WebhookStatus::Rejected);
    assert!(read(json!({"status": "accepted"})).is_ok());
    assert!(
        read(json!({"status": "challenge", "body": "abc", "content_type": "text/plain; charset=utf-8"}))
            .is_ok()
    );
    for answer in [
        json!({"status": "maybe"}),
        json!({"status": "rejected"}),
        json!({"status": "rejected", "reason": "Two Words"}),
        json!({"status": "rejected", "reason": ""}),
        json!({"status": "rejected", "reason": "x", "http_status": 200}),
        json!({"status": "accepted", "reason": "x"}),
        json!({"status": "accepted", "http_status": 302}),
        json!({"status": "accepted", "content_type": "text/plain\r\nx: y"}),
        json!({"status": "accepted", "body": "x".repeat(WEBHOOK_REPLY_BYTES + 1)}),
        json!({"status": "accepted", "headers": []}),
    ] {
        assert!(read(answer.clone()).is_err(), "{answer}");
    }
}
