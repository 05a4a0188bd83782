//! Drives the real command with real libraries. One binary, one harness, one file for each area.

mod hangs;
mod harness;
mod identity;
mod lies;
mod panics;
