//! What gates promise: over checks that fail as they are told, with time that passes only where somebody waits.

mod epochs;
mod histories;
mod runs;
