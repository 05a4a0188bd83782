//! `cargo xtask torture kill`: the host is killed at moments that nobody chose, while writers append.

use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{
    chamber::{Blow, Struck},
    chance::Chance,
    course::Course,
    postgres::Postgres,
};
use crate::{daemon::Daemon, home::Home};

/// Kill the host again and again while writers append, and count what was lost
///
/// Writers in another process append over the control socket, each append with an idempotency key, and keep the ids that were
/// acknowledged. The host is killed (-9) at random moments, some of them while it boots, and started anew; what had no answer is
/// appended again with the same key. After each kill the chains are verified, and at the end the store is compared with
/// what was acknowledged.
///
/// Fails if anything was lost or doubled, or a chain is broken; the home is kept then.
#[derive(Args)]
pub struct Kill {
    /// The store to torture
    #[arg(long, value_enum, default_value_t = Store::Sqlite)]
    store: Store,
    #[command(flatten)]
    course: Course,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Store {
    /// The embedded one
    Sqlite,
    /// A PostgreSQL server that is started for it and thrown away. Ends with 2 if this machine has none
    Postgres,
}

impl Kill {
    /// Builds, tortures, and counts.
    pub fn run(self) -> Result<()> {
        let postgres = match self.store {
            Store::Sqlite => None,
            Store::Postgres => Some(Postgres::start()?),
        };
        self.course.run(KillNine { postgres })
    }
}

/// What was written stays, whatever of it was synced: the system lives.
struct KillNine {
    /// It lives through every blow.
    postgres: Option<Postgres>,
}

impl Blow for KillNine {
    fn store(&self) -> String {
        self.postgres.as_ref().map(Postgres::section).unwrap_or_default()
    }

    fn start(&mut self, home: &Home, log: &Path) -> Result<Daemon> {
        Daemon::start(home, log)
    }

    fn strike(&mut self, daemon: Daemon, _: &Home, _: &Path, _: &mut Chance) -> Result<Struck> {
        daemon.kill()?;
        Ok(Struck::Gone)
    }
}
