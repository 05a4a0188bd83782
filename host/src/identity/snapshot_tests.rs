//! Tests of what a provider's answer must look like.

use serde_json::json;

use super::*;
use crate::domain::Digest;

fn complete() -> Value {
    json!({
        "agent_name": "Marvin",
        "agent_version": "0.1.0",
        "soul_md": "Paranoid Android",
        "system_prompt": "You are Marvin.",
        "metadata": {"persona": "demo"},
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut answer = complete();
    answer[field] = value;
    answer
}

fn parse(answer: &Value) -> Result<Option<Snapshot>, SnapshotError> {
    Snapshot::parse(answer.to_string().as_bytes())
}

fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({"in": inner}))
}

#[test]
fn a_complete_answer_is_an_identity_and_null_is_no_claim() {
    let snapshot = parse(&complete()).unwrap().unwrap();
    assert_eq!(snapshot.agent_name, "Marvin");
    assert_eq!(snapshot.metadata["persona"], "demo");
    assert_eq!(parse(&Value::Null), Ok(None));
    assert_eq!(Snapshot::parse(b" null \n"), Ok(None));
}

#[test]
fn a_partial_identity_is_no_identity() {
    for field in [
        "agent_name",
        "agent_version",
        "soul_md",
        "system_prompt",
        "metadata",
    ] {
        let mut answer = complete();
        answer.as_object_mut().unwrap().remove(field);
        assert_eq!(parse(&answer), Err(SnapshotError::Missing { field }));
    }
    for field in ["agent_name", "system_prompt"] {
        assert_eq!(
            parse(&with(field, json!(" \n\t"))),
            Err(SnapshotError::Empty { field })
        );
    }
    assert!(
        parse(&with("soul_md", json!(""))).is_ok(),
        "a soul text is not needed"
    );
}

#[test]
fn every_limit_is_held_and_named() {
    let cases = [
        ("soul_md", json!("x".repeat(MAX_TEXT_BYTES)), true),
        ("soul_md", json!("x".repeat(MAX_TEXT_BYTES + 1)), false),
        ("system_prompt", json!("x".repeat(MAX_TEXT_BYTES)), true),
        ("system_prompt", json!("x".repeat(MAX_TEXT_BYTES + 1)), false),
        ("agent_name", json!("ä".repeat(MAX_NAME_CHARS)), true),
        ("agent_name", json!("ä".repeat(MAX_NAME_CHARS + 1)), false),
        ("agent_version", json!("1".repeat(MAX_NAME_CHARS + 1)), false),
        // {"k":"…"} has eight bytes beside the text.
        ("metadata", json!({"k": "x".repeat(MAX_METADATA_BYTES - 8)}), true),
        (
            "metadata",
            json!({"k": "x".repeat(MAX_METADATA_BYTES - 7)}),
            false,
        ),
        ("metadata", nested(MAX_METADATA_DEPTH), true),
        ("metadata", nested(MAX_METADATA_DEPTH + 1), false),
    ];
    for (field, value, fits) in cases {
        match parse(&with(field, value)) {
            Ok(_) => assert!(fits, "{field} was let through"),
            Err(SnapshotError::TooLong { field: named, .. }) => {
                assert!(!fits, "{field}");
                assert_eq!(named, field);
            }
            Err(other) => panic!("{field}: {other}"),
        }
    }
    let endless = vec![b' '; MAX_ANSWER_BYTES + 1];
    assert_eq!(
        Snapshot::parse(&endless),
        Err(SnapshotError::AnswerTooLong { found: endless.len() })
    );
}

#[test]
fn a_name_cannot_move_the_cursor_or_turn_the_line() {
    for bad in ["Mar\nvin", "\u{1b}[2J", "a\u{0}b", "\u{202e}nivraM", "a\u{2028}b"] {
        for field in ["agent_name", "agent_version"] {
            let error = parse(&with(field, json!(bad))).unwrap_err();
            assert!(matches!(error, SnapshotError::ControlCharacter { field: f, .. } if f == field));
        }
    }
    assert!(
        parse(&with("system_prompt", json!("two\nlines\tand a tab"))).is_ok(),
        "texts have lines"
    );
}

#[test]
fn what_is_wrong_is_named_so_that_an_author_can_mend_it() {
    let message = |answer: &Value| parse(answer).unwrap_err().to_string();
    assert_eq!(
        message(&with("soul_md", json!(3))),
        "soul_md is a number: expected a text"
    );
    assert_eq!(
        message(&with("metadata", json!([]))),
        "metadata is an array: expected an object"
    );
    assert_eq!(
        message(&json!("Marvin")),
        "the answer is a text: expected an object or null"
    );
    assert_eq!(
        message(&with("sytem_prompt", json!("x"))),
        "`sytem_prompt` is no field of a snapshot: whatever else should be known belongs into metadata"
    );
}

#[test]
fn garbage_is_refused_whatever_it_is() {
    let deep = "[".repeat(100_000);
    let garbage: [&[u8]; 7] = [
        b"",
        b"\xff\xfe",
        b"\"\xff\"",
        b"{} {}",
        b"nul",
        deep.as_bytes(),
        b"1e999",
    ];
    for bytes in garbage {
        assert!(
            Snapshot::parse(bytes).is_err(),
            "{:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(20)])
        );
    }
}

#[test]
fn a_key_that_stands_twice_cannot_show_two_readers_two_identities() {
    let twice = complete()
        .to_string()
        .replacen('{', r#"{"agent_name":"Kora","#, 1);
    let error = Snapshot::parse(twice.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("`agent_name` stands twice"), "{error}");
    let inside = with("metadata", json!({"k": 1}))
        .to_string()
        .replace(r#""k":1"#, r#""k":1,"k":2"#);
    assert!(Snapshot::parse(inside.as_bytes()).is_err());
}

#[test]
fn the_same_identity_has_the_same_hash_however_it_was_written() {
    let compact = parse(&complete()).unwrap().unwrap();
    let spaced = serde_json::to_vec_pretty(&complete()).unwrap();
    let escaped = complete().to_string().replace("Marvin", "\\u004darvin");
    for other in [spaced, escaped.into_bytes()] {
        let other = Snapshot::parse(&other).unwrap().unwrap();
        assert_eq!(other.to_canonical(), compact.to_canonical());
    }
    // Pinned: a change of the canonical form would make every tenant a new generation for nothing.
    assert_eq!(
        compact.to_canonical(),
        r#"{"agent_name":"Marvin","agent_version":"0.1.0","metadata":{"persona":"demo"},"soul_md":"Paranoid Android","system_prompt":"You are Marvin."}"#
    );
    assert_eq!(
        Digest::of(compact.to_canonical().as_bytes()).to_string(),
        "acf7442bfed28fb4a2c2c634ea89cf8a9a33c7e12287e3a1e145b34081479d0b"
    );
}

#[test]
fn canonical_bytes_read_back_as_the_same_identity() {
    let snapshot = parse(&with("system_prompt", json!("„quoted“ \"\\\n\u{1}")))
        .unwrap()
        .unwrap();
    let restored = Snapshot::from_canonical(&snapshot.to_canonical()).unwrap();
    assert_eq!(restored, snapshot);
    assert_eq!(restored.to_canonical(), snapshot.to_canonical());
}

#[test]
fn debugging_output_holds_no_prompt() {
    let shown = format!("{:?}", parse(&complete()).unwrap().unwrap());
    assert!(
        shown.contains("Marvin") && !shown.contains("You are") && !shown.contains("Paranoid"),
        "{shown}"
    );
}
