//! Periodic tasks: when they are due, what becomes of a bad one, and to whom they belong.

use super::*;

fn times(lines: &[String], call: &str) -> Vec<f64> {
    let of_call = lines.iter().filter_map(|line| line.strip_suffix(call));
    of_call.map(|at| at.trim().parse().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn no_tick_runs_before_startup_completed_or_after_shutdown_began() {
    let stage = Stage::set();
    let host = stage.host();
    let slow = stage
        .entry("a")
        .ticking(1)
        .startup([Does::Take(SECOND * 5)])
        .shutdown([Does::Take(SECOND * 4)]);
    host.boot([slow, stage.entry("b")]).await;
    sleep(Duration::from_millis(2500)).await;
    host.end().await;
    let expected = [
        "0 p/a startup",
        "5 p/b startup",
        "6 p/a tick",
        "7 p/a tick",
        "7.5 p/b shutdown",
        "7.5 p/a shutdown",
    ];
    assert_eq!(stage.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_runs_is_cancelled_before_its_daemon_is_shut_down() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([stage.entry("a").ticking(1).tick([Does::Hang])]).await;
    sleep(SECOND * 2).await;
    host.end().await;
    let expected = [
        "0 p/a startup",
        "1 p/a tick",
        "2 p/a tick cancelled",
        "2 p/a shutdown",
    ];
    assert_eq!(stage.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_failing_tick_is_counted_and_the_task_goes_on() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([stage.entry("a").ticking(10).tick([Does::Fail("once"), Does::Ok])])
        .await;
    sleep(SECOND * 35).await;
    let entry = host.entry("a");
    assert_eq!((entry.state, entry.restarts), (EntryState::Running, 0));
    assert_eq!((entry.tasks[0].ticks, entry.tasks[0].failures), (3, 1));
    assert_eq!(entry.last_error.as_deref(), Some("tick: once"));
    host.end().await;
}

#[tokio::test(start_paused = true)]
async fn runs_that_would_overlap_are_left_out_and_counted() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([stage
        .entry("a")
        .ticking(10)
        .tick([Does::Take(SECOND * 25), Does::Ok])])
        .await;
    sleep(SECOND * 55).await;
    assert_eq!(times(&stage.lines(), "p/a tick"), [10.0, 40.0, 50.0]);
    assert_eq!(host.entry("a").tasks[0].skipped, 2);
    host.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_queued_run_follows_the_one_it_waited_for() {
    let stage = Stage::set();
    let host = stage.host();
    let queued = stage
        .entry("a")
        .ticking(10)
        .tick([Does::Take(SECOND * 25), Does::Ok]);
    host.boot([queued.plan(|plan| plan.tasks[0].overlap = Overlap::Queue)])
        .await;
    sleep(SECOND * 45).await;
    assert_eq!(times(&stage.lines(), "p/a tick"), [10.0, 35.0, 40.0]);
    assert_eq!(host.entry("a").tasks[0].skipped, 1);
    host.end().await;
}

#[tokio::test(start_paused = true)]
async fn jitter_delays_each_run_by_no_more_than_it_says() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([stage
        .entry("a")
        .ticking(10)
        .plan(|plan| plan.tasks[0].jitter = SECOND * 3)])
        .await;
    sleep(SECOND * 205).await;
    let late: Vec<f64> = times(&stage.lines(), "p/a tick")
        .iter()
        .zip(1..)
        .map(|(at, n)| at - f64::from(n) * 10.0)
        .collect();
    assert_eq!(late.len(), 20);
    assert!(late.iter().all(|late| (0.0..=3.01).contains(late)), "{late:?}");
    assert!(
        late.iter().any(|one| (one - late[0]).abs() > 0.5),
        "all alike: {late:?}"
    );
    host.end().await;
}

#[tokio::test(start_paused = true)]
async fn tasks_of_one_daemon_do_not_wait_for_each_other() {
    let stage = Stage::set();
    let host = stage.host();
    let two = stage
        .entry("a")
        .ticking(10)
        .tick([Does::Hang, Does::Ok])
        .plan(|plan| {
            plan.tasks.push(TaskPlan::new("other", SECOND * 15));
        });
    host.boot([two]).await;
    sleep(SECOND * 50).await;
    let tasks = host.entry("a").tasks;
    assert_eq!((tasks[0].ticks, tasks[1].ticks), (0, 3));
    assert_eq!(tasks[0].next_tick_in, Some(Duration::ZERO), "it runs");
    host.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_tick_at_its_deadline_is_cancelled_and_three_in_a_row_start_the_daemon_anew() {
    let stage = Stage::set();
    let host = stage.host();
    let slow = stage.entry("a").ticking(10).tick([Does::Hang]);
    host.boot([slow.plan(|plan| plan.tasks[0].timeout = Some(SECOND * 2))])
        .await;
    sleep(Duration::from_millis(32_500)).await;
    let expected = [
        "0 p/a startup",
        "10 p/a tick",
        "12 p/a tick cancelled",
        "20 p/a tick",
        "22 p/a tick cancelled",
        "30 p/a tick",
        "32 p/a tick cancelled",
        "32 p/a shutdown",
    ];
    assert_eq!(stage.lines(), expected);
    sleep(SECOND * 2).await;
    assert_eq!(stage.calls(), ["p/a startup"]);
    assert_eq!(host.entry("a").restarts, 1);
    host.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_panics_starts_its_daemon_anew_and_spares_the_others() {
    for panic in [Does::Panic("ouch"), Does::PanicHere] {
        let stage = Stage::set();
        let host = stage.host();
        let panics = stage.entry("a").ticking(10).tick([panic, Does::Ok]);
        host.boot([panics, stage.entry("b").ticking(100)]).await;
        sleep(SECOND * 12).await;
        assert_eq!(stage.calls()[2..], ["p/a tick", "p/a shutdown", "p/a startup"]);
        assert_eq!(
            (host.entry("a").state, host.entry("a").restarts),
            (EntryState::Running, 1)
        );
        assert_eq!(host.entry("b").restarts, 0);
        host.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_no_other_task_of_that_daemon_runs_until_it_has_started_anew() {
    let stage = Stage::set();
    let host = stage.host();
    let two = stage.entry("a").ticking(10).tick([Does::Panic("ouch"), Does::Ok]);
    host.boot([two.plan(|plan| plan.tasks.push(TaskPlan::new("other", SECOND * 10)))])
        .await;
    sleep(SECOND * 15).await;
    assert_eq!(stage.calls()[1..], ["p/a tick", "p/a shutdown", "p/a startup"]);
    host.end().await;
}
