//! `cargo xtask torture postgres-down`: the server goes away and comes back, while the host keeps what it is asked to append.
//!
//! ```text
//!   writers ── appends ──▶ kora daemon ── PostgreSQL, which goes away (fast, immediate, killed, one of its processes killed)
//!      ▲                       │    ▲
//!      └── "pending" ──────────┘    └── data/spool.jsonl, drained in order once the server is back; in some rounds by the next host
//! ```

use std::{fs::File, path::Path, thread::sleep, time::Duration};

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{
    chamber::{Blow, Struck},
    chance::Chance,
    course::Course,
    postgres::{Ending, Postgres},
    spool,
};
use crate::{daemon::Daemon, home::Home, socket};

/// From the first append that waits on: some dozens up to thousands of them.
const LONGEST_OUTAGE: Duration = Duration::from_millis(800);
/// A host that boots before its server does tries again; so long it tries in vain, at most.
const LONGEST_BOOT_IN_VAIN: Duration = Duration::from_millis(500);
/// In one round of so many the host is killed while the server is away.
const HOST_BLOWS: u64 = 3;

/// Stop or kill the PostgreSQL server again and again while writers append, and count what was lost
///
/// As `torture kill --store postgres`, but it is the server that goes away: stopped fast, stopped at once, killed (-9), or one of
/// its processes killed. Meanwhile the host answers appends as pending and keeps them in its spool; in one round of three it is killed
/// as well, and the next host finds them there. Then the server is started again. At the end the store is compared with everything
/// that was answered: as acknowledged or as pending, each must be there once, under its id, and behind whatever was answered
/// before it was asked for.
///
/// Needs a PostgreSQL server on this machine; ends with 2 if there is none.
///
/// Fails if anything was lost, doubled or out of order, or a chain is broken; the home is kept then.
#[derive(Args)]
pub struct PostgresDown {
    /// Let the spool lose what it holds whenever the host is killed, as if it had not been synced: this must fail, or losses are not seen
    #[arg(long)]
    lying_disk: bool,
    #[command(flatten)]
    course: Course,
}

impl PostgresDown {
    /// Builds, tortures, and counts.
    pub fn run(self) -> Result<()> {
        let blow = Outage {
            postgres: Postgres::start()?,
            lying_disk: self.lying_disk,
        };
        self.course.run(blow)
    }
}

struct Outage {
    postgres: Postgres,
    lying_disk: bool,
}

impl Blow for Outage {
    const OUTAGES: bool = true;

    fn store(&self) -> String {
        self.postgres.section()
    }

    fn start(&mut self, home: &Home, log: &Path) -> Result<Daemon> {
        Daemon::start(home, log)
    }

    fn strike(&mut self, mut daemon: Daemon, home: &Home, log: &Path, chance: &mut Chance) -> Result<Struck> {
        let waits_for_the_rest = chance.once_in(2);
        await_store(&mut daemon, home, waits_for_the_rest)?;
        // All of it before anything is done: the same seed, the same course.
        let (ending, length) = (Ending::by(chance), chance.duration_up_to(LONGEST_OUTAGE));
        let kills_the_host = chance.once_in(HOST_BLOWS) || self.lying_disk;
        let (boots_before, in_vain) = (chance.once_in(2), chance.duration_up_to(LONGEST_BOOT_IN_VAIN));
        let host = if kills_the_host { "killed as well" } else { "lives" };
        eprintln!(
            "the server goes away: {ending:?}, {} ms; the host: {host}",
            length.as_millis()
        );
        let is_away = self.postgres.end(ending)?;
        if is_away {
            await_waiting(&mut daemon, home)?;
        }
        sleep(length);
        if !kills_the_host {
            self.postgres.start_again(is_away);
            return Ok(Struck::Lives(daemon));
        }
        daemon.kill()?;
        if self.lying_disk {
            File::create(spool::file(home))?;
        }
        if !boots_before {
            self.postgres.start_again(is_away);
            return Ok(Struck::Gone);
        }
        let next = self.start(home, log)?;
        sleep(in_vain);
        self.postgres.start_again(is_away);
        Ok(Struck::Lives(next))
    }
}

/// Until the host has its store again: an outage that it has not noticed the end of is none. Every other time until nothing waits.
fn await_store(daemon: &mut Daemon, home: &Home, nothing_waits: bool) -> Result<()> {
    daemon.wait_until("it has its store again", || {
        let status = status(home);
        let is_so = |status: &Value| {
            status["store"] == "available" && (!nothing_waits || status["spooled_events"] == 0)
        };
        Ok(status.filter(is_so).map(drop))
    })
}

fn await_waiting(daemon: &mut Daemon, home: &Home) -> Result<()> {
    daemon.wait_until("appends wait for the server", || {
        let waiting = status(home).and_then(|status| status["spooled_events"].as_u64());
        Ok(waiting.filter(|waiting| *waiting > 0).map(drop))
    })
}

fn status(home: &Home) -> Option<Value> {
    socket::ask(&home.socket(), "status", Value::Object(Default::default())).ok()
}
