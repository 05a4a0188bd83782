//! Who speaks for a tenant, as the command tells programs.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

use super::stage::Stage;

/// What of it the tour compares.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Identity {
    /// `plugin/provider`.
    pub provider: Option<String>,
    /// Counts up with every swap and rollback.
    pub generation: u64,
    /// Over the canonical bytes of the snapshot.
    pub snapshot_hash: String,
    /// The texts.
    pub snapshot: Value,
}

impl Identity {
    /// That of a tenant now.
    ///
    /// # Errors
    /// If the command does not tell.
    pub fn of(stage: &Stage, tenant: &str) -> Result<Self> {
        let shown = stage.json(&["identity", "show", tenant])?;
        serde_json::from_value(shown).with_context(|| format!("cannot read who speaks for `{tenant}`"))
    }

    /// The first line of its prompt.
    pub fn first_line(&self) -> &str {
        let prompt = self.snapshot["system_prompt"].as_str().unwrap_or_default();
        prompt.lines().next().unwrap_or_default()
    }
}
