//! What follows from what gates say.

use super::*;

fn failed(attempts: u32) -> Failed {
    Failed {
        attempts,
        lasts: false,
        left_of_gate: Duration::from_secs(60),
        left_of_run: Duration::from_secs(240),
    }
}

fn report(gate_class: GateClass, outcome: GateOutcome) -> GateReport {
    GateReport {
        gate_id: gate_class.to_string(),
        gate_class,
        outcome,
        attempts: 1,
        elapsed_ms: 0,
        detail: String::new(),
    }
}

#[test]
fn a_transient_gate_is_tried_five_times_and_waits_twice_as_long_each_time() {
    let waits: Vec<_> = (1..5)
        .map(|n| after_failure(GateClass::Transient, Mode::Boot, failed(n)))
        .collect();
    let again = |seconds| Next::Again(Duration::from_secs(seconds));
    assert_eq!(waits, [again(2), again(4), again(8), again(16)]);
    assert_eq!(
        after_failure(GateClass::Transient, Mode::Boot, failed(5)),
        Next::Failed(WhyFailed::Attempts)
    );
    assert_eq!(backoff(5), Duration::from_secs(30), "the longest");
    assert_eq!(backoff(u32::MAX), Duration::from_secs(30));
}

#[test]
fn what_will_not_pass_by_waiting_has_one_attempt() {
    let once = Next::Failed(WhyFailed::OneAttempt);
    for class in [GateClass::Invariant, GateClass::InvariantPause] {
        assert_eq!(after_failure(class, Mode::Boot, failed(1)), once);
    }
    let lasts = Failed {
        lasts: true,
        ..failed(1)
    };
    assert_eq!(after_failure(GateClass::Transient, Mode::Boot, lasts), once);
    assert_eq!(
        after_failure(GateClass::Transient, Mode::CheckOnly, failed(1)),
        once
    );
}

#[test]
fn nobody_waits_for_an_attempt_that_there_is_no_time_for() {
    let gate = Failed {
        left_of_gate: Duration::from_secs(2),
        ..failed(1)
    };
    let run = Failed {
        left_of_run: Duration::from_secs(1),
        ..failed(1)
    };
    for (given, why) in [(gate, WhyFailed::GateTime), (run, WhyFailed::RunTime)] {
        assert_eq!(
            after_failure(GateClass::Transient, Mode::Boot, given),
            Next::Failed(why)
        );
    }
}

#[test]
fn a_gate_that_stops_decides_over_one_that_pauses() {
    use GateClass::{Invariant, InvariantPause, Transient};
    use GateOutcome::{Fail, Pass};
    let sound = report(Invariant, Pass);
    let pause = report(InvariantPause, Fail);
    let cases = [
        (vec![sound.clone()], Verdict::Ready, None),
        (
            vec![sound.clone(), pause.clone()],
            Verdict::Paused,
            Some("invariant_pause"),
        ),
        (
            vec![pause.clone(), report(Transient, Fail)],
            Verdict::Stopped,
            Some("transient"),
        ),
        (
            vec![pause, report(Invariant, Fail)],
            Verdict::Stopped,
            Some("invariant"),
        ),
        (vec![], Verdict::Ready, None),
    ];
    for (reports, expected, by) in cases {
        let (found, gate) = verdict(&reports);
        assert_eq!((found, gate.map(|gate| &*gate.gate_id)), (expected, by));
    }
}

#[test]
fn a_check_ends_with_the_worst_that_it_found() {
    use GateClass::{Invariant, InvariantPause, Transient};
    let failures = |classes: &[GateClass]| {
        let reports: Vec<_> = classes
            .iter()
            .map(|class| report(*class, GateOutcome::Fail))
            .collect();
        CheckOutcome::of(&reports).exit_code()
    };
    assert_eq!(failures(&[]), 0);
    assert_eq!(failures(&[Transient]), 2);
    assert_eq!(failures(&[Transient, InvariantPause]), 3);
    assert_eq!(failures(&[Transient, InvariantPause, Invariant]), 1);
    assert_eq!(CheckOutcome::Interrupted.exit_code(), 130);
}

/// The worst that a transient gate may take fits its own time, and that into the time of a run, so that a boot always ends.
#[test]
fn five_quick_attempts_fit_into_the_time_of_every_transient_gate() {
    let waits: Duration = (1..TRANSIENT_ATTEMPTS).map(backoff).sum();
    for spec in [STORE_RIGHTS, CALLERS, SECRETS] {
        let limits = spec.limits.unwrap();
        assert!(waits < limits.in_all && limits.in_all < HOST_BUDGET, "{spec:?}");
    }
}
