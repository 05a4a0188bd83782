//! Trigger texts: the canonical ones of the host, and the one place that maps a text to a kind.
//!
//! A transition has a kind, which decides, and a text, which is for humans. What a caller or a plugin says is a text and never
//! becomes a kind: [`kind_of`] takes a [`HostText`], which can only be made from a literal in the host's own source.

use crate::domain::{PrimaryState, TriggerKind};

const GATES_PASS: &str = "all boot gates pass";
/// What the original said instead.
const GATES_PASS_ORIGINAL: &str = "all §9.2 gates pass";
const INVARIANT_FAILURE: &str = "invariant gate failure";
const COST_SPENT: &str = "cost 100%";
const STOP_COMMAND: &str = "STOP-KORA";

/// What the host writes as trigger where nobody gave other words.
pub const fn canonical_text(kind: TriggerKind) -> &'static str {
    match kind {
        TriggerKind::BootPassed => GATES_PASS,
        TriggerKind::BootRetry => "transient gate failure",
        TriggerKind::BootInvariantFailed => INVARIANT_FAILURE,
        TriggerKind::BootBudgetExhausted => "retry budget exhausted",
        TriggerKind::WiringFailed => "operational state could not be taken up",
        TriggerKind::EpochMismatch => "the store is another one than was known: epoch mismatch",
        TriggerKind::ClaimAcquired => "claim acquired",
        TriggerKind::ClaimReleased => "claim released",
        TriggerKind::StopCommand => STOP_COMMAND,
        TriggerKind::CostLimit => "cost ladder HARD_STOP_100 pre-claim",
        TriggerKind::CostRefreshed => "monthly credit refresh confirmed",
        TriggerKind::Operator => "operator",
        TriggerKind::Restored => "pause restored after a restart",
        TriggerKind::Degradation => "degradation changed",
    }
}

/// A text that stands in the host's own source. Text from outside has no `'static` life, so it cannot become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostText(&'static str);

impl HostText {
    /// Takes a literal.
    pub const fn literal(text: &'static str) -> Self {
        Self(text)
    }
}

/// The kind that a text of the host's own stands for, on a change from one state to another. Lenient: parts of the text are
/// enough, upper and lower case differ, the money goes before a stop command. What says nothing is the operator's.
pub fn kind_of(HostText(text): HostText, from: PrimaryState, to: PrimaryState) -> TriggerKind {
    use PrimaryState::{Booting, Paused, Ready, Stopped};
    match (from, to) {
        (from, Paused) if from != Paused && text.contains(COST_SPENT) => return TriggerKind::CostLimit,
        (Booting, Ready) if text.contains(GATES_PASS) || text.contains(GATES_PASS_ORIGINAL) => {
            return TriggerKind::BootPassed;
        }
        (Booting, Stopped) if text.contains(INVARIANT_FAILURE) => return TriggerKind::BootInvariantFailed,
        _ => {}
    }
    let spelled_out = |kind: &TriggerKind| canonical_text(*kind) == text;
    if let Some(kind) = TriggerKind::ALL.iter().copied().find(spelled_out) {
        return kind;
    }
    if text.contains(STOP_COMMAND) {
        return TriggerKind::StopCommand;
    }
    TriggerKind::Operator
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        transition::{TRANSITION_TABLE, emission},
        vocabulary::OwnType::{self, BootFailed, BootReady, PausedCostLimit},
    };
    use PrimaryState::{Active, Booting, Paused, Ready, Stopped};

    fn extra_event(text: &'static str, from: PrimaryState, to: PrimaryState) -> Option<OwnType> {
        emission(from, to, kind_of(HostText::literal(text), from, to))
    }

    #[test]
    fn texts_of_the_host_emit_what_they_always_emitted() {
        let vectors = [
            ("cost 100%", Active, Paused, Some(PausedCostLimit)),
            ("cost 100% — auto-pause", Ready, Paused, Some(PausedCostLimit)),
            (
                "STOP-KORA L2: cost 100% triggered budget watcher",
                Active,
                Paused,
                Some(PausedCostLimit),
            ),
            ("all §9.2 gates pass", Booting, Ready, Some(BootReady)),
            ("all boot gates pass", Booting, Ready, Some(BootReady)),
            (
                "invariant gate failure: 3_substrate_contract_version",
                Booting,
                Stopped,
                Some(BootFailed),
            ),
            ("STOP-KORA L4/L5", Booting, Stopped, None),
            ("operator pause", Active, Paused, None),
            ("substrate pause", Ready, Paused, None),
        ];
        for (text, from, to, expected) in vectors {
            assert_eq!(extra_event(text, from, to), expected, "{text}: {from} to {to}");
        }
    }

    #[test]
    fn words_alone_do_nothing_on_another_change_or_in_another_case() {
        assert_eq!(extra_event("cost 100%", Paused, Paused), None);
        assert_eq!(extra_event("cost 100%", Paused, Ready), None);
        assert_eq!(extra_event("COST 100%", Active, Paused), None);
        assert_eq!(extra_event("all §9.2 gates pass", Paused, Ready), None);
        assert_eq!(extra_event("all boot gates pass", Paused, Ready), None);
        assert_eq!(extra_event("invariant gate failure", Ready, Stopped), None);
    }

    #[test]
    fn the_canonical_text_of_every_kind_maps_back_to_it() {
        for &kind in TriggerKind::ALL {
            assert_eq!(
                kind_of(HostText::literal(canonical_text(kind)), Booting, Paused),
                kind
            );
        }
        assert_eq!(
            kind_of(HostText::literal("STOP-KORA L4/L5"), Booting, Stopped),
            TriggerKind::StopCommand
        );
    }

    #[test]
    fn no_text_that_people_see_refers_to_a_section_of_a_document() {
        let causes = TriggerKind::ALL.iter().map(|kind| canonical_text(*kind));
        let rows = TRANSITION_TABLE.iter();
        let of_rows = rows.flat_map(|row| [row.trigger, row.guard, row.recovery_owner]);
        for text in causes.chain(of_rows) {
            assert!(!text.contains('§'), "{text}");
        }
    }

    #[test]
    fn fault_d_the_real_cost_pause_emits_its_event_whatever_its_text_says() {
        assert_eq!(
            extra_event(canonical_text(TriggerKind::CostLimit), Active, Paused),
            Some(PausedCostLimit)
        );
        assert_eq!(
            emission(Active, Paused, TriggerKind::CostLimit),
            Some(PausedCostLimit)
        );
    }
}
