//! How the server does what the store asks of it, where that shows in nothing but the time it takes.

use std::time::{Duration, Instant};

use super::Database;
use crate::store::{
    Batch, Store as _,
    conformance::{add, event},
};

/// How long the server may take to count what a connection did that has ended.
const COUNTED_WITHIN: Duration = Duration::from_secs(30);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn an_append_does_not_read_the_log_although_it_was_empty_when_its_statements_were_prepared() {
    const GROUPS: u64 = 40;
    let database = Database::new();
    let store = database.store().await;
    add(&store, &["acme"]).await;
    for number in 0..GROUPS {
        let batch = Batch {
            events: (0..8).map(|_| event("acme", number)).collect(),
            ..Batch::default()
        };
        store.commit(batch).await.unwrap();
    }
    store.close().await;
    drop(store);
    let counted = |column: &str| -> u64 {
        let table = "pg_stat_user_tables WHERE schemaname = 'kora' AND relname = 'events'";
        database
            .sql(&format!("SELECT {column} FROM {table}"))
            .parse()
            .unwrap()
    };
    let began = Instant::now();
    while counted("n_tup_ins") < GROUPS * 8 {
        assert!(began.elapsed() < COUNTED_WITHIN, "the server counted nothing");
        tokio::time::sleep(BETWEEN_QUESTIONS).await;
    }
    assert_eq!(counted("seq_tup_read"), 0);
}
