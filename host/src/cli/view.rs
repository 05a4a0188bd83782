//! How answers look to humans: text out of plain data. Nothing here writes, asks or decides.

pub(super) mod audit;
pub(super) mod boots;
pub(super) mod callers;
pub(super) mod config;
pub(super) mod control;
pub(super) mod cost;
pub(super) mod daemon;
pub(super) mod doctor;
pub(super) mod events;
pub(super) mod health;
pub(super) mod identity;
pub(super) mod logs;
pub(super) mod plugins;
pub(super) mod state;
pub(super) mod status;
pub(super) mod store;
mod table;
pub(super) mod tenants;
pub(super) mod text;
pub(super) mod tickets;
pub(super) mod tools;
pub(super) mod verify;
