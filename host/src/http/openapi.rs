//! The OpenAPI document: made of what the routes say of themselves, and of nothing else.

use serde_json::{Map, Value, json};

use super::{
    api::{About, Spec, all},
    health, stream,
};

/// Where it is.
pub(super) const PATH: &str = "/api/openapi.json";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Why a request was not done, by the name of the answer in the document.
const PROBLEMS: [(&str, &str, &str); 9] = [
    (
        "400",
        "BadInput",
        "A parameter is not as the document says, or a tenant is to be named.",
    ),
    ("401", "Unauthorized", "No token, or one that is nobody's."),
    (
        "403",
        "Forbidden",
        "The `Host` or `Origin` of the request is not one of this host's; of `/metrics` also: the caller is not one of all tenants.",
    ),
    (
        "404",
        "NotFound",
        "There is no such tenant among those of the caller.",
    ),
    (
        "405",
        "WrongMethod",
        "There is something here, but nothing to be done with it in this way.",
    ),
    (
        "409",
        "WrongState",
        "Another host on the same store holds the tenant.",
    ),
    (
        "429",
        "TooMany",
        "The caller asks more often than it may, or holds as many streams as it may.",
    ),
    ("500", "Fault", "A fault of the host's. Its log says which."),
    (
        "503",
        "Unavailable",
        "It cannot be answered now: the store is away, for example.",
    ),
];
/// What the transport refuses before anybody looks at the request; such an answer has no body.
const REFUSED_HEADS: [(&str, &str); 2] = [
    ("414", "The target of the request is too long."),
    ("431", "The head of the request is too large."),
];

/// The document as text, ending in a line end.
pub fn openapi() -> String {
    let mut text = serde_json::to_string_pretty(&document()).expect("the document has a JSON form");
    text.push('\n');
    text
}

pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for registered in all() {
        let spec = &*registered.spec;
        paths.insert(spec.path.to_owned(), json!({ "get": answering(spec, JSON) }));
    }
    let mut streamed = answering(&stream::spec(), "text/event-stream");
    if let Some(parameters) = streamed["parameters"].as_array_mut() {
        parameters.push(json!({
            "name": "Last-Event-ID",
            "in": "header",
            "required": false,
            "description": "The `id` of the last event that was taken: the stream goes on after it.",
            "schema": { "type": "string" },
        }));
    }
    paths.insert(stream::PATH.to_owned(), json!({ "get": streamed }));
    for (path, operation) in [
        (PATH, of_document()),
        (health::HEALTHZ, of_healthz()),
        (health::READYZ, of_readyz()),
        (health::METRICS, of_metrics()),
    ] {
        paths.insert(path.to_owned(), json!({ "get": operation }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "kora",
            "description": "What a kora host tells dashboards and scripts. Its tools are at `/mcp`, described by the protocol itself.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:9119" }],
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "The token of a caller: `kora callers add` makes one.",
            } },
            "responses": problem_answers(),
            "schemas": { "Problem": problem_schema() },
        },
    })
}

fn answering(spec: &Spec, content: &str) -> Value {
    let refused: &[&str] = match spec.about {
        About::Host => &["400", "401", "403", "405", "429", "500", "503"],
        About::Tenant | About::TenantOrHost | About::Tenants => {
            &["400", "401", "403", "404", "405", "409", "429", "500", "503"]
        }
    };
    let parameters: Vec<_> = spec
        .parameters
        .properties
        .iter()
        .map(|(name, schema)| parameter(name, schema))
        .collect();
    json!({
        "operationId": operation_id(spec.path),
        "summary": spec.summary,
        "description": spec.description,
        "parameters": parameters,
        "responses": answers(answer("It is answered.", content, &spec.answer), refused),
    })
}

fn parameter(name: &str, schema: &Value) -> Value {
    let mut schema = schema.clone();
    let description = schema
        .as_object_mut()
        .and_then(|schema| schema.remove("description"));
    json!({
        "name": name,
        "in": "query",
        "required": false,
        "description": description,
        "schema": schema,
    })
}

fn of_document() -> Value {
    let whole = answer("This document.", JSON, &json!({ "type": "object" }));
    operation(
        PATH,
        "This document",
        answers(whole, &["401", "403", "405", "429"]),
    )
}

fn of_healthz() -> Value {
    let fine = answer("The process answers.", JSON, &word("status", &["ok"]));
    without_token(operation(
        health::HEALTHZ,
        "Whether the process answers",
        answers(fine, &["403", "405"]),
    ))
}

