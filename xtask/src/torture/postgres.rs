//! The throw-away PostgreSQL server of a torture, the one that the tests start: it ends with this process, however that ends.

use anyhow::{Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::chance::Chance;
use crate::process::NotInstalled;

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../../host/src/store/postgres/testing.rs"]
mod throw_away;

/// A server, and the database of the hosts in it.
pub struct Postgres {
    server: throw_away::Server,
    url: String,
}

/// How a server goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It breaks off its connections and writes down what it has: `pg_ctl stop -m fast`.
    Fast,
    /// It drops everything, and recovers when it starts: `pg_ctl stop -m immediate`.
    Immediate,
    /// Its first process is killed. The others notice that.
    Postmaster,
    /// A process that serves a host is killed. The server drops all connections, recovers and goes on by itself.
    Backend,
}

impl Ending {
    const ALL: [Self; 4] = [Self::Fast, Self::Immediate, Self::Postmaster, Self::Backend];

    /// One of them.
    pub fn by(chance: &mut Chance) -> Self {
        Self::ALL[chance.up_to(Self::ALL.len() - 1)]
    }
}

impl Postgres {
    /// Starts one, with an empty database.
    ///
    /// # Errors
    /// [`NotInstalled`] if this machine has no server.
    pub fn start() -> Result<Self> {
        if let Some(missing) = throw_away::missing() {
            return Err(NotInstalled(missing.to_owned()).into());
        }
        eprintln!("starting a throw-away PostgreSQL server");
        let server = throw_away::Server::start();
        let url = server.database();
        Ok(Self { server, url })
    }

    /// What a configuration says of the store.
    pub fn section(&self) -> String {
        format!("[store]\nurl = \"{}\"\n", self.url)
    }

    /// Lets it go away. Answers whether it stays away until it is started again.
    ///
    /// # Errors
    /// If there was nobody to kill.
    pub fn end(&self, ending: Ending) -> Result<bool> {
        match ending {
            Ending::Fast => self.server.stop_by("INT"),
            Ending::Immediate => self.server.stop_by("QUIT"),
            Ending::Postmaster => self.server.stop_by("KILL"),
            Ending::Backend => {
                self.kill_backend()?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn kill_backend(&self) -> Result<()> {
        // The writer's, if it can be told: it has the most to lose.
        let busiest = "SELECT pid FROM pg_stat_activity WHERE application_name = 'kora' AND pid <> pg_backend_pid() \
                       ORDER BY query ILIKE '%append%' DESC, state_change DESC LIMIT 1";
        let found = self.server.sql("postgres", busiest);
        let pid = found.parse().ok().and_then(Pid::from_raw);
        ensure!(
            pid.is_some(),
            "expected a connection of the host's at the server, found `{found}`"
        );
        if let Some(pid) = pid {
            kill_process(pid, Signal::KILL)?;
        }
        Ok(())
    }

    /// Starts it again, if it went away for good, and waits until it takes connections.
    pub fn start_again(&self, was_away: bool) {
        if was_away {
            self.server.start_again();
        } else {
            self.server.await_start();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_comes_about() {
        let mut chance = Chance::of_seed(1);
        let endings: Vec<_> = (0..64).map(|_| Ending::by(&mut chance)).collect();
        assert!(Ending::ALL.iter().all(|ending| endings.contains(ending)));
    }
}
