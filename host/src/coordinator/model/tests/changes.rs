//! What operators change on a running host: additions, removals, restarts, the end.

use super::*;

#[test]
fn a_wedged_plugin_is_neither_restarted_nor_added_to_but_can_be_removed() {
    let mut desk = Desk::running([plan("a")]);
    desk.wedged("a");
    let refusal = "answer plugin `p` is wedged: a: no answer; restart the host to run it again";
    assert_eq!(desk.restart(), [refusal]);
    assert_eq!(desk.add([plan("new")]), [refusal]);
    let removed = desk.ask(Request::Remove {
        plugin: "p".to_owned(),
    });
    assert_eq!(removed, ["p/a End", "answer ok"]);
}

#[test]
fn a_plugin_added_later_is_taken_back_whole_if_a_fatal_entry_of_it_fails() {
    let mut desk = Desk::running([plan("q/old")]);
    desk.add([plan("a"), fatal("b"), plan("c")]);
    desk.started("a");
    desk.start_failed("b", failed("no"));
    assert_eq!(desk.stopped("b"), ["p/b stopped", "p/a stopping", "p/a Stop"]);
    let end = desk.stopped("a");
    let expected = [
        "p/a stopped",
        "p/a End",
        "p/b End",
        "p/c End",
        "answer startup failure in p/b: no",
    ];
    assert_eq!(end, expected);
    assert_eq!(desk.model.host_state(), HostState::Running);
    assert_eq!(
        desk.model.statuses(desk.now).len(),
        1,
        "only what was there before"
    );
    assert_eq!(
        desk.add([plan("a")]).last().unwrap(),
        "p/a Start",
        "and it can be added again"
    );
}

#[test]
fn an_addition_takes_its_place_in_the_order() {
    let mut desk = Desk::running([
        EntryPlan {
            after: vec![id("p/late")],
            ..plan("q/first")
        },
        plan("q/second"),
    ]);
    desk.add([plan("p/late")]);
    desk.started("p/late");
    let order: Vec<_> = desk
        .model
        .statuses(desk.now)
        .iter()
        .map(|entry| entry.id.to_string())
        .collect();
    assert_eq!(
        order,
        ["q/second", "p/late", "q/first"],
        "what comes after the new one stops before it"
    );
}

#[test]
fn an_addition_that_makes_a_circle_is_refused_and_leaves_no_trace() {
    let mut desk = Desk::running([
        EntryPlan {
            after: vec![id("p/new")],
            ..plan("q/a")
        },
        plan("q/b"),
    ]);
    let lines = desk.add([EntryPlan {
        after: vec![id("q/a")],
        ..plan("p/new")
    }]);
    assert!(lines.last().unwrap().contains("q/a → p/new → q/a"), "{lines:?}");
    let order: Vec<_> = desk
        .model
        .statuses(desk.now)
        .iter()
        .map(|entry| entry.id.to_string())
        .collect();
    assert_eq!(order, ["q/a", "q/b"]);
}

#[test]
fn a_removal_stops_in_reverse_and_forgets() {
    let mut desk = Desk::running([plan("a"), plan("b"), plan("q/c")]);
    assert_eq!(
        desk.ask(Request::Remove {
            plugin: "p".to_owned()
        }),
        ["p/b stopping", "p/b Stop"]
    );
    assert_eq!(desk.stopped("b"), ["p/b stopped", "p/a stopping", "p/a Stop"]);
    assert_eq!(
        desk.stopped("a"),
        ["p/a stopped", "p/a End", "p/b End", "answer ok"]
    );
    let again = desk.ask(Request::Remove {
        plugin: "p".to_owned(),
    });
    assert_eq!(again, ["answer no daemon of plugin `p` is known"]);
}

#[test]
fn a_restart_stops_in_reverse_then_starts_in_order() {
    let mut desk = Desk::running([plan("a"), plan("b")]);
    assert_eq!(desk.restart(), ["p/b stopping", "p/b Stop"]);
    assert_eq!(
        desk.restart(),
        ["answer plugin `p` is being started or stopped already; try again when that is done"]
    );
    assert_eq!(
        desk.stopped("b"),
        ["p/b stopped", "p/b waiting", "p/a stopping", "p/a Stop"]
    );
    assert_eq!(
        desk.stopped("a"),
        ["p/a stopped", "p/a waiting", "p/a starting", "p/a Start"]
    );
    assert_eq!(desk.started("a"), ["p/a running", "p/b starting", "p/b Start"]);
    assert_eq!(desk.started("b"), ["p/b running", "answer ok"]);
}

#[test]
fn what_is_asked_of_a_host_that_does_not_run_is_refused_with_why() {
    let mut desk = Desk::new();
    desk.boot([plan("a")]);
    assert_eq!(
        desk.restart(),
        ["answer the host is still booting; try again when it runs"]
    );
    desk.started("a");
    assert_eq!(desk.boot([]), ["answer the host was told to boot twice"]);
    desk.restart();
    let begun = desk.shut_down(sigterm());
    assert_eq!(
        begun[0], "answer the host is shutting down (signal SIGTERM)",
        "{begun:?}"
    );
    assert_eq!(
        desk.add([plan("b")]),
        ["answer the host is shutting down (signal SIGTERM)"]
    );
}

#[test]
fn the_whole_shutdown_ends_when_its_time_is_used_up() {
    let mut desk = Desk::running([plan("a"), plan("b")]);
    desk.shut_down(sigterm());
    let lines = desk.feed(Event::ShutdownBudgetSpent);
    let cut_off = "stopped: cut off: the 60s for all shutdowns are used up";
    assert!(
        lines.contains(&format!("p/a {cut_off}")) && lines.contains(&format!("p/b {cut_off}")),
        "{lines:?}"
    );
    assert_eq!(lines.last().unwrap(), "host stopped");
}

#[test]
fn the_first_reason_to_stop_stands() {
    let mut desk = Desk::running([plan("a")]);
    desk.shut_down(sigterm());
    assert!(
        desk.shut_down(ShutdownReason::Requested("later".to_owned()))
            .is_empty()
    );
    assert_eq!(desk.model.ending().unwrap().reason, sigterm());
}

#[test]
fn an_entry_that_breaks_while_the_host_stops_is_not_started_anew() {
    let mut desk = Desk::running([ticking("a"), plan("b")]);
    desk.shut_down(sigterm());
    desk.ticked("a", 0, Some(Fault::Answered(EntryError::Poisoned)));
    assert_eq!(desk.stopped("a"), ["p/a stopped"]);
    assert_eq!(desk.stopped("b").last().unwrap(), "host stopped");
}

#[test]
fn a_wait_for_the_next_try_ends_with_the_host() {
    let mut desk = Desk::running([ticking("a"), plan("b")]);
    desk.ticked("a", 0, Some(Fault::Answered(EntryError::Poisoned)));
    desk.stopped("a");
    desk.shut_down(sigterm());
    assert!(desk.says("a", Happening::Rested).is_empty());
    desk.stopped("b");
    assert_eq!(desk.state("a"), EntryState::Stopped);
}
