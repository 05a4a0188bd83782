//! Where it happens: a home with three tenants, a host in it that is struck and started anew, and what was found in it.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
    process::Stdio,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    census::{Census, EVENT_TYPE},
    chance::Chance,
    ledger::Ledger,
    outcome::{Outages, Outcome},
    spool,
    writers::Writers,
};
use crate::{
    daemon::Daemon,
    home::{Home, as_argument},
    socket,
};

/// Two connections each, so that several writers meet in one chain and several chains in one commit.
const TENANTS: [&str; 3] = ["t0", "t1", "t2"];
const CONNECTIONS_PER_TENANT: usize = 2;
/// Long enough for thousands of appends, short enough for many rounds.
const LONGEST_ROUND: Duration = Duration::from_millis(400);
/// About twice as long as a host takes to boot: half of these blows find it booting.
const LONGEST_BOOT: Duration = Duration::from_millis(200);
/// One blow in so many does not wait for the boot.
const BOOT_BLOWS: u64 = 4;

/// What is done to the host, again and again.
pub trait Blow {
    /// The store goes away as well: appends may be answered as pending, and a host that boots is let be, since without a store it
    /// may give up.
    const OUTAGES: bool = false;

    /// What the configuration says of the store; nothing of the one that a home has anyway.
    fn store(&self) -> String {
        String::new()
    }

    /// Starts a host that can be struck.
    ///
    /// # Errors
    /// If it cannot be started.
    fn start(&mut self, home: &Home, log: &Path) -> Result<Daemon>;

    /// Strikes it, or what it needs, which is there again afterwards.
    ///
    /// # Errors
    /// If it was gone before, or cannot be struck.
    fn strike(&mut self, daemon: Daemon, home: &Home, log: &Path, chance: &mut Chance) -> Result<Struck>;
}

/// What has become of the host.
pub enum Struck {
    /// Nobody runs.
    Gone,
    /// It runs, or another one does in its place.
    Lives(Daemon),
}

/// A home, and what was found broken in it.
pub struct Chamber<B> {
    folder: TempDir,
    home: Home,
    log: PathBuf,
    blow: B,
    broken: BTreeSet<String>,
}