fn of_readyz() -> Value {
    let fine = answer("The host can be worked with.", JSON, &word("status", &["ready"]));
    let mut all = answers(fine, &["403", "405"]);
    let mut why = word("status", &["not_ready"]);
    why["properties"]["reason"] = json!({ "type": "string" });
    why["required"] = json!(["status", "reason"]);
    all["503"] = answer("It boots, stops, or its store is away.", JSON, &why);
    without_token(operation(
        health::READYZ,
        "Whether the host can be worked with",
        all,
    ))
}

fn of_metrics() -> Value {
    let schema = json!({ "type": "string" });
    let mut text = answer(
        "The host's metrics and those of its plugins, for a caller of all tenants: in Prometheus' text format 0.0.4, or as OpenMetrics to \
         who asks for it in `Accept`.",
        "text/plain",
        &schema,
    );
    text["content"]["application/openmetrics-text"] = json!({ "schema": schema });
    operation(
        health::METRICS,
        "Metrics",
        answers(text, &["401", "403", "405", "429"]),
    )
}

fn operation(path: &str, summary: &str, responses: Value) -> Value {
    json!({ "operationId": operation_id(path), "summary": summary, "parameters": [], "responses": responses })
}

fn without_token(mut operation: Value) -> Value {
    operation["security"] = json!([]);
    operation
}

/// `/api/kora-control/observed-state` is `kora_control_observed_state`.
fn operation_id(path: &str) -> String {
    let path = path.trim_start_matches("/api").trim_start_matches('/');
    path.trim_end_matches(".json").replace(['/', '-'], "_")
}

fn word(name: &str, words: &[&str]) -> Value {
    json!({
        "type": "object",
        "properties": { name: { "type": "string", "enum": words } },
        "required": [name],
    })
}

fn answer(description: &str, content: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { content: { "schema": schema } } })
}

fn answers(fine: Value, refused: &[&str]) -> Value {
    let mut all = Map::new();
    all.insert("200".to_owned(), fine);
    for (status, name, _) in PROBLEMS.iter().filter(|(status, _, _)| refused.contains(status)) {
        let reference = format!("#/components/responses/{name}");
        all.insert((*status).to_owned(), json!({ "$ref": reference }));
    }
    for (status, meaning) in REFUSED_HEADS {
        all.insert(status.to_owned(), json!({ "description": meaning }));
    }
    Value::Object(all)
}

fn problem_answers() -> Value {
    let content = json!({ PROBLEM: { "schema": { "$ref": "#/components/schemas/Problem" } } });
    let mut all = Map::new();
    for (status, name, meaning) in PROBLEMS {
        let mut answer = json!({ "description": meaning, "content": content });
        let header = match status {
            "401" => Some(("WWW-Authenticate", "`Bearer`.")),
            "405" => Some(("Allow", "The methods that there are.")),
            "429" => Some(("Retry-After", "Seconds.")),
            _ => None,
        };
        if let Some((header, meaning)) = header {
            answer["headers"] = json!({ header: { "description": meaning, "schema": { "type": "string" } } });
        }
        all.insert(name.to_owned(), answer);
    }
    Value::Object(all)
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "Why a request was not done (RFC 9457).",
        "properties": {
            "type": { "type": "string", "const": "about:blank" },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "code": { "type": "string", "description": "Stable, for programs: `tenant.unknown`." },
            "detail": { "type": "string", "description": "What was expected, and what was found." },
            "hints": { "type": "array", "items": { "type": "string" }, "description": "What to do." },
            "data": { "type": "object", "description": "What else programs may want." },
        },
        "required": ["type", "title", "status", "code", "detail"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_says_what_can_come_of_it() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.len() >= 16, "{:?}", paths.keys());
        for (path, operations) in paths {
            let operation = &operations["get"];
            assert!(operation["summary"].is_string(), "{path}");
            let content = operation["responses"]["200"]["content"].as_object().unwrap();
            let schema = &content.values().next().unwrap()["schema"];
            assert!(schema["type"].is_string(), "{path}: {schema}");
            let is_open = operation["security"] == json!([]);
            assert_eq!(is_open, operation["responses"]["401"].is_null(), "{path}");
        }
    }

    #[test]
    fn a_parameter_has_a_type_and_its_range() {
        let document = document();
        let parameters = &document["paths"]["/api/chain-events"]["get"]["parameters"];
        let limit = parameters
            .as_array()
            .unwrap()
            .iter()
            .find(|parameter| parameter["name"] == "limit")
            .unwrap();
        let schema = &limit["schema"];
        assert_eq!(
            (&schema["type"], &schema["minimum"], &schema["maximum"]),
            (&json!("integer"), &json!(1), &json!(200))
        );
        assert!(!document.to_string().contains("\"$defs\""));
    }
}
