//! What is kept of a tenant beside who speaks for it: what the configuration wishes, whose turn it is to change something,
//! and what was last noticed about its provider.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::{Fallback, Slot, Speaking};
use crate::domain::TenantId;

/// What the configuration says of a tenant's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentitySeed {
    /// Whose.
    pub tenant: TenantId,
    /// The provider that it names for the tenant: the tenant's own `identity`, else `default_identity`.
    pub identity: Option<String>,
    /// What speaks if no provider does.
    pub fallback: Fallback,
}

/// What was last noticed about who gives the tenant's identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Condition {
    /// Why the stored snapshot could not be compared with what its provider says now; or, if nothing speaks, why.
    pub(super) fault: Option<String>,
    /// The provider says something else than what speaks, but an operator rolled back from just that.
    pub(super) held_by_rollback: bool,
}

/// A tenant's seat.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) slot: Arc<Slot>,
    /// Held by whoever changes the tenant's identity, from asking the provider to publishing its answer.
    pub(super) turn: tokio::sync::Mutex<()>,
    seed: Mutex<IdentitySeed>,
    condition: Mutex<Condition>,
    /// A re-snapshot waits for its turn; it will see whatever is announced until then.
    announced: AtomicBool,
}

impl Seat {
    pub(super) fn new(slot: Arc<Slot>, seed: IdentitySeed) -> Self {
        Self {
            slot,
            turn: tokio::sync::Mutex::default(),
            seed: Mutex::new(seed),
            condition: Mutex::default(),
            announced: AtomicBool::new(false),
        }
    }

    pub(super) fn tenant(&self) -> &TenantId {
        self.slot.tenant()
    }

    pub(super) fn speaking(&self) -> Option<Arc<Speaking>> {
        self.slot.speaking()
    }

    pub(super) fn seed(&self) -> IdentitySeed {
        self.seed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_seed(&self, seed: IdentitySeed) {
        *self.seed.lock().unwrap_or_else(PoisonError::into_inner) = seed;
    }

    pub(super) fn condition(&self) -> Condition {
        self.condition
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes a condition and answers the one before.
    pub(super) fn note(&self, condition: Condition) -> Condition {
        let mut now = self.condition.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut now, condition)
    }

    /// Whether the caller is the one who shall ask again; otherwise somebody waits already.
    pub(super) fn begin_announced(&self) -> bool {
        !self.announced.swap(true, Ordering::AcqRel)
    }

    /// From now on an announcement asks once more.
    pub(super) fn end_announced(&self) {
        self.announced.store(false, Ordering::Release);
    }
}
