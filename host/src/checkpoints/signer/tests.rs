//! When chains are signed, and when they are not.

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
};

use tempfile::TempDir;

use super::*;
use crate::{
    domain::Timestamp,
    store::{conformance, memory::MemoryStore},
};

/// A clock that a test moves.
#[derive(Default)]
struct Seconds(AtomicU64);

impl Clock for Seconds {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed).cast_signed() * 1_000_000)
    }
    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

struct Bench {
    _home: TempDir,
    store: Arc<MemoryStore>,
    clock: Arc<Seconds>,
    files: CheckpointFiles,
    checkpoints: Checkpoints,
}

const EVERY: Every = Every {
    events: 10,
    time: Duration::from_secs(300),
};

impl Bench {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let files = CheckpointFiles::at(home.path().join("checkpoints"));
        let store = Arc::new(MemoryStore::with_tenants(&["acme", "globex"]));
        let clock = Arc::new(Seconds::default());
        let checkpoints = Self::checkpoints(&store, &clock, &files);
        Self {
            _home: home,
            store,
            clock,
            files,
            checkpoints,
        }
    }

    fn checkpoints(store: &Arc<MemoryStore>, clock: &Arc<Seconds>, files: &CheckpointFiles) -> Checkpoints {
        Checkpoints::new(CheckpointParts {
            store: store.clone(),
            clock: clock.clone(),
            key: SigningKey::from_seed("box".parse().unwrap(), &[7; 32]),
            files: files.clone(),
        })
    }

    /// Another process on the same home.
    fn restart(&mut self) {
        self.checkpoints = Self::checkpoints(&self.store, &self.clock, &self.files);
    }

    async fn append(&self, tenant: &str, count: u64) {
        conformance::append(&*self.store, tenant, count).await;
    }

    fn wait(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn sign_due(&self) -> usize {
        self.checkpoints.sign_due(EVERY).await.unwrap()
    }

    /// The sequence numbers that are signed of a chain.
    fn kept(&self, tenant: &str) -> Vec<u64> {
        let kept = self.files.read(&tenant.parse().unwrap()).unwrap();
        let key = self.checkpoints.parts.key.public();
        let seq = |note: &Note| note.checkpoint(key).unwrap().seq;
        kept.notes.iter().map(seq).collect()
    }
}

#[tokio::test]
async fn a_chain_is_signed_after_so_many_events_or_so_much_time_and_only_if_it_moved() {
    let bench = Bench::new();
    bench.append("acme", 9).await;
    bench.append("globex", 10).await;
    assert_eq!(bench.sign_due().await, 1, "globex has its ten events");
    bench.wait(299);
    assert_eq!(bench.sign_due().await, 0);
    bench.wait(1);
    assert_eq!(bench.sign_due().await, 1, "acme has waited long enough");
    bench.wait(3000);
    assert_eq!(bench.sign_due().await, 0, "nothing was appended");
    bench.append("acme", 1).await;
    assert_eq!(bench.sign_due().await, 1);
    assert_eq!(
        (bench.kept("acme"), bench.kept("globex")),
        (vec![9, 10], vec![10])
    );
}

#[tokio::test]
async fn on_a_stop_every_chain_that_moved_is_signed() {
    let mut bench = Bench::new();
    bench.append("acme", 3).await;
    assert_eq!(bench.checkpoints.sign_moved().await.unwrap(), 1);
    bench.restart();
    bench.append("globex", 1).await;
    assert_eq!(
        bench.checkpoints.sign_moved().await.unwrap(),
        1,
        "acme is as it was signed before"
    );
    assert_eq!((bench.kept("acme"), bench.kept("globex")), (vec![3], vec![1]));
}

