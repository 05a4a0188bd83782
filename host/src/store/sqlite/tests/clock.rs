//! A clock that is set back, as clocks are: the chain goes by its numbers and never by the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use super::Place;
use crate::{
    domain::{Clock, TenantId, Timestamp},
    engine::vocabulary::Vocabulary,
    events::{AppendRequest, EventLog, LogParts, RecentQuery, Writer},
    store::{
        EventFilter, Order, Scope, Store,
        sqlite::{SqliteOptions, SqliteStore},
        verify::ChainStatus,
    },
};

const EVENT_TYPE: &str = "deploy.finished";
const DAY_US: i64 = 86_400_000_000;
/// 2026-11-20T10:00:00Z.
const BEGINNING_US: i64 = 1_795_168_800_000_000;

/// Each reading is a day before the last one.
struct Backwards(AtomicI64);

impl Clock for Backwards {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(BEGINNING_US - self.0.fetch_add(1, Ordering::SeqCst) * DAY_US)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn log(store: &Arc<SqliteStore>, clock: &Arc<Backwards>, place: &Place) -> EventLog {
    EventLog::open(LogParts {
        store: store.clone(),
        clock: clock.clone(),
        vocabulary: Vocabulary::new(&[EVENT_TYPE.parse().unwrap()]).unwrap(),
        spool_path: place.dir.path().join("spool.jsonl"),
    })
    .unwrap()
}

fn request(key: &str) -> AppendRequest {
    AppendRequest {
        idempotency_key: Some(key.to_owned()),
        ..AppendRequest::new(
            TenantId::host(),
            EVENT_TYPE.parse().unwrap(),
            b"{}".as_slice(),
            Writer::operator(0),
        )
    }
}

#[tokio::test]
async fn a_clock_that_goes_backwards_is_told_as_it_is_and_the_chain_goes_on() {
    let place = Place::new();
    let clock = Arc::new(Backwards(AtomicI64::new(0)));
    let open =
        || Arc::new(SqliteStore::open(&place.path(), SqliteOptions::default(), clock.clone()).unwrap());
    let mut store = open();
    let mut first_ids = Vec::new();
    for key in ["a", "b", "c"] {
        let receipt = log(&store, &clock, &place).append(request(key)).await.unwrap();
        first_ids.push(receipt.event_id);
        // A host that was started anew meets a clock that was set back, too.
        store.close().await;
        store = open();
    }
    let log = log(&store, &clock, &place);
    // A key is known whatever the clock says.
    let again = log.append(request("a")).await.unwrap();
    assert_eq!((again.event_id, again.repeated), (first_ids[0], true));
    let receipt = log.append(request("d")).await.unwrap();
    assert_eq!(receipt.seq, Some(4));

    let filter = EventFilter {
        limit: 10,
        order: Order::OldestFirst,
        ..EventFilter::default()
    };
    let events = store.events(&TenantId::host(), filter).await.unwrap();
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    let times: Vec<_> = events.iter().map(|event| event.occurred_at).collect();
    assert!(times.windows(2).all(|pair| pair[1] < pair[0]), "{times:?}");
    // The newest is the last one that was appended.
    let query = RecentQuery {
        prefix: Some("deploy".to_owned()),
        ..RecentQuery::default()
    };
    let recent = log.recent(&TenantId::host(), query).await.unwrap();
    assert_eq!(recent[0].seq, 4);
    drop((log, store));
    let report = place.verify(&Scope::All);
    assert_eq!((report.status(), report.records), (ChainStatus::Sound, 4));
}
