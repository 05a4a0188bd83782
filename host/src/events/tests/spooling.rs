//! What waits for the store.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    events::{AppendError, Drained, Kept},
    store::memory::Mood,
};

#[tokio::test]
async fn what_could_not_be_appended_is_appended_in_order_once_the_store_is_back() {
    let rig = Rig::new();
    rig.store.go_away();
    for what in ["one", "two", "three"] {
        let failure = rig.log.emit(vec![rig.own("acme", what)]).await.unwrap_err();
        assert_eq!(failure.kept, Kept::Durably);
    }
    rig.store.come_back();
    assert_eq!(
        rig.log.drain().await,
        Drained {
            appended: 3,
            waiting: 0
        }
    );
    assert_eq!(rig.told("acme"), ["one", "two", "three"]);
}

#[tokio::test]
async fn fault_t_an_event_outlives_a_store_that_fails_and_a_host_that_dies() {
    let mut rig = Rig::new();
    rig.store.go_away();
    rig.log
        .emit(vec![rig.own("acme", "one"), rig.own("acme", "two")])
        .await
        .unwrap_err();
    rig.log.emit(vec![rig.own("globex", "else")]).await.unwrap_err();
    let before = rig.log.waiting(&id("acme"));

    rig.restart();
    assert_eq!(rig.log.waiting(&id("acme")), before);
    rig.store.come_back();
    rig.log.drain().await;
    assert_eq!(rig.told("acme"), ["one", "two"]);
    assert_eq!(rig.told("globex"), ["else"]);
    rig.restart();
    assert_eq!(rig.log.waiting_entries(), 0);
}

#[tokio::test]
async fn the_hosts_own_chain_waits_as_well() {
    let mut rig = Rig::new();
    rig.store.go_away();
    let (payload, writer) = (normalise(b"{}").unwrap(), Writer::host(Owner::Host));
    let stopping = rig
        .log
        .own_event(&TenantId::host(), OwnType::HostStopping, payload, &writer);
    rig.log.emit(vec![stopping]).await.unwrap_err();
    rig.restart();
    rig.store.come_back();
    rig.log.drain().await;
    assert_eq!(rig.store.types("host"), ["host.stopping"]);
}

#[tokio::test]
async fn nothing_overtakes_what_waits() {
    let rig = Rig::new();
    rig.store.go_away();
    rig.log.emit(vec![rig.own("acme", "first")]).await.unwrap_err();

    let refused = rig.log.append(deployed("refused")).await.unwrap_err();
    assert!(
        matches!(refused, AppendError::Waiting { waiting: 1, .. }),
        "{refused}"
    );
    assert!(refused.is_unavailable());

    rig.store.come_back();
    rig.log.emit(vec![rig.own("acme", "second")]).await.unwrap_err();
    rig.log.append(deployed("third")).await.unwrap();
    assert_eq!(rig.told("acme"), ["first", "second", "third"]);
}

#[tokio::test]
async fn after_a_restart_nothing_overtakes_what_waited_before_it() {
    let mut rig = Rig::new();
    rig.store.go_away();
    rig.log.emit(vec![rig.own("acme", "before")]).await.unwrap_err();
    rig.restart();
    rig.store.come_back();
    rig.log.append(deployed("after")).await.unwrap();
    assert_eq!(rig.told("acme"), ["before", "after"]);
}

#[tokio::test]
async fn draining_what_was_appended_already_appends_nothing() {
    let mut rig = Rig::new();
    let event = rig.own("acme", "once");
    rig.store.go_away();
    rig.log.emit(vec![event.clone()]).await.unwrap_err();
    let file = std::fs::read(rig.spool()).unwrap();
    rig.store.come_back();
    rig.log.drain().await;

    // The host died after the append and before the file said so.
    std::fs::write(rig.spool(), file).unwrap();
    rig.restart();
    assert_eq!(
        rig.log.drain().await,
        Drained {
            appended: 1,
            waiting: 0
        }
    );
    assert_eq!(rig.told("acme"), ["once"]);
}

