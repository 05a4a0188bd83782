//! Booting: the order, what is fatal, what is refused, what interrupts it.

use super::*;

#[test]
fn entries_start_one_after_another_and_stop_in_reverse() {
    let mut desk = Desk::new();
    assert_eq!(
        desk.boot([requiring("b", "a"), plan("a"), plan("c")]),
        ["p/a starting", "p/a Start"]
    );
    assert_eq!(desk.started("a"), ["p/a running", "p/b starting", "p/b Start"]);
    assert_eq!(desk.started("b"), ["p/b running", "p/c starting", "p/c Start"]);
    assert_eq!(desk.started("c"), ["p/c running", "host running", "answer ok"]);

    let begun = desk.shut_down(sigterm());
    assert_eq!(
        begun,
        ["host shutting_down", "arm 60s", "p/c stopping", "p/c Stop"]
    );
    assert_eq!(desk.stopped("c"), ["p/c stopped", "p/b stopping", "p/b Stop"]);
    assert_eq!(desk.stopped("b"), ["p/b stopped", "p/a stopping", "p/a Stop"]);
    let end = ["p/a stopped", "p/a End", "p/b End", "p/c End", "host stopped"];
    assert_eq!(desk.stopped("a"), end);
}

#[test]
fn a_host_without_entries_runs_and_stops() {
    let mut desk = Desk::new();
    assert_eq!(desk.boot([]), ["host running", "answer ok"]);
    assert_eq!(
        desk.shut_down(sigterm()),
        ["host shutting_down", "arm 60s", "host stopped"]
    );
}

#[test]
fn a_fatal_startup_failure_ends_the_boot_stops_the_started_in_reverse_and_names_the_cause() {
    let mut desk = Desk::new();
    desk.boot([plan("a"), plan("b"), fatal("c"), plan("d")]);
    desk.started("a");
    desk.started("b");
    let failed = desk.start_failed("c", failed("no engine"));
    let expected = [
        "p/c stopping: no engine",
        "p/c Stop",
        "host shutting_down",
        "arm 60s",
        "p/d stopped",
    ];
    assert_eq!(failed, expected);
    assert_eq!(desk.stopped("c"), ["p/c stopped", "p/b stopping", "p/b Stop"]);
    assert_eq!(desk.stopped("b"), ["p/b stopped", "p/a stopping", "p/a Stop"]);
    let end = desk.stopped("a");
    assert_eq!(
        end.last().unwrap(),
        "answer the host has stopped (startup failure in p/c: no engine)"
    );
    assert_eq!(desk.model.ending().unwrap().exit().code(), 1);
}

#[test]
fn a_failure_that_is_not_fatal_or_not_honoured_lets_the_others_go_on() {
    for (mut desk, plan) in [(Desk::new(), plan("a")), (Desk::honouring(false), fatal("a"))] {
        desk.boot([plan, self::plan("b")]);
        desk.start_failed("a", failed("no"));
        desk.stopped("a");
        assert_eq!(desk.started("b"), ["p/b running", "host running", "answer ok"]);
        assert_eq!(desk.state("a"), EntryState::BackingOff);
    }
}

#[test]
fn an_entry_waits_for_what_it_requires_and_starts_when_that_runs() {
    let mut desk = Desk::new();
    desk.boot([plan("a"), requiring("b", "a"), requiring("c", "absent")]);
    desk.start_failed("a", failed("no"));
    desk.stopped("a");
    assert_eq!(desk.model.host_state(), HostState::Running);
    assert_eq!(
        desk.entry("b").detail.as_deref(),
        Some("requires p/a, which is backing_off")
    );
    assert_eq!(
        desk.entry("c").detail.as_deref(),
        Some("requires p/absent, which is not there")
    );
    desk.says("a", Happening::Rested);
    assert_eq!(desk.started("a"), ["p/a running", "p/b starting", "p/b Start"]);
}

#[test]
fn an_entry_that_waited_still_starts_after_what_it_names() {
    let mut desk = Desk::new();
    let late = EntryPlan {
        after: vec![id("b")],
        ..requiring("c", "a")
    };
    desk.boot([plan("a"), plan("b"), late]);
    for name in ["a", "b"] {
        desk.start_failed(name, failed("no"));
        desk.stopped(name);
        desk.says(name, Happening::Rested);
    }
    assert_eq!(
        desk.started("a"),
        ["p/a running"],
        "what it comes after is just starting"
    );
    assert_eq!(desk.started("b"), ["p/b running", "p/c starting", "p/c Start"]);
}

#[test]
fn a_fatal_entry_whose_requirement_failed_ends_the_boot() {
    let mut desk = Desk::new();
    let needy = EntryPlan {
        requires: vec![id("a")],
        ..fatal("b")
    };
    desk.boot([plan("a"), needy]);
    desk.start_failed("a", failed("no"));
    let end = desk.stopped("a");
    let expected = "startup failure in p/b: requires p/a, which is backing_off";
    assert!(end.last().unwrap().contains(expected), "{end:?}");
    assert_eq!(desk.state("a"), EntryState::Stopped);
}

#[test]
fn a_circle_and_an_invalid_plan_are_refused_and_the_rest_boots() {
    let mut desk = Desk::new();
    let endless = EntryPlan {
        tasks: vec![TaskPlan::new("spin", Duration::ZERO)],
        ..plan("z")
    };
    let lines = desk.boot([requiring("x", "y"), requiring("y", "x"), endless, plan("a")]);
    assert_eq!(lines.last().unwrap(), "p/a Start");
    desk.started("a");
    assert_eq!(desk.model.host_state(), HostState::Running);
    let detail = desk.entry("x").detail.unwrap();
    assert!(detail.contains("p/x → p/y → p/x"), "{detail}");
    for name in ["x", "y", "z"] {
        assert_eq!(desk.state(name), EntryState::Failed);
    }
    desk.restart();
    assert_eq!(
        desk.state("x"),
        EntryState::Failed,
        "what cannot be run is not restarted"
    );
}

#[test]
fn a_fatal_entry_in_a_circle_ends_the_boot_before_anything_starts() {
    let mut desk = Desk::new();
    let own = EntryPlan {
        after: vec![id("x")],
        ..fatal("x")
    };
    let lines = desk.boot([plan("a"), own]);
    assert!(!lines.iter().any(|line| line.ends_with("Start")), "{lines:?}");
    assert!(
        lines
            .last()
            .unwrap()
            .contains("startup failure in p/x: daemons wait"),
        "{lines:?}"
    );
}

#[test]
fn two_entries_of_one_name_are_refused_and_nothing_starts() {
    let mut desk = Desk::new();
    let lines = desk.boot([plan("a"), plan("a")]);
    assert_eq!(
        lines,
        ["answer there are two daemons named p/a; remove the plugin that has it first"]
    );
}

#[test]
fn a_stop_during_the_boot_interrupts_the_start_that_runs_and_starts_nothing_more() {
    let mut desk = Desk::new();
    desk.boot([plan("a"), plan("b"), plan("c")]);
    desk.started("a");
    let begun = desk.shut_down(ShutdownReason::Signal("SIGINT".to_owned()));
    let expected = [
        "host shutting_down",
        "arm 60s",
        "p/c stopped",
        "p/b stopping",
        "p/b Stop",
    ];
    assert_eq!(begun, expected);
    assert!(
        desk.started("b").is_empty(),
        "a report that comes too late changes nothing"
    );
    desk.stopped("b");
    let end = desk.stopped("a");
    assert_eq!(end.last().unwrap(), "answer the host has stopped (signal SIGINT)");
    assert_eq!(desk.model.ending().unwrap().exit().code(), 130);
}
