//! The history of boots.

use std::sync::Arc;

use crate::{
    domain::{TenantId, Timestamp},
    engine::gates::Verdict,
    gates::{BootRecord, History, SHOWN},
    store::memory::MemoryStore,
};

fn record(number: u32) -> BootRecord {
    BootRecord {
        boot_id: format!("boot_{number:08x}"),
        result: Verdict::Ready,
        started_at: Timestamp::from_micros(1),
        ended_at: Timestamp::from_micros(2),
        failed_gate_id: None,
        gates: Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_boots_are_shown_and_never_more_than_fifty() {
    let store = Arc::new(MemoryStore::with_tenants(&["acme"]));
    let (history, writer) = History::new(store.clone());
    let writing = tokio::spawn(writer.run());
    let acme: TenantId = "acme".parse().unwrap();
    for number in 0..70 {
        history.note(&acme, &record(number));
    }
    history.note(&TenantId::host(), &record(99));
    history.flush().await;

    let newest = history.newest(&acme, 3).await.unwrap();
    assert_eq!(newest, [record(69), record(68), record(67)]);
    let all = history.newest(&acme, u32::MAX).await.unwrap();
    assert_eq!(all.len(), SHOWN as usize);
    assert_eq!(history.newest(&TenantId::host(), 50).await.unwrap(), [record(99)]);
    drop(history);
    writing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn boots_that_were_noted_while_the_store_was_away_are_written_when_it_is_back() {
    let store = Arc::new(MemoryStore::default());
    let (history, writer) = History::new(store.clone());
    tokio::spawn(writer.run());
    store.go_away();
    history.note(&TenantId::host(), &record(1));
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    store.come_back();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(history.newest(&TenantId::host(), 5).await.unwrap(), [record(1)]);
}
