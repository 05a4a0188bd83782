//! Boot gates: which there are, how often one is tried, and what a run of them comes to.
//!
//! A boot is a run of gates in order. What one looks at is its owner's; what follows from what it says is decided here.

use std::time::Duration;

use super::transition::{GateClass, GateOutcome, GateReport};
use crate::domain::{DegradationReason, wire_enum};

/// How often a transient gate is tried in all, as the original did.
const TRANSIENT_ATTEMPTS: u32 = 5;
/// How long after the first failed attempt the next one comes; doubled each time.
const FIRST_BACKOFF: Duration = Duration::from_secs(2);
/// The longest time between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// How long all gates of the host may take together: more than the attempts of two gates that answer late, less than anybody who
/// watches a boot waits.
pub const HOST_BUDGET: Duration = Duration::from_secs(240);
/// How long all gates of one tenant may take together.
pub const TENANT_BUDGET: Duration = Duration::from_secs(60);
/// How long a check may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One attempt.
    pub attempt: Duration,
    /// All attempts, with what is waited between them.
    pub in_all: Duration,
}

/// For a check that looks at something near: five attempts that fail at once and what is waited between them, or one that hangs and
/// what is left then.
const NEAR: Limits = Limits {
    attempt: Duration::from_secs(10),
    in_all: Duration::from_secs(60),
};

/// What is known of a gate before it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateSpec {
    /// Which.
    pub id: &'static str,
    /// What its failure means.
    pub class: GateClass,
    /// What tenants show while it is tried again.
    pub reason: Option<DegradationReason>,
    /// How long it may take; absent where what it waits for has deadlines of its own, and then it does not count in the time of the
    /// run either.
    pub limits: Option<Limits>,
}

const fn near(id: &'static str, class: GateClass, reason: Option<DegradationReason>) -> GateSpec {
    let limits = Some(NEAR);
    GateSpec {
        id,
        class,
        reason,
        limits,
    }
}

/// Others can neither change what the host believes nor read what it keeps. It says so, and holds nothing up: whose machine it is may know
/// better.
pub const HOME_MODES: GateSpec = near("home_modes", GateClass::Invariant, None);
/// The store answers.
pub const STORE: GateSpec = GateSpec {
    // A file that was written by an earlier release is copied and upgraded meanwhile.
    limits: Some(Limits {
        attempt: Duration::from_secs(180),
        in_all: Duration::from_secs(200),
    }),
    ..near("store", GateClass::Transient, Some(DegradationReason::Substrate))
};
/// Its schema is one that this release knows.
pub const SCHEMA: GateSpec = near("schema", GateClass::Invariant, None);
/// The end of a chain is as it was written.
pub const CHAIN_TAIL: GateSpec = near("chain_tail", GateClass::Invariant, None);
/// The store is the one that this home knows.
pub const EPOCH: GateSpec = near(
    "epoch",
    GateClass::InvariantPause,
    Some(DegradationReason::Substrate),
);
/// The store takes events, and neither changes nor deletes them.
pub const STORE_RIGHTS: GateSpec = near(
    "store_rights",
    GateClass::Transient,
    Some(DegradationReason::Dispatch),
);
/// What lies in the plugin directory was judged.
pub const PLUGINS_ADMITTED: GateSpec = GateSpec {
    limits: None,
    ..near("plugins_admitted", GateClass::Invariant, None)
};
/// Who may call is known, and nobody is let in with what anybody could have.
pub const CALLERS: GateSpec = near("callers", GateClass::Transient, Some(DegradationReason::Auth));
/// The secrets are there without which a fatal daemon cannot do its work.
pub const SECRETS: GateSpec = near("secrets", GateClass::Transient, Some(DegradationReason::Auth));
/// The daemons without which the host does not boot have started.
pub const FATAL_DAEMONS_UP: GateSpec = GateSpec {
    limits: None,
    ..near("fatal_daemons_up", GateClass::Invariant, None)
};

/// The gates of the host, in their order.
pub const HOST_GATES: [GateSpec; 9] = [
    STORE,
    SCHEMA,
    CHAIN_TAIL,
    EPOCH,
    STORE_RIGHTS,
    PLUGINS_ADMITTED,
    CALLERS,
    SECRETS,
    FATAL_DAEMONS_UP,
];

/// Somebody acts for the tenant's agent.
pub const CANONICAL_ACTOR: GateSpec = near(
    "canonical_actor",
    GateClass::Invariant,
    Some(DegradationReason::Substrate),
);
/// Somebody speaks for the tenant.
pub const TENANT_IDENTITY: GateSpec = GateSpec {
    // A provider has ten seconds, and a tenant waits for those that boot beside it.
    limits: Some(Limits {
        attempt: Duration::from_secs(45),
        in_all: Duration::from_secs(45),
    }),
    ..near("tenant_identity", GateClass::Invariant, None)
};

