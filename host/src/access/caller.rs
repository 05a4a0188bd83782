//! A caller: a name, what it may do, and for whom.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::domain::{CallerName, Capability, Digest, EventType, TenantId};

/// The tenants that a caller may know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenancy {
    /// All, and the host's own affairs.
    All,
    /// These.
    Only(BTreeSet<TenantId>),
}

impl Tenancy {
    /// Whether this tenant is one of them.
    pub fn includes(&self, tenant: &TenantId) -> bool {
        match self {
            Self::All => true,
            Self::Only(tenants) => tenants.contains(tenant),
        }
    }
}

/// Somebody with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub(super) name: CallerName,
    pub(super) token_hash: Digest,
    pub(super) actor_kind: String,
    pub(super) capabilities: BTreeSet<Capability>,
    pub(super) actor_id: Option<Uuid>,
    pub(super) tenancy: Tenancy,
    pub(super) allowed_events: BTreeSet<EventType>,
    pub(super) requests_per_second: Option<u32>,
}

impl Caller {
    /// What the operator calls it.
    pub const fn name(&self) -> &CallerName {
        &self.name
    }

    /// Its label in answers and in the audit.
    pub fn actor_kind(&self) -> &str {
        &self.actor_kind
    }

    /// The actor that it stands for.
    pub const fn actor_id(&self) -> Option<Uuid> {
        self.actor_id
    }

    /// What it may do.
    pub fn holds(&self, capability: &Capability) -> bool {
        self.capabilities.contains(capability)
    }

    /// Everything that it may do.
    pub const fn capabilities(&self) -> &BTreeSet<Capability> {
        &self.capabilities
    }

    /// The event types that it may append beside those that the operator declared.
    pub const fn allowed_events(&self) -> &BTreeSet<EventType> {
        &self.allowed_events
    }

    /// The same caller once nobody stands behind its name any more: without capabilities, tenants and events.
    #[must_use]
    pub fn without_rights(&self) -> Self {
        Self {
            capabilities: BTreeSet::new(),
            tenancy: Tenancy::Only(BTreeSet::new()),
            allowed_events: BTreeSet::new(),
            ..self.clone()
        }
    }

    /// For whom.
    pub const fn tenancy(&self) -> &Tenancy {
        &self.tenancy
    }

    /// Event types that it may append beside those that the operator declared.
    pub fn may_append(&self, event_type: &EventType) -> bool {
        self.allowed_events.contains(event_type)
    }

    /// How often it may ask, where that is otherwise than for all; 0: as often as it likes.
    pub const fn requests_per_second(&self) -> Option<u32> {
        self.requests_per_second
    }

    /// Its actor if it has one, else its name.
    pub(super) fn event_actor_id(&self) -> String {
        self.actor_id
            .map_or_else(|| self.name.to_string(), |id| id.hyphenated().to_string())
    }
}
