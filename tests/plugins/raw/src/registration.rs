//! What `register` answers, by mode.

use serde_json::{Value, json};

use crate::{NOT_UTF8, extensions::HANDLE};

const HUGE_BYTES: usize = 100 * 1024 * 1024;
const DEEP_LEVELS: usize = 100_000;
const MANY: u64 = 100_000;

/// The answer.
pub fn bytes(mode: &str) -> Vec<u8> {
    match mode {
        "empty_registration" => Vec::new(),
        "non_utf8_registration" => NOT_UTF8.to_vec(),
        "non_utf8_name" => non_utf8_name(),
        "garbage_registration" => br#"{"identity_providers": [{"na"#.to_vec(),
        "huge_registration" => vec![b' '; HUGE_BYTES],
        "deep_registration" => vec![b'['; DEEP_LEVELS],
        mode => document(mode).to_string().into_bytes(),
    }
}

fn document(mode: &str) -> Value {
    let mut document = json!({
        "identity_providers": [provider("raw", HANDLE)],
        "daemons": [daemon("raw", HANDLE, 1000)],
        "listeners": [],
    });
    match mode {
        "wrong_shape_registration" => return json!([1, 2, 3]),
        "wrong_types" => document["identity_providers"] = json!({"raw": "yes"}),
        "missing_handle" => document["identity_providers"] = json!([{"name": "raw"}]),
        "unknown_keys" => document["sur\nprises\u{1b}[31m"] = json!([1]),
        "duplicate_names" => {
            document["identity_providers"] = json!([provider("raw", HANDLE), provider("raw", HANDLE + 1)])
        }
        "duplicate_handles" => {
            document["identity_providers"] = json!([provider("raw", HANDLE), provider("raw2", HANDLE)])
        }
        "bad_name" => document["identity_providers"] = json!([provider("Not A Name\n", HANDLE)]),
        "long_name" => document["identity_providers"] = json!([provider(&"a".repeat(1024 * 1024), HANDLE)]),
        "zero_interval" => document["daemons"] = json!([daemon("raw", HANDLE, 0)]),
        "endless_interval" => document["daemons"] = json!([daemon("raw", HANDLE, u64::MAX)]),
        "negative_timeout" => document["daemons"][0]["shutdown_timeout_ms"] = json!(-5),
        "block_in_startup" | "block_in_poll" => document["daemons"][0]["startup_timeout_ms"] = json!(200),
        "tools" => {
            document["tools"] = json!([{
                "name": "raw__answer",
                "handle": HANDLE,
                "input_schema": {"type": "object"},
                "annotations": {"read_only": true, "destructive": false, "idempotent": true, "open_world": false},
                "required_capability": "raw__answer",
                "timeout_ms": 5000,
            }]);
        }
        "very_many_daemons" => {
            document["daemons"] = (0..MANY)
                .map(|n| daemon(&format!("raw{n}"), HANDLE + n, 1000))
                .collect();
        }
        _ => {}
    }
    document
}

fn provider(name: &str, handle: u64) -> Value {
    json!({"name": name, "handle": handle})
}

fn daemon(name: &str, handle: u64, every_ms: u64) -> Value {
    json!({
        "name": name,
        "handle": handle,
        "tasks": [{"name": "raw.tick", "every_ms": every_ms, "jitter_ms": 0, "overlap": "skip"}],
        "fatal_on_startup_failure": false,
        "startup_timeout_ms": null,
        "tick_timeout_ms": null,
        "shutdown_timeout_ms": 1000,
        "after": [],
        "requires": [],
        "restart": {"max_restarts": 2, "window_ms": 600_000, "backoff_min_ms": 50, "backoff_max_ms": 100},
    })
}

/// Good JSON but for the bytes of one name.
fn non_utf8_name() -> Vec<u8> {
    [
        br#"{"identity_providers":[{"handle":1,"name":""#.as_slice(),
        NOT_UTF8,
        br#""}],"daemons":[],"listeners":[]}"#,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_mode_the_registration_is_what_the_sdk_would_write() {
        let document: Value = serde_json::from_slice(&bytes("none")).expect("is JSON");
        let keys: Vec<_> = document.as_object().expect("is an object").keys().collect();
        assert_eq!(keys, ["daemons", "identity_providers", "listeners"]);
    }

    #[test]
    fn the_name_that_is_not_utf8_is_the_only_fault_of_its_document() {
        let bytes = non_utf8_name();
        assert!(std::str::from_utf8(&bytes).is_err());
        let repaired = String::from_utf8_lossy(&bytes).into_owned();
        assert!(serde_json::from_str::<Value>(&repaired).is_ok(), "{repaired}");
    }
}
