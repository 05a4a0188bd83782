//! The kora host. A contents page: modules in the order in which to read them.

pub mod domain;
pub mod engine;
pub mod store;

pub mod checkpoints;
pub mod disk;
pub mod events;
pub mod membership;
pub mod state;
pub mod tenants;
pub mod tickets;

pub mod control;
pub mod gates;

pub mod cost;

pub mod health;

pub mod plugin;

pub mod coordinator;
pub mod identity;

pub mod access;

pub mod config;
pub mod secrets;
pub mod telemetry;

pub mod service;

pub mod cli;
pub mod http;
pub mod mcp;
pub mod socket;

pub mod app;
