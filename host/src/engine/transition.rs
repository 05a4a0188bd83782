//! The transition table, and what a transition emits.
//!
//! One table decides, is shown to people, and judges what a log says happened. Who may ask for what, and when, is decided by
//! [`state`](crate::state); nothing here knows of tenants or time.

mod boot_report;
mod payload;

use std::collections::BTreeSet;

pub use boot_report::{BootReport, GateClass, GateOutcome, GateReport};
pub use payload::{Recorded, UnreadableTransition, emission, events_of};

use crate::domain::{ClaimPermission, DegradationReason, OperationalState, PrimaryState, TriggerKind};
use PrimaryState::{Active, Booting, Paused, Ready, Stopped};

/// One arrow of the state machine. The texts are for humans; nothing reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// From which state.
    pub from: PrimaryState,
    /// To which.
    pub to: PrimaryState,
    /// What causes it.
    pub trigger: &'static str,
    /// What must hold; empty if nothing.
    pub guard: &'static str,
    /// Who brings the tenant back; empty if nobody has to.
    pub recovery_owner: &'static str,
}

const fn row(
    from: PrimaryState,
    to: PrimaryState,
    trigger: &'static str,
    guard: &'static str,
    recovery_owner: &'static str,
) -> Row {
    Row {
        from,
        to,
        trigger,
        guard,
        recovery_owner,
    }
}

const HELD: &str = "STOP-KORA L1–3, cost 100%, operator";
const HALTED: &str = "STOP-KORA L4/L5";
const SPEND_RECONCILED: &str = "reconciled spend < threshold; claim already safe-released";

/// Every arrow there is. Several rows may share a pair of states: another cause for the same arrow.
#[rustfmt::skip]
pub const TRANSITION_TABLE: [Row; 15] = [
    row(Booting, Ready,   "all boot gates pass", "", ""),
    row(Booting, Booting, "transient gate failure", "retry budget not exhausted", "self (backoff)"),
    row(Booting, Stopped, "invariant gate failure, or retry budget exhausted", "", "operator"),
    row(Booting, Paused,  "the store is another one than was known: epoch mismatch", "", "operator"),
    row(Ready,   Active,  "claim acquired", "", "self"),
    row(Active,  Ready,   "claim released", "", "self"),
    row(Ready,   Paused,  HELD, "", "per reason"),
    row(Active,  Paused,  HELD, "", "per reason"),
    row(Booting, Paused,  HELD, "", "per reason"),
    row(Paused,  Ready,   "monthly credit refresh confirmed", SPEND_RECONCILED, "self (ramped)"),
    row(Paused,  Ready,   "operator clears via kora_control reset", "", "operator"),
    row(Ready,   Stopped, HALTED, "", "operator (new boot)"),
    row(Active,  Stopped, HALTED, "", "operator (new boot)"),
    row(Paused,  Stopped, HALTED, "", "operator (new boot)"),
    row(Booting, Stopped, HALTED, "", "operator (new boot)"),
];

/// The arrows that leave a state, in the table's order.
pub fn transitions_from(from: PrimaryState) -> impl Iterator<Item = &'static Row> {
    TRANSITION_TABLE.iter().filter(move |row| row.from == from)
}

/// The arrows that lead to a state, in the table's order.
pub fn transitions_to(to: PrimaryState) -> impl Iterator<Item = &'static Row> {
    TRANSITION_TABLE.iter().filter(move |row| row.to == to)
}

/// Whether there is an arrow between two states. A change within one state needs none, but in `stopped` nothing changes.
pub fn is_valid_transition(from: PrimaryState, to: PrimaryState) -> bool {
    (from == to && from != Stopped) || transitions_from(from).any(|row| row.to == to)
}

/// The other states that a state may turn into, each once.
pub fn legal_next(from: PrimaryState) -> Vec<PrimaryState> {
    let reachable = |to: &PrimaryState| *to != from && is_valid_transition(from, *to);
    PrimaryState::ALL.iter().copied().filter(reachable).collect()
}

/// The most characters of a trigger's text: a reason, not a report; it lies in a chain for ever.
pub const TRIGGER_TEXT_MAX_CHARS: usize = 1000;

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The state to go to; absent to stay, whatever the state is by then.
    pub to: Option<PrimaryState>,
    /// What causes it. Only this decides which events are emitted.
    pub kind: TriggerKind,
    /// Why, for humans: 1 to [`TRIGGER_TEXT_MAX_CHARS`] characters once trimmed.
    pub text: String,
    /// The new permission; absent to leave it, but that a boot that passed makes it `normal`.
    pub permission: Option<ClaimPermission>,
    /// Reasons to add.
    pub add: BTreeSet<DegradationReason>,
    /// Reasons to remove; they go last, so a reason in both sets is gone.
    pub remove: BTreeSet<DegradationReason>,
    /// The state that the asker believes is the current one; anything else refuses the change.
    pub expected: Option<PrimaryState>,
    /// What the boot gates said; shown in boot events.
    pub boot: Option<BootReport>,
}

