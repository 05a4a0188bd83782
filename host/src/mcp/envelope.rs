//! Of a request as much as is needed to tell what it is, before anybody looks at what it asks for. It is read once.

use std::{borrow::Cow, fmt, marker::PhantomData};

use rmcp::model::RequestId;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, error::Category, json, value::RawValue};

use super::{fault::RATE_LIMITED, params::PARAMS};

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const INVALID_PARAMS: i32 = -32602;

/// Batches are of 2025-03-26 and of no other revision.
pub(super) const NO_OBJECT: &str =
    "invalid request: expected one object; a batch is none, send each of its requests by itself";

/// What this asks for is told as a stream in any case.
const LISTEN: &str = "subscriptions/listen";
/// With this a client of before begins.
const INITIALIZE: &str = "initialize";

/// A message as far as it was read: each field as it was sent, and of the parameters whether they name a revision.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    method: Option<&'a RawValue>,
    #[serde(default)]
    params: Seen<Meta>,
    #[serde(default)]
    result: Option<IgnoredAny>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// A field that is there, though it be `null`.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Text that is copied only where it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Envelope<'a> {
    /// Reads a message, which is done once: what is asked of it later is asked of this.
    ///
    /// # Errors
    /// If it is not one object of JSON with each field once.
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        // What is passed over is not looked at, and must be text all the same.
        let text = std::str::from_utf8(message).map_err(|_| not_json())?;
        match serde_json::from_str(text) {
            // Read as the fields of a request, a batch of one or two would pass for one.
            Ok(envelope) if is_object(message) => Ok(envelope),
            // What is no object at all may still be JSON.
            Ok(_) => Err(not_one_object(message)),
            Err(error) if error.classify() == Category::Data => Err(not_one_object(message)),
            Err(_) => Err(not_json()),
        }
    }

    /// The same, of a message that is one of the protocol's.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn sound(message: &'a [u8]) -> Result<Self, Malformed> {
        let envelope = Self::read(message)?;
        envelope.judge()?;
        Ok(envelope)
    }

    /// Whether it wants an answer.
    pub(super) const fn is_request(&self) -> bool {
        self.id.is_some() && self.method.is_some()
    }

    /// Whether a client begins with it on a stream: it says which revision it speaks.
    pub(super) fn opens(&self) -> bool {
        self.is_request() && (self.is_initialize() || self.has_version())
    }

    /// What it asks for, if that is text.
    pub(super) fn method(&self) -> Option<Cow<'a, str>> {
        let method: Text<'a> = serde_json::from_str(self.method?.get()).ok()?;
        Some(method.0)
    }

    /// Whether it names a revision of the protocol.
    pub const fn has_version(&self) -> bool {
        matches!(
            self.params,
            Seen::Object(Some(Seen::Object(Some(Some(IgnoredAny)))))
        )
    }

    /// Whether it asks for a subscription.
    pub fn is_subscription(&self) -> bool {
        self.method().is_some_and(|method| method == LISTEN)
    }

    /// Whether it is the first of a client of before, which agrees upon a revision with it.
    pub fn is_initialize(&self) -> bool {
        self.method().is_some_and(|method| method == INITIALIZE)
    }

    /// The `id` that it is answered with.
    pub fn id(&self) -> Value {
        let id = self
            .id
            .and_then(|id| serde_json::from_str::<RequestId>(id.get()).ok());
        id.map_or(Value::Null, RequestId::into_json_value)
    }

    /// What is wrong with it as a request by itself, if anything is. It is no answer, for the host asked nothing.
    pub fn malformed_as_request(&self) -> Option<Malformed> {
        match self.judge() {
            Ok(Sort::Asks) => None,
            Ok(Sort::Answers) => Some(Malformed::request(
                "invalid request: expected one, and found an answer to something that was not asked",
            )),
            Err(malformed) => Some(malformed),
        }
    }

    fn judge(&self) -> Result<Sort, Malformed> {
        let id = self.id();
        if self.id.is_some() && id.is_null() {
            return Err(Malformed::request(
                "invalid request: `id` must be text or a whole number of 64 bits",
            ));
        }
        let (code, message) = match (self.jsonrpc, self.method) {
            (jsonrpc, _) if !jsonrpc.is_some_and(is_2_0) => {
                (INVALID_REQUEST, "invalid request: `jsonrpc` must be \"2.0\"")
            }
            (_, Some(method)) if !method.get().starts_with('"') => {
                (INVALID_REQUEST, "invalid request: `method` must be text")
            }
            (_, None) if self.is_answer() => return Ok(Sort::Answers),
            (_, None) => (INVALID_REQUEST, "invalid request: `method` is missing"),
            _ if !matches!(self.params, Seen::Other) => return Ok(Sort::Asks),
            _ => (INVALID_PARAMS, "invalid params: `params` must be an object"),
        };
        Err(Malformed { code, message, id })
    }

    /// Whether it answers something.
    const fn is_answer(&self) -> bool {
        self.method.is_none() && (self.result.is_some() || self.error.is_some())
    }
}

