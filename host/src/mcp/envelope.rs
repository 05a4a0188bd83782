//! Of a request as much as is needed to tell what it is, before anybody looks at what it asks for.

use std::borrow::Cow;

use rmcp::model::RequestId;
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Value, error::Category, json, value::RawValue};

use super::params::PARAMS;

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const INVALID_PARAMS: i32 = -32602;

/// What this asks for is told as a stream in any case.
const LISTEN: &str = "subscriptions/listen";

/// What a request says of itself.
#[derive(Debug, Default, Deserialize)]
pub struct Envelope<'a> {
    #[serde(borrow, default)]
    pub(super) method: Cow<'a, str>,
    #[serde(default)]
    params: Option<Params>,
}

#[derive(Debug, Deserialize)]
struct Params {
    #[serde(default, rename = "_meta")]
    meta: Option<Meta>,
}

/// With this in it, a request is one of the protocol's.
#[derive(Debug, Deserialize)]
struct Meta {
    #[serde(default, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<IgnoredAny>,
}

impl<'a> Envelope<'a> {
    /// Of this body, if it is that of a request.
    pub fn of(body: &'a [u8]) -> Option<Self> {
        is_object(body)
            .then(|| serde_json::from_slice(body).ok())
            .flatten()
    }

    /// Whether it names a revision of the protocol.
    pub fn has_version(&self) -> bool {
        let meta = self.params.as_ref().and_then(|params| params.meta.as_ref());
        meta.is_some_and(|meta| meta.version.is_some())
    }

    /// Whether it asks for a subscription.
    pub fn is_subscription(&self) -> bool {
        self.method == LISTEN
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

    /// The answer.
    pub fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if self.code == INVALID_PARAMS {
            error["data"] = json!({ "code": PARAMS });
        }
        json!({ "jsonrpc": "2.0", "id": self.id, "error": error })
    }
}

/// The fields of a message of the protocol's, each as it was sent.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    params: Option<&'a RawValue>,
    #[serde(default)]
    result: Option<IgnoredAny>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// A field that is there, though it be `null`.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Message<'_> {
    /// Whether it answers something.
    fn is_answer(&self) -> bool {
        self.method.is_none() && (self.result.is_some() || self.error.is_some())
    }

    fn has_sound_params(&self) -> bool {
        let params = self.params.map(RawValue::get);
        params.is_none_or(|params| params.starts_with('{') || params == "null")
    }
}

/// What is wrong with what came as a request by itself, if anything is. It is no answer, for the host asked nothing.
pub fn malformed_request(message: &[u8]) -> Option<Malformed> {
    match judge(message) {
        Ok(Sort::Asks) => None,
        Ok(Sort::Answers) => Some(Malformed::request(
            "invalid request: expected one, and found an answer to something that was not asked",
        )),
        Err(malformed) => Some(malformed),
    }
}

/// What is wrong with a message of the protocol's, if anything is.
pub(super) fn malformed(message: &[u8]) -> Option<Malformed> {
    judge(message).err()
}

/// What sort of message it is.
enum Sort {
    /// A request, or a notification.
    Asks,
    Answers,
}

fn judge(message: &[u8]) -> Result<Sort, Malformed> {
    let fields: Message<'_> = match serde_json::from_slice(message) {
        // What is no object at all may still be JSON.
        Ok(_) if !is_object(message) => return Err(not_one_object(message)),
        Ok(fields) => fields,
        Err(error) if error.classify() == Category::Data => return Err(not_one_object(message)),
        Err(_) => return Err(not_json()),
    };
    let id = match fields.id.map(|id| serde_json::from_str::<RequestId>(id.get())) {
        None => Value::Null,
        Some(Ok(id)) => id.into_json_value(),
        Some(Err(_)) => {
            return Err(Malformed::request(
                "invalid request: `id` must be text or a whole number of 64 bits",
            ));
        }
    };
    let (code, message) = match (fields.jsonrpc, fields.method) {
        (jsonrpc, _) if !jsonrpc.is_some_and(is_2_0) => {
            (INVALID_REQUEST, "invalid request: `jsonrpc` must be \"2.0\"")
        }
        (_, Some(method)) if !method.get().starts_with('"') => {
            (INVALID_REQUEST, "invalid request: `method` must be text")
        }
        (_, None) if fields.is_answer() => return Ok(Sort::Answers),
        (_, None) => (INVALID_REQUEST, "invalid request: `method` is missing"),
        _ if fields.has_sound_params() => return Ok(Sort::Asks),
        _ => (INVALID_PARAMS, "invalid params: `params` must be an object"),
    };
    Err(Malformed { code, message, id })
}

fn is_2_0(version: &RawValue) -> bool {
    version.get() == "\"2.0\""
}

/// The `id` that a message is answered with.
pub fn id_of(message: &[u8]) -> Value {
    let message: Option<Message<'_>> = serde_json::from_slice(message).ok();
    let id = message.and_then(|message| serde_json::from_str::<RequestId>(message.id?.get()).ok());
    id.map_or(Value::Null, RequestId::into_json_value)
}

fn not_one_object(message: &[u8]) -> Malformed {
    match serde_json::from_slice::<IgnoredAny>(message) {
        Ok(_) if is_object(message) => Malformed::request("invalid request: expected each field once"),
        Ok(_) => Malformed::request("invalid request: expected one object"),
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
        let code = malformed_request(answer).map(|malformed| malformed.code);
        assert_eq!(code, Some(INVALID_REQUEST), "nothing was asked by HTTP");
        assert_eq!(id_of(br#"{"jsonrpc":"2.0","id":"a","method":"a"}"#), json!("a"));
        assert_eq!(id_of(b"{"), Value::Null);
    }
}
