//! Identities that no host should take: `huge_prompt`, `empty_prompt`, `empty_name`, `deep_metadata`, `huge_metadata`; and
//! `no_claim`, which is no offence.

use std::sync::Arc;

use kora_plugin_api::{
    Config, IdentityProvider, Result, Snapshot,
    serde_json::{Value, json},
};

use crate::{
    fault::{Hook, Misbehaviour},
    settings::Settings,
};

const HUGE_BYTES: usize = 10 * 1024 * 1024;
const DEEP_LEVELS: usize = 100;

pub struct Claim {
    mode: String,
    fault: Arc<Misbehaviour>,
}

impl Claim {
    /// Misbehaves as the settings say.
    pub fn new(settings: &Settings, fault: Arc<Misbehaviour>) -> Self {
        Self {
            mode: settings.mode.clone(),
            fault,
        }
    }
}

impl IdentityProvider for Claim {
    fn snapshot(&self, tenant: &str, _config: &Config) -> Result<Option<Snapshot>> {
        self.fault.strike(Hook::Snapshot)?;
        let mut snapshot = Snapshot::new("Misbehave", "0.1.0", format!("You misbehave for {tenant}."));
        match self.mode.as_str() {
            "no_claim" => return Ok(None),
            "huge_prompt" => snapshot.system_prompt = "x".repeat(HUGE_BYTES),
            "empty_prompt" => snapshot.system_prompt.clear(),
            "empty_name" => snapshot.agent_name.clear(),
            "huge_metadata" => insert(&mut snapshot, json!("x".repeat(HUGE_BYTES))),
            "deep_metadata" => insert(&mut snapshot, nested(DEEP_LEVELS)),
            _ => {}
        }
        Ok(Some(snapshot))
    }
}

fn insert(snapshot: &mut Snapshot, value: Value) {
    snapshot.metadata.insert("too_much".to_owned(), value);
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}
