//! A tenant as it is wished for and as it is shown.

use serde::Serialize;

use crate::domain::{TenantActor, TenantId, TenantRecord};

/// A tenant that the configuration, or an operator, wants to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSeed {
    /// Its id.
    pub id: TenantId,
    /// What its canonical actor is called; its id if absent.
    pub agent_name: Option<String>,
}

/// Where a tenant comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The configuration names it.
    Config,
    /// An operator added it.
    Command,
}

impl Origin {
    /// As it stands in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Command => "command",
        }
    }
}

/// A tenant, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// As the store has it.
    #[serde(flatten)]
    pub record: TenantRecord,
    /// Where it comes from.
    pub origin: Origin,
}

impl Listed {
    /// The actor that acts for the tenant's agent.
    pub fn canonical_actor(&self) -> Option<&TenantActor> {
        self.record.actors.iter().find(|actor| actor.canonical)
    }
}
