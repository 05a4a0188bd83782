//! What becomes of a store whose file fails: the failures are real ones of SQLite, not pretended.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{Place, SqliteOptions};
use crate::store::{
    Appended, Batch, CommitError, Scope, Store, StoreError, StoreHealth,
    conformance::{add, append, event},
    verify::ChainStatus,
};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

fn is_unavailable<T>(result: &Result<T, CommitError>) -> bool {
    matches!(result, Err(CommitError::Store(StoreError::Unavailable(_))))
}

/// Commits until it is answered, as a caller does who wants the event to be there.
async fn insist(store: &dyn Store, batch: Batch) -> Vec<Appended> {
    let until = Instant::now() + DEADLINE;
    loop {
        match store.commit(batch.clone()).await {
            Ok(appended) => return appended,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

/// What another program does that writes to the file and does not end.
fn lock_out(place: &Place) -> Connection {
    let plain = place.plain();
    plain.execute_batch("BEGIN IMMEDIATE").unwrap();
    plain
}

/// "Full" is here the most pages that SQLite may take; `tests/it/faults.rs` has the system say it.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let place = Place::new();
    let store = place
        .try_open(SqliteOptions {
            max_pages: Some(60),
            ..SqliteOptions::default()
        })
        .unwrap();
    add(&store, &["acme"]).await;
    let mut acknowledged = Vec::new();
    let cause = loop {
        let batch = Batch::of(event("acme", acknowledged.len() as u64));
        match store.commit(batch).await {
            Ok(appended) => acknowledged.push(appended[0].event_id),
            Err(CommitError::Store(StoreError::Unavailable(cause))) => break cause,
            Err(error) => panic!("{error}"),
        }
        assert!(acknowledged.len() < 10_000);
    };
    assert!(
        cause.contains("full") && cause.contains("bytes are free where"),
        "{cause}"
    );
    // The boot gate tries the same.
    let tried = store.check_rights().await;
    assert!(matches!(&tried, Err(StoreError::Unavailable(_))), "{tried:?}");
    // It is not taken for available as long as there is no room, however often it is tried again.
    for n in 0..20 {
        assert!(is_unavailable(&store.commit(Batch::of(event("acme", n))).await));
        assert!(matches!(store.health(), StoreHealth::Unavailable { .. }));
    }
    for id in &acknowledged {
        assert!(store.event(*id).await.unwrap().is_some());
    }
    store.close().await;
    assert_eq!(store.health(), StoreHealth::Closed);

    let report = place.verify(&Scope::All);
    assert_eq!(
        (report.status(), report.records),
        (ChainStatus::Sound, acknowledged.len() as u64)
    );
    // With room again it goes on where it was.
    append(&place.open(), "acme", 3).await;
    assert_eq!(place.verify(&Scope::All).records, acknowledged.len() as u64 + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_in_the_queue_learns_that_the_store_failed_and_it_comes_back() {
    let place = Place::new();
    let options = SqliteOptions {
        busy_timeout: Duration::from_millis(20),
        ..SqliteOptions::default()
    };
    let store = Arc::new(place.try_open(options).unwrap());
    add(&*store, &["acme"]).await;
    append(&*store, "acme", 1).await;

    let foreign = lock_out(&place);
    let waiting: Vec<_> = (0..50)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(Batch::of(event("acme", n))).await })
        })
        .collect();
    for answer in waiting {
        assert!(is_unavailable(&answer.await.unwrap()));
    }
    assert!(matches!(store.health(), StoreHealth::Unavailable { .. }));
    // Reading goes on.
    assert_eq!(store.heads().await.unwrap()[0].seq, 1);

    drop(foreign);
    let batch = Batch::of(event("acme", 2));
    assert_eq!(insist(&*store, batch).await[0].seq, 2);
    assert_eq!(store.health(), StoreHealth::Available);
    drop(store);
    assert_eq!(place.verify(&Scope::All).records, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_failed_is_closed_without_waiting_for_its_file() {
    let place = Place::new();
    let options = SqliteOptions {
        busy_timeout: Duration::from_millis(1),
        ..SqliteOptions::default()
    };
    let store = place.try_open(options).unwrap();
    let _foreign = lock_out(&place);
    assert!(is_unavailable(&store.commit(Batch::of(event("host", 1))).await));
    tokio::time::timeout(DEADLINE, store.close()).await.unwrap();
    assert_eq!(
        store.commit(Batch::of(event("host", 1))).await,
        Err(StoreError::Closed.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_tail_keeps_a_failed_store_from_going_on() {
    let place = Place::new();
    let options = SqliteOptions {
        busy_timeout: Duration::from_millis(1),
        ..SqliteOptions::default()
    };
    let store = place.try_open(options).unwrap();
    append(&store, "host", 3).await;
    let foreign = lock_out(&place);
    assert!(is_unavailable(&store.commit(Batch::of(event("host", 4))).await));
    foreign
        .execute_batch(
            "DROP TRIGGER events_are_never_changed; UPDATE events SET payload = '{}' WHERE seq = 3; COMMIT",
        )
        .unwrap();
    drop(foreign);
    let until = Instant::now() + DEADLINE;
    loop {
        let answer = store.commit(Batch::of(event("host", 4))).await;
        assert!(is_unavailable(&answer), "{answer:?}");
        let StoreHealth::Unavailable { cause } = store.health() else {
            panic!("{:?}", store.health())
        };
        if cause.contains("record 3 does not have the hash") {
            break;
        }
        assert!(Instant::now() < until, "{cause}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_record_that_continues_the_chain_is_built_upon() {
    let place = Place::filled().await;
    let store = place.open();
    append(&store, "globex", 1).await;
    // Valid for the database, though not for verification: its hash is that of another record.
    place
        .plain()
        .execute_batch(
            "INSERT INTO events SELECT NULL, h.tenant, h.seq + 1, randomblob(16), event_type, occurred_at, actor_kind, actor_id, \
             source, identity_generation, idempotency_key, payload, h.hash, randomblob(32) \
             FROM events JOIN heads AS h USING (tenant, seq) WHERE tenant = 'globex'",
        )
        .unwrap();
    assert_eq!(
        store.commit(Batch::of(event("globex", 9))).await.unwrap()[0].seq,
        6
    );
    let report = place.verify(&Scope::All);
    let globex = report
        .chains
        .iter()
        .find(|chain| chain.tenant == "globex")
        .unwrap();
    assert_eq!(globex.first_bad.as_ref().unwrap().seq, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_host_that_was_killed() {
    let place = Place::new();
    let store = place.open();
    add(&store, &["acme"]).await;
    append(&store, "acme", 20).await;
    // What lies on the disk of a host that ends now: the log is not in the file, its index is not there.
    let dead = Place::new();
    for suffix in ["", "-wal"] {
        let name = format!("store.db{suffix}");
        std::fs::copy(place.dir.path().join(&name), dead.dir.path().join(&name)).unwrap();
    }
    let report = dead.verify(&Scope::All);
    assert_eq!((report.status(), report.records), (ChainStatus::Sound, 20));
    let reopened = dead.open();
    assert_eq!(reopened.check_tails(100).await.unwrap(), None);
    append(&reopened, "acme", 1).await;
    drop(reopened);
    assert_eq!(dead.verify(&Scope::All).records, 21);
}