#[tokio::test]
async fn a_tenant_that_the_store_does_not_know_holds_up_nobody_else() {
    let rig = Rig::new();
    let failure = rig.log.emit(vec![rig.own("absent", "early")]).await.unwrap_err();
    assert!(
        failure
            .to_string()
            .contains("there is no tenant `absent` (it waits in the spool)"),
        "{failure}"
    );
    rig.store.go_away();
    rig.log.emit(vec![rig.own("acme", "late")]).await.unwrap_err();
    rig.store.come_back();
    assert_eq!(
        rig.log.drain().await,
        Drained {
            appended: 1,
            waiting: 1
        }
    );
    rig.store.add_tenant("absent");
    assert_eq!(
        rig.log.drain().await,
        Drained {
            appended: 1,
            waiting: 0
        }
    );
    assert_eq!(rig.told("absent"), ["early"]);
}

#[tokio::test]
async fn the_spool_is_for_its_owner_alone_and_empty_when_nothing_waits() {
    let rig = Rig::new();
    rig.store.go_away();
    rig.log
        .emit(vec![rig.own("acme", "secret reason")])
        .await
        .unwrap_err();
    assert_eq!(
        std::fs::metadata(rig.spool()).unwrap().permissions().mode() & 0o777,
        0o600
    );
    rig.store.come_back();
    rig.log.drain().await;
    let metadata = std::fs::metadata(rig.spool()).unwrap();
    assert_eq!(
        (metadata.permissions().mode() & 0o777, metadata.len()),
        (0o600, 0)
    );
}

#[tokio::test]
async fn a_line_that_was_cut_short_is_set_aside_and_the_others_are_appended() {
    let mut rig = Rig::new();
    rig.store.go_away();
    rig.log.emit(vec![rig.own("acme", "whole")]).await.unwrap_err();
    let whole = std::fs::read_to_string(rig.spool()).unwrap();
    std::fs::write(rig.spool(), format!("{whole}{}", &whole[..whole.len() / 2])).unwrap();

    rig.restart();
    rig.log.emit(vec![rig.own("acme", "next")]).await.unwrap_err();
    rig.restart();
    rig.store.come_back();
    rig.log.drain().await;
    assert_eq!(rig.told("acme"), ["whole", "next"]);
    let aside = std::fs::read_to_string(rig.home.path().join("spool.jsonl.unreadable")).unwrap();
    assert_eq!(aside.trim_end(), &whole[..whole.len() / 2]);
}

#[tokio::test]
async fn a_spool_that_cannot_be_read_stops_the_host_and_says_what_to_do() {
    let rig = Rig::new();
    std::fs::create_dir(rig.spool()).unwrap();
    let refused = EventLog::open(LogParts {
        store: rig.store.clone(),
        clock: Arc::new(TestClock::default()),
        vocabulary: Vocabulary::new(&[]).unwrap(),
        spool_path: rig.spool(),
    });
    let Err(refused) = refused else {
        panic!("a directory was taken for a spool");
    };
    assert!(
        refused.to_string().contains("make it readable, or move it away"),
        "{refused}"
    );
}

#[tokio::test]
async fn without_a_file_events_wait_in_memory_and_reach_the_file_when_it_can_be_written() {
    let mut rig = Rig::new();
    // A directory where the file should be.
    std::fs::create_dir(rig.spool()).unwrap();
    rig.store.go_away();
    let failure = rig.log.emit(vec![rig.own("acme", "one")]).await.unwrap_err();
    assert_eq!(failure.kept, Kept::InMemory);

    std::fs::remove_dir(rig.spool()).unwrap();
    let failure = rig.log.emit(vec![rig.own("acme", "two")]).await.unwrap_err();
    assert_eq!(failure.kept, Kept::Durably);
    rig.restart();
    rig.store.come_back();
    rig.log.drain().await;
    assert_eq!(rig.told("acme"), ["one", "two"]);
}