/// What sort of message it is.
enum Sort {
    /// A request, or a notification.
    Asks,
    Answers,
}

/// A value of which one field alone is looked at, if it is an object.
#[derive(Debug, Default)]
enum Seen<K: Key> {
    #[default]
    Nothing,
    Object(Option<K::Value>),
    Other,
}

/// The field that is looked at.
trait Key {
    const NAME: &'static str;
    type Value: DeserializeOwned + fmt::Debug;
}

/// Of parameters.
#[derive(Debug, Default)]
struct Meta;

impl Key for Meta {
    const NAME: &'static str = "_meta";
    type Value = Seen<Version>;
}

/// Of `_meta`. With it, a request is one of the protocol's.
#[derive(Debug, Default)]
struct Version;

impl Key for Version {
    const NAME: &'static str = "io.modelcontextprotocol/protocolVersion";
    type Value = Option<IgnoredAny>;
}

impl<'de, K: Key> Deserialize<'de> for Seen<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Looks(PhantomData))
    }
}

struct Looks<K>(PhantomData<K>);

impl<'de, K: Key> Visitor<'de> for Looks<K> {
    type Value = Seen<K>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Seen<K>, A::Error> {
        let mut found = None;
        while let Some(Text(name)) = fields.next_key()? {
            if name == K::NAME {
                found = Some(fields.next_value()?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Seen::Object(found))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen<K>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Seen<K>, E> {
        Ok(Seen::Nothing)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Seen<K>, E> {
        Ok(Seen::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Seen<K>, E> {
        Ok(Seen::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Seen<K>, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Seen<K>, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Seen<K>, E> {
        Ok(Seen::Other)
    }
}

/// Read as the fields of a request, a batch of one or two would pass for one.
fn is_object(message: &[u8]) -> bool {
    message.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Why a message is answered by saying what is wrong with it, and by nothing else. Nothing of it is repeated but its `id`.
#[derive(Debug, Clone, PartialEq)]
pub struct Malformed {
    code: i32,
    message: &'static str,
    id: Value,
}

impl Malformed {
    pub(super) const fn request(message: &'static str) -> Self {
        Self {
            code: INVALID_REQUEST,
            message,
            id: Value::Null,
        }
    }

    /// Nobody looked at it, since too many came.
    pub(super) fn came_too_often() -> Self {
        let (code, message) = RATE_LIMITED;
        Self {
            code,
            message,
            id: Value::Null,
        }
    }

    /// The answer.
    pub fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if self.code == INVALID_PARAMS {
            error["data"] = json!({ "code": PARAMS });
        }
        json!({ "jsonrpc": "2.0", "id": self.id, "error": error })
    }
}

fn is_2_0(version: &RawValue) -> bool {
    version.get() == "\"2.0\""
}

fn not_one_object(message: &[u8]) -> Malformed {
    match serde_json::from_slice::<IgnoredAny>(message) {
        Ok(_) if is_object(message) => Malformed::request("invalid request: expected each field once"),
        Ok(_) => Malformed::request(NO_OBJECT),
        Err(_) => not_json(),
    }
}

const fn not_json() -> Malformed {
    Malformed {
        code: PARSE_ERROR,
        message: "parse error: expected JSON",
        id: Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed(message: &[u8]) -> Option<Malformed> {
        Envelope::sound(message).err()
    }

    #[track_caller]
    fn check(message: &str, code: i32, id: &Value) {
        let malformed = malformed(message.as_bytes()).unwrap_or_else(|| panic!("{message} is taken"));
        assert_eq!((malformed.code, &malformed.id), (code, id), "{message}");
    }

    #[test]
    fn what_is_no_message_is_told_by_its_code_and_by_its_id_where_it_has_one() {
        for message in ["", "{", "garbage", "{\"id\":1} x", "[1"] {
            check(message, PARSE_ERROR, &Value::Null);
        }
        for message in [
            "[]",
            "3",
            "null",
            "[{},{}]",
            r#"{"hello":1}"#,
            r#"{"jsonrpc":"2.0","method":"a","id":null}"#,
            r#"{"jsonrpc":"2.0","method":"a","id":{}}"#,
            r#"{"jsonrpc":"2.0","method":"a","id":1.5}"#,
            r#"{"jsonrpc":"2.0","method":"a","id":99999999999999999999999999}"#,
            r#"{"jsonrpc":"2.0","method":"a","method":"b","id":1}"#,
        ] {
            check(message, INVALID_REQUEST, &Value::Null);
        }
        check(r#"{"jsonrpc":"2.0","id":1}"#, INVALID_REQUEST, &json!(1));
        check(
            r#"{"jsonrpc":"2.0","id":"a","method":3}"#,
            INVALID_REQUEST,
            &json!("a"),
        );
        check(r#"{"id":-1,"method":"a"}"#, INVALID_REQUEST, &json!(-1));
        check(
            r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#,
            INVALID_REQUEST,
            &json!(1),
        );
        for params in ["5", "[]", "\"x\""] {
            let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{params}}}"#);
            check(&message, INVALID_PARAMS, &json!(1));
        }
    }

    #[test]
    fn text_that_is_not_utf_8_is_no_json() {
        let message = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":{\"b\":\"\xff\"}}";
        assert_eq!(malformed(message), Some(not_json()));
    }

    #[test]
    fn requests_notifications_and_answers_are_messages() {
        for message in [
            r#"{"jsonrpc":"2.0","id":9223372036854775807,"method":"a","params":null}"#,
            r#" {"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ] {
            assert_eq!(malformed(message.as_bytes()), None, "{message}");
        }
        let answer = br#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let code = Envelope::read(answer)
            .unwrap()
            .malformed_as_request()
            .map(|malformed| malformed.code);
        assert_eq!(code, Some(INVALID_REQUEST), "nothing was asked by HTTP");
    }

    #[test]
    fn a_revision_is_found_where_it_belongs_and_nowhere_else() {
        const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
        let has_version = |params: String| {
            let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a\/b","params":{params}}}"#);
            let envelope = Envelope::read(message.as_bytes()).unwrap();
            assert_eq!(envelope.method().as_deref(), Some("a/b"));
            envelope.has_version()
        };
        assert!(has_version(format!(
            r#"{{"a":[1],"_meta":{{"b":{{}},"{VERSION}":"2026-07-28"}}}}"#
        )));
        assert!(has_version(format!(r#"{{"\u005fmeta":{{"{VERSION}":5}}}}"#)));
        for params in [
            format!(r#"{{"{VERSION}":"2026-07-28"}}"#),
            format!(r#"{{"_meta":{{"{VERSION}":null}}}}"#),
            format!(r#"{{"_meta":"{VERSION}"}}"#),
            format!(r#"[{{"_meta":{{"{VERSION}":1}}}}]"#),
            "null".to_owned(),
            "-1.5".to_owned(),
            "true".to_owned(),
        ] {
            assert!(!has_version(params.clone()), "{params}");
        }
    }
}
