//! Boot gates at work: running them in order, and what the host keeps to judge and remember boots by.
//!
//! ```text
//!   a Gate each ──▶ Run ── fails, may pass later ──▶ Watcher hears, wait, again
//!                    │ fails for good                       │
//!                    ▼                                      ▼
//!                 reports ──▶ engine::gates::verdict     what tenants show meanwhile
//!                    │
//!                    ▼
//!                 History: one document for each boot, written in the background, many at once
//! ```
//!
//! What decides is in [`engine::gates`](crate::engine::gates). What a gate looks at is passed in as its check.

mod epoch;
mod gate;
mod history;
mod run;
mod store;

#[cfg(test)]
mod tests;

pub use epoch::{Epoch, EpochError, EpochHold, KnownEpoch, Mismatch, StoreEpoch, judge};
pub use gate::{Fault, Gate};
pub use history::{BootRecord, History, HistoryError, HistoryWriter, SHOWN};
pub use run::{Run, Watcher};
pub use store::{chain_tail, epoch, store_rights};
