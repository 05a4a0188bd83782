//! What goes wrong while entries run: retries, degradation, ticks, a wedged thread.

use super::*;

#[test]
fn a_daemon_that_fails_half_way_is_shut_down_before_it_is_tried_again() {
    let mut desk = Desk::new();
    desk.boot([plan("a"), plan("b")]);
    let failed = desk.start_failed("a", failed("no network"));
    assert_eq!(failed, ["p/a stopping: no network", "p/a Stop"]);
    let stopped = desk.stopped("a");
    let expected = [
        "p/a backing_off: no network; starts anew in 1.0s",
        "p/a Rest(1s)",
        "p/b starting",
        "p/b Start",
    ];
    assert_eq!(stopped, expected);
    desk.started("b");
    assert_eq!(desk.says("a", Happening::Rested), ["p/a starting", "p/a Start"]);
    assert_eq!(desk.started("a"), ["p/a running"]);
    assert_eq!(desk.entry("a").restarts, 1);
    assert_eq!(desk.entry("a").last_error.as_deref(), Some("no network"));
}

#[test]
fn a_fatal_entry_that_ran_once_is_retried_like_any_other() {
    let mut desk = Desk::new();
    let fatal = EntryPlan {
        fatal_on_startup_failure: true,
        ..ticking("a")
    };
    desk.boot([fatal, plan("b")]);
    desk.started("a");
    desk.ticked(
        "a",
        0,
        Some(Fault::Answered(EntryError::Panicked("ouch".to_owned()))),
    );
    desk.stopped("a");
    desk.says("a", Happening::Rested);
    desk.start_failed("a", failed("no"));
    assert_eq!(desk.model.host_state(), HostState::Booting);
    assert_eq!(desk.started("b"), ["p/b running", "host running", "answer ok"]);
}

#[test]
fn a_missing_credential_degrades_with_its_name_and_is_not_retried_until_a_restart() {
    let mut desk = Desk::new();
    desk.boot([plan("a")]);
    desk.start_failed("a", no_token());
    let degraded = desk.stopped("a");
    assert_eq!(
        degraded,
        [
            "p/a degraded: missing credential `TOKEN`",
            "host running",
            "answer ok"
        ]
    );
    assert_eq!(desk.entry("a").restarts, 0);
    let restarted = desk.restart();
    assert_eq!(
        restarted,
        ["p/a stopped", "p/a waiting", "p/a starting", "p/a Start"]
    );
    assert_eq!(desk.started("a"), ["p/a running", "answer ok"]);
}

#[test]
fn a_credential_that_a_task_misses_degrades_until_that_task_succeeds() {
    let mut desk = Desk::running([ticking("a")]);
    let degraded = desk.ticked("a", 0, Some(no_token()));
    assert_eq!(
        degraded.last().unwrap(),
        "p/a degraded: tick: missing credential `TOKEN`"
    );
    assert!(
        desk.ticked("a", 1, None).is_empty(),
        "another task's success says nothing about it"
    );
    assert_eq!(desk.ticked("a", 0, None), ["p/a running"]);
}

#[test]
fn restarts_end_with_the_budget_and_a_restart_by_hand_renews_it() {
    let mut desk = Desk::new();
    let restart = RestartPlan {
        max_restarts: 2,
        ..RestartPlan::default()
    };
    desk.boot([EntryPlan { restart, ..plan("a") }]);
    let mut waits = Vec::new();
    for _ in 0..2 {
        desk.start_failed("a", failed("no"));
        waits.extend(
            desk.stopped("a")
                .into_iter()
                .filter(|line| line.contains("Rest(")),
        );
        desk.says("a", Happening::Rested);
    }
    assert_eq!(waits, ["p/a Rest(1s)", "p/a Rest(2s)"]);
    desk.start_failed("a", failed("no"));
    let last = desk.stopped("a");
    assert_eq!(last, ["p/a failed: no; all 2 restarts within 600s are used up"]);

    assert_eq!(desk.restart(), ["p/a waiting", "p/a starting", "p/a Start"]);
    desk.start_failed("a", failed("no"));
    desk.stopped("a");
    assert_eq!(desk.state("a"), EntryState::BackingOff);
}

