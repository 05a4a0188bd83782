//! The schemas of tools, and holding an input against one.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{ToolFault, WORKSPACE_ID};
use crate::service::{Problem, ProblemKind};

/// Errors that are told at once: more than these nobody reads.
const ERRORS_SHOWN: usize = 5;

fn inlined<T: JsonSchema>(settings: SchemaSettings) -> Map<String, Value> {
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    match schema.to_value() {
        Value::Object(mut schema) => {
            // The name of a Rust type says nothing to a client.
            schema.remove("title");
            schema
        }
        // No type of a tool's is `true` or `false`.
        _ => Map::new(),
    }
}

/// What a tool takes, with the parameter that names the tenant where there is one.
pub(super) fn of_input<T: JsonSchema>(is_of_tenant: bool) -> Map<String, Value> {
    let mut schema = inlined::<T>(SchemaSettings::draft2020_12());
    schema.entry("type").or_insert_with(|| "object".into());
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.values_mut().for_each(bound);
        if is_of_tenant {
            properties.insert(WORKSPACE_ID.to_owned(), workspace_id());
        }
    }
    schema
}

/// Shows how large a number may be: what its type cannot hold is refused by the schema, and not by what reads it.
fn bound(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    let (least, most): (Value, Value) = match schema.get("format").and_then(Value::as_str) {
        Some("uint32") => (u32::MIN.into(), u32::MAX.into()),
        Some("uint64") => (u64::MIN.into(), u64::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("int64") => (i64::MIN.into(), i64::MAX.into()),
        _ => return,
    };
    schema.entry("minimum").or_insert(least);
    schema.entry("maximum").or_insert(most);
}

/// A whole number may be written with a fraction of nothing, `1.0`: where the schema asks for one it is read as one. Other numbers stay as
/// they came.
pub(super) fn as_integers(schema: &Map<String, Value>, arguments: &mut Map<String, Value>) {
    for (key, value) in arguments.iter_mut().filter(|(_, value)| value.is_f64()) {
        let kind = schema
            .get("properties")
            .and_then(|properties| properties.get(key)?.get("type"));
        let is_integer = match kind {
            Some(Value::String(kind)) => kind == "integer",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "integer"),
            _ => false,
        };
        if is_integer && let Some(whole) = value.as_f64().and_then(whole) {
            *value = whole.into();
        }
    }
}

/// The whole number that a fraction is, as long as it can be only one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "below 2^53 every whole fraction is a number of 64 bits"
)]
fn whole(number: f64) -> Option<i64> {
    const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() < EXACT_BELOW).then_some(number as i64)
}

/// The parameter that names the tenant.
pub(super) fn workspace_id() -> Value {
    json!({
        "type": "string",
        "description": "The tenant. May be left out by a caller of exactly one.",
    })
}

/// What a tool answers.
pub(super) fn of_output<T: JsonSchema>() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = inlined::<T>(settings);
    schema.entry("type").or_insert_with(|| "object".into());
    schema
}

/// A schema that inputs are held against.
pub(super) fn validator(schema: &Map<String, Value>) -> Result<Validator, String> {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&Value::Object(schema.clone()))
        .map_err(|error| error.to_string())
}

/// Refuses an input that is not as the schema says. The message names places and what was expected there, never a value: there may be a
/// secret in it.
pub(super) fn check(validator: &Validator, arguments: &Value) -> Result<(), ToolFault> {
    let mut told: Vec<String> = validator
        .iter_errors(arguments)
        .take(ERRORS_SHOWN)
        .map(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "the arguments" } else { &place };
            format!("{place}: {}", said(&error))
        })
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    told.sort();
    Err(Problem::new(ProblemKind::BadInput, "tool.input", told.join("; ")).into())
}

fn said(error: &ValidationError<'_>) -> String {
    match error.kind() {
        // Where there is nothing to name, the library names its schema.
        ValidationErrorKind::FalseSchema => "expected none".to_owned(),
        _ => error.masked_with("the value").to_string(),
    }
}
