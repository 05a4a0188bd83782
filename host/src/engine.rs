//! The rules, pure: no IO, no clock, no async. What may follow what, what a record's hash is, whose an event type is.

pub mod chain;
pub mod checkpoint;
pub mod control;
pub mod cost;
pub mod disk;
pub mod gates;
pub mod health;
pub mod operation;
pub mod payload;
pub mod ramp;
pub mod ticket;
pub mod transition;
pub mod trigger;
pub mod vocabulary;
