//! Manifests: what they must say, and what is said of their faults.

use super::*;

const WHOLE: &str = r#"
name = "echo"
version = "1.2.3-rc.1"
api = "^1"
description = "Says it again"
license = "MIT OR Apache-2.0"
authors = ["A <a@example.org>"]
event_types = ["echo.said", "echo.heard.twice"]
secrets = ["ECHO_TOKEN"]

[provides]
identity_providers = ["echo"]
daemons = ["clock"]
listeners = ["ear"]

[permissions]
events = true
network = true

[config]
type = "object"
additionalProperties = false
[config.properties.every_seconds]
type = "integer"
minimum = 1
"#;

fn minimal(more: &str) -> String {
    format!("name = \"echo\"\nversion = \"1.0.0\"\napi = \"^1\"\n{more}")
}

fn refusal(text: &str) -> Refusal {
    Manifest::parse(text.as_bytes(), Strictness::Strict).unwrap_err()
}

/// Line, column and whole message of a manifest that is not valid.
fn fault(text: &str) -> String {
    let refusal = refusal(text);
    assert_eq!(refusal.kind(), "manifest_invalid", "{refusal}");
    refusal.to_string()
}

#[test]
fn a_whole_manifest_is_read() {
    let padded = format!("{WHOLE}{}", " \n".repeat(100_000));
    let (manifest, warnings) = Manifest::parse(padded.as_bytes(), Strictness::Strict).unwrap();
    assert!(warnings.is_empty());
    assert_eq!(manifest.name.as_str(), "echo");
    assert_eq!(manifest.version.to_string(), "1.2.3-rc.1");
    assert_eq!(manifest.provides.daemons[0].as_str(), "clock");
    assert_eq!(manifest.secrets[0].as_str(), "ECHO_TOKEN");
    assert!(manifest.permissions.events && !manifest.permissions.kv);
    assert_eq!(manifest.config["properties"]["every_seconds"]["minimum"], 1);
    let json = serde_json::to_string(&manifest).unwrap();
    assert!(json.contains("\"echo.heard.twice\""), "{json}");
}

#[test]
fn without_a_schema_no_configuration_is_accepted() {
    let (manifest, _) = Manifest::parse(minimal("").as_bytes(), Strictness::Strict).unwrap();
    let validator = jsonschema::validator_for(&manifest.config).unwrap();
    assert!(validator.is_valid(&serde_json::json!({})));
    assert!(!validator.is_valid(&serde_json::json!({"any": 1})));
}

#[test]
fn another_api_is_named_before_anything_else_is_judged() {
    let text = "api = \"^2\"\nname = { first = \"a later form\" }\n";
    assert_eq!(
        refusal(text).to_string(),
        "built for another plugin API: expected a requirement that 1.0.0 satisfies, found `^2`; use a build for this API, or another host"
    );
    assert_eq!(
        refusal(&minimal("").replace("^1", "^1.1")).kind(),
        "api_not_offered"
    );
}

#[test]
fn an_unknown_key_is_an_error_when_packaging_and_a_warning_at_load() {
    let text = minimal("[permissions]\nevnts = true\n");
    assert!(fault(&text).contains("line 5, column 1: `permissions.evnts`: expected a key"));
    let (_, warnings) = Manifest::parse(text.as_bytes(), Strictness::AtLoad).unwrap();
    assert_eq!(
        warnings,
        ["manifest line 5: `evnts` in `[permissions]` is not known to plugin API 1.0.0 and has no effect"]
    );
    for more in ["desciption = \"\"", "[provides]\ndeamons = []"] {
        assert!(fault(&minimal(more)).contains("expected a key"));
    }
}

#[test]
fn an_unknown_key_is_an_error_at_load_if_this_host_knows_the_api_whole() {
    let text = minimal("wat = 1").replace("^1", "~1.0");
    let refusal = Manifest::parse(text.as_bytes(), Strictness::AtLoad).unwrap_err();
    assert!(refusal.to_string().contains("`wat`"), "{refusal}");
}

