//! A caller: a name, what it may do, and for whom.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{Digest, EventType, TenantId};

/// The longest name, label and capability.
const NAME_MAX_CHARS: usize = 64;

/// A text that is no name of a caller, or no capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} is not valid: expected 1 to 64 letters, digits, `_`, `-`, `.` and `:`, the first a letter or a digit"
)]
pub struct InvalidLabel {
    /// What the text is for.
    pub what: &'static str,
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = InvalidLabel;
            fn from_str(text: &str) -> Result<Self, InvalidLabel> {
                if is_label(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidLabel { what: $what })
                }
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidLabel;
            fn try_from(text: String) -> Result<Self, InvalidLabel> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

label! {
    /// The name of a caller: what the operator calls it. Unique in the file.
    CallerName, "the name of a caller"
}
label! {
    /// The label of a caller in answers and in the audit, such as `operator` or `ci`.
    CallerKind, "the kind of a caller"
}
label! {
    /// A right to call one tool, by the name that the tool asks for. No capability implies another.
    Capability, "a capability"
}

pub(super) fn is_label(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    text.len() <= NAME_MAX_CHARS
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(is_part)
}

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
