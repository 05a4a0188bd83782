//! The plugin `marvin`: one identity, its texts compiled into the library. No daemons, no listeners, no permissions.

#![forbid(unsafe_code)]

use kora_plugin_api::{
    Config, IdentityProvider, Plugin, Registrar, Result, Snapshot, export_plugin, serde_json::json,
};

const AGENT_NAME: &str = "Marvin";
const PLUGIN_NAME: &str = "marvin";
const SOUL_MD: &str = include_str!("../data/MARVIN.md");
const SYSTEM_PROMPT: &str = include_str!("../data/marvin_system_prompt.md");

export_plugin!(Marvin, manifest = "plugin.toml");

#[derive(Default)]
struct Marvin;

impl Plugin for Marvin {
    fn register(&self, registrar: &mut Registrar<'_>) -> Result {
        registrar.identity_provider(PLUGIN_NAME, MarvinIdentity)
    }
}

/// The same for every tenant: Marvin expects to be disappointed by all of them.
struct MarvinIdentity;

impl IdentityProvider for MarvinIdentity {
    fn snapshot(&self, _tenant: &str, _config: &Config) -> Result<Option<Snapshot>> {
        let mut snapshot = Snapshot::new(AGENT_NAME, env!("CARGO_PKG_VERSION"), SYSTEM_PROMPT);
        SOUL_MD.clone_into(&mut snapshot.soul_md);
        snapshot.metadata = [
            ("agent_name", json!(AGENT_NAME)),
            ("agent_version", json!(env!("CARGO_PKG_VERSION"))),
            ("plugin_name", json!(PLUGIN_NAME)),
            ("persona", json!("paranoid_android_demo")),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
        Ok(Some(snapshot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot_of(tenant: &str) -> Snapshot {
        let claim = MarvinIdentity.snapshot(tenant, &Config::default());
        claim.expect("answers").expect("claims the tenant")
    }

    #[test]
    fn the_identity_is_complete() {
        let snapshot = snapshot_of("globex");
        assert_eq!(snapshot.agent_name, "Marvin");
        assert_eq!(snapshot.agent_version, "0.1.0");
        assert!(snapshot.system_prompt.starts_with("You are Marvin"));
        assert!(snapshot.soul_md.contains("Paranoid Android"));
    }

    #[test]
    fn the_metadata_has_the_four_public_keys() {
        let expected = json!({
            "agent_name": "Marvin",
            "agent_version": "0.1.0",
            "plugin_name": "marvin",
            "persona": "paranoid_android_demo",
        });
        assert_eq!(json!(snapshot_of("globex").metadata), expected);
    }

    #[test]
    fn every_tenant_gets_the_same_words() {
        assert_eq!(snapshot_of("acme"), snapshot_of("globex"));
    }
}
