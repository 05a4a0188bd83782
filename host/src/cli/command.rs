//! One file for each command: its arguments, and what it does with them.

pub(super) mod audit;
pub(super) mod boot;
pub(super) mod callers;
pub(super) mod completions;
pub(super) mod config;
pub(super) mod cost;
pub(super) mod daemon;
pub(super) mod doctor;
pub(super) mod events;
pub(super) mod health;
pub(super) mod identity;
pub(super) mod init;
pub(super) mod logs;
pub(super) mod mcp;
pub(super) mod operations;
pub(super) mod plugins;
pub(super) mod reference;
pub(super) mod state;
pub(super) mod status;
pub(super) mod store;
pub(super) mod tenants;
pub(super) mod tickets;
pub(super) mod tools;
pub(super) mod version;
