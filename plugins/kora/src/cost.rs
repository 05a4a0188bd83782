//! Cost telemetry: what model calls cost, counted by route over three windows, for each tenant.
//!
//! Everything here is derived from the tenant's chain. The listener only wakes; the numbers come from reading the chain
//! after a cursor, so an event that a listener missed is counted all the same and none is counted twice. The file is what
//! other programs read, and spares the reading of the whole chain after a restart.

mod account;
mod book;
mod counters;
mod daemon;
mod file;
mod record;
mod windows;

pub use book::Book;
pub use daemon::{CostEvents, CostTelemetry, MONTHLY_RESET, PERSIST, RESET_INTERVAL, ROLLING_24H_RESET};
