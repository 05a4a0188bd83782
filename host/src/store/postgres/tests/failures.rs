//! What becomes of a store whose server goes away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Database, Server};
use crate::store::{
    Batch, CommitError, Scope, Store, StoreError, StoreHealth,
    conformance::{add, append, event},
    verify::ChainStatus,
};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A server that the test may stop. Its folder goes with the process.
fn own_server() -> &'static Server {
    Box::leak(Box::new(Server::start()))
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < DEADLINE, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_unavailable(error: &CommitError) -> bool {
    matches!(error, CommitError::Store(StoreError::Unavailable(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_that_was_acknowledged_is_there_once_after_the_server_crashed() {
    const WRITERS: u64 = 8;
    const CRASHES: u64 = 3;
    let server = own_server();
    let database = Database::on(server);
    let store: Arc<dyn Store> = Arc::new(database.store().await);
    add(&*store, &["acme", "globex"]).await;
    let (acknowledged, stop) = (
        Arc::new(AtomicU64::new(0)),
        tokio_util::sync::CancellationToken::new(),
    );
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, count, stop) = (Arc::clone(&store), Arc::clone(&acknowledged), stop.clone());
        writers.spawn(async move {
            let mut answers = Vec::new();
            while !stop.is_cancelled() {
                let batch = Batch::of(event(["acme", "globex"][(writer % 2) as usize], writer));
                // As the trait says: handed in again as it was.
                loop {
                    match store.commit(batch.clone()).await {
                        Ok(appended) => break answers.push((appended[0].event_id, appended[0].seq)),
                        Err(error) => assert!(is_unavailable(&error), "{error}"),
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            answers
        });
    }
    for crash in 0..CRASHES {
        let enough = (crash + 1) * 100;
        until("a hundred more", || {
            acknowledged.load(Ordering::Relaxed) >= enough
        })
        .await;
        tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
        until("the loss is noticed", || {
            matches!(store.health(), StoreHealth::Unavailable { .. })
        })
        .await;
        tokio::task::spawn_blocking(|| server.start_again())
            .await
            .unwrap();
        until("the store is back", || store.health() == StoreHealth::Available).await;
    }
    stop.cancel();
    let answers: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    let report = database.verify(&Scope::All);
    assert_eq!(report.status(), ChainStatus::Sound, "{report:?}");
    assert_eq!(
        report.records,
        answers.len() as u64,
        "each is there once, and nothing else"
    );
    for (event_id, seq) in answers {
        assert_eq!(store.event(event_id).await.unwrap().unwrap().seq, seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_its_server_refuses_at_once_and_says_why() {
    let server = own_server();
    let database = Database::on(server);
    let store = database.store().await;
    append(&store, "host", 1).await;
    server.stop();
    until("the loss is noticed", || {
        matches!(store.health(), StoreHealth::Unavailable { .. })
    })
    .await;
    let refused = store.commit(Batch::of(event("host", 2))).await.unwrap_err();
    assert!(is_unavailable(&refused), "{refused}");
    assert!(matches!(
        store.heads().await.unwrap_err(),
        StoreError::Unavailable(_)
    ));
    store.close().await;
    assert_eq!(store.health(), StoreHealth::Closed);
    let missing = super::PostgresStore::open(database.place(), super::PostgresOptions::default()).await;
    let error = missing.unwrap_err().to_string();
    assert!(
        error.contains("cannot connect to the PostgreSQL database"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_lost_what_it_acknowledged_is_not_written_to() {
    let database = Database::new();
    let store = database.store().await;
    append(&store, "host", 3).await;
    // As a standby that took over without the last of it.
    database.sql(
        "ALTER TABLE kora.events DISABLE TRIGGER USER; ALTER TABLE kora.heads DISABLE TRIGGER USER; \
         DELETE FROM kora.events WHERE seq = 3; \
         UPDATE kora.heads SET seq = 2, hash = (SELECT this_hash FROM kora.events WHERE seq = 2)",
    );
    // Once that is committed: what is sent together is one transaction.
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kora' AND datname = current_database()");
    let lost = |health: StoreHealth| match health {
        StoreHealth::Unavailable { cause } => {
            cause.contains("the chain of `host` ended at 3, now it ends at 2")
        }
        _ => false,
    };
    until("the loss is noticed", || lost(store.health())).await;
    let refused = store.commit(Batch::of(event("host", 4))).await.unwrap_err();
    assert!(is_unavailable(&refused), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_is_missed_although_another_host_has_gone_on_after_it() {
    let database = Database::new();
    let store = database.store().await;
    append(&store, "host", 3).await;
    let cut_off = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kora' AND datname = current_database()";
    // A standby without the last of it took over; one who knows nothing of that record appended where it was, and beyond.
    database.sql(
        "ALTER TABLE kora.events DISABLE TRIGGER USER; ALTER TABLE kora.heads DISABLE TRIGGER USER; \
         DELETE FROM kora.events WHERE seq = 3; \
         UPDATE kora.heads SET seq = 2, hash = (SELECT this_hash FROM kora.events WHERE seq = 2); \
         ALTER TABLE kora.events ENABLE TRIGGER USER; ALTER TABLE kora.heads ENABLE TRIGGER USER",
    );
    let other = database.store().await;
    for payload in 10..13 {
        other.commit(Batch::of(event("host", payload))).await.unwrap();
    }
    other.close().await;
    database.sql(cut_off);
    let lost = |health: StoreHealth| match health {
        StoreHealth::Unavailable { cause } => {
            cause.contains("the chain of `host` ended at 3, now it ends with other records")
        }
        _ => false,
    };
    until("the loss is noticed", || lost(store.health())).await;
}
