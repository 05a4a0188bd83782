//! A plugin's configuration against the schema in its manifest.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
    paths::LocationSegment,
};
use serde_json::{Map, Value};

use super::{manifest::Manifest, refusal::Refusal};
use crate::domain::TenantId;

/// More faults than these are not shown: the first ones lead to the rest.
const SHOWN: usize = 5;

/// A key that the plugin does not take, or lacks. Values are not shown: one may be a secret that strayed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// For whom; absent: for everybody.
    pub tenant: Option<TenantId>,
    /// The key below the plugin's table, segment by segment; empty: the table itself.
    pub key: Vec<String>,
    /// What was expected and what was found.
    pub message: String,
}

/// Whether each configuration, the plain one and those of tenants, is one that the plugin takes. Takes as long as the schema
/// makes it: not for a worker of the runtime.
///
/// # Errors
/// [`Refusal::BadConfig`] with the places of the faults.
pub fn check(
    manifest: &Manifest,
    configured: &[(Option<TenantId>, Map<String, Value>)],
) -> Result<(), Refusal> {
    let faults = setting_faults(manifest, configured)?;
    if faults.is_empty() {
        return Ok(());
    }
    let faults: Vec<_> = faults.iter().map(describe).collect();
    Err(refused(manifest, faults.join("; ")))
}

/// What [`check`] refuses, one by one: the first few.
///
/// # Errors
/// [`Refusal::BadConfig`] if the schema itself is none.
pub fn setting_faults(
    manifest: &Manifest,
    configured: &[(Option<TenantId>, Map<String, Value>)],
) -> Result<Vec<SettingFault>, Refusal> {
    let schema =
        jsonschema::validator_for(&manifest.config).map_err(|error| refused(manifest, error.to_string()))?;
    let mut faults = Vec::new();
    for (tenant, config) in configured {
        let config = Value::Object(config.clone());
        let found = schema
            .iter_errors(&config)
            .flat_map(|error| faults_of(manifest, tenant.as_ref(), &error));
        faults.extend(found.take(SHOWN - faults.len()));
        if tenant.is_none() && !faults.is_empty() {
            // Each tenant's has the faults of the plain one, which it lies over.
            break;
        }
    }
    Ok(faults)
}

fn refused(manifest: &Manifest, detail: String) -> Refusal {
    Refusal::BadConfig {
        name: manifest.name.clone(),
        detail,
    }
}

/// One for each key that is there and has no place, else one.
fn faults_of(
    manifest: &Manifest,
    tenant: Option<&TenantId>,
    error: &ValidationError<'_>,
) -> Vec<SettingFault> {
    let table: Vec<String> = error.instance_path().iter().map(|part| segment(&part)).collect();
    let fault = |key: Vec<String>, message: String| SettingFault {
        tenant: tenant.cloned(),
        key,
        message,
    };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| {
                let expected = expected_keys(manifest, &table);
                let key = [table.as_slice(), std::slice::from_ref(name)].concat();
                fault(key, format!("expected {expected}, found another key"))
            })
            .collect(),
        ValidationErrorKind::Type {
            kind: TypeKind::Single(expected),
        } => {
            let found = kind_of(error.instance());
            vec![fault(table, format!("expected type `{expected}`, found {found}"))]
        }
        _ => {
            let (what, found) = (error.masked().to_string(), kind_of(error.instance()));
            vec![fault(table, format!("{what} (found {found})"))]
        }
    }
}

fn segment(part: &LocationSegment<'_>) -> String {
    match part {
        LocationSegment::Property(name) => name.clone().into_owned(),
        LocationSegment::Index(index) => index.to_string(),
    }
}

/// The keys of the whole table; what may stand in a table below it is for the schema's author to say.
fn expected_keys(manifest: &Manifest, table: &[String]) -> String {
    let known = manifest.config.get("properties").and_then(Value::as_object);
    match known.filter(|known| table.is_empty() && !known.is_empty()) {
        Some(known) => {
            let names: Vec<_> = known.keys().map(|name| format!("`{name}`")).collect();
            format!("one of {}", names.join(", "))
        }
        None if table.is_empty() => "no keys, since the plugin takes none".to_owned(),
        None => "a key that the plugin takes there".to_owned(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "a table",
    }
}

fn describe(fault: &SettingFault) -> String {
    let place = if fault.key.is_empty() {
        "the table itself".to_owned()
    } else {
        format!("`{}`", fault.key.join("."))
    };
    let whose = fault
        .tenant
        .as_ref()
        .map_or_else(String::new, |tenant| format!("for the tenant `{tenant}`, "));
    format!("{whose}{place}: {}", fault.message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plugin::{Strictness, fixture};

    fn checked(configured: &[(Option<&str>, Value)]) -> Result<(), String> {
        let text = fixture::manifest(
            "echo",
            "0.1.0",
            "[config]\ntype = \"object\"\nadditionalProperties = false\n[config.properties.every]\ntype = \"integer\"\n",
        );
        let (manifest, _) = Manifest::parse(text.as_bytes(), Strictness::Strict).unwrap();
        let configured: Vec<_> = configured
            .iter()
            .map(|(tenant, config)| {
                (
                    tenant.map(|tenant| tenant.parse().unwrap()),
                    config.as_object().unwrap().clone(),
                )
            })
            .collect();
        check(&manifest, &configured).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn what_a_tenant_overrides_is_judged_as_well_and_named() {
        checked(&[(None, json!({"every": 1})), (Some("acme"), json!({"every": 2}))]).unwrap();
        let refused = checked(&[
            (None, json!({"every": 1})),
            (Some("acme"), json!({"every": "often"})),
        ])
        .unwrap_err();
        assert!(refused.contains("for the tenant `acme`, `every`: "), "{refused}");
    }

    #[test]
    fn a_key_that_the_plugin_does_not_take_is_named_with_those_that_it_does() {
        let refused = checked(&[(None, json!({"evry": 1}))]).unwrap_err();
        assert!(
            refused.contains("`evry`: expected one of `every`, found another key"),
            "{refused}"
        );
        let refused = checked(&[(None, json!({"every": "x"}))]).unwrap_err();
        assert!(
            refused.contains("`every`: expected type `integer`, found a string"),
            "{refused}"
        );
    }

    #[test]
    fn a_value_is_never_shown_and_many_faults_are_cut() {
        let many: Map<String, Value> = (0..20).map(|n| (format!("key{n}"), json!("s3cret"))).collect();
        let refused = checked(&[(None, json!({"every": "s3cret"}))]).unwrap_err();
        assert!(
            refused.contains("`every`") && !refused.contains("s3cret"),
            "{refused}"
        );
        let refused =
            checked(&[(None, Value::Object(many)), (Some("acme"), json!({"every": "x"}))]).unwrap_err();
        assert!(
            !refused.contains("s3cret") && !refused.contains("acme"),
            "{refused}"
        );
    }
}
