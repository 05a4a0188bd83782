//! What queues together is written together, and each is still answered for itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Place, SqliteOptions, SqliteStore};
use crate::store::{
    Appended, Batch, CommitError, Scope, Store,
    conformance::{add, event},
    verify::ChainStatus,
};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

type Answers = Vec<Result<Vec<Appended>, CommitError>>;

/// Lets these batches queue while nothing can be written, then lets the store write.
async fn commit_together(place: &Place, store: &Arc<SqliteStore>, batches: Vec<Batch>) -> Answers {
    let all = SqliteOptions::default().queue_limit;
    let plain = place.plain();
    plain.execute_batch("BEGIN IMMEDIATE").unwrap();
    let tasks: Vec<_> = batches
        .into_iter()
        .map(|batch| {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.commit(batch).await })
        })
        .collect();
    let until = Instant::now() + DEADLINE;
    while all - store.places.available_permits() < tasks.len() {
        assert!(Instant::now() < until);
        tokio::task::yield_now().await;
    }
    drop(plain);
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_a_group_is_answered_for_itself() {
    let place = Place::new();
    let store = Arc::new(place.open());
    add(&*store, &["acme", "globex"]).await;
    let mut with_key = event("acme", 1);
    with_key.idempotency_key = Some("used".to_owned());
    let earlier = store.commit(Batch::of(with_key.clone())).await.unwrap();

    let mut batches: Vec<Batch> = (0..100)
        .map(|n| Batch::of(event(if n % 2 == 0 { "acme" } else { "globex" }, n)))
        .collect();
    let mut other_with_key = event("acme", 2);
    other_with_key.idempotency_key = Some("used".to_owned());
    batches[10] = Batch::of(with_key);
    batches[40] = Batch::of(other_with_key);
    batches[60] = Batch::of(event("nobody", 3));
    batches[99] = batches[80].clone();
    let answers = commit_together(&place, &store, batches).await;

    for (n, answer) in answers.iter().enumerate() {
        match n {
            10 => assert_eq!(answer.as_ref().unwrap()[0].seq, earlier[0].seq),
            40 => assert!(
                matches!(answer, Err(CommitError::IdempotencyConflict { .. })),
                "{answer:?}"
            ),
            60 => assert!(
                matches!(answer, Err(CommitError::TenantUnknown { .. })),
                "{answer:?}"
            ),
            80 | 99 => assert!(answer.is_ok()),
            _ => assert!(!answer.as_ref().unwrap()[0].repeated),
        }
    }
    let [first, second] = [&answers[80], &answers[99]].map(|answer| answer.as_ref().unwrap()[0].clone());
    assert_eq!(first.seq, second.seq);
    assert!(
        first.repeated != second.repeated,
        "whichever came first was appended"
    );
    store.close().await;
    let report = place.verify(&Scope::All);
    assert_eq!((report.status(), report.records), (ChainStatus::Sound, 97));
}
