//! Drives the real command with real libraries. One binary, one harness, one file for each area.

mod admission;
mod boot;
mod checkpoints;
mod command_line;
mod control;
mod coordinator;
mod cost;
mod drop_in;
mod events;
mod faults;
mod hangs;
mod harness;
mod health;
mod identity;
mod lies;
mod mcp;
mod offers;
mod pairs;
mod panics;
mod postgres;
mod power_cut;
mod state;
mod steering;
mod store;
mod tickets;
mod trespass;
