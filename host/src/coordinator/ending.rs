//! How the host as a whole stands, why it ends, and with which exit code.

use std::fmt;

use serde::Serialize;

use super::entry::EntryId;

/// How the host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// Entries are started for the first time.
    Booting,
    /// Every entry has had its first start.
    Running,
    /// Entries are stopped.
    ShuttingDown,
    /// Nothing runs any more.
    Stopped,
}

impl HostState {
    /// How it is written in logs and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Booting => "booting",
            Self::Running => "running",
            Self::ShuttingDown => "shutting_down",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for HostState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why the host stops. The first one given stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShutdownReason {
    /// A signal, by its name: `SIGTERM`.
    Signal(String),
    /// An entry without which the host does not boot failed to start.
    StartupFailure {
        /// Which.
        entry: EntryId,
        /// Why, in one line.
        cause: String,
    },
    /// A boot gate of the host failed.
    BootGate {
        /// Which.
        gate: String,
        /// What it said, in one line.
        cause: String,
    },
    /// What the host was told to run cannot be run.
    Configuration(String),
    /// Somebody asked for it: the operator, or a control command.
    Requested(String),
}

impl ShutdownReason {
    /// What sort of reason it is, without what somebody or some plugin said: for those who are not to know of the host's affairs.
    pub fn sort(&self) -> String {
        match self {
            Self::Signal(_) => self.to_string(),
            Self::StartupFailure { .. } => "startup failure".to_owned(),
            Self::BootGate { gate, .. } => format!("boot gate `{gate}` failed"),
            Self::Configuration(_) => "configuration".to_owned(),
            Self::Requested(_) => "requested".to_owned(),
        }
    }
}

impl fmt::Display for ShutdownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(name) => write!(f, "signal {name}"),
            Self::StartupFailure { entry, cause } => write!(f, "startup failure in {entry}: {cause}"),
            Self::BootGate { gate, cause } => write!(f, "boot gate `{gate}` failed: {cause}"),
            Self::Configuration(cause) => write!(f, "configuration: {cause}"),
            Self::Requested(text) => f.write_str(text),
        }
    }
}

/// How the host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub reason: ShutdownReason,
    /// Whether the boot had not finished when it began to stop.
    pub while_booting: bool,
}

/// With which exit code the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked to, and was stopped.
    Clean,
    /// An entry without which the host does not boot failed to start, or a boot gate failed.
    StartupFailure,
    /// It cannot run as it is configured.
    Configuration,
    /// It was interrupted before it had booted.
    Interrupted,
}

impl Exit {
    /// The process's exit code. Stable: scripts and service managers rely on it.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::StartupFailure => 1,
            Self::Configuration => 2,
            Self::Interrupted => 130,
        }
    }
}

impl Ending {
    /// With which exit code the process ends.
    ///
    /// SIGINT is an interruption only while the host boots: it has not come to do what it was started for. A running host
    /// has no other end than being stopped, so that SIGINT there is as clean as SIGTERM, which service managers send
    /// at any time.
    pub fn exit(&self) -> Exit {
        match &self.reason {
            ShutdownReason::Signal(name) if name == "SIGINT" && self.while_booting => Exit::Interrupted,
            ShutdownReason::Signal(_) | ShutdownReason::Requested(_) => Exit::Clean,
            ShutdownReason::StartupFailure { .. } | ShutdownReason::BootGate { .. } => Exit::StartupFailure,
            ShutdownReason::Configuration(_) => Exit::Configuration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_that_scripts_rely_on() {
        let signal = |name: &str| ShutdownReason::Signal(name.to_owned());
        let failure = ShutdownReason::StartupFailure {
            entry: EntryId::new("kora", "engine"),
            cause: "no".to_owned(),
        };
        let cases = [
            (signal("SIGTERM"), true, 0),
            (signal("SIGTERM"), false, 0),
            (signal("SIGINT"), true, 130),
            (signal("SIGINT"), false, 0),
            (failure, true, 1),
            (
                ShutdownReason::BootGate {
                    gate: "store_rights".to_owned(),
                    cause: "no".to_owned(),
                },
                true,
                1,
            ),
            (ShutdownReason::Configuration("cycle".to_owned()), true, 2),
            (ShutdownReason::Requested("stop L4".to_owned()), false, 0),
        ];
        for (reason, while_booting, code) in cases {
            let ending = Ending {
                reason,
                while_booting,
            };
            assert_eq!(ending.exit().code(), code, "{ending:?}");
        }
    }

    #[test]
    fn a_reason_reads_as_operators_know_it() {
        assert_eq!(
            ShutdownReason::Signal("SIGTERM".to_owned()).to_string(),
            "signal SIGTERM"
        );
        let failure = ShutdownReason::StartupFailure {
            entry: EntryId::new("kora", "engine"),
            cause: "no token".to_owned(),
        };
        assert_eq!(failure.to_string(), "startup failure in kora/engine: no token");
    }

    #[test]
    fn the_sort_of_a_reason_says_nothing_of_what_anybody_said() {
        let said = "globex has no money left".to_owned();
        let failure = ShutdownReason::StartupFailure {
            entry: EntryId::new("kora", "engine"),
            cause: said.clone(),
        };
        let gate = ShutdownReason::BootGate {
            gate: "secrets".to_owned(),
            cause: said.clone(),
        };
        let reasons = [
            failure,
            gate,
            ShutdownReason::Configuration(said.clone()),
            ShutdownReason::Requested(said),
        ];
        assert_eq!(
            reasons.map(|reason| reason.sort()),
            [
                "startup failure",
                "boot gate `secrets` failed",
                "configuration",
                "requested"
            ]
        );
    }
}