#[tokio::test]
async fn in_memory_alone_only_so_many_wait_and_what_is_lost_is_said_to_be() {
    let rig = Rig::new();
    std::fs::create_dir(rig.spool()).unwrap();
    rig.store.go_away();
    for _ in 0..1024 {
        let failure = rig.log.emit(vec![rig.own("acme", "kept")]).await.unwrap_err();
        assert_eq!(failure.kept, Kept::InMemory);
    }
    let failure = rig.log.emit(vec![rig.own("acme", "too many")]).await.unwrap_err();
    assert_eq!(failure.kept, Kept::Lost);
    assert!(failure.to_string().contains("LOST"), "{failure}");
    rig.store.come_back();
    assert_eq!(rig.log.drain().await.appended, 1024);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_counts_as_away() {
    let rig = Rig::new();
    rig.store.set_mood(Mood::Hangs);
    let failure = rig.log.emit(vec![rig.own("acme", "patience")]).await.unwrap_err();
    assert_eq!(
        failure.cause,
        AppendError::TimedOut {
            after: Duration::from_secs(10)
        }
    );
    assert_eq!(failure.kept, Kept::Durably);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_tried_again_until_it_is_appended() {
    let rig = Rig::new();
    let stop = CancellationToken::new();
    let (log, until) = (rig.log.clone(), stop.clone());
    let draining = tokio::spawn(async move { log.keep_draining(until).await });
    rig.store.go_away();
    rig.log.emit(vec![rig.own("acme", "one")]).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(rig.told("acme").is_empty());

    rig.store.come_back();
    let appended = async {
        while rig.log.waiting_entries() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), appended)
        .await
        .unwrap();
    assert_eq!(rig.told("acme"), ["one"]);
    stop.cancel();
    draining.await.unwrap();
}

#[tokio::test]
async fn nothing_is_appended_to_a_sealed_chain_and_what_the_host_tells_of_it_waits() {
    let rig = Rig::new();
    rig.log.seal(&id("acme"), "record 4 is missing");
    let batch = || crate::store::Batch::of(rig.own("acme", "batch"));
    let refused = rig.log.commit(batch()).await.unwrap_err();
    assert!(refused.to_string().contains("record 4 is missing"), "{refused}");
    let failure = rig.log.emit(vec![rig.own("acme", "one")]).await.unwrap_err();
    assert_eq!(failure.kept, Kept::Durably);
    rig.log.emit(vec![rig.own("globex", "else")]).await.unwrap();
    assert_eq!(rig.log.drain().await.waiting, 1, "nobody else waits for it");

    rig.log.unseal(&id("acme")).await;
    assert_eq!(rig.log.waiting_entries(), 0);
    assert_eq!(rig.told("acme"), ["one"]);
    rig.log.commit(batch()).await.unwrap();
}

#[tokio::test]
async fn what_waited_through_a_restart_waits_until_the_end_of_its_chain_was_looked_at() {
    let mut rig = Rig::new();
    rig.store.go_away();
    rig.log.emit(vec![rig.own("acme", "one")]).await.unwrap_err();
    rig.restart();
    rig.store.come_back();
    rig.log.seal_waiting();
    assert_eq!(rig.log.drain().await.waiting, 1);
    rig.log.unseal(&id("acme")).await;
    assert_eq!(rig.log.waiting_entries(), 0);
    assert_eq!(rig.told("acme"), ["one"]);
}

#[tokio::test]
async fn a_chain_of_another_hosts_tenant_is_looked_at_when_something_is_appended_and_not_before() {
    let mut rig = Rig::new();
    rig.store.go_away();
    rig.log.emit(vec![rig.own("acme", "one")]).await.unwrap_err();
    rig.restart();
    rig.log.seal_waiting();
    rig.log.look_before_appending([id("acme"), id("globex")]);
    let refused = rig.log.emit(vec![rig.own("globex", "else")]).await.unwrap_err();
    assert!(
        refused.cause.is_unavailable(),
        "what cannot be looked at waits: {refused}"
    );
    rig.store.come_back();
    rig.store.break_chain(&id("globex"), "record 4 is missing");
    assert_eq!(
        rig.log.drain().await.waiting,
        1,
        "what waited of acme is appended"
    );
    assert_eq!(rig.told("acme"), ["one"]);
    assert_eq!(rig.told("globex"), [""; 0]);
    let batch = crate::store::Batch::of(rig.own("globex", "batch"));
    let refused = rig.log.commit(batch).await.unwrap_err();
    assert!(refused.to_string().contains("record 4 is missing"), "{refused}");
}
