//! What a line says: requests and answers as JSON. Knows no connection.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::service::{Problem, ProblemKind, api::Call};

/// A request that can be handed on.
#[derive(Debug)]
pub(super) struct Request {
    pub id: u64,
    pub call: Call,
}

/// A line that is no request, and the id that it names if it names one.
#[derive(Debug)]
pub(super) struct BadRequest {
    pub id: Option<u64>,
    pub problem: Problem,
}

/// A line that the daemon writes. Without an id it is about the connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub id: Option<u64>,
    #[serde(flatten)]
    pub body: Body,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Body {
    /// The end of a request that went well; of a stream it is `null`.
    Result(Value),
    /// The end of a request that did not.
    Error(Problem),
    /// One of many, with more to come.
    Item(Value),
}

impl Answer {
    pub fn new(id: u64, outcome: Result<Value, Problem>) -> Self {
        let body = outcome.map_or_else(Body::Error, Body::Result);
        Self { id: Some(id), body }
    }

    pub const fn item(id: u64, item: Value) -> Self {
        Self {
            id: Some(id),
            body: Body::Item(item),
        }
    }

    pub const fn error(id: Option<u64>, problem: Problem) -> Self {
        Self {
            id,
            body: Body::Error(problem),
        }
    }

    /// The line, with its end.
    pub fn to_line(&self) -> Vec<u8> {
        // Maps with text for keys and finite numbers always have a JSON form.
        let mut line = serde_json::to_vec(self).expect("an answer has a JSON form");
        line.push(b'\n');
        line
    }
}

/// The line that asks for `call`, with its end.
pub(super) fn request_line(id: u64, call: &Call) -> Vec<u8> {
    let mut request = serde_json::to_value(call).expect("a call has a JSON form");
    request["id"] = json!(id);
    let mut line = request.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// The members of a request. `params` may be left out where a method takes none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    id: u64,
    method: String,
    #[serde(default = "no_params")]
    params: Value,
}

fn no_params() -> Value {
    json!({})
}

pub(super) fn read_request(line: &[u8]) -> Result<Request, BadRequest> {
    let value: Value = serde_json::from_slice(line).map_err(|error| BadRequest {
        id: None,
        problem: Problem::new(
            ProblemKind::BadInput,
            "request.malformed",
            format!("expected one JSON object on a line; found something else: {error}"),
        ),
    })?;
    let id = value.get("id").and_then(Value::as_u64);
    let invalid = |error: serde_json::Error| {
        BadRequest {
        id,
        problem: Problem::new(
            ProblemKind::BadInput,
            "request.invalid",
            format!("the request is not valid: {error}"),
        )
        .hint("the daemon may be of another release than the command: compare `kora version` with `kora status`"),
    }
    };
    let Envelope { id, method, params } = serde_json::from_value(value).map_err(invalid)?;
    let call = serde_json::from_value(json!({ "method": method, "params": params })).map_err(invalid)?;
    Ok(Request { id, call })
}

pub(super) fn read_line(line: &[u8]) -> Result<Answer, Problem> {
    serde_json::from_slice(line).map_err(|error| {
        Problem::new(
            ProblemKind::Internal,
            "daemon.answer_malformed",
            format!("the daemon answered with a line that is none of the protocol's: {error}"),
        )
    })
}

/// The line was too long; it was skipped.
pub(super) fn too_long(limit_bytes: usize) -> Problem {
    Problem::new(
        ProblemKind::BadInput,
        "request.too_long",
        format!("expected a line of at most {limit_bytes} bytes; found a longer one, which was skipped"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_reads_back_as_it_was_written() {
        let line = request_line(7, &Call::Status(crate::service::api::Nothing {}));
        insta::assert_snapshot!(String::from_utf8(line.clone()).unwrap().trim(), @r#"{"id":7,"method":"status","params":{}}"#);
        let request = read_request(&line).unwrap();
        assert_eq!(request.id, 7);
        assert!(matches!(request.call, Call::Status(_)));
    }

    #[test]
    fn params_may_be_left_out_where_there_are_none() {
        assert!(read_request(br#"{"id":1,"method":"plugins.list"}"#).is_ok());
    }

    #[test]
    fn a_bad_request_is_answered_under_its_id_if_it_has_one() {
        let bad = |line: &str| {
            let bad = read_request(line.as_bytes()).unwrap_err();
            format!("{:?} {}", bad.id, bad.problem.code)
        };
        assert_eq!(bad("nonsense"), "None request.malformed");
        assert_eq!(bad("[1,2]"), "None request.invalid");
        assert_eq!(bad(r#"{"id":4,"method":"no.such"}"#), "Some(4) request.invalid");
        assert_eq!(
            bad(r#"{"id":5,"method":"identity.show","params":{"tenant":"a","x":1}}"#),
            "Some(5) request.invalid"
        );
        assert_eq!(
            bad(r#"{"id":6,"method":"status","more":1}"#),
            "Some(6) request.invalid"
        );
        assert_eq!(bad(r#"{"id":-1,"method":"status"}"#), "None request.invalid");
    }

    #[test]
    fn an_answer_is_a_result_an_error_or_an_item() {
        let shown = |answer: Answer| String::from_utf8(answer.to_line()).unwrap().trim().to_owned();
        assert_eq!(
            shown(Answer::new(1, Ok(Value::Null))),
            r#"{"id":1,"result":null}"#
        );
        assert_eq!(
            shown(Answer::item(1, json!({"a": 1}))),
            r#"{"id":1,"item":{"a":1}}"#
        );
        let error = Answer::error(None, Problem::new(ProblemKind::Denied, "x.y", "no"));
        let line = shown(error);
        assert_eq!(
            line,
            r#"{"id":null,"error":{"code":"x.y","kind":"denied","message":"no"}}"#
        );
        assert!(matches!(read_line(line.as_bytes()).unwrap().body, Body::Error(_)));
        assert!(matches!(
            read_line(br#"{"id":1,"result":null}"#).unwrap().body,
            Body::Result(Value::Null)
        ));
    }
}
