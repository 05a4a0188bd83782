//! The JSON Schema of a plugin's configuration, written as TOML.
//!
//! It checks the schema; checking a configuration against it is `config`'s work.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Number, Value, json};

/// The schema of a plugin without `[config]`: an object without keys.
pub(super) fn nothing() -> Value {
    json!({"type": "object", "additionalProperties": false})
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let table = toml::Table::deserialize(deserializer)?;
    to_json(toml::Value::Table(table)).map_err(D::Error::custom)
}

/// Checks that it is a schema, and one for objects. What it refers to must lie within it: nothing is fetched.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    if let Some(found) = schema.get("type").filter(|found| *found != "object") {
        return Err(format!(
            "expected a schema with `type = \"object\"`, found {found}"
        ));
    }
    match jsonschema::validator_for(schema) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!(
            "expected a JSON Schema, found a fault at `{}`: {error}",
            error.instance_path()
        )),
    }
}

/// As JSON. Dates and numbers that are not finite have no place in it.
fn to_json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::Number(number.into()),
        toml::Value::Float(number) => Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("expected a finite number, found {number}"))?,
        toml::Value::Boolean(truth) => Value::Bool(truth),
        toml::Value::Datetime(date) => {
            return Err(format!("expected a JSON value, found the date {date}; quote it"));
        }
        toml::Value::Array(items) => Value::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?),
        toml::Value::Table(table) => Value::Object(
            table
                .into_iter()
                .map(|(key, value)| Ok((key, to_json(value)?)))
                .collect::<Result<Map<_, _>, String>>()?,
        ),
    })
}
