//! Commands that take their time.

use tokio_util::sync::CancellationToken;

use super::*;

#[tokio::test]
async fn a_drain_is_enforced_once_no_work_is_held() {
    let rig = Rig::new().await;
    rig.hold_work(&acme(), 1);
    let issued = rig.stop(Level::L2).await;
    assert_eq!(issued.command.lifecycle, Lifecycle::Enforcing);
    assert_eq!(rig.state(&acme()), PrimaryState::Paused, "nothing new begins");
    rig.clock.pass(100);
    rig.controls.round().await;
    assert_eq!(rig.told("acme"), ["issued 2", "acknowledged 2"]);
    rig.hold_work(&acme(), 0);
    rig.controls.round().await;
    assert_eq!(rig.told("acme"), ["issued 2", "acknowledged 2", "enforced 2"]);
    assert!(
        rig.work.aborted.lock().unwrap().is_empty(),
        "a drain breaks nothing off"
    );
}

#[tokio::test]
async fn a_pause_waits_for_nothing_and_an_abort_breaks_work_off() {
    let rig = Rig::new().await;
    rig.hold_work(&acme(), 1);
    assert_eq!(rig.stop(Level::L1).await.command.lifecycle, Lifecycle::Enforced);
    assert_eq!(rig.stop(Level::L3).await.command.lifecycle, Lifecycle::Enforcing);
    assert_eq!(*rig.work.aborted.lock().unwrap(), [acme()]);
}

#[tokio::test]
async fn a_command_that_misses_its_time_is_raised_level_by_level_to_l4_and_then_fails() {
    let rig = Rig::new().await;
    rig.hold_work(&acme(), 1);
    rig.stop(Level::L2).await;
    rig.clock.pass(179);
    rig.controls.round().await;
    assert_eq!(rig.told("acme").last().unwrap(), "acknowledged 2");
    rig.clock.pass(1);
    rig.controls.round().await;
    assert_eq!(
        rig.told("acme")[2..],
        ["escalated 2", "issued 3", "acknowledged 3"]
    );
    rig.clock.pass(90);
    rig.controls.round().await;
    assert_eq!(rig.state(&acme()), PrimaryState::Stopped);
    assert_eq!(
        rig.told("acme")[5..],
        ["escalated 3", "issued 4", "acknowledged 4"]
    );
    rig.clock.pass(90);
    rig.controls.round().await;
    rig.clock.pass(1_000);
    rig.controls.round().await;
    assert_eq!(rig.told("acme")[8..], ["failed 4"]);
    assert_eq!(
        rig.lifecycles(&acme()).await,
        [
            (Level::L2, Lifecycle::Escalated),
            (Level::L3, Lifecycle::Escalated),
            (Level::L4, Lifecycle::Failed)
        ]
    );
    let block = rig.controls.book().pre_claim(&acme()).await.unwrap_err();
    assert_eq!(block.stop_kora_action, "external_kill", "what failed still holds");
    assert_eq!(rig.stop(Level::L0).await.superseded.len(), 3);
    assert_eq!(rig.controls.book().pre_claim(&acme()).await, Ok(()));
}

#[tokio::test]
async fn a_command_that_was_reset_meanwhile_is_neither_raised_nor_carried_on() {
    let rig = Rig::new().await;
    rig.hold_work(&acme(), 1);
    rig.stop(Level::L2).await;
    rig.stop(Level::L0).await;
    rig.clock.pass(1_000);
    rig.controls.round().await;
    assert_eq!(
        rig.lifecycles(&acme()).await,
        [
            (Level::L2, Lifecycle::Superseded),
            (Level::L0, Lifecycle::Enforced)
        ]
    );
}

#[tokio::test]
async fn a_raised_command_expires_when_the_first_would_have() {
    let rig = Rig::new().await;
    rig.hold_work(&acme(), 1);
    rig.give(StopOrder {
        expires_in: Some(Duration::from_secs(200)),
        ..order(Level::L2)
    })
    .await;
    rig.clock.pass(180);
    rig.controls.round().await;
    rig.clock.pass(20);
    rig.controls.round().await;
    assert_eq!(
        rig.lifecycles(&acme()).await,
        [(Level::L2, Lifecycle::Expired), (Level::L3, Lifecycle::Expired)]
    );
}

#[tokio::test(start_paused = true)]
async fn the_watch_looks_at_least_every_five_seconds_and_shows_that_it_does() {
    assert!(POLL <= Duration::from_secs(5));
    let rig = Rig::new().await;
    rig.hold_work(&acme(), 1);
    rig.stop(Level::L2).await;
    assert_eq!(rig.controls.last_round(), None);
    let (stop, watching) = (CancellationToken::new(), rig.controls.clone());
    let watch = tokio::spawn({
        let stop = stop.clone();
        async move { watching.watch(stop).await }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(rig.controls.last_round().unwrap().could_read);
    rig.clock.pass(180);
    tokio::time::sleep(POLL).await;
    assert_eq!(
        rig.controls.last_round().unwrap().monotonic,
        Duration::from_secs(180)
    );
    assert_eq!(rig.told("acme").last().unwrap(), "acknowledged 3");
    rig.store.go_away();
    tokio::time::sleep(POLL).await;
    assert!(!rig.controls.last_round().unwrap().could_read);
    stop.cancel();
    watch.await.unwrap();
}
