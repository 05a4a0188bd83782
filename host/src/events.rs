//! The event log: who may append what, the spool for what could not be written, and who hears of it.
//!
//! It knows nothing of how a record is hashed ([`engine::chain`](crate::engine::chain)) or stored ([`store`](crate::store)).

mod append;
mod elsewhere;
mod failures;
mod log;
mod patient;
mod read;
mod seals;
mod spool;
mod subscribers;
mod waiting;
mod writer;

#[cfg(test)]
pub(crate) mod test_clock;
#[cfg(test)]
mod tests;

pub use append::{AppendError, AppendPayload, AppendRequest, IDEMPOTENCY_KEY_MAX_BYTES, Receipt};
pub use log::{EventLog, GenerationOf, LogParts};
pub use read::{
    DEFAULT_PREFIXES, PAGE_MAX, PAYLOAD_SUMMARY_CHARS, RECENT_DEFAULT, RECENT_MAX, ReadError, RecentEvent,
    RecentQuery,
};
pub use spool::{Kept, SpoolError};
pub use subscribers::{AppendedEvent, Heard, SUBSCRIBER_QUEUE, Subscription};
pub use waiting::{Drained, EmitFailure};
pub use writer::Writer;
