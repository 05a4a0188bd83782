//! The other process, which writes, as this one sees it: started once, listened to, asked to end.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::ledger::{Acknowledged, Ledger};
use crate::{daemon::Daemon, home::as_argument};

/// How long the writers may take for what is left once the host stays up.
const DRAIN: Duration = Duration::from_secs(60);

/// The process, and what it has told.
pub struct Writers {
    child: Child,
    told: mpsc::Receiver<Result<Acknowledged>>,
    reader: JoinHandle<()>,
    ledger: Ledger,
}

impl Writers {
    /// Starts it, with a connection for each of these tenants.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(socket: &Path, seed: u64, tenants: impl Iterator<Item = &'static str>) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["torture", "write", "--socket", as_argument(socket)?])
            .args(["--seed", &seed.to_string()])
            .args(tenants)
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

    /// What it has told so far.
    pub const fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// Takes what it has told meanwhile.
    ///
    /// # Errors
    /// If it has ended, or told what cannot be.
    pub fn take_what_came(&mut self) -> Result<()> {
        while let Ok(acknowledged) = self.told.try_recv() {
            self.ledger.add(acknowledged?)?;
        }
        if let Some(status) = self.child.try_wait()? {
            bail!("the writers ended ({status}); what they say is above");
        }
        Ok(())
    }

    /// Until something is acknowledged from now on: the host takes appends.
    ///
    /// # Errors
    /// If that takes too long, or the host ends.
    pub fn wait_for_one(&mut self, daemon: &mut Daemon) -> Result<()> {
        self.take_what_came()?;
        let before = self.ledger.len();
        daemon.wait_until("it acknowledges an append", || {
            self.take_what_came()?;
            Ok((self.ledger.len() > before).then_some(()))
        })
    }

    /// Lets them end what they began, and answers all that was acknowledged.
    ///
    /// # Errors
    /// If they do not end, or not well.
    pub fn finish(mut self) -> Result<Ledger> {
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
