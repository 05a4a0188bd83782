//! What a command does with a home itself, whether a daemon runs or not. It meets the store and
//! the gate, and only to read; what it writes are the files of the home that an operator could write by hand. A store is written by
//! `kora store` alone.

pub(super) mod audit;
pub(super) mod boots;
pub(super) mod callers;
pub(super) mod checkpoints;
pub(super) mod diagnosis;
pub(super) mod gate;
pub(super) mod home;
pub(super) mod install;
pub(super) mod store;
