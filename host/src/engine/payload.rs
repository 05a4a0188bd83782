//! Payloads: checking and normalising the JSON that goes into a chain.
//!
//! The hash of a record is over the stored bytes, so the text is copied as it was given: only white space between tokens is
//! dropped. Numbers, the order of keys and escapes stay as they are, and nothing is parsed into values. What a type's payload
//! must contain is not asked here.

use std::{borrow::Cow, collections::HashSet};

use crate::domain::Payload;

/// The most bytes that a normalised payload may have: a chain is for facts, not for files, and a page of fifty stays small.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// The most objects and arrays inside each other, the outermost included: well below what readers of JSON allow by default
/// (128), so that nothing that was accepted is unreadable later.
pub const MAX_PAYLOAD_DEPTH: usize = 64;

/// The most characters of a key that an error shows.
const SHOWN_KEY_CHARS: usize = 80;

/// Why a text cannot be a payload. Positions are byte offsets into what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not text.
    #[error("the payload is not UTF-8 from byte {at}: expected the text of a JSON object")]
    NotUtf8 {
        /// Where the first bad byte is.
        at: usize,
    },
    /// JSON, but no object.
    #[error("the payload begins with {found}: expected a JSON object, beginning with `{{`")]
    NotAnObject {
        /// What stands there.
        found: String,
    },
    /// Not JSON.
    #[error("the payload is not JSON at byte {at}: expected {expected}, found {found}")]
    Syntax {
        /// Where.
        at: usize,
        /// What could stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// One object has a key twice, however it is escaped.
    #[error(
        "the payload has the key `{key}` twice in one object, the second at byte {at}: give each key once"
    )]
    DuplicateKey {
        /// Where the second one begins.
        at: usize,
        /// The key, unescaped, cut to a sensible length.
        key: String,
    },
    /// Too many objects and arrays inside each other.
    #[error("the payload is nested deeper than {MAX_PAYLOAD_DEPTH} levels at byte {at}: make it flatter")]
    TooDeep {
        /// Where the level too many begins.
        at: usize,
    },
    /// Too many bytes.
    #[error(
        "the payload has more than {MAX_PAYLOAD_BYTES} bytes without white space: store the large part elsewhere and name it"
    )]
    TooLong,
}

/// Checks that `text` is one JSON object and drops its insignificant white space.
///
/// # Errors
/// If it is not UTF-8, not JSON, no object, has a key twice in one object, a number beyond the range of a 64-bit float, half a
/// surrogate pair, or is longer or deeper than a payload may be.
pub fn normalise(text: &[u8]) -> Result<Payload, PayloadError> {
    let text = std::str::from_utf8(text).map_err(|error| PayloadError::NotUtf8 {
        at: error.valid_up_to(),
    })?;
    let mut scanner = Scanner {
        text,
        at: 0,
        out: String::with_capacity(text.len().min(MAX_PAYLOAD_BYTES)),
    };
    scanner.skip_white_space();
    if scanner.peek() != Some(b'{') {
        return Err(PayloadError::NotAnObject {
            found: scanner.found(),
        });
    }
    scanner.object(1)?;
    scanner.skip_white_space();
    if scanner.peek().is_some() {
        return Err(scanner.syntax("nothing after the object"));
    }
    scanner.within_length()?;
    Ok(Payload::from_checked(scanner.out))
}

/// Reads `text` token by token and copies the tokens to `out`. It descends by recursion, which the depth limit bounds.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    out: String,
}

