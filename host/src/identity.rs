//! Who speaks for each tenant: snapshots, the slots they are read from, generations, swap, rollback, and the proof.
//!
//! An identity is data. It is asked of a plugin once, checked, written down with the event that tells of it, and served from
//! memory without any plugin until something else is committed. Plugins are reached through the port [`Providers`], the
//! event log through [`Journal`].

mod announce;
#[cfg(feature = "bench")]
pub mod bench;
mod candidate;
mod canonical;
mod event;
mod fallback;
mod identities;
mod providers;
mod renew;
mod restore;
mod rollback;
mod seat;
mod show;
mod slots;
mod snapshot;
mod strict;
mod swap;
mod why;

pub use announce::Announced;
pub use candidate::{AskError, PROVIDER_DEADLINE};
pub use event::{FALLBACK, ROLLED_BACK, SWAP_REFUSED, SWAPPED, speaker};
pub use fallback::{Fallback, FallbackError};
pub use identities::Identities;
pub use providers::{Provided, ProviderError, ProviderInfo, Providers, ResolveError, resolve};
pub use restore::{RestoreError, Restored, Round};
pub use rollback::RollbackRequest;
pub use seat::IdentitySeed;
pub use show::{Shown, ShownWhole, Speaks};
pub use slots::{DamagedGeneration, Slot, SlotReader, Slots, SlotsReader, Speaking};
pub use snapshot::{
    MAX_ANSWER_BYTES, MAX_METADATA_BYTES, MAX_METADATA_DEPTH, MAX_NAME_CHARS, MAX_TEXT_BYTES, Snapshot,
    SnapshotError,
};
pub use swap::{MAX_REASON_CHARS, SwapError, SwapRequest, Swapped};
pub use why::{Why, WhyError, WhyEvent};

pub use crate::tenants::{Journal, Telling};

use candidate::Asker;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
