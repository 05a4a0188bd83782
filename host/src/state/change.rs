//! A change of a tenant's state: what is kept of it, what is told, why it was refused.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{Blocker, OperationalStateEmitError};
use crate::{
    domain::{OperationalState, PrimaryState, TenantId, Timestamp, TriggerKind},
    engine::{transition::TransitionError, vocabulary::Owner},
    events::Receipt,
};

/// How many changes are remembered of each tenant, and so how many can be shown: this one number for both. All of them are in
/// the chain.
pub const HISTORY_LEN: usize = 20;

/// A tenant's state now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CurrentState {
    /// What it is.
    #[serde(flatten)]
    pub state: OperationalState,
    /// When the primary state was entered in this run of the host.
    #[serde(rename = "state_entered_at", serialize_with = "in_whole_seconds")]
    pub entered_at: Timestamp,
}

fn in_whole_seconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_seconds())
}

/// One line of a tenant's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryRecord {
    /// When; shown in whole seconds.
    #[serde(rename = "timestamp", serialize_with = "in_whole_seconds")]
    pub at: Timestamp,
    /// The state before.
    pub from_state: PrimaryState,
    /// The state after; the same if only reasons or the permission changed.
    pub to_state: PrimaryState,
    /// The words given with it.
    pub trigger: String,
    /// What caused it.
    pub trigger_kind: TriggerKind,
}

/// A change that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Whose state.
    pub tenant: TenantId,
    /// Before.
    pub from: OperationalState,
    /// After.
    pub to: OperationalState,
    /// When.
    pub at: Timestamp,
    /// What caused it.
    pub trigger_kind: TriggerKind,
    /// The words given with it.
    pub trigger: String,
}

/// What the chain learned of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Emitted {
    /// Nothing changed, so nothing was emitted.
    Nothing,
    /// The events are in the chain, durable.
    Appended(Vec<Receipt>),
    /// They could not be appended and wait for the store; the error says how. The change stands.
    Failed(OperationalStateEmitError),
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What happened; before and after are equal if nothing changed.
    pub transition: Arc<Transition>,
    /// What the chain learned of it.
    pub emitted: Emitted,
}

impl Changed {
    /// Whether its events wait for the store.
    pub const fn is_pending(&self) -> bool {
        matches!(self.emitted, Emitted::Failed(_))
    }
}

/// Why a tenant's state did not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateChangeError {
    /// No such tenant is served.
    #[error("there is no state of a tenant `{tenant}`: it is not served here")]
    TenantUnknown {
        /// The id.
        tenant: TenantId,
    },
    /// The table or the expected state forbids it.
    #[error(transparent)]
    Refused(#[from] TransitionError),
    /// Only parts of the host may name that cause.
    #[error("{writer} cannot change a state by the cause `{kind}`")]
    KindNotYours {
        /// The cause.
        kind: TriggerKind,
        /// Who asked.
        writer: Owner,
    },
    /// Only the host and its operator move a tenant from one primary state to another.
    #[error("{writer} may change reasons, not the state of a tenant")]
    StateNotYours {
        /// Who asked.
        writer: Owner,
    },
    /// A pause ends in one way only.
    #[error("a paused tenant goes back to `ready` by being resumed, which looks at why it was paused")]
    ResumeOnly,
    /// Something holds the pause.
    #[error("the tenant cannot be resumed yet: {}", listed(blocked_by))]
    Blocked {
        /// What, each with what to do about it.
        blocked_by: Vec<Blocker>,
    },
    /// The state changed again and again while it was looked at.
    #[error("the state changed each time it was looked at: try again")]
    KeptChanging,
    /// The tenant or the host is going away.
    #[error("the state of `{tenant}` changes no more: it is being closed")]
    Closing {
        /// Whose.
        tenant: TenantId,
    },
}

fn listed(blockers: &[Blocker]) -> String {
    let texts: Vec<_> = blockers
        .iter()
        .map(|blocker| format!("`{}`: {}", blocker.what, blocker.detail))
        .collect();
    texts.join("; ")
}
