//! The parameters of a query, held against the schema that the document shows: the two cannot differ.

use std::sync::Arc;

use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::spec::{About, TENANT};
use crate::service::{Problem, ProblemKind};

/// What a route takes.
#[derive(Debug, Clone)]
pub(in crate::http) struct Parameters {
    /// The schema of each, by name.
    pub properties: Map<String, Value>,
    validator: Arc<Validator>,
}

impl Parameters {
    /// Those of this type, each of them a text or a number that may be left out, and the one that names a tenant.
    pub fn of<T: JsonSchema>(about: About) -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
        let mut properties = Map::new();
        if let Some(meaning) = meaning_of_tenant(about) {
            properties.insert(
                TENANT.to_owned(),
                json!({ "type": "string", "description": meaning }),
            );
        }
        if let Some(own) = schema.get("properties").and_then(Value::as_object) {
            let own = own
                .iter()
                .map(|(name, schema)| (name.clone(), without_null(schema.clone())));
            properties.extend(own);
        }
        let whole = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&whole)
            .expect("the parameters of a route have a schema: a test makes all of them");
        Self {
            properties,
            validator: Arc::new(validator),
        }
    }

    /// The values that a query gives them, and the tenant that it names. A message names parameters and what was expected of them, never
    /// a value: there may be a secret in it.
    pub fn read<T: DeserializeOwned>(&self, query: Option<&str>) -> Result<(Option<String>, T), Problem> {
        let mut values = Map::new();
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            let Some(schema) = self.properties.get(&name) else {
                return Err(bad_input(self.expected()));
            };
            if values.contains_key(&name) {
                return Err(bad_input(format!("`{name}`: expected once, found more often")));
            }
            values.insert(name, typed(schema, value));
        }
        let mut values = Value::Object(values);
        if let Some(error) = self.validator.iter_errors(&values).next() {
            let place = error.instance_path().to_string();
            let name = place.trim_start_matches('/').to_owned();
            let message = format!("`{name}`: {}", error.masked_with("the value"));
            return Err(bad_input(message));
        }
        let tenant = values.as_object_mut().and_then(|values| values.remove(TENANT));
        let tenant = tenant.and_then(|tenant| tenant.as_str().map(str::to_owned));
        let values = serde_json::from_value(values)
            .map_err(|_| bad_input("a value is out of the range of its type".to_owned()))?;
        Ok((tenant, values))
    }

    fn expected(&self) -> String {
        let names: Vec<_> = self.properties.keys().map(|name| format!("`{name}`")).collect();
        match names.as_slice() {
            [] => "no parameters were expected, some were found".to_owned(),
            some => format!("expected no other parameters than {}", some.join(", ")),
        }
    }
}

const fn meaning_of_tenant(about: About) -> Option<&'static str> {
    match about {
        About::Host => None,
        About::Tenant => Some("The tenant. May be left out by a caller of exactly one."),
        About::TenantOrHost => Some(
            "The tenant, or `host` for the host itself where the caller may know of all tenants. May be left out by a caller of \
             exactly one.",
        ),
        About::Tenants => Some("Only this tenant."),
    }
}

/// A parameter that is left out is not there: it is never `null`.
fn without_null(mut schema: Value) -> Value {
    let is_null = |schema: &Value| schema["type"] == "null";
    if let Some(types) = schema.get("type").and_then(Value::as_array) {
        let mut types = types.clone();
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(any_of) = schema.get("anyOf").and_then(Value::as_array)
        && let Some(own) = any_of.iter().find(|own| !is_null(own)).cloned()
        && let (Some(schema), Value::Object(own)) = (schema.as_object_mut(), own)
    {
        schema.remove("anyOf");
        for (name, value) in own {
            // What is said of the parameter goes before what is said of its type.
            schema.entry(name).or_insert(value);
        }
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.retain(|word| !word.is_null());
    }
    if let Some(schema) = schema.as_object_mut()
        && schema.get("default").is_some_and(Value::is_null)
    {
        schema.remove("default");
    }
    schema
}

fn typed(schema: &Value, text: String) -> Value {
    let number = match schema["type"].as_str() {
        Some("integer") => text.parse::<u64>().ok(),
        _ => None,
    };
    // What is no number stays a text, of which the schema says what it should have been.
    number.map_or(Value::String(text), Value::from)
}

fn decoded(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| bad_input("expected a query in UTF-8".to_owned()))
}

fn bad_input(message: String) -> Problem {
    Problem::new(ProblemKind::BadInput, "http.parameter", message)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        #[serde(default)]
        #[schemars(range(min = 1, max = 200))]
        limit: Option<u32>,
        #[serde(default)]
        prefix: Option<String>,
    }

    type Found = (Option<String>, Option<u32>, Option<String>);

    fn read(query: &str) -> Result<Found, String> {
        let read = Parameters::of::<Wanted>(About::Tenant).read::<Wanted>(Some(query));
        read.map(|(tenant, wanted)| (tenant, wanted.limit, wanted.prefix))
            .map_err(|problem| problem.message)
    }

    #[test]
    fn values_are_decoded_and_typed() {
        assert_eq!(read("").unwrap(), (None, None, None));
        let found = read("tenant=acme&limit=7&prefix=a%2Eb+c").unwrap();
        assert_eq!(found, (Some("acme".into()), Some(7), Some("a.b c".into())));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_value() {
        for (query, expected) in [
            ("limit=0", "`limit`: "),
            ("limit=201", "`limit`: "),
            ("limit=secret", "`limit`: "),
            ("limit=-1", "`limit`: "),
            ("limit=1&limit=2", "`limit`: expected once, found more often"),
            (
                "secret=1",
                "expected no other parameters than `limit`, `prefix`, `tenant`",
            ),
            ("prefix=%ff", "expected a query in UTF-8"),
        ] {
            let told = read(query).unwrap_err();
            assert!(told.starts_with(expected), "{query}: {told}");
            assert!(!told.contains("secret") && !told.contains("201 "), "{told}");
        }
    }
}
