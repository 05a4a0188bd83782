//! `cargo xtask torture`: what must hold when everything goes wrong, tried again and again.
//!
//! ```text
//!   this process ── starts, kills ──▶ kora daemon ◀── appends, over the socket ── writers (this program again)
//!        ▲                                                                            │
//!        └──────────────────────────── what was acknowledged ◀────────────────────────┘
//! ```
//!
//! The writers live through every kill. What is not acknowledged when the host dies they append again with the same idempotency
//! key. At the end the ledger of what was acknowledged is held against what the store exports.

mod census;
mod chamber;
mod chance;
mod course;
mod kill;
mod ledger;
mod order;
mod outcome;
mod postgres;
mod postgres_down;
pub mod power_cut;
mod spool;
mod writer;
mod writers;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Try again and again what must hold when everything goes wrong
#[derive(Args)]
pub struct Torture {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Subcommand)]
enum Kind {
    Kill(kill::Kill),
    PostgresDown(postgres_down::PostgresDown),
    PowerCut(power_cut::PowerCut),
    #[command(hide = true)]
    Write(writer::Write),
}

impl Torture {
    /// Runs it.
    pub fn run(self) -> Result<()> {
        match self.kind {
            Kind::Kill(kill) => kill.run(),
            Kind::PostgresDown(down) => down.run(),
            Kind::PowerCut(power_cut) => power_cut.run(),
            Kind::Write(write) => write.run(),
        }
    }
}