/// The gates of a tenant, in their order.
pub const TENANT_GATES: [GateSpec; 3] = [CHAIN_TAIL, CANONICAL_ACTOR, TENANT_IDENTITY];

/// How gates are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To boot: what may pass later is tried again, and the first that fails ends the run.
    Boot,
    /// To look: each once, whatever the others say.
    CheckOnly,
}

/// What is known of a gate that failed an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// How often it was tried.
    pub attempts: u32,
    /// It says itself that waiting will not help.
    pub lasts: bool,
    /// What is left of its own time.
    pub left_of_gate: Duration,
    /// What is left of the time of the whole run.
    pub left_of_run: Duration,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is tried again after this time.
    Again(Duration),
    /// It has failed.
    Failed(WhyFailed),
}

/// Why a gate is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyFailed {
    /// One attempt is all it has.
    OneAttempt,
    /// All attempts are used up.
    Attempts,
    /// Its own time is used up.
    GateTime,
    /// The time of the whole run is used up.
    RunTime,
}

impl WhyFailed {
    /// For humans, beside what the last attempt said; empty if there is nothing to add.
    pub const fn note(self) -> &'static str {
        match self {
            Self::OneAttempt => "",
            Self::Attempts => "every attempt failed",
            Self::GateTime => "the time for this gate is used up",
            Self::RunTime => "the time for all gates is used up",
        }
    }
}

/// What follows a failed attempt of a gate of this class.
pub fn after_failure(class: GateClass, mode: Mode, failed: Failed) -> Next {
    if mode == Mode::CheckOnly || class != GateClass::Transient || failed.lasts {
        return Next::Failed(WhyFailed::OneAttempt);
    }
    if failed.attempts >= TRANSIENT_ATTEMPTS {
        return Next::Failed(WhyFailed::Attempts);
    }
    let after = backoff(failed.attempts);
    // Waiting until the time is up would only make the same answer later.
    if after >= failed.left_of_run {
        return Next::Failed(WhyFailed::RunTime);
    }
    if after >= failed.left_of_gate {
        return Next::Failed(WhyFailed::GateTime);
    }
    Next::Again(after)
}

/// How long to wait after so many failed attempts.
pub fn backoff(failed_attempts: u32) -> Duration {
    let doublings = failed_attempts.saturating_sub(1).min(16);
    FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF)
}

/// Whether a failed gate of this class ends a boot. One that only pauses does not: whoever is paused is to be resumed in this
/// process, and needs the rest of it by then.
pub fn ends_boot(class: GateClass) -> bool {
    class != GateClass::InvariantPause
}

wire_enum! {
    /// What a run of gates came to.
    Verdict, "result of a boot" {
        /// All passed.
        Ready = "ready",
        /// One failed.
        Stopped = "stopped",
        /// An operator has to look before anything goes on.
        Paused = "paused",
    }
}

/// What gates came to, and the one that decided it: the first that stops, else the first that pauses.
pub fn verdict(reports: &[GateReport]) -> (Verdict, Option<&GateReport>) {
    let failed = || {
        reports
            .iter()
            .filter(|report| report.outcome == GateOutcome::Fail)
    };
    if let Some(stops) = failed().find(|report| ends_boot(report.gate_class)) {
        return (Verdict::Stopped, Some(stops));
    }
    match failed().next() {
        Some(pauses) => (Verdict::Paused, Some(pauses)),
        None => (Verdict::Ready, None),
    }
}

wire_enum! {
    /// How a check of the boot ended. Each is an exit code.
    CheckOutcome, "outcome of a check" {
        /// Every gate passed.
        Passed = "passed",
        /// A gate failed that will fail again.
        InvariantFailed = "invariant_failed",
        /// A gate failed that may pass later.
        TransientFailed = "transient_failed",
        /// The epoch gate would pause the tenants.
        EpochPause = "epoch_pause",
        /// It was interrupted.
        Interrupted = "interrupted",
    }
}

impl CheckOutcome {
    /// What gates that each ran once came to: the worst of them, since who is told to try again later must not find out then that it
    /// will never pass.
    pub fn of(reports: &[GateReport]) -> Self {
        let failed_as = |class| {
            reports
                .iter()
                .any(|report| report.outcome == GateOutcome::Fail && report.gate_class == class)
        };
        if failed_as(GateClass::Invariant) {
            Self::InvariantFailed
        } else if failed_as(GateClass::InvariantPause) {
            Self::EpochPause
        } else if failed_as(GateClass::Transient) {
            Self::TransientFailed
        } else {
            Self::Passed
        }
    }

    /// The exit code of `kora boot --check-only`. Stable: scripts rely on it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::InvariantFailed => 1,
            Self::TransientFailed => 2,
            Self::EpochPause => 3,
            Self::Interrupted => 130,
        }
    }
}

#[cfg(test)]
mod tests;