impl<'a> Scanner<'a> {
    fn value(&mut self, depth: usize) -> Result<(), PayloadError> {
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => Err(self.syntax("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), PayloadError> {
        self.open(depth)?;
        let mut keys = HashSet::new();
        if self.closes(b'}') {
            return Ok(());
        }
        loop {
            let at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.syntax("a key in `\"`"));
            }
            let key = self.string()?;
            if let Some(repeated) = keys.replace(key) {
                let key = repeated.chars().take(SHOWN_KEY_CHARS).collect();
                return Err(PayloadError::DuplicateKey { at, key });
            }
            self.skip_white_space();
            self.take(b':', "`:` after the key")?;
            self.skip_white_space();
            self.value(depth)?;
            if !self.goes_on(b'}', "`,` or `}`")? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), PayloadError> {
        self.open(depth)?;
        if self.closes(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if !self.goes_on(b']', "`,` or `]`")? {
                return Ok(());
            }
        }
    }

    /// Takes the bracket under the cursor.
    fn open(&mut self, depth: usize) -> Result<(), PayloadError> {
        if depth > MAX_PAYLOAD_DEPTH {
            return Err(PayloadError::TooDeep { at: self.at });
        }
        // Here, so that a hostile text costs no more than what is kept of it.
        self.within_length()?;
        self.copy(1);
        self.skip_white_space();
        Ok(())
    }

    /// Takes the closing bracket if the thing is empty.
    fn closes(&mut self, bracket: u8) -> bool {
        let closes = self.peek() == Some(bracket);
        if closes {
            self.copy(1);
        }
        closes
    }

    /// After an element: takes the comma (and it goes on) or the closing bracket (and it does not).
    fn goes_on(&mut self, bracket: u8, expected: &'static str) -> Result<bool, PayloadError> {
        self.within_length()?;
        self.skip_white_space();
        if self.closes(bracket) {
            return Ok(false);
        }
        self.take(b',', expected)?;
        self.skip_white_space();
        Ok(true)
    }

    /// Takes a string and answers what it says, unescaped.
    fn string(&mut self) -> Result<Cow<'a, str>, PayloadError> {
        let opening = self.at;
        self.at += 1;
        let mut plain_from = self.at;
        let mut unescaped = String::new();
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    unescaped.push_str(&self.text[plain_from..self.at]);
                    unescaped.push(self.escape()?);
                    plain_from = self.at;
                }
                Some(0x20..) => self.at += 1,
                Some(_) => return Err(self.syntax("an escape instead of a control character")),
                None => return Err(self.syntax("`\"` at the end of the string")),
            }
        }
        let plain = &self.text[plain_from..self.at];
        self.at += 1;
        self.out.push_str(&self.text[opening..self.at]);
        if unescaped.is_empty() {
            return Ok(Cow::Borrowed(plain));
        }
        unescaped.push_str(plain);
        Ok(Cow::Owned(unescaped))
    }

    /// Passes an escape and answers the character that it stands for.
    fn escape(&mut self) -> Result<char, PayloadError> {
        self.at += 1;
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.syntax("an escape that JSON knows")),
        };
        self.at += 1;
        Ok(character)
    }

    /// Passes `uXXXX`, or a pair of such escapes, the cursor being on the first `u`.
    fn unicode_escape(&mut self) -> Result<char, PayloadError> {
        const WHOLE_PAIR: &str = "both halves of a surrogate pair";
        let first = self.four_digits()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        if first >= 0xDC00 || !self.text[self.at..].starts_with("\\u") {
            return Err(self.syntax(WHOLE_PAIR));
        }
        self.at += 1;
        let second = self.four_digits()?;
        match second {
            0xDC00..=0xDFFF => char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
                .ok_or_else(|| self.syntax(WHOLE_PAIR)),
            _ => Err(self.syntax(WHOLE_PAIR)),
        }
    }

    fn four_digits(&mut self) -> Result<u32, PayloadError> {
        self.at += 1;
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            value = value * 16 + digit.ok_or_else(|| self.syntax("four hexadecimal digits after `\\u`"))?;
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<(), PayloadError> {
        let start = self.at;
        self.pass(b"-");
        if !self.pass(b"0") {
            self.digits()?;
        }
        if self.pass(b".") {
            self.digits()?;
        }
        if self.pass(b"eE") {
            self.pass(b"+-");
            self.digits()?;
        }
        let number = &self.text[start..self.at];
        // Kept as it is written, but a reader must be able to make something of it.
        if !number.parse::<f64>().is_ok_and(f64::is_finite) {
            self.at = start;
            return Err(self.syntax("a number within the range of a 64-bit float"));
        }
        self.out.push_str(number);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), PayloadError> {
        if !self.pass(b"0123456789") {
            return Err(self.syntax("a digit"));
        }
        while self.pass(b"0123456789") {}
        Ok(())
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), PayloadError> {
        if !self.text[self.at..].starts_with(literal) {
            return Err(self.syntax("`true`, `false` or `null`"));
        }
        self.copy(literal.len());
        Ok(())
    }

    fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), PayloadError> {
        if self.peek() != Some(byte) {
            return Err(self.syntax(expected));
        }
        self.copy(1);
        Ok(())
    }

    /// Passes one byte, without copying it, if it is one of these.
    fn pass(&mut self, any_of: &[u8]) -> bool {
        let passes = self.peek().is_some_and(|byte| any_of.contains(&byte));
        self.at += usize::from(passes);
        passes
    }

    fn copy(&mut self, bytes: usize) {
        self.out.push_str(&self.text[self.at..self.at + bytes]);
        self.at += bytes;
    }

    fn skip_white_space(&mut self) {
        while self.pass(b" \t\n\r") {}
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn within_length(&self) -> Result<(), PayloadError> {
        if self.out.len() > MAX_PAYLOAD_BYTES {
            return Err(PayloadError::TooLong);
        }
        Ok(())
    }

    fn syntax(&self, expected: &'static str) -> PayloadError {
        PayloadError::Syntax {
            at: self.at,
            expected,
            found: self.found(),
        }
    }

    /// The character under the cursor, for an error.
    fn found(&self) -> String {
        // An error may point into the middle of a character; then the whole text is not worth more than this.
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(character) => format!("`{}`", character.escape_debug()),
            None => "the end".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn normal(text: &str) -> Result<String, PayloadError> {
        normalise(text.as_bytes()).map(|payload| payload.as_str().to_owned())
    }

    #[test]
    fn only_white_space_between_tokens_is_dropped() {
        let given = " {\n \"b\" : 1.0E+2 , \"a\":[ 1 , -0.50,true ,null ], \"t\\u00e9xt\" : \" a\\/b \" ,\"o\":{ } }\t";
        let kept = r#"{"b":1.0E+2,"a":[1,-0.50,true,null],"t\u00e9xt":" a\/b ","o":{}}"#;
        assert_eq!(normal(given).unwrap(), kept);
    }

    #[test]
    fn a_key_twice_in_one_object_is_refused_however_it_is_escaped() {
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":[{"é":1,"\u00E9":2}]}"#,
            r#"{"😀":1,"\ud83d\ude00":2}"#,
            r#"{"":1,"":2}"#,
            r#"{"\n":1,"\u000a":2}"#,
        ] {
            assert!(
                matches!(normal(bad), Err(PayloadError::DuplicateKey { .. })),
                "{bad}"
            );
        }
        assert!(normal(r#"{"a":{"a":{"a":1}},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn what_is_not_a_json_object_is_refused_with_where_and_what() {
        for (bad, message) in [
            ("", "begins with the end: expected a JSON object"),
            ("[1]", "begins with `[`: expected a JSON object"),
            ("{}x", "at byte 2: expected nothing after the object, found `x`"),
            ("{\"a\":01}", "at byte 6: expected `,` or `}`, found `1`"),
            ("{\"a\":1,}", "at byte 7: expected a key in `\"`, found `}`"),
            ("{\"a\":[1,]}", "at byte 8: expected a value, found `]`"),
            ("{\"a\" 1}", "at byte 5: expected `:` after the key, found `1`"),
            (
                "{\"a\":\"\n\"}",
                "at byte 6: expected an escape instead of a control character, found `\\n`",
            ),
            ("{\"a\":\"\\x\"}", "expected an escape that JSON knows, found `x`"),
            ("{\"a\":\"\\ud800\"}", "expected both halves of a surrogate pair"),
            (
                "{\"a\":\"\\udc00\\ud800\"}",
                "expected both halves of a surrogate pair",
            ),
            (
                "{\"a\":\"\\ud800\\u0041\"}",
                "expected both halves of a surrogate pair",
            ),
            (
                "{\"a\":\"\\u00é\"}",
                "expected four hexadecimal digits after `\\u`, found `é`",
            ),
            (
                "{\"a\":\"b",
                "expected `\"` at the end of the string, found the end",
            ),
            (
                "{\"a\":1e999}",
                "at byte 5: expected a number within the range of a 64-bit float",
            ),
            ("{\"a\":-}", "expected a digit, found `}`"),
            ("{\"a\":nul}", "expected `true`, `false` or `null`, found `n`"),
            ("{\"a\":\u{a0}1}", "expected a value, found `\\u{a0}`"),
        ] {
            let error = normal(bad).unwrap_err().to_string();
            assert!(error.contains(message), "{bad:?}: {error}");
        }
        assert_eq!(
            normalise(b"{\"a\":\"\xff\"}"),
            Err(PayloadError::NotUtf8 { at: 6 })
        );
    }

    #[test]
    fn the_limits_hold_to_the_byte_and_to_the_level() {
        let long = |bytes: usize| format!("{{ \"a\" : \"{}\" }}", "x".repeat(bytes - r#"{"a":""}"#.len()));
        assert_eq!(normal(&long(MAX_PAYLOAD_BYTES)).unwrap().len(), MAX_PAYLOAD_BYTES);
        assert_eq!(normal(&long(MAX_PAYLOAD_BYTES + 1)), Err(PayloadError::TooLong));

        let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert!(normal(&deep(MAX_PAYLOAD_DEPTH)).is_ok());
        assert!(matches!(
            normal(&deep(MAX_PAYLOAD_DEPTH + 1)),
            Err(PayloadError::TooDeep { .. })
        ));
        assert!(matches!(
            normal(&deep(1_000_000)),
            Err(PayloadError::TooDeep { .. })
        ));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_normalised_payload_means_the_same_and_stays_as_it_is(
            map in prop::collection::btree_map(any::<String>(), json(), 0..6),
        ) {
            let value = Value::Object(map.into_iter().collect());
            let compact = value.to_string();
            let once = normal(&serde_json::to_string_pretty(&value).unwrap()).unwrap();
            prop_assert_eq!(&once, &compact);
            prop_assert_eq!(serde_json::from_str::<Value>(&once).unwrap(), value);
            prop_assert_eq!(normal(&once).unwrap(), once);
        }

        #[test]
        fn what_is_accepted_is_what_another_reader_accepts(text in r#"\{[ \t]?("[ab\\u0061é"]{0,6}"[: ]{1,2}[-0-9.eE\[\]{},truefalsn" ]{0,8},?){0,3}\}?"#) {
            match (normal(&text), serde_json::from_str::<Value>(&text)) {
                (Ok(kept), Ok(value)) => prop_assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), value),
                (Ok(kept), Err(error)) => prop_assert!(false, "{} was accepted as {}: {}", text, kept, error),
                (Err(PayloadError::DuplicateKey { .. }), Ok(_)) | (Err(_), Err(_)) => {}
                (Err(error), Ok(_)) => prop_assert!(false, "{} was refused: {}", text, error),
            }
        }
    }
}
