//! The one way in which a snapshot is written as bytes, so that equal snapshots have equal hashes.
//!
//! The rules, enough to write it again in another language:
//! - no white space outside texts; UTF-8;
//! - the keys of every object in the order of their UTF-8 bytes;
//! - in texts, `"` and `\` and the characters below U+0020 are escaped (`\"`, `\\`, `\b`, `\t`, `\n`, `\f`, `\r`, else `\u00` and two
//!   lower-case hexadecimal digits), nothing else is;
//! - integers as digits; other numbers as the shortest decimal that reads back as the same IEEE double, never with an
//!   exponent, and without a point if they are whole.
//!
//! Written out here and not left to `serde_json`: the order of its maps depends on a feature that any crate of the build may
//! turn on, and the form of its numbers on its version. Either would make every tenant a new generation for nothing.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

/// A value as canonical JSON.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// An object as canonical JSON.
pub(super) fn object_text(object: &Map<String, Value>) -> String {
    let mut out = String::new();
    write_object(&mut out, object);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            write_joined(out, ['[', ']'], items, write_value);
        }
        Value::Object(object) => write_object(out, object),
    }
}

fn write_object(out: &mut String, object: &Map<String, Value>) {
    let mut entries: Vec<_> = object.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    write_joined(out, ['{', '}'], entries, |out, (key, value)| {
        write_text(out, key);
        out.push(':');
        write_value(out, value);
    });
}

fn write_joined<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut String, T),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(close);
}

fn write_number(out: &mut String, number: &Number) {
    let integer = number
        .as_u64()
        .map(i128::from)
        .or(number.as_i64().map(i128::from));
    // Writing into a String cannot fail.
    let _ = match (integer, number.as_f64()) {
        (Some(integer), _) => write!(out, "{integer}"),
        (None, Some(double)) => write!(out, "{double}"),
        (None, None) => write!(out, "{number}"),
    };
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_white_space_is_gone_and_only_what_must_be_is_escaped() {
        let value =
            json!({"é": 1, "z": [true, null, -3], "a": "q\"\\\u{8}\t\n\u{c}\r\u{1}/é\u{7f}", "Z": {}});
        assert_eq!(
            text(&value),
            "{\"Z\":{},\"a\":\"q\\\"\\\\\\b\\t\\n\\f\\r\\u0001/é\u{7f}\",\"z\":[true,null,-3],\"é\":1}"
        );
    }

    #[test]
    fn numbers_have_one_form_each() {
        let shown = |json: &str| text(&serde_json::from_str(json).unwrap());
        assert_eq!(shown("1.0"), "1");
        assert_eq!(shown("0.50"), "0.5");
        assert_eq!(shown("1e3"), "1000");
        assert_eq!(shown("18446744073709551615"), "18446744073709551615");
        assert_eq!(shown("-9223372036854775808"), "-9223372036854775808");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_it_was(texts in proptest::collection::vec(".*", 0..4), number in any::<i64>()) {
            let value = json!({"texts": texts, "number": number});
            prop_assert_eq!(serde_json::from_str::<Value>(&text(&value)).unwrap(), value);
        }
    }
}
