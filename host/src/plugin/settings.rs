//! A plugin's configuration against the schema in its manifest.

use serde_json::{Map, Value};

use super::{manifest::Manifest, refusal::Refusal};
use crate::domain::TenantId;

/// More faults than these are not shown: the first ones lead to the rest.
const SHOWN: usize = 5;

/// Whether each configuration, the plain one and those of tenants, is one that the plugin takes. Takes as long as the schema
/// makes it: not for a worker of the runtime.
///
/// # Errors
/// [`Refusal::BadConfig`] with the places of the faults. Values are not shown: one may be a secret that strayed there.
pub fn check(
    manifest: &Manifest,
    configured: &[(Option<TenantId>, Map<String, Value>)],
) -> Result<(), Refusal> {
    let refused = |detail: String| Refusal::BadConfig {
        name: manifest.name.clone(),
        detail,
    };
    let schema = jsonschema::validator_for(&manifest.config).map_err(|error| refused(error.to_string()))?;
    let mut faults = Vec::new();
    for (tenant, config) in configured {
        let config = Value::Object(config.clone());
        let found = schema.iter_errors(&config).take(SHOWN - faults.len());
        faults.extend(found.map(|error| describe(tenant.as_ref(), &error)));
        if tenant.is_none() && !faults.is_empty() {
            // Each tenant's has the faults of the plain one, which it lies over.
            break;
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(refused(faults.join("; ")))
    }
}

fn describe(tenant: Option<&TenantId>, error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let place = if place.is_empty() {
        "the table itself".to_owned()
    } else {
        format!("`{}`", &place[1..])
    };
    let whose = tenant.map_or_else(String::new, |tenant| format!("for the tenant `{tenant}`, "));
    format!("{whose}{place}: {}", error.masked())
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
