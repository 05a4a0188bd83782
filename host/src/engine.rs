//! The rules, pure: no IO, no clock, no async. What may follow what, what a record's hash is, whose an event type is.

pub mod chain;
pub mod control;
pub mod gates;
pub mod payload;
pub mod transition;
pub mod trigger;
pub mod vocabulary;
