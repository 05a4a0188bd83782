//! What the table allows, what a change does, what it emits.

use proptest::prelude::*;

use super::*;
use crate::engine::{payload::normalise, vocabulary::OwnType};

fn in_state(primary_state: PrimaryState) -> OperationalState {
    OperationalState {
        primary_state,
        claim_permission: ClaimPermission::Normal,
        degradation_reasons: BTreeSet::new(),
    }
}

fn to(state: PrimaryState) -> Request {
    Request::to(state, TriggerKind::Operator, "because")
}

#[test]
fn the_table_allows_these_arrows_and_no_others() {
    let mut shown = String::new();
    for &from in PrimaryState::ALL {
        shown += &format!("{from}: {}\n", listed(&legal_next(from)));
    }
    insta::assert_snapshot!(shown, @r"
    booting: `ready`, `paused`, `stopped`
    ready: `active`, `paused`, `stopped`
    active: `ready`, `paused`, `stopped`
    paused: `ready`, `stopped`
    stopped: no other
    ");
}

#[test]
fn every_row_of_the_table_can_be_found_from_both_ends() {
    for row in &TRANSITION_TABLE {
        assert!(transitions_from(row.from).any(|found| found == row));
        assert!(transitions_to(row.to).any(|found| found == row));
    }
    assert_eq!(transitions_from(Stopped).count(), 0);
    assert_eq!(transitions_to(Paused).count(), 4);
}

#[test]
fn an_illegal_change_names_where_it_is_and_where_one_may_go() {
    let refused = apply(&in_state(Paused), &to(Active)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`paused` to `active` is not in the transition table: from `paused` one may go to `ready`, `stopped`"
    );
}

#[test]
fn fault_r_nothing_changes_in_stopped_not_even_reasons() {
    let stopped = in_state(Stopped);
    let reasons = Request::stay(TriggerKind::Degradation, "late").adding([DegradationReason::Auth]);
    assert_eq!(apply(&stopped, &reasons), Err(TransitionError::Stopped));
    for &target in PrimaryState::ALL {
        assert_eq!(
            apply(&stopped, &to(target)),
            Err(TransitionError::Stopped),
            "{target}"
        );
    }
}

#[test]
fn a_boot_that_passes_may_claim_everything_without_a_second_change() {
    let ready = apply(&OperationalState::booting(), &to(Ready)).unwrap();
    assert_eq!(ready.claim_permission, ClaimPermission::Normal);
    let careful = to(Ready).permission(ClaimPermission::CriticalOnly);
    let ready = apply(&OperationalState::booting(), &careful).unwrap();
    assert_eq!(ready.claim_permission, ClaimPermission::CriticalOnly);
}

#[test]
fn a_reason_that_is_added_and_removed_is_gone() {
    let both = Request::stay(TriggerKind::Degradation, "x")
        .adding([DegradationReason::Cost, DegradationReason::Auth])
        .removing([DegradationReason::Cost]);
    let after = apply(&in_state(Ready), &both).unwrap();
    assert_eq!(after.reasons_sorted(), ["auth"]);
}

#[test]
fn a_change_that_expects_another_state_is_refused() {
    let refused = apply(&in_state(Ready), &to(Paused).expecting(Active)).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("the state is `ready`, not `active`"),
        "{refused}"
    );
}

#[test]
fn a_reason_that_is_blank_or_a_novel_is_refused() {
    for text in [
        String::new(),
        " \n".to_owned(),
        "x".repeat(TRIGGER_TEXT_MAX_CHARS + 1),
    ] {
        let request = Request::to(Paused, TriggerKind::Operator, text);
        assert!(matches!(
            apply(&in_state(Ready), &request),
            Err(TransitionError::Text { .. })
        ));
    }
}

fn emitted(before: &OperationalState, request: &Request) -> Vec<String> {
    let after = apply(before, request).unwrap();
    let events = events_of(before, &after, request);
    events
        .iter()
        .map(|(own, payload)| format!("{own} {}", payload.as_str()))
        .collect()
}

