//! Registrations of tools and their kin, honest ones and others.

use serde_json::{Value, json};

use super::super::{BadRegistration, Registration};

fn whole() -> Value {
    json!({
        "identity_providers": [], "daemons": [], "listeners": [],
        "tools": [{
            "name": "notes__add", "handle": 1, "title": "Add a note", "description": "Adds a note.\nOnce.",
            "input_schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "description": "A note",
                "properties": {"text": {"type": "string", "x-mcp-header": "Text"}},
                "$defs": {"a": {"$anchor": "here", "type": "string"}},
            },
            "output_schema": {"type": "object"},
            "annotations": {"read_only": false, "destructive": false, "idempotent": false, "open_world": false},
            "required_capability": "notes__add", "dev_only": false, "timeout_ms": 1000,
        }],
        "prompts": [{"name": "sum_up", "handle": 2, "arguments": [{"name": "of", "required": true}]}],
        "resources": [{"uri": "notes://{id}", "handle": 3, "name": "note", "mime_type": "text/plain"}],
        "webhooks": [{"name": "events", "handle": 4, "headers": ["x-signature"], "max_body_bytes": 1000, "timeout_ms": 5000}],
    })
}

fn parse(change: impl FnOnce(&mut Value)) -> Result<Registration, BadRegistration> {
    let mut whole = whole();
    change(&mut whole);
    Registration::parse(whole.to_string().as_bytes())
}

#[test]
fn an_honest_registration_is_read_and_deadlines_have_defaults() {
    let registration = parse(|_| ()).unwrap();
    assert_eq!(registration.tools[0].deadline().as_millis(), 1000);
    let plain = parse(|whole| {
        for list in ["tools", "prompts", "resources", "webhooks"] {
            whole[list][0].as_object_mut().unwrap().remove("timeout_ms");
        }
    })
    .unwrap();
    let seconds = [
        plain.tools[0].deadline().as_secs(),
        plain.prompts[0].deadline().as_secs(),
        plain.resources[0].deadline().as_secs(),
        plain.webhooks[0].deadline().as_secs(),
    ];
    assert_eq!(seconds, [60, 30, 30, 10]);
}

#[test]
fn a_library_of_before_registers_nothing_of_it() {
    let old = Registration::parse(br#"{"identity_providers":[],"daemons":[],"listeners":[]}"#).unwrap();
    assert!(old.tools.is_empty() && old.prompts.is_empty());
    assert!(old.resources.is_empty() && old.webhooks.is_empty());
}

#[test]
fn values_that_are_not_what_they_must_be_are_refused() {
    for (pointer, value) in [
        ("/tools/0/name", json!("no name")),
        ("/tools/0/name", json!("x".repeat(65))),
        ("/tools/0/required_capability", json!("")),
        ("/tools/0/required_capability", json!("a b")),
        ("/tools/0/timeout_ms", json!(0)),
        ("/tools/0/timeout_ms", json!(3_600_001)),
        ("/tools/0/title", json!("two\nlines")),
        ("/tools/0/description", json!("\u{1b}[31m")),
        ("/tools/0/description", json!("x".repeat(4001))),
        ("/tools/0/input_schema", json!(true)),
        ("/tools/0/input_schema", json!({})),
        ("/tools/0/input_schema/type", json!("array")),
        ("/tools/0/input_schema/properties", json!(1)),
        (
            "/tools/0/input_schema/properties/text",
            json!({"$ref": "https://example.com/schema"}),
        ),
        ("/tools/0/input_schema/description", json!("x".repeat(64 << 10))),
        ("/tools/0/output_schema", json!({"type": "nothing"})),
        ("/tools/0/annotations", json!({"read_only": true})),
        ("/prompts/0/name", json!("")),
        ("/prompts/0/arguments", json!([{"name": "a"}, {"name": "a"}])),
        ("/prompts/0/arguments/0/name", json!("a b")),
        ("/resources/0/uri", json!("notes")),
        ("/resources/0/uri", json!("notes://{a}{b}")),
        ("/resources/0/name", json!("")),
        ("/resources/0/mime_type", json!("text")),
        ("/webhooks/0/name", json!("../events")),
        ("/webhooks/0/headers/0", json!("X-Signature")),
        ("/webhooks/0/max_body_bytes", json!(1u64 << 40)),
        ("/webhooks/0/timeout_ms", json!(60_001)),
    ] {
        let refused = parse(|whole| *whole.pointer_mut(pointer).unwrap() = value.clone());
        assert!(refused.is_err(), "{pointer} = {value}");
    }
}

#[test]
fn a_name_or_handle_given_twice_is_refused() {
    for list in ["tools", "prompts", "resources", "webhooks"] {
        let twice = parse(|whole| {
            let again = whole[list][0].clone();
            whole[list].as_array_mut().unwrap().push(again);
        });
        assert!(
            twice.unwrap_err().to_string().contains("registered twice"),
            "{list}"
        );
        let name = if list == "resources" { "uri" } else { "name" };
        let same_handle = parse(|whole| {
            let mut other = whole[list][0].clone();
            other[name] = json!(if list == "resources" { "other:x" } else { "other" });
            whole[list].as_array_mut().unwrap().push(other);
        });
        assert!(same_handle.unwrap_err().to_string().contains("handle"), "{list}");
    }
}
