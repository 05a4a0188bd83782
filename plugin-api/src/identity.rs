//! Who an agent is.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Config, Result};

/// An identity, complete: the host refuses one whose name or prompt is empty.
///
/// Limits: the texts 256 KiB each, the metadata 64 KiB as JSON, at most 16 levels deep.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// The agent's name.
    pub agent_name: String,
    /// The version of the identity, in whatever form the author likes.
    pub agent_version: String,
    /// The soul text; may be empty.
    pub soul_md: String,
    /// The system prompt.
    pub system_prompt: String,
    /// Whatever else should be known of it.
    pub metadata: Map<String, Value>,
}

impl Snapshot {
    /// A snapshot without soul text and metadata.
    pub fn new(
        agent_name: impl Into<String>,
        agent_version: impl Into<String>,
        system_prompt: impl Into<String>,
    ) -> Self {
        Self {
            agent_name: agent_name.into(),
            agent_version: agent_version.into(),
            system_prompt: system_prompt.into(),
            ..Self::default()
        }
    }
}

/// Says who the agent of a tenant is.
pub trait IdentityProvider: Send + Sync + 'static {
    /// The identity of `tenant`, or `None` for "no claim": a partial identity is no identity.
    ///
    /// Pure: the same arguments give the same snapshot until
    /// [`Host::announce_identity`](crate::Host::announce_identity) says otherwise. It may block briefly (reading a file),
    /// and calls for several tenants may overlap.
    ///
    /// # Errors
    /// If there is none to give; the identity that speaks now goes on speaking.
    fn snapshot(&self, tenant: &str, config: &Config) -> Result<Option<Snapshot>>;
}