#[test]
fn a_clean_boot_emits_exactly_two_events() {
    let report = BootReport {
        boot_id: "boot_0badcafe".to_owned(),
        gates: vec![GateReport {
            gate_id: "store".to_owned(),
            gate_class: GateClass::Transient,
            outcome: GateOutcome::Pass,
            attempts: 1,
            elapsed_ms: 3,
            detail: String::new(),
        }],
        failed_gate_id: None,
        failed_detail: None,
    };
    let passed = Request::to(Ready, TriggerKind::BootPassed, "all boot gates pass").with_boot(report);
    insta::assert_snapshot!(emitted(&OperationalState::booting(), &passed).join("\n"), @r#"
    kora.operational_state.transitioned {"from_primary_state":"booting","to_primary_state":"ready","claim_permission":"normal","degradation_reasons":[],"trigger":"all boot gates pass","trigger_kind":"boot_passed"}
    kora.boot.ready {"from_primary_state":"booting","to_primary_state":"ready","claim_permission":"normal","degradation_reasons":[],"trigger":"all boot gates pass","trigger_kind":"boot_passed","boot_id":"boot_0badcafe","gates":[{"gate_id":"store","gate_class":"transient","outcome":"pass","attempts":1,"elapsed_ms":3,"detail":""}],"failed_gate_id":null,"failed_detail":null}
    "#);
}

#[test]
fn a_change_of_reasons_emits_the_generic_event_alone_and_a_change_of_nothing_none() {
    let reasons = [DegradationReason::TokenExpiring, DegradationReason::Auth];
    let degraded = Request::stay(TriggerKind::CostLimit, "cost 100%").adding(reasons);
    let events = emitted(&in_state(Ready), &degraded);
    assert_eq!(events.len(), 1);
    assert!(
        events[0].contains(r#""degradation_reasons":["auth","token_expiring"]"#),
        "{}",
        events[0]
    );
    assert!(emitted(&in_state(Ready), &to(Ready)).is_empty());
}

#[test]
fn fault_d_a_callers_words_never_fake_a_special_event() {
    for text in ["cost 100%", "all boot gates pass", "invariant gate failure"] {
        for (from, target) in [(Active, Paused), (Booting, Ready), (Booting, Stopped)] {
            let request = Request::to(target, TriggerKind::Operator, text);
            assert_eq!(
                emitted(&in_state(from), &request).len(),
                1,
                "{text}: {from} to {target}"
            );
        }
    }
}

#[test]
fn only_an_invariant_failure_is_a_failed_boot() {
    let failed = |kind| emission(Booting, Stopped, kind);
    assert_eq!(
        failed(TriggerKind::BootInvariantFailed),
        Some(OwnType::BootFailed)
    );
    let others = TriggerKind::ALL
        .iter()
        .filter(|kind| **kind != TriggerKind::BootInvariantFailed);
    for &kind in others {
        assert_eq!(failed(kind), None, "{kind}");
    }
}

#[test]
fn a_record_of_a_change_that_cannot_have_happened_is_refused() {
    let payload = r#"{"from_primary_state":"paused","to_primary_state":"active","claim_permission":"normal",
        "degradation_reasons":[],"trigger":"x","trigger_kind":"operator"}"#;
    assert!(matches!(
        Recorded::read(payload),
        Err(UnreadableTransition::Illegal { .. })
    ));
    assert!(matches!(
        Recorded::read("{}"),
        Err(UnreadableTransition::Payload(_))
    ));
}

fn any_state() -> impl Strategy<Value = OperationalState> {
    let reasons = proptest::collection::btree_set(proptest::sample::select(DegradationReason::ALL), 0..4);
    let primary = proptest::sample::select(PrimaryState::ALL);
    let permission = proptest::sample::select(ClaimPermission::ALL);
    (primary, permission, reasons).prop_map(|(primary_state, claim_permission, degradation_reasons)| {
        OperationalState {
            primary_state,
            claim_permission,
            degradation_reasons,
        }
    })
}

fn huge_report() -> BootReport {
    let gate = GateReport {
        gate_id: "\u{1}".repeat(1000),
        gate_class: GateClass::Invariant,
        outcome: GateOutcome::Fail,
        attempts: u32::MAX,
        elapsed_ms: u64::MAX,
        detail: "\u{1}".repeat(10_000),
    };
    BootReport {
        boot_id: "\u{1}".repeat(1000),
        gates: vec![gate; 100],
        failed_gate_id: Some("\u{1}".repeat(1000)),
        failed_detail: Some("\u{1}".repeat(10_000)),
    }
}

#[test]
fn even_the_largest_boot_report_is_a_sound_payload() {
    let text = "\u{1}".repeat(TRIGGER_TEXT_MAX_CHARS);
    let request =
        Request::to(Ready, TriggerKind::BootPassed, format!("x{}x", &text[2..])).with_boot(huge_report());
    let after = apply(&OperationalState::booting(), &request).unwrap();
    for (_, payload) in events_of(&OperationalState::booting(), &after, &request) {
        let bytes = payload.as_str().len();
        assert!(
            normalise(payload.as_str().as_bytes()).is_ok_and(|found| found == payload),
            "{bytes} bytes"
        );
    }
}

proptest! {
    #[test]
    fn what_is_recorded_reads_back_as_what_happened(
        before in any_state(),
        target in proptest::sample::select(PrimaryState::ALL),
        kind in proptest::sample::select(TriggerKind::ALL),
        text in "\\PC{1,40}",
    ) {
        let request = Request::to(target, kind, text);
        let Ok(after) = apply(&before, &request) else {
            return Ok(());
        };
        for (_, payload) in events_of(&before, &after, &request) {
            prop_assert_eq!(&normalise(payload.as_str().as_bytes()).unwrap(), &payload);
            let recorded = Recorded::read(payload.as_str()).unwrap();
            prop_assert_eq!(recorded.from_primary_state, before.primary_state);
            prop_assert_eq!(recorded.to_primary_state, after.primary_state);
            prop_assert_eq!(recorded.claim_permission, after.claim_permission);
            prop_assert_eq!(recorded.degradation_reasons, after.degradation_reasons.clone());
        }
    }
}
