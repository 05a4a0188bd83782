//! The event log: who may append what, the spool for what could not be written, and who hears of it.
