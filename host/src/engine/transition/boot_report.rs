//! What the boot gates of one boot said.

use serde::{Deserialize, Serialize};

use crate::domain::wire_enum;

/// The most gates that a boot event tells of; there are about a dozen.
const GATES_MAX: usize = 24;
/// The most characters of an id in an event; gates have names of two or three words.
const ID_MAX_CHARS: usize = 64;
/// The most characters of a gate's detail in an event. With the limits above it keeps the payload under its own, even if every
/// character has to be escaped.
const DETAIL_MAX_CHARS: usize = 200;

wire_enum! {
    /// What the failure of a gate means.
    GateClass, "gate class" {
        /// It is tried again.
        Transient = "transient",
        /// The boot has failed.
        Invariant = "invariant",
        /// The tenant is paused until an operator has looked.
        InvariantPause = "invariant_pause",
    }
}
wire_enum! {
    /// What became of a gate.
    GateOutcome, "gate outcome" {
        /// It passed.
        Pass = "pass",
        /// It failed.
        Fail = "fail",
        /// Nothing could be looked at, because of what an earlier one found. Only where gates are checked and nothing is booted.
        NotLookedAt = "not_looked_at",
    }
}

/// What one gate said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateReport {
    /// Which gate.
    pub gate_id: String,
    /// What its failure means.
    pub gate_class: GateClass,
    /// What became of it.
    pub outcome: GateOutcome,
    /// How often it was tried.
    pub attempts: u32,
    /// How long it took in all, milliseconds.
    pub elapsed_ms: u64,
    /// For humans; never a secret.
    pub detail: String,
}

/// What the gates of one boot said. In an event, details longer than 200 characters are cut, as are ids longer than 64; gates past the 24th are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootReport {
    /// `boot_` and 8 hexadecimal digits.
    pub boot_id: String,
    /// Each gate, in the order in which they ran.
    pub gates: Vec<GateReport>,
    /// The gate that ended the boot, if one did.
    pub failed_gate_id: Option<String>,
    /// What it said.
    pub failed_detail: Option<String>,
}

impl BootReport {
    /// The same within the limits of an event.
    pub(super) fn bounded(&self) -> Self {
        let gate = |gate: &GateReport| GateReport {
            gate_id: cut(&gate.gate_id, ID_MAX_CHARS),
            detail: cut(&gate.detail, DETAIL_MAX_CHARS),
            ..gate.clone()
        };
        Self {
            boot_id: cut(&self.boot_id, ID_MAX_CHARS),
            gates: self.gates.iter().take(GATES_MAX).map(gate).collect(),
            failed_gate_id: self.failed_gate_id.as_deref().map(|id| cut(id, ID_MAX_CHARS)),
            failed_detail: self
                .failed_detail
                .as_deref()
                .map(|detail| cut(detail, DETAIL_MAX_CHARS)),
        }
    }
}

fn cut(text: &str, max_chars: usize) -> String {
    text.chars().take(max_chars).collect()
}
