//! What a plugin can do wrong, and what it costs the others: nothing.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_startup_that_never_yields_disables_its_plugin_and_nobody_else() {
    let stage = Stage::set();
    let host = stage.host();
    let entries = [
        stage.entry("p/a"),
        stage.entry("p/wedge").startup([Does::Wedge]),
        stage.entry("p/c"),
        stage.entry("q/d"),
    ];
    host.boot(entries).await;
    let expected = [
        "0 p/a startup",
        "0 p/wedge startup",
        "30 p/wedge startup cancelled",
        "31 plugin p is wedged",
        "31 p/wedge is wedged",
        "31 p/a is wedged",
        "31 p/c is wedged",
        "31 q/d startup",
    ];
    assert_eq!(stage.lines(), expected);
    host.end().await;
    assert_eq!(
        stage.calls(),
        ["q/d shutdown"],
        "nothing of a wedged plugin is called again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_is_known_not_to_come_back_is_not_waited_for() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([
        stage.entry("p/wedge").startup([Does::WedgeKnown]),
        stage.entry("q/b"),
    ])
    .await;
    let expected = [
        "0 p/wedge startup",
        "30 p/wedge startup cancelled",
        "30 plugin p is wedged",
        "30 p/wedge is wedged",
        "30 q/b startup",
    ];
    assert_eq!(stage.lines(), expected);
    host.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_never_yields_disables_its_plugin_and_the_host_stops_cleanly() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([
        stage.entry("p/a").ticking(10).tick([Does::Wedge]),
        stage.entry("q/b").ticking(100),
    ])
    .await;
    sleep(SECOND * 90).await;
    assert_eq!(host.entry("p/a").state, EntryState::Wedged);
    let detail = host.entry("p/a").detail.unwrap();
    assert!(detail.contains("tick did not end within 60s"), "{detail}");
    assert_eq!(
        (host.entry("q/b").state, host.entry("q/b").restarts),
        (EntryState::Running, 0)
    );
    stage.lines();
    assert_eq!(host.end().await.exit().code(), 0);
    assert_eq!(stage.calls(), ["q/b shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_never_yields_is_not_joined_and_the_rest_stops() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([
        stage.entry("q/first"),
        stage.entry("p/mate"),
        stage.entry("p/wedge").shutdown([Does::Wedge]),
    ])
    .await;
    stage.lines();
    host.end().await;
    let expected = [
        "0 p/wedge shutdown",
        "5 p/wedge shutdown cancelled",
        "6 plugin p is wedged",
        "6 p/wedge is wedged",
        "6 p/mate is wedged",
        "6 q/first shutdown",
    ];
    assert_eq!(stage.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_fatal_entry_that_wedges_while_the_host_boots_ends_the_boot() {
    let stage = Stage::set();
    let host = stage.host();
    let outcome = host
        .boot([
            stage.entry("q/a"),
            stage.entry("p/wedge").fatal().startup([Does::Wedge]),
        ])
        .await;
    let BootOutcome::Stopped(ending) = outcome else {
        panic!("the boot went on: {outcome:?}");
    };
    assert_eq!(ending.exit().code(), 1);
    assert!(
        ending
            .reason
            .to_string()
            .starts_with("startup failure in p/wedge: "),
        "{}",
        ending.reason
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_is_tried_again_after_waits_that_grow() {
    let stage = Stage::set();
    let host = stage.host();
    let flaky = stage
        .entry("a")
        .startup([Does::Fail("1"), Does::Panic("2"), Does::Ok]);
    host.boot([flaky, stage.entry("b")]).await;
    sleep(SECOND * 10).await;
    assert_eq!(host.entry("a").state, EntryState::Running);
    assert_eq!(host.entry("a").restarts, 2);
    assert_eq!(host.entry("a").last_error.as_deref(), Some("panicked: 2"));
    let starts: Vec<f64> = stage
        .lines()
        .iter()
        .filter(|line| line.ends_with("p/a startup"))
        .map(|line| line.split_once(' ').unwrap().0.parse().unwrap())
        .collect();
    let waits = [starts[1] - starts[0], starts[2] - starts[1]];
    assert!(
        (1.0..=1.26).contains(&waits[0]) && (2.0..=2.51).contains(&waits[1]),
        "{waits:?}"
    );
    host.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_never_comes_up_is_given_up_and_can_be_restarted_by_hand() {
    let stage = Stage::set();
    let host = stage.host();
    let mut answers = vec![Does::Fail("no"); 6];
    answers.push(Does::Ok);
    host.boot([stage.entry("a").startup(answers)]).await;
    sleep(SECOND * 500).await;
    assert_eq!(host.entry("a").state, EntryState::Failed);
    assert_eq!(
        stage.calls().iter().filter(|call| *call == "p/a startup").count(),
        6
    );
    host.handle.restart("p").await.unwrap();
    assert_eq!(host.entry("a").state, EntryState::Running);
    host.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_credential_is_named_and_not_tried_again() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([stage
        .entry("a")
        .startup([Does::MissCredential("SLACK_TOKEN"), Does::Ok])])
        .await;
    sleep(SECOND * 10_000).await;
    let entry = host.entry("a");
    assert_eq!((entry.state, entry.restarts), (EntryState::Degraded, 0));
    assert_eq!(entry.detail.as_deref(), Some("missing credential `SLACK_TOKEN`"));
    host.handle.restart("p").await.unwrap();
    assert_eq!(host.entry("a").state, EntryState::Running);
    host.end().await;
}
