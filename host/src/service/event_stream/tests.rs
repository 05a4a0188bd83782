//! Streams from now on and from a place on, whose reader is quick, slow, or away for a while.

use tempfile::TempDir;

use super::*;
use crate::{
    domain::{EventType, SystemClock},
    engine::vocabulary::Vocabulary,
    events::{AppendRequest, LogParts, Writer},
    store::memory::MemoryStore,
};

const FINISHED: &str = "deploy.finished";
const BEGUN: &str = "deploy.begun";
/// More than the queue of subscribers holds.
const MANY: u64 = 5000;

struct Rig {
    log: Arc<EventLog>,
    _home: TempDir,
}

impl Rig {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let types: Vec<EventType> = [FINISHED, BEGUN].map(|name| name.parse().unwrap()).into();
        let log = EventLog::open(LogParts {
            store: Arc::new(MemoryStore::with_tenants(&["acme", "globex"])),
            clock: Arc::new(SystemClock::new()),
            vocabulary: Vocabulary::new(&types).unwrap(),
            spool_path: home.path().join("spool.jsonl"),
        });
        Self {
            log: Arc::new(log.unwrap()),
            _home: home,
        }
    }

    async fn append(&self, id: &str, event_type: &str, count: u64) {
        for _ in 0..count {
            let request = AppendRequest::new(
                tenant(id),
                event_type.parse().unwrap(),
                b"{}".as_slice(),
                Writer::operator(0),
            );
            self.log.append(request).await.unwrap();
        }
    }

    async fn stream(&self, ids: &[&str], prefix: Option<&str>, from: &Places) -> EventStream {
        let tenants: Vec<_> = ids.iter().map(|id| tenant(id)).collect();
        EventStream::open(self.log.clone(), &tenants, prefix, from)
            .await
            .unwrap()
    }
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn place(id: &str, seq: u64) -> Places {
    [(tenant(id), seq)].into()
}

async fn next(stream: &mut EventStream, count: u64) -> Vec<(String, u64)> {
    let mut told = Vec::new();
    for _ in 0..count {
        let event = stream.next().await.unwrap().unwrap();
        told.push((event.tenant, event.seq));
    }
    told
}

fn numbers(id: &str, numbers: std::ops::RangeInclusive<u64>) -> Vec<(String, u64)> {
    numbers.map(|seq| (id.to_owned(), seq)).collect()
}

#[tokio::test]
async fn a_new_stream_begins_now_and_one_that_comes_back_where_it_was() {
    let rig = Rig::new();
    rig.append("acme", FINISHED, 3).await;
    let mut new = rig.stream(&["acme"], None, &Places::new()).await;
    let mut back = rig.stream(&["acme"], None, &place("acme", 1)).await;
    assert_eq!(*new.places(), place("acme", 3));
    rig.append("acme", FINISHED, 2).await;
    assert_eq!(next(&mut new, 2).await, numbers("acme", 4..=5));
    assert_eq!(next(&mut back, 4).await, numbers("acme", 2..=5));
    assert_eq!(*back.places(), place("acme", 5));
}

#[tokio::test]
async fn a_reader_that_fell_behind_the_queue_misses_nothing() {
    let rig = Rig::new();
    let mut stream = rig.stream(&["acme", "globex"], None, &Places::new()).await;
    rig.append("acme", FINISHED, 1).await;
    assert_eq!(next(&mut stream, 1).await, numbers("acme", 1..=1));
    rig.append("acme", FINISHED, MANY).await;
    rig.append("globex", FINISHED, 2).await;
    let mut told = next(&mut stream, MANY + 2).await;
    let of_globex: Vec<_> = told.extract_if(.., |(id, _)| id == "globex").collect();
    assert_eq!(told, numbers("acme", 2..=MANY + 1));
    assert_eq!(of_globex, numbers("globex", 1..=2));
    rig.append("acme", FINISHED, 1).await;
    assert_eq!(next(&mut stream, 1).await, numbers("acme", MANY + 2..=MANY + 2));
}

#[tokio::test]
async fn a_prefix_leaves_out_the_others_and_its_place_goes_on_over_them() {
    let rig = Rig::new();
    let mut stream = rig.stream(&["acme"], Some("deploy.begun."), &Places::new()).await;
    rig.append("acme", FINISHED, 2).await;
    rig.append("acme", BEGUN, 1).await;
    rig.append("acme", FINISHED, 1).await;
    assert_eq!(next(&mut stream, 1).await, numbers("acme", 3..=3));
    let mut back = rig.stream(&["acme"], Some(BEGUN), stream.places()).await;
    rig.append("acme", BEGUN, 1).await;
    assert_eq!(next(&mut back, 1).await, numbers("acme", 5..=5));
    assert_eq!(next(&mut stream, 1).await, numbers("acme", 5..=5));
}

#[tokio::test]
async fn a_place_behind_the_end_of_a_chain_means_its_end() {
    let rig = Rig::new();
    rig.append("acme", FINISHED, 1).await;
    let mut stream = rig.stream(&["acme"], None, &place("acme", 900)).await;
    rig.append("acme", FINISHED, 1).await;
    assert_eq!(next(&mut stream, 1).await, numbers("acme", 2..=2));
}

#[tokio::test]
async fn a_prefix_that_is_none_is_told_at_once() {
    let rig = Rig::new();
    let (tenants, from) = ([tenant("acme")], Places::new());
    let stream = EventStream::open(rig.log.clone(), &tenants, Some("No Type"), &from).await;
    assert!(matches!(stream.err(), Some(ReadError::Prefix { .. })));
}
