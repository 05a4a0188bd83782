//! Slots without a store, for `cargo xtask bench` alone: it measures what reading costs while somebody publishes as fast as a
//! slot takes it, which is faster than anything can be committed.

use std::sync::Arc;

use super::{Slot, Slots, Speaking};
use crate::domain::TenantId;

/// Gives each of these tenants a slot.
pub fn admit(slots: &Slots, tenants: impl IntoIterator<Item = TenantId>) -> Vec<Arc<Slot>> {
    slots.admit(tenants)
}

/// Lets a generation speak.
pub fn publish(slot: &Slot, next: Arc<Speaking>) {
    slot.publish(next);
}
