//! Who the greeter is.

use kora_plugin_api::{Config, IdentityProvider, Result, Snapshot, serde_json::json};

use crate::settings::Settings;

pub struct GreeterIdentity;

impl IdentityProvider for GreeterIdentity {
    fn snapshot(&self, tenant: &str, config: &Config) -> Result<Option<Snapshot>> {
        let settings = Settings::of_tenant(config)?;
        if settings.greeting.is_empty() {
            return Ok(None); // No claim. Half an identity is none.
        }
        let prompt = format!(
            "You are Greeter. You serve {tenant}. Begin with: {}.",
            settings.greeting
        );
        let mut snapshot = Snapshot::new("Greeter", env!("CARGO_PKG_VERSION"), prompt);
        snapshot
            .metadata
            .insert("plugin_name".to_owned(), json!("greeter"));
        Ok(Some(snapshot))
    }
}

#[cfg(test)]
mod tests {
    use kora_plugin_api::serde_json::Map;

    use super::*;

    fn configured(greeting: &str) -> Config {
        Config::from(Map::from_iter([("greeting".to_owned(), json!(greeting))]))
    }

    #[test]
    fn a_tenant_is_greeted_in_its_own_words() {
        let claim = GreeterIdentity.snapshot("acme", &configured("Ahoy"));
        let snapshot = claim.expect("answers").expect("claims");
        assert_eq!(
            snapshot.system_prompt,
            "You are Greeter. You serve acme. Begin with: Ahoy."
        );
    }

    #[test]
    fn without_words_there_is_no_claim() {
        let claim = GreeterIdentity.snapshot("acme", &configured(""));
        assert_eq!(claim.expect("answers"), None);
    }
}