impl<B: Blow> Chamber<B> {
    /// A new home for this command.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(kora: PathBuf, blow: B) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("kora-torture-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let home = Home {
            root: folder.path().join("home"),
            kora,
        };
        home.make()?;
        let prompt = "You keep count of what was written.\n";
        fs::write(home.root.join("prompt.md"), prompt)?;
        let mut config = format!("{}[events]\ntypes = [\"{EVENT_TYPE}\"]\n", blow.store());
        for tenant in TENANTS {
            config.push_str(&format!(
                "\n[tenants.{tenant}]\nfallback_prompt = \"prompt.md\"\n"
            ));
        }
        fs::write(home.config_file(), config)?;
        Ok(Self {
            log: folder.path().join("daemon.log"),
            folder,
            home,
            blow,
            broken: BTreeSet::new(),
        })
    }

    /// Leaves everything where it is, and answers where that is.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// Strikes so many times, then lets the writers end and counts. The same seed gives the same moments, payloads and damage.
    ///
    /// # Errors
    /// If the host or the writers do what they should not; what was lost is no error here.
    pub fn torture(&mut self, rounds: u32, seed: u64) -> Result<Outcome> {
        let mut chance = Chance::of_seed(seed);
        let mut daemon = self.start()?;
        self.wait_for_boot(&mut daemon)?;
        let mut writers = self.writers(seed)?;
        for round in 1..=rounds {
            if B::OUTAGES || !chance.once_in(BOOT_BLOWS) {
                self.wait_for_boot(&mut daemon)?;
                writers.wait_for_one(&mut daemon)?;
                sleep(chance.duration_up_to(LONGEST_ROUND));
            } else {
                sleep(chance.duration_up_to(LONGEST_BOOT));
            }
            let struck = self.blow.strike(daemon, &self.home, &self.log, &mut chance)?;
            writers.take_what_came()?;
            self.verify(writers.ledger_mut())?;
            daemon = match struck {
                Struck::Lives(daemon) => daemon,
                Struck::Gone => {
                    writers.ledger_mut().note_waiting(spool::read(&self.home)?);
                    self.start()?
                }
            };
            eprintln!("round {round}: {}", told(writers.ledger_mut()));
        }
        self.wait_for_boot(&mut daemon)?;
        let mut ledger = writers.finish()?;
        self.wait_for_spool(&mut daemon)?;
        let status = daemon.stop()?;
        ensure!(
            status.success(),
            "expected the host to end with 0, found {status}"
        );
        self.verify(&mut ledger)?;
        self.count(rounds, &ledger)
    }

    fn start(&mut self) -> Result<Daemon> {
        self.blow.start(&self.home, &self.log)
    }

    fn writers(&self, seed: u64) -> Result<Writers> {
        let connections = TENANTS.len() * CONNECTIONS_PER_TENANT;
        let tenants = TENANTS.into_iter().cycle().take(connections);
        Writers::start(&self.home.socket(), seed, tenants)
    }

    fn wait_for_boot(&self, daemon: &mut Daemon) -> Result<()> {
        let socket = self.home.socket();
        daemon.wait_until("it has booted", || {
            // Until it listens, and while it has not booted, there is nothing to say.
            let status = socket::ask(&socket, "status", Value::Object(Default::default())).ok();
            Ok(status.filter(|status| status["state"] == "running").map(drop))
        })
    }

    /// Until nothing waits for the store any more.
    fn wait_for_spool(&self, daemon: &mut Daemon) -> Result<()> {
        let socket = self.home.socket();
        daemon.wait_until("nothing waits for the store", || {
            let status = socket::ask(&socket, "status", Value::Object(Default::default())).ok();
            Ok(status.filter(|status| status["spooled_events"] == 0).map(drop))
        })
    }

    /// Reads the store itself, as the end of the host left it.
    fn verify(&mut self, ledger: &mut Ledger) -> Result<()> {
        let output = self
            .home
            .command(&["events", "verify", "--json"])
            .stdin(Stdio::null())
            .output()?;
        ensure!(
            matches!(output.status.code(), Some(0 | 1)),
            "expected the chains to be verified, found {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        let report: Value = serde_json::from_slice(&output.stdout)?;
        self.broken.extend(broken_chains(&report));
        for chain in report["chains"].as_array().into_iter().flatten() {
            if let (Some(tenant), Some(head)) = (chain["tenant"].as_str(), chain["to"].as_u64()) {
                ledger.note_head(tenant, head);
            }
        }
        Ok(())
    }

    fn count(&self, rounds: u32, ledger: &Ledger) -> Result<Outcome> {
        let file = self.folder.path().join("export.jsonl");
        self.home
            .quietly(&["events", "export", "--output", as_argument(&file)?])?;
        let census = Census::read(BufReader::new(File::open(&file)?))?;
        let difference = census.compare(ledger);
        eprintln!("{} events in the store; {}", census.len(), told(ledger));
        Ok(Outcome {
            rounds,
            acknowledged: ledger.len(),
            lost: difference.lost,
            doubled: difference.doubled,
            broken_chains: self.broken.len(),
            outages: B::OUTAGES.then(|| Outages {
                pending: ledger.pending(),
                out_of_order: difference.out_of_order,
            }),
        })
    }
}

fn told(ledger: &Ledger) -> String {
    format!(
        "{} acknowledged, {} of them as pending, {} asked for again, {} of these in the store already",
        ledger.len(),
        ledger.pending(),
        ledger.retried(),
        ledger.recognised()
    )
}

/// The chains of a report that are broken, and the file where that is.
fn broken_chains(report: &Value) -> Vec<String> {
    let chains = report["chains"].as_array().into_iter().flatten();
    let broken = chains.filter(|chain| chain["status"] == "broken");
    let names = broken.map(|chain| chain["tenant"].to_string());
    let file = report["file_fault"]
        .as_str()
        .map(|fault| format!("the file: {fault}"));
    names.chain(file).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_broken_chain_and_a_broken_file_count() {
        let report = json!({"chains": [{"tenant": "t0", "status": "sound"}, {"tenant": "t1", "status": "broken"}],
            "file_fault": "a page is missing"});
        assert_eq!(broken_chains(&report).len(), 2);
    }
}
