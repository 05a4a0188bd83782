//! What the store's callers and its writer share: how the store is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::StoreHealth;

/// Shared by the store and its writer.
pub(super) struct Shared(Mutex<StoreHealth>);

impl Shared {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(StoreHealth::Available))
    }

    pub(super) fn health(&self) -> StoreHealth {
        self.locked().clone()
    }

    pub(super) fn fail(&self, cause: &str) {
        let cause = cause.to_owned();
        *self.locked() = StoreHealth::Unavailable { cause };
    }

    pub(super) fn recover(&self) {
        *self.locked() = StoreHealth::Available;
    }

    pub(super) fn close(&self) {
        *self.locked() = StoreHealth::Closed;
    }

    fn locked(&self) -> MutexGuard<'_, StoreHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
