//! What the command needs of the composition root: running a host. The root implements it, since only it sees everything.

use serde::Serialize;

/// How a check of the boot ended. Each is an exit code of `kora boot --check-only`.
pub use crate::engine::gates::CheckOutcome as BootOutcome;
use crate::{
    config::Home,
    domain::{LogFormat, LogLevel},
    service::{Problem, api::Gate},
};

/// Runs hosts.
pub trait App {
    /// Runs the daemon in the foreground until something ends it. Blocks.
    fn run_daemon(&self, options: DaemonOptions) -> DaemonEnd;

    /// Runs each boot gate once and changes nothing. Blocks.
    ///
    /// # Errors
    /// If the gates cannot be run at all, for example because the configuration is not valid.
    fn check_boot(&self, options: BootOptions) -> Result<BootReport, Problem>;
}

/// How to run the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonOptions {
    /// Its home.
    pub home: Home,
    /// Only these entries, as `name` or `plugin/name`; empty: all that the configuration chooses.
    pub only: Vec<String>,
    /// `--log-level`; goes before the environment and the configuration.
    pub log_level: Option<LogLevel>,
    /// `--log-format`; likewise.
    pub log_format: Option<LogFormat>,
    /// Whether log lines in text form may have colour: standard error is a terminal, or somebody asked for it.
    pub colour: bool,
}

/// How to check the boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootOptions {
    /// The home.
    pub home: Home,
    /// `--log-level`.
    pub log_level: Option<LogLevel>,
    /// `--log-format`.
    pub log_format: Option<LogFormat>,
    /// As for the daemon.
    pub colour: bool,
}

/// Why the daemon ended. Each is an exit code of `kora daemon`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaemonEnd {
    /// Asked to stop, it stopped in order (0).
    Stopped,
    /// The boot failed (1).
    StartupFailed(Problem),
    /// It could not begin to boot: configuration, home, another host (2).
    CannotStart(Problem),
    /// It was interrupted from the keyboard (130).
    Interrupted,
}

/// What a check of the boot found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootReport {
    /// All of it in a word.
    pub outcome: BootOutcome,
    /// The gates in the order in which they ran.
    pub gates: Vec<Gate>,
}