#[tokio::test]
async fn a_round_that_is_cut_short_leaves_what_it_signed_and_says_how_many_are_left() {
    let bench = Bench::new();
    let tenants: Vec<_> = (0..SIGNED_TOGETHER * 2)
        .map(|number| format!("t{number:04}"))
        .collect();
    let names: Vec<_> = tenants.iter().map(String::as_str).collect();
    conformance::add(&*bench.store, &names).await;
    for name in &names {
        bench.append(name, 1).await;
    }
    // The second part of them cannot be read.
    let first_of_second = tenants[SIGNED_TOGETHER].parse().unwrap();
    bench.checkpoints.sign_now(Some(&first_of_second)).await.unwrap();
    bench.append(&tenants[SIGNED_TOGETHER], 1).await;
    bench.store.go_away_for_reads_of(&first_of_second);
    assert!(bench.checkpoints.sign_moved().await.is_err());
    assert_eq!(bench.checkpoints.left(), SIGNED_TOGETHER);
    assert_eq!(bench.kept(&tenants[SIGNED_TOGETHER - 1]), [1]);
    bench.store.come_back();
    assert_eq!(bench.checkpoints.sign_moved().await.unwrap(), SIGNED_TOGETHER);
    assert_eq!(bench.checkpoints.left(), 0);
    assert_eq!(bench.kept(tenants.last().unwrap()), [1]);
}

#[tokio::test]
async fn whoever_asks_gets_one_now() {
    let bench = Bench::new();
    bench.append("acme", 2).await;
    bench.append("globex", 1).await;
    let all = bench.checkpoints.sign_now(None).await.unwrap();
    assert_eq!(all.len(), 2);
    bench.wait(5);
    let acme = "acme".parse().unwrap();
    let again = bench.checkpoints.sign_now(Some(&acme)).await.unwrap();
    assert_eq!(again[0].checkpoint.signed_at.as_micros(), 5_000_000);
    assert_eq!((bench.kept("acme"), bench.kept("globex")), (vec![2, 2], vec![1]));
}

#[tokio::test]
async fn a_chain_that_was_cut_or_written_anew_is_not_signed_again_and_that_is_told() {
    for rewrite in [false, true] {
        let mut bench = Bench::new();
        bench.append("acme", 5).await;
        bench.append("globex", 5).await;
        bench.checkpoints.sign_moved().await.unwrap();
        {
            let mut contents = bench.store.contents();
            if rewrite {
                let last = contents
                    .events
                    .iter_mut()
                    .rfind(|event| event.tenant.as_str() == "acme");
                last.unwrap().this_hash = Hash::of(b"another");
            } else {
                contents
                    .events
                    .retain(|event| event.tenant.as_str() != "acme" || event.seq < 4);
            }
        }
        bench.restart();
        bench.append("globex", 1).await;
        assert_eq!(
            bench.checkpoints.sign_moved().await.unwrap(),
            1,
            "globex is not held up"
        );
        let told = bench.checkpoints.faults().join("");
        let word = if rewrite { "written anew" } else { "cut off" };
        assert!(told.contains("`acme`") && told.contains(word), "{told}");
        assert_eq!(bench.kept("acme"), [5]);
        let refused = bench
            .checkpoints
            .sign_now(Some(&"acme".parse().unwrap()))
            .await
            .unwrap_err();
        assert!(
            matches!(refused, CheckpointError::Contradiction { .. }),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_told_and_tried_again() {
    let bench = Bench::new();
    bench.append("acme", 1).await;
    let path = bench.files.path(&"acme".parse().unwrap());
    fs::create_dir_all(&path).unwrap();
    assert_eq!(bench.checkpoints.sign_moved().await.unwrap(), 0);
    assert!(bench.checkpoints.faults()[0].contains("cannot be kept"));
    fs::remove_dir(&path).unwrap();
    assert_eq!(bench.checkpoints.sign_moved().await.unwrap(), 1);
    assert!(bench.checkpoints.faults().is_empty());
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_signed_and_nothing_is_lost() {
    let bench = Bench::new();
    bench.append("acme", 1).await;
    bench.store.go_away();
    assert!(bench.checkpoints.sign_moved().await.is_err());
    bench.store.come_back();
    assert_eq!(bench.checkpoints.sign_moved().await.unwrap(), 1);
}
