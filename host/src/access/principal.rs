//! On whose behalf something is asked for. Made by a rim from where the request came in, never from what it says of itself.

use std::{collections::BTreeSet, fmt, sync::Arc};

use uuid::Uuid;

use super::{Caller, Capability, Tenancy};
use crate::{
    domain::{Actor, ActorKind, PluginName, TenantId},
    events::Writer,
};

/// The kind of a caller who holds no token of his own.
pub const ANONYMOUS_KIND: &str = "anonymous";
/// The kind of the operator of this machine.
const OPERATOR_KIND: &str = "operator";
/// The kind of a plugin.
const PLUGIN_KIND: &str = "plugin";

/// Who asks.
#[derive(Debug, Clone)]
pub enum Principal {
    /// The operator of this machine, known by the uid at the other end of the control socket. May do everything.
    Operator {
        /// His uid.
        uid: u32,
    },
    /// Somebody with a token of his own.
    Caller(Arc<Caller>),
    /// Somebody with a token that names nobody. Has no capability.
    Anonymous,
    /// A plugin that calls a tool, for one tenant that it acts for.
    Plugin {
        /// Its name.
        name: PluginName,
        /// The writer of its events.
        writer: Writer,
        /// The tenant.
        tenant: TenantId,
        /// What the operator lets it do.
        capabilities: BTreeSet<Capability>,
    },
}

impl Principal {
    /// The operator with this uid.
    pub const fn operator(uid: u32) -> Self {
        Self::Operator { uid }
    }

    /// As whom it stands in events and commands.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Operator { uid } => Actor {
                kind: ActorKind::Operator,
                id: Some(format!("uid:{uid}")),
            },
            Self::Caller(caller) => Actor {
                kind: ActorKind::Caller,
                id: Some(caller.event_actor_id()),
            },
            Self::Anonymous => Actor {
                kind: ActorKind::Caller,
                id: Some(ANONYMOUS_KIND.to_owned()),
            },
            Self::Plugin { writer, .. } => writer.actor().clone(),
        }
    }

    /// As whom it asks for an append.
    pub fn writer(&self) -> Writer {
        match self {
            Self::Operator { uid } => Writer::operator(*uid),
            Self::Caller(_) | Self::Anonymous => Writer::caller(self.actor()),
            Self::Plugin { writer, .. } => writer.clone(),
        }
    }

    /// Its kind, as answers and the audit show it: the caller's own label, else what sort of principal it is.
    pub fn kind(&self) -> &str {
        match self {
            Self::Operator { .. } => OPERATOR_KIND,
            Self::Caller(caller) => caller.actor_kind(),
            Self::Anonymous => ANONYMOUS_KIND,
            Self::Plugin { .. } => PLUGIN_KIND,
        }
    }

    /// What names it: a caller's name, a plugin's, `uid:<n>` for an operator.
    pub fn name(&self) -> String {
        match self {
            Self::Operator { uid } => format!("uid:{uid}"),
            Self::Caller(caller) => caller.name().to_string(),
            Self::Anonymous => ANONYMOUS_KIND.to_owned(),
            Self::Plugin { name, .. } => name.to_string(),
        }
    }

    /// The actor that a caller stands for, if it has one. The operator of the machine needs none.
    pub fn actor_id(&self) -> Option<Uuid> {
        match self {
            Self::Caller(caller) => caller.actor_id(),
            Self::Operator { .. } | Self::Anonymous | Self::Plugin { .. } => None,
        }
    }

    /// Whether it can be told in a command who gave it: an operator, or a caller with an actor.
    pub fn is_accountable(&self) -> bool {
        matches!(self, Self::Operator { .. }) || self.actor_id().is_some()
    }

    /// Whether it is the operator of this machine.
    pub const fn is_operator(&self) -> bool {
        matches!(self, Self::Operator { .. })
    }

    /// Whether it holds exactly this capability. No capability implies another.
    pub fn may(&self, capability: &Capability) -> bool {
        match self {
            Self::Operator { .. } => true,
            Self::Caller(caller) => caller.holds(capability),
            Self::Plugin { capabilities, .. } => capabilities.contains(capability),
            Self::Anonymous => false,
        }
    }

    /// Whether it may know of this tenant.
    pub fn sees(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Operator { .. } => true,
            Self::Caller(caller) => caller.tenancy().includes(tenant),
            Self::Anonymous => !tenant.is_host(),
            Self::Plugin { tenant: own, .. } => own == tenant,
        }
    }

    /// Whether it may know of every tenant, and of the host's own affairs.
    pub fn sees_all(&self) -> bool {
        match self {
            Self::Operator { .. } => true,
            Self::Caller(caller) => matches!(caller.tenancy(), Tenancy::All),
            Self::Anonymous | Self::Plugin { .. } => false,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator { uid } => write!(f, "the operator (uid {uid})"),
            Self::Caller(caller) => write!(f, "the caller `{}`", caller.name()),
            Self::Anonymous => f.write_str("a caller without a name"),
            Self::Plugin { name, .. } => write!(f, "the plugin `{name}`"),
        }
    }
}
