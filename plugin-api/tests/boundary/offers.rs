//! Tools, prompts, resources and webhooks behind the exported functions.

use kora_plugin_api::{
    abi::{self, AbiError, AbiFuture, OwnedBytes, prompt1, resource1, tool1, webhook1},
    serde_json::{Value, from_slice, json},
};

use crate::{REGISTERED, code, handle, message, run, stub_host};

/// With what every request has.
fn request(more: Value) -> Vec<u8> {
    let mut request = json!({
        "name": "x", "tenant": "acme", "caller": {"kind": "operator", "name": null, "actor_id": null}, "arguments": {},
        "call": 7, "a_field_of_a_later_host": 1,
    });
    let Value::Object(more) = more else {
        panic!("is an object")
    };
    request.as_object_mut().expect("is an object").extend(more);
    request.to_string().into_bytes()
}

fn answered(future: AbiFuture<OwnedBytes>) -> Result<Value, AbiError> {
    let bytes = run(future).into_result()?;
    Ok(from_slice(&bytes).expect("is JSON"))
}

fn call(name: &str, more: Value) -> Result<Value, AbiError> {
    let table: &tool1::Tool = stub_host::extension(tool1::ID);
    answered((table.call)(handle("tools", name), request(more)[..].into()))
}

#[test]
fn what_is_offered_is_described_whole() {
    let described = |kind: &str| {
        let mut first = REGISTERED.document[kind][0].clone();
        first.as_object_mut().expect("is an object").remove("handle");
        first
    };
    assert_eq!(
        described("tools"),
        json!({
            "name": "adds", "title": "Adds", "description": "Adds two numbers",
            "input_schema": {"type": "object", "required": ["a", "b"]},
            "output_schema": {"type": "object"},
            "annotations": {"read_only": true, "destructive": false, "idempotent": true, "open_world": false},
            "required_capability": "arithmetic", "dev_only": true, "timeout_ms": 5000,
        })
    );
    // Of what was not said the worst is assumed, and what may be absent is.
    let mut plain = REGISTERED.document["tools"][1].clone();
    plain.as_object_mut().expect("is an object").remove("handle");
    assert_eq!(
        plain,
        json!({
            "name": "plain", "description": "",
            "input_schema": {"type": "object", "additionalProperties": false},
            "annotations": {"read_only": false, "destructive": true, "idempotent": false, "open_world": true},
            "required_capability": "plain", "dev_only": false,
        })
    );
    assert_eq!(
        described("prompts"),
        json!({
            "name": "greets", "description": "",
            "arguments": [{"name": "whom", "description": "Who is greeted", "required": true}],
        })
    );
    assert_eq!(
        described("resources"),
        json!({"uri": "notes://{id}", "name": "note", "description": "", "mime_type": "text/plain"})
    );
    assert_eq!(
        described("webhooks"),
        json!({"name": "events", "headers": ["x-word"], "max_body_bytes": 10})
    );
}

#[test]
fn a_tool_is_told_who_asks_for_whom_and_answers_in_the_shape_of_mcp() {
    assert_eq!(
        call("adds", json!({"arguments": {"a": 2, "b": 3}})).expect("adds"),
        json!({"content": [{"type": "text", "text": "{\"sum\":5}"}], "structuredContent": {"sum": 5}})
    );
    let plain = call("plain", json!({})).expect("answers");
    assert_eq!(plain["content"][0]["text"], "operator of acme");
    let invalid = call("adds", json!({"arguments": {"a": 2}})).expect_err("lacks one");
    assert_eq!(
        (invalid.code, message(&invalid).as_str()),
        (abi::INVALID, "two numbers, please")
    );
}

#[test]
fn a_tool_that_panicked_is_out_of_use_and_its_neighbour_is_not() {
    let first = call("panics", json!({})).expect_err("panics");
    assert_eq!(
        (first.code, message(&first).as_str()),
        (abi::PANICKED, "panicked: a tool panics")
    );
    assert_eq!(code(call("panics", json!({}))), abi::POISONED);
    assert!(call("plain", json!({})).is_ok());
}

#[test]
fn requests_that_are_none_are_refused() {
    let table: &tool1::Tool = stub_host::extension(tool1::ID);
    for bytes in [b"".as_slice(), b"\xff", b"[]", b"{}"] {
        let refused = answered((table.call)(handle("tools", "plain"), bytes.into()));
        assert_eq!(code(refused), abi::INVALID);
    }
    let stranger = answered((table.call)(0, request(json!({}))[..].into()));
    assert_eq!(code(stranger), abi::NO_SUCH_HANDLE);
}

#[test]
fn prompts_and_resources_answer_and_complete() {
    let prompts: &prompt1::Prompt = stub_host::extension(prompt1::ID);
    let greets = handle("prompts", "greets");
    let got = answered((prompts.get)(
        greets,
        request(json!({"arguments": {"whom": "Ann"}}))[..].into(),
    ));
    assert_eq!(
        got.expect("answers"),
        json!({
            "description": "A greeting",
            "messages": [{"role": "user", "content": {"type": "text", "text": "Greet Ann."}}],
        })
    );
    let argument = json!({"argument": {"name": "whom", "value": "Ann"}});
    let completed = answered((prompts.complete)(greets, request(argument.clone())[..].into()));
    assert_eq!(
        completed.expect("answers"),
        json!({"values": ["Anna"], "total": 1, "hasMore": false})
    );

    let resources: &resource1::Resource = stub_host::extension(resource1::ID);
    let note = REGISTERED.document["resources"][0]["handle"]
        .as_u64()
        .expect("is a handle");
    let read = |id: &str| {
        let asked = json!({"uri": format!("notes://{id}"), "arguments": {"id": id}});
        answered((resources.read)(note, request(asked)[..].into())).expect("answers")
    };
    assert_eq!(
        read("7"),
        json!({"contents": [{"uri": "notes://7", "mimeType": "text/plain", "text": "note 7"}]})
    );
    assert_eq!(read("0"), Value::Null);
    let nothing = answered((resources.complete)(note, request(argument)[..].into())).expect("answers");
    assert_eq!(nothing["values"], json!([]));
}

#[test]
fn a_webhook_is_given_the_body_to_the_byte() {
    let table: &webhook1::Webhook = stub_host::extension(webhook1::ID);
    let send = |headers: Value| {
        let request =
            json!({"webhook": "events", "headers": headers, "received_at_us": 1, "peer": "192.0.2.x"});
        let request = request.to_string();
        answered((table.receive)(
            handle("webhooks", "events"),
            request.as_bytes().into(),
            b"\xff\x00".as_slice().into(),
        ))
    };
    assert_eq!(
        send(json!([["x-word", "open"]])).expect("answers"),
        json!({"status": "accepted", "content_type": "text/plain", "body": "2"})
    );
    assert_eq!(
        send(json!([])).expect("answers"),
        json!({"status": "rejected", "http_status": 403, "reason": "word_wrong"})
    );
}
