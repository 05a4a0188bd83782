//! The epoch that a store carries and the one that a home knows.

use std::sync::Arc;

use tempfile::TempDir;

use crate::{
    engine::{
        gates::{HOST_BUDGET, Mode, Verdict},
        transition::GateReport,
    },
    gates::{Epoch, EpochHold, KnownEpoch, Run, StoreEpoch, epoch, tests::epochs::silent::Silent},
    store::{Batch, Change, Store, memory::MemoryStore},
};

mod silent {
    use async_trait::async_trait;

    use crate::{engine::gates::GateSpec, gates::Watcher};

    /// Nobody hears.
    pub(in crate::gates::tests) struct Silent;

    #[async_trait]
    impl Watcher for Silent {
        async fn retrying(&self, _: &GateSpec, _: &str) {}
        async fn passed_at_last(&self, _: &GateSpec) {}
    }
}

async fn looked(store: &Arc<dyn Store>, home: &TempDir) -> (Verdict, GateReport, EpochHold) {
    let hold = EpochHold::default();
    let mut run = Run::new(Mode::Boot, HOST_BUDGET, Arc::new(Silent));
    run.pass(&epoch(store, known(home), hold.clone())).await;
    let verdict = run.verdict();
    (verdict, run.into_reports().remove(0), hold)
}

fn known(home: &TempDir) -> KnownEpoch {
    KnownEpoch::at(home.path().join("known-epoch"))
}

#[tokio::test]
async fn the_first_boot_remembers_the_epoch_and_another_store_pauses() {
    let home = TempDir::new().unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (verdict, report, hold) = looked(&store, &home).await;
    assert_eq!(verdict, Verdict::Ready, "{report:?}");
    assert_eq!(hold.mismatch(), None);
    let first = known(&home).read().unwrap().unwrap();
    assert_eq!(looked(&store, &home).await.0, Verdict::Ready);

    let other: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (verdict, report, hold) = looked(&other, &home).await;
    assert_eq!(verdict, Verdict::Paused, "{report:?}");
    let mismatch = hold.mismatch().unwrap();
    assert_eq!(mismatch.known.as_ref(), Some(&first));
    assert!(
        report
            .detail
            .contains(&format!("accept-epoch {}", mismatch.observed)),
        "{}",
        report.detail
    );
    assert_eq!(
        known(&home).read().unwrap(),
        Some(first),
        "nobody accepted it yet"
    );

    known(&home).write(&mismatch.observed).unwrap();
    assert_eq!(looked(&other, &home).await.0, Verdict::Ready);
}

#[tokio::test]
async fn a_restored_store_is_another_one() {
    let home = TempDir::new().unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    assert_eq!(looked(&store, &home).await.0, Verdict::Ready);
    let before = store.document(&Epoch::place()).await.unwrap();
    let renewed = Epoch::renewed(before.as_ref());
    let batch = Batch {
        changes: vec![Change::PutDocument(renewed.clone())],
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
    let (verdict, _, hold) = looked(&store, &home).await;
    assert_eq!(verdict, Verdict::Paused);
    assert_eq!(hold.mismatch().unwrap().observed, Epoch::of(&renewed).unwrap());
}

#[tokio::test]
async fn of_two_hosts_that_begin_on_a_new_store_both_know_the_same_epoch() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (one, other) = (StoreEpoch::new(store.clone()), StoreEpoch::new(store));
    let (one, other) = tokio::join!(one.read_or_make(), other.read_or_make());
    assert_eq!(one.unwrap(), other.unwrap());
}

#[tokio::test]
async fn a_known_epoch_that_cannot_be_read_pauses() {
    let home = TempDir::new().unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    looked(&store, &home).await;
    std::fs::write(home.path().join("known-epoch"), "epoch_").unwrap();
    assert_eq!(looked(&store, &home).await.0, Verdict::Paused);
}
