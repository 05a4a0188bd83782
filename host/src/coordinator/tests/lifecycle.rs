//! Boot, signals, the end, and what is known in between.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_fatal_startup_failure_exits_1_after_stopping_in_reverse_and_names_the_cause() {
    let stage = Stage::set();
    let host = stage.host();
    let engine = stage.entry("engine").fatal().startup([Does::Fail("no\ntoken")]);
    let outcome = host
        .boot([stage.entry("a"), stage.entry("b"), engine, stage.entry("never")])
        .await;
    let BootOutcome::Stopped(ending) = outcome else {
        panic!("the boot went on: {outcome:?}");
    };
    assert_eq!(ending.reason.to_string(), "startup failure in p/engine: no token");
    assert_eq!(ending.exit().code(), 1);
    let expected = [
        "p/a startup",
        "p/b startup",
        "p/engine startup",
        "p/engine shutdown",
        "p/b shutdown",
        "p/a shutdown",
    ];
    assert_eq!(stage.calls(), expected);
    assert_eq!(host.life.await.unwrap(), ending);
}

#[tokio::test(start_paused = true)]
async fn a_fatal_flag_that_is_not_honoured_leaves_the_entry_to_its_restarts() {
    let stage = Stage::set();
    let host = stage.host_with(false);
    let outcome = host
        .boot([stage.entry("a").fatal().startup([Does::Fail("no"), Does::Ok])])
        .await;
    assert!(matches!(outcome, BootOutcome::Running(_)), "{outcome:?}");
    sleep(SECOND * 2).await;
    assert_eq!(host.entry("a").state, EntryState::Running);
    assert_eq!(host.end().await.exit().code(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_signal_during_a_startup_interrupts_it_at_once() {
    let stage = Stage::set();
    let host = stage.host();
    let handle = host.handle.clone();
    tokio::spawn(async move {
        sleep(SECOND * 3).await;
        handle.request_shutdown(ShutdownReason::Signal("SIGINT".to_owned()));
    });
    let outcome = host
        .boot([
            stage.entry("a"),
            stage.entry("slow").startup([Does::Hang]),
            stage.entry("c"),
        ])
        .await;
    let BootOutcome::Stopped(ending) = outcome else {
        panic!("the boot went on: {outcome:?}");
    };
    assert_eq!(ending.exit().code(), 130);
    let expected = [
        "0 p/a startup",
        "0 p/slow startup",
        "3 p/slow startup cancelled",
        "3 p/slow shutdown",
        "3 p/a shutdown",
    ];
    assert_eq!(stage.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_startup_that_hangs_ends_at_its_deadline_and_the_others_start() {
    let stage = Stage::set();
    let host = stage.host();
    let hangs = stage
        .entry("hangs")
        .startup([Does::Hang])
        .plan(|plan| plan.restart.max_restarts = 0);
    host.boot([hangs, stage.entry("b")]).await;
    let expected = [
        "0 p/hangs startup",
        "30 p/hangs startup cancelled",
        "30 p/hangs shutdown",
        "30 p/hangs is failed",
        "30 p/b startup",
    ];
    assert_eq!(stage.lines(), expected);
    let detail = host.entry("hangs").detail.unwrap();
    assert_eq!(
        detail,
        "startup did not end within 30s and was cancelled; it is not to be restarted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_fails_half_way_leaves_nothing_behind() {
    for broken in [
        Does::Fail("no"),
        Does::Panic("no"),
        Does::PanicHere,
        Does::Hang,
        Does::MissCredential("TOKEN"),
    ] {
        let stage = Stage::set();
        let host = stage.host();
        host.boot([stage.entry("a").startup([broken.clone()])]).await;
        let calls = stage.calls();
        assert!(
            calls.contains(&"p/a shutdown".to_owned()),
            "{broken:?}: {calls:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_shutdown_has_its_own_deadline_and_a_bad_one_is_skipped() {
    let stage = Stage::set();
    let host = stage.host();
    let hangs = stage.entry("hangs").shutdown([Does::Hang]);
    let short = stage
        .entry("short")
        .shutdown([Does::Hang])
        .plan(|plan| plan.shutdown_timeout = SECOND);
    let errs = stage.entry("errs").shutdown([Does::Fail("no")]);
    let panics = stage.entry("panics").shutdown([Does::PanicHere]);
    host.boot([stage.entry("good"), hangs, short, errs, panics]).await;
    stage.lines();
    assert_eq!(host.end().await.exit().code(), 0);
    let expected = [
        "0 p/panics shutdown",
        "0 p/errs shutdown",
        "0 p/short shutdown",
        "1 p/short shutdown cancelled",
        "1 p/hangs shutdown",
        "6 p/hangs shutdown cancelled",
        "6 p/good shutdown",
    ];
    assert_eq!(stage.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_whole_shutdown_is_bounded_however_many_entries_hang() {
    let stage = Stage::set();
    let host = stage.host();
    let entries: Vec<_> = (0..20)
        .map(|n| stage.entry(&n.to_string()).shutdown([Does::Hang]))
        .collect();
    host.boot(entries).await;
    host.end().await;
    assert_eq!(stage.began.elapsed(), SECOND * 60);
}

#[tokio::test(start_paused = true)]
async fn the_first_reason_stands_and_asking_again_does_no_harm() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([stage.entry("a").shutdown([Does::Take(SECOND)])]).await;
    assert!(
        host.handle
            .request_shutdown(ShutdownReason::Signal("SIGTERM".to_owned()))
    );
    assert!(
        !host
            .handle
            .request_shutdown(ShutdownReason::Signal("SIGINT".to_owned()))
    );
    let ending = host.handle.stopped().await;
    assert_eq!(ending.reason.to_string(), "signal SIGTERM");
    assert!(
        !host
            .handle
            .request_shutdown(ShutdownReason::Requested("too late".to_owned()))
    );
    assert_eq!(host.handle.stopped().await, ending, "asking twice answers twice");
    assert_eq!(host.handle.state(), HostState::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_told_to_stop_before_it_booted_starts_nothing() {
    let stage = Stage::set();
    let host = stage.host();
    host.terminate();
    let outcome = host.boot([stage.entry("a")]).await;
    assert!(matches!(outcome, BootOutcome::Stopped(_)), "{outcome:?}");
    assert!(stage.lines().is_empty());
    assert!(matches!(
        host.add([stage.entry("a")]).await,
        Err(OperationError::Stopped(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_fatal_entry_of_a_plugin_added_later_never_takes_the_host_down() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([stage.entry("old/a")]).await;
    stage.lines();
    let bad = stage.entry("new/bad").fatal().startup([Does::Fail("no")]);
    let error = host.add([stage.entry("new/good"), bad]).await.unwrap_err();
    assert_eq!(error.to_string(), "startup failure in new/bad: no");
    let expected = [
        "new/good startup",
        "new/bad startup",
        "new/bad shutdown",
        "new/good shutdown",
    ];
    assert_eq!(stage.calls(), expected);
    assert_eq!(host.handle.state(), HostState::Running);
    assert_eq!(host.handle.status().entries.len(), 1);
    host.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_plugin_can_be_added_removed_and_restarted_while_the_host_runs() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([stage.entry("old/a")]).await;
    host.add([stage.entry("new/a"), stage.entry("new/b")])
        .await
        .unwrap();
    stage.lines();
    let entries = host.handle.restart("new").await.unwrap();
    assert!(
        entries.iter().all(|entry| entry.state == EntryState::Running),
        "{entries:?}"
    );
    assert_eq!(
        stage.calls(),
        [
            "new/b shutdown",
            "new/a shutdown",
            "new/a startup",
            "new/b startup"
        ]
    );
    host.handle.remove_plugin("new").await.unwrap();
    assert_eq!(stage.calls(), ["new/b shutdown", "new/a shutdown"]);
    host.end().await;
    assert_eq!(stage.calls(), ["old/a shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_who_runs_since_when_and_what_comes_next() {
    let stage = Stage::set();
    let host = stage.host();
    host.boot([stage.entry("a").ticking(30)]).await;
    sleep(SECOND * 40).await;
    let status = host.handle.status();
    assert_eq!(status.state, HostState::Running);
    assert_eq!(status.daemon_session_id.len(), 32);
    assert!(
        status
            .daemon_session_id
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
    );
    assert_eq!(status.shutdown_reason, None);
    let task = &status.entries[0].tasks[0];
    assert_eq!((task.ticks, task.next_tick_in), (1, Some(SECOND * 20)));
    host.end().await;
}
