//! `cargo xtask torture kill`: the host is killed at moments that nobody chose, while writers append.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

use super::{
    census::{Census, EVENT_TYPE},
    chance::Chance,
    ledger::{Acknowledged, Ledger},
};
use crate::{
    artifacts,
    daemon::Daemon,
    home::{Home, as_argument},
    socket,
};

/// Two connections each, so that several writers meet in one chain and several chains in one commit.
const TENANTS: [&str; 3] = ["t0", "t1", "t2"];
const CONNECTIONS_PER_TENANT: usize = 2;
/// Long enough for thousands of appends, short enough for many rounds.
const LONGEST_ROUND: Duration = Duration::from_millis(400);
/// About twice as long as a host takes to boot: half of these kills find it booting.
const LONGEST_BOOT: Duration = Duration::from_millis(200);
/// One kill in so many does not wait for the boot.
const BOOT_KILLS: u64 = 4;
/// How long the writers may take for what is left once the host stays up.
const DRAIN: Duration = Duration::from_secs(60);

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
    /// How often to kill
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Repeat the moments of an earlier run
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print one JSON object: rounds, acknowledged, lost, doubled, broken_chains
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Store {
    /// The embedded one
    Sqlite,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Outcome {
    rounds: u32,
    acknowledged: usize,
    lost: u64,
    doubled: u64,
    broken_chains: usize,
}

impl Kill {
    /// Builds, tortures, and counts.
    pub fn run(self) -> Result<()> {
        let Store::Sqlite = self.store;
        let kora = artifacts::build_kora()?;
        let seed = self.seed.unwrap_or_else(Chance::any_seed);
        eprintln!("seed {seed}; repeat it with `--seed {seed}`");
        let began = Instant::now();
        let mut chamber = Chamber::new(kora)?;
        let outcome = chamber.torture(self.rounds, Chance::of_seed(seed));
        let is_well = outcome.as_ref().is_ok_and(Outcome::is_well);
        if !is_well {
            let kept = chamber.folder.keep();
            eprintln!("the home and its log are kept in `{}`", kept.display());
        }
        let outcome = outcome?;
        eprintln!("took {:.1} s", began.elapsed().as_secs_f64());
        println!("{}", outcome.shown(self.json)?);
        ensure!(
            is_well,
            "expected nothing lost, doubled or broken, found {outcome:?}"
        );
        Ok(())
    }
}

impl Outcome {
    const fn is_well(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.broken_chains == 0
    }

    fn shown(&self, json: bool) -> Result<String> {
        if json {
            return Ok(serde_json::to_string(self)?);
        }
        Ok(format!(
            "rounds         {}\nacknowledged   {}\nlost           {}\ndoubled        {}\nbroken chains  {}",
            self.rounds, self.acknowledged, self.lost, self.doubled, self.broken_chains
        ))
    }
}

/// Where it happens: a home, and what was found broken in it.
struct Chamber {
    folder: TempDir,
    home: Home,
    log: PathBuf,
    broken: BTreeSet<String>,
}

impl Chamber {
    fn new(kora: PathBuf) -> Result<Self> {
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
        let mut config = format!("[events]\ntypes = [\"{EVENT_TYPE}\"]\n");
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
            broken: BTreeSet::new(),
        })
    }

    fn torture(&mut self, rounds: u32, mut chance: Chance) -> Result<Outcome> {
        let mut daemon = self.booted()?;
        let mut writers = Writers::start(&self.home.socket())?;
        for round in 1..=rounds {
            if !chance.once_in(BOOT_KILLS) {
                self.wait_for_boot(&mut daemon)?;
                writers.wait_for_one(&mut daemon)?;
                sleep(chance.duration_up_to(LONGEST_ROUND));
            } else {
                sleep(chance.duration_up_to(LONGEST_BOOT));
            }
            daemon.kill()?;
            writers.take_what_came()?;
            self.verify(&mut writers.ledger)?;
            eprintln!("round {round}: {}", told(&writers.ledger));
            daemon = Daemon::start(&self.home, &self.log)?;
        }
        self.wait_for_boot(&mut daemon)?;
        let mut ledger = writers.finish()?;
        let status = daemon.stop()?;
        ensure!(
            status.success(),
            "expected the host to end with 0, found {status}"
        );
        self.verify(&mut ledger)?;
        self.count(rounds, &ledger)
    }

    fn booted(&self) -> Result<Daemon> {
        let mut daemon = Daemon::start(&self.home, &self.log)?;
        self.wait_for_boot(&mut daemon)?;
        Ok(daemon)
    }

    fn wait_for_boot(&self, daemon: &mut Daemon) -> Result<()> {
        let socket = self.home.socket();
        daemon.wait_until("it has booted", || {
            // Until it listens, and while it has not booted, there is nothing to say.
            let status = socket::ask(&socket, "status", Value::Object(Default::default())).ok();
            Ok(status.filter(|status| status["state"] == "running").map(drop))
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
        })
    }
}