#[test]
fn a_fault_is_named_with_its_place() {
    let cases = [
        ("", "line 1, column 1: missing field `name`"),
        ("name = \n", "line 1, column 7: "),
        (
            &minimal("authors = 3"),
            "line 4, column 11: invalid type: integer `3`",
        ),
        (&minimal("").replace("1.0.0", "1.0"), "line 2, column 11: "),
        (
            &minimal("").replace("echo", "Echo"),
            "line 1, column 8: plugin name `Echo` is not valid",
        ),
        (
            &minimal("").replace("echo", "kronicle"),
            "a name that the host does not keep for itself",
        ),
        (
            &minimal("event_types = [\"echo.a\", \"Bad\"]"),
            "line 4, column 15: event type `Bad`",
        ),
        (
            &minimal("event_types = [\"kora.said\"]"),
            "line 4, column 1: `event_types`: expected event types that begin with `echo.`",
        ),
        (
            &minimal("event_types = [\"echo.a\", \"echo.a\"]"),
            "found `echo.a` twice",
        ),
        (
            &minimal("secrets = [\"../x\"]"),
            "secret name `../x` is not valid",
        ),
        (
            &minimal("[provides]\ndaemons = [\"a b\"]"),
            "line 5, column 11: name `a b` is not valid",
        ),
        (
            &minimal("description = \"a\\nb\""),
            "`description`: expected one line",
        ),
        (
            &minimal("[permissions]\nevents = \"yes\""),
            "line 5, column 10: invalid type",
        ),
        (
            &minimal("[config]\ntype = 3"),
            "line 4, column 2: `config`: expected a schema with",
        ),
        (
            &minimal("[config]\nproperties = 3"),
            "expected a JSON Schema, found a fault at",
        ),
        (&minimal("[config]\ndefault = 2020-01-01"), "found the date"),
        (
            &minimal("[config]\n\"$ref\" = \"https://example.org/x.json\""),
            "expected a JSON Schema",
        ),
        ("a = \u{0}", "line 1, column 5: "),
    ];
    for (text, expected) in cases {
        let line = fault(text);
        assert!(line.contains(expected), "{text}\n{line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn counts_and_sizes_are_bounded() {
    let many = |count: usize| {
        (0..count)
            .map(|n| format!("\"e{n}\""))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert!(
        fault(&minimal(&format!("[provides]\ndaemons = [{}]", many(65))))
            .contains("at most 64 items, found 65")
    );
    assert!(fault(&minimal(&format!("secrets = [{}]", many(65)))).contains("at most 64"));
    assert!(
        fault(&minimal("").replace("1.0.0", &format!("1.0.0-{}", "a".repeat(64))))
            .contains("at most 64 bytes")
    );
    assert_eq!(
        refusal(&minimal(&format!("# {}", "x".repeat(MAX_BYTES)))).kind(),
        "manifest_too_large"
    );
    let deep = minimal(&format!(
        "[config]\nx = {}{}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    ));
    assert_eq!(refusal(&deep).kind(), "manifest_invalid");
}

#[test]
fn bytes_that_are_not_utf8_are_refused_with_their_place() {
    let error = Manifest::parse(b"name = \"echo\"\nversion = \"\xff\"", Strictness::AtLoad).unwrap_err();
    assert!(
        error.to_string().contains("line 2, column 12: expected UTF-8"),
        "{error}"
    );
}

#[test]
fn names_of_the_host_are_for_the_plugin_kora_alone() {
    for list in [
        "tools = [\"kora__x\"]",
        "prompts = [\"kora__x\"]",
        "resources = [\"kora:x\"]",
    ] {
        let text = minimal(&format!("[provides]\n{list}"));
        assert!(fault(&text).contains("line 5, column 1: `provides.") && fault(&text).contains("rename it"));
        let kora = text.replace("echo", "kora");
        assert!(
            Manifest::parse(kora.as_bytes(), Strictness::Strict).is_ok(),
            "{list}"
        );
    }
}

#[test]
fn a_plugin_cannot_claim_an_event_type_of_the_host() {
    let text = minimal("event_types = [\"kora.boot.ready\", \"kora.daemon.alive\"]").replace("echo", "kora");
    let (manifest, _) = Manifest::parse(text.as_bytes(), Strictness::Strict).unwrap();
    let error = manifest
        .check_event_types(|event_type| event_type.as_str() == "kora.boot.ready")
        .unwrap_err();
    assert_eq!(error.kind(), "event_type_of_host");
    assert!(manifest.check_event_types(|_| false).is_ok());
}
