//! A plugin's configuration against the schema in its manifest.

use serde_json::{Map, Value};

use super::{manifest::Manifest, refusal::Refusal};

/// More faults than these are not shown: the first ones lead to the rest.
const SHOWN: usize = 5;

/// Whether the configuration is one that the plugin takes.
///
/// # Errors
/// [`Refusal::BadConfig`] with the places of the faults. Values are not shown: one may be a secret that strayed there.
pub fn check(manifest: &Manifest, config: &Map<String, Value>) -> Result<(), Refusal> {
    let refused = |detail: String| Refusal::BadConfig {
        name: manifest.name.clone(),
        detail,
    };
    let schema = jsonschema::validator_for(&manifest.config).map_err(|error| refused(error.to_string()))?;
    let config = Value::Object(config.clone());
    let faults: Vec<String> = schema
        .iter_errors(&config)
        .take(SHOWN)
        .map(|error| describe(&error))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(refused(faults.join("; ")))
    }
}

fn describe(error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let place = if place.is_empty() {
        "the table itself".to_owned()
    } else {
        format!("`{}`", &place[1..])
    };
    format!("{place}: {}", error.masked())
}