#[test]
fn a_tick_that_panics_starts_the_entry_anew_and_one_that_errs_does_not() {
    let mut desk = Desk::running([ticking("a")]);
    assert_eq!(
        desk.ticked("a", 0, Some(failed("once"))).len(),
        1,
        "a line in the log and no more"
    );
    assert_eq!(desk.state("a"), EntryState::Running);
    let panicked = desk.ticked(
        "a",
        0,
        Some(Fault::Answered(EntryError::Panicked("ouch".to_owned()))),
    );
    assert_eq!(panicked[1..], ["p/a stopping: tick: panicked: ouch", "p/a Stop"]);
    let tasks = desk.entry("a").tasks;
    assert_eq!((tasks[0].ticks, tasks[0].failures), (2, 2));
    assert_eq!(
        tasks[0].next_tick_in, None,
        "nothing is due while it does not run"
    );
}

#[test]
fn only_several_missed_deadlines_in_a_row_start_an_entry_anew() {
    let missed = || {
        let (hook, deadline) = (Hook::Tick, SECOND);
        Some(Fault::TimedOut { hook, deadline })
    };
    let mut desk = Desk::running([ticking("a")]);
    for fault in [missed(), missed(), None, missed(), missed()] {
        desk.ticked("a", 0, fault);
        assert_eq!(desk.state("a"), EntryState::Running);
    }
    desk.ticked("a", 1, missed());
    assert_eq!(
        desk.state("a"),
        EntryState::Running,
        "another task's misses do not add up with these"
    );
    let last = desk.ticked("a", 0, missed());
    assert_eq!(
        last[1],
        "p/a stopping: `tick` did not end in time 3 times in a row"
    );

    desk.stopped("a");
    desk.says("a", Happening::Rested);
    desk.started("a");
    desk.ticked("a", 0, missed());
    assert_eq!(desk.state("a"), EntryState::Running, "a new start counts anew");
}

#[test]
fn a_wedged_plugin_is_disabled_whole_and_others_keep_their_budgets() {
    let mut desk = Desk::running([ticking("p/a"), ticking("p/b"), ticking("q/c")]);
    let lines = desk.wedged("a");
    let expected = [
        "plugin p wedged",
        "p/a wedged: a: no answer",
        "p/a End",
        "p/b wedged: a: no answer",
        "p/b End",
    ];
    assert_eq!(lines, expected);
    assert_eq!(desk.state("q/c"), EntryState::Running);
    assert_eq!(desk.entry("q/c").restarts, 0);
    let end = desk.shut_down(sigterm());
    assert!(
        !end.iter()
            .any(|line| line.starts_with("p/") && line.ends_with("Stop")),
        "{end:?}"
    );
    assert_eq!(desk.stopped("q/c").last().unwrap(), "host stopped");
}

#[test]
fn a_wedged_plugin_does_not_hold_up_the_boot_unless_it_is_fatal() {
    let mut desk = Desk::new();
    desk.boot([plan("p/a"), plan("p/b"), plan("q/c")]);
    assert_eq!(desk.wedged("a").last().unwrap(), "q/c Start");
    assert_eq!(desk.started("q/c"), ["q/c running", "host running", "answer ok"]);

    let mut desk = Desk::new();
    desk.boot([plan("p/a"), fatal("p/b"), plan("q/c")]);
    let lines = desk.wedged("a");
    assert!(
        lines
            .last()
            .unwrap()
            .contains("startup failure in p/b: a: no answer"),
        "{lines:?}"
    );
    assert!(!lines.contains(&"q/c Start".to_owned()), "{lines:?}");
}