fn told(ledger: &Ledger) -> String {
    format!(
        "{} acknowledged, {} of them asked for again, {} of these in the store already",
        ledger.len(),
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

/// The other process, and what it has told.
struct Writers {
    child: Child,
    told: mpsc::Receiver<Result<Acknowledged>>,
    reader: JoinHandle<()>,
    ledger: Ledger,
}

impl Writers {
    fn start(socket: &Path) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["torture", "write", "--socket", as_argument(socket)?])
            .args(
                TENANTS
                    .iter()
                    .cycle()
                    .take(TENANTS.len() * CONNECTIONS_PER_TENANT),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the writers")?;
        let lines = child.stdout.take().context("the writers have no output")?;
        let (sender, told) = mpsc::channel();
        let reader = thread::spawn(move || read_lines(lines, &sender));
        Ok(Self {
            child,
            told,
            reader,
            ledger: Ledger::default(),
        })
    }

    fn take_what_came(&mut self) -> Result<()> {
        while let Ok(acknowledged) = self.told.try_recv() {
            self.ledger.add(acknowledged?)?;
        }
        if let Some(status) = self.child.try_wait()? {
            bail!("the writers ended ({status}); what they say is above");
        }
        Ok(())
    }

    /// Until something is acknowledged from now on: the host takes appends.
    fn wait_for_one(&mut self, daemon: &mut Daemon) -> Result<()> {
        self.take_what_came()?;
        let before = self.ledger.len();
        daemon.wait_until("it acknowledges an append", || {
            self.take_what_came()?;
            Ok((self.ledger.len() > before).then_some(()))
        })
    }

    /// Lets them end what they began, and answers all that was acknowledged.
    fn finish(mut self) -> Result<Ledger> {
        drop(self.child.stdin.take());
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(
                began.elapsed() < DRAIN,
                "expected the writers to end within {DRAIN:?}, found them waiting"
            );
            sleep(Duration::from_millis(10));
        }
        let status = self.child.wait()?;
        ensure!(
            status.success(),
            "the writers failed ({status}); what they say is above"
        );
        while !self.reader.is_finished() {
            sleep(Duration::from_millis(1));
        }
        while let Ok(acknowledged) = self.told.try_recv() {
            self.ledger.add(acknowledged?)?;
        }
        Ok(std::mem::take(&mut self.ledger))
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        // If they have ended, there is nothing to kill.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn read_lines(lines: ChildStdout, told: &mpsc::Sender<Result<Acknowledged>>) {
    for line in BufReader::new(lines).lines() {
        let acknowledged = line
            .map_err(anyhow::Error::from)
            .and_then(|line| serde_json::from_str(&line).context("cannot read what the writers tell"));
        if told.send(acknowledged).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_outcome_as_json_has_these_fields_and_no_others() {
        let outcome = Outcome {
            rounds: 50,
            acknowledged: 7,
            lost: 0,
            doubled: 1,
            broken_chains: 0,
        };
        assert_eq!(
            outcome.shown(true).expect("has a form"),
            r#"{"rounds":50,"acknowledged":7,"lost":0,"doubled":1,"broken_chains":0}"#
        );
        assert!(!outcome.is_well());
    }

    #[test]
    fn a_broken_chain_and_a_broken_file_count() {
        let report = json!({"chains": [{"tenant": "t0", "status": "sound"}, {"tenant": "t1", "status": "broken"}],
            "file_fault": "a page is missing"});
        assert_eq!(broken_chains(&report).len(), 2);
    }
}
