//! A host as a child process: started, waited for, killed, stopped. It is never left behind.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::home::Home;

/// Far above what a host needs to boot or stop; reached only when something is wrong.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How much of the log is shown where a host did what it should not.
const SHOWN_LINES: usize = 40;

/// A running host.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `kora daemon`; its log is appended to `log`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(home: &Home, log: &Path) -> Result<Self> {
        Self::start_with(home, log, &[])
    }

    /// The same, with these variables in its environment.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_with(home: &Home, log: &Path, variables: &[(&str, &OsStr)]) -> Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write `{}`", log.display()))?;
        let child = home
            .command(&["daemon"])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot run `{}`", home.kora.display()))?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks again and again until `probe` answers.
    ///
    /// # Errors
    /// If the host ends, or it takes too long; with the end of its log.
    pub fn wait_until<T>(&mut self, what: &str, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let began = Instant::now();
        loop {
            if let Some(found) = probe()? {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the host ended ({status}) while waiting until {what}{}",
                    self.log_end()
                );
            }
            if began.elapsed() > DEADLINE {
                bail!("waited {DEADLINE:?} in vain until {what}{}", self.log_end());
            }
            sleep(LOOK_EVERY);
        }
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    /// If it had ended by itself before.
    pub fn kill(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the host had ended by itself ({status}){}", self.log_end());
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// If it does not end.
    pub fn stop(mut self) -> Result<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).context("cannot send SIGTERM to the host")?;
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if began.elapsed() > DEADLINE {
                bail!(
                    "the host did not end within {DEADLINE:?} of SIGTERM{}",
                    self.log_end()
                );
            }
            sleep(LOOK_EVERY);
        }
    }

    /// The last lines of its log, led by what they are.
    pub fn log_end(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        format!("\nthe end of its log:\n{}", last.join("\n"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // If it has ended and was waited for, there is nothing to kill.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