impl Request {
    /// To go to a state.
    pub fn to(to: PrimaryState, kind: TriggerKind, text: impl Into<String>) -> Self {
        Self {
            to: Some(to),
            ..Self::stay(kind, text)
        }
    }

    /// To change permission or reasons and nothing else.
    pub fn stay(kind: TriggerKind, text: impl Into<String>) -> Self {
        Self {
            to: None,
            kind,
            text: text.into(),
            permission: None,
            add: BTreeSet::new(),
            remove: BTreeSet::new(),
            expected: None,
            boot: None,
        }
    }

    /// With a new permission.
    #[must_use]
    pub const fn permission(mut self, permission: ClaimPermission) -> Self {
        self.permission = Some(permission);
        self
    }

    /// With more reasons.
    #[must_use]
    pub fn adding(mut self, reasons: impl IntoIterator<Item = DegradationReason>) -> Self {
        self.add.extend(reasons);
        self
    }

    /// With fewer reasons.
    #[must_use]
    pub fn removing(mut self, reasons: impl IntoIterator<Item = DegradationReason>) -> Self {
        self.remove.extend(reasons);
        self
    }

    /// Only if this is the current state.
    #[must_use]
    pub const fn expecting(mut self, state: PrimaryState) -> Self {
        self.expected = Some(state);
        self
    }

    /// With what the boot gates said.
    #[must_use]
    pub fn with_boot(mut self, report: BootReport) -> Self {
        self.boot = Some(report);
        self
    }
}

/// Why a change was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// The table has no such arrow.
    #[error(
        "`{from}` to `{to}` is not in the transition table: from `{from}` one may go to {}",
        listed(legal_next)
    )]
    Illegal {
        /// The current state.
        from: PrimaryState,
        /// The one that was asked for.
        to: PrimaryState,
        /// The states that one may go to.
        legal_next: Vec<PrimaryState>,
    },
    /// Nothing changes any more.
    #[error(
        "nothing changes in `stopped`, neither state nor reasons nor permission: it ends with a new boot of the host"
    )]
    Stopped,
    /// Somebody else was quicker.
    #[error(
        "the state is `{found}`, not `{expected}` as was expected: from `{found}` one may go to {}",
        listed(legal_next)
    )]
    Unexpected {
        /// As was believed.
        expected: PrimaryState,
        /// As it is.
        found: PrimaryState,
        /// The states that one may go to.
        legal_next: Vec<PrimaryState>,
    },
    /// The reason is empty or too long.
    #[error("a reason of 1 to {TRIGGER_TEXT_MAX_CHARS} characters was expected, {found} were found")]
    Text {
        /// Its characters, trimmed.
        found: usize,
    },
}

fn listed(states: &[PrimaryState]) -> String {
    if states.is_empty() {
        return "no other".to_owned();
    }
    let names: Vec<_> = states.iter().map(|state| format!("`{state}`")).collect();
    names.join(", ")
}

/// The state after a change: primary state, then permission, then reasons added, then reasons removed.
///
/// # Errors
/// If the text is empty or too long, the state is not the expected one, nothing may change, or the table has no such arrow.
pub fn apply(state: &OperationalState, request: &Request) -> Result<OperationalState, TransitionError> {
    let from = state.primary_state;
    check_text(&request.text)?;
    check_expected(from, request.expected)?;
    let to = request.to.unwrap_or(from);
    check_arrow(from, to)?;
    let boot_passed = from == Booting && to == Ready;
    let permission = request
        .permission
        .or(boot_passed.then_some(ClaimPermission::Normal));
    let reasons = state.degradation_reasons.union(&request.add).copied();
    Ok(OperationalState {
        primary_state: to,
        claim_permission: permission.unwrap_or(state.claim_permission),
        degradation_reasons: reasons
            .filter(|reason| !request.remove.contains(reason))
            .collect(),
    })
}

fn check_text(text: &str) -> Result<(), TransitionError> {
    let found = text.trim().chars().count();
    if (1..=TRIGGER_TEXT_MAX_CHARS).contains(&found) {
        return Ok(());
    }
    Err(TransitionError::Text { found })
}

fn check_expected(found: PrimaryState, expected: Option<PrimaryState>) -> Result<(), TransitionError> {
    match expected {
        Some(expected) if expected != found => Err(TransitionError::Unexpected {
            expected,
            found,
            legal_next: legal_next(found),
        }),
        _ => Ok(()),
    }
}

fn check_arrow(from: PrimaryState, to: PrimaryState) -> Result<(), TransitionError> {
    if is_valid_transition(from, to) {
        return Ok(());
    }
    if from == Stopped {
        return Err(TransitionError::Stopped);
    }
    Err(TransitionError::Illegal {
        from,
        to,
        legal_next: legal_next(from),
    })
}

#[cfg(test)]
mod tests;
