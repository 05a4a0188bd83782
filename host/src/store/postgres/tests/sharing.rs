//! Two hosts on one database.

use std::{collections::HashSet, sync::Arc};

use super::Database;
use crate::store::{
    Batch, Change, Collection, CommitError, Document, DocumentFilter, DocumentKey, Scope, Store,
    conformance::{add, event, generation, tenant},
    verify::ChainStatus,
};

const TENANTS: [&str; 4] = ["acme", "globex", "initech", "umbrella"];

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_append_to_the_same_chains_without_gaps_and_nothing_is_doubled() {
    const WRITERS: u64 = 16;
    const EACH: u64 = 25;
    let database = Database::new();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(database.store().await), Arc::new(database.store().await)];
    add(&*stores[0], &TENANTS).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let stores = stores.clone();
        writers.spawn(async move {
            let mut ids = Vec::new();
            for n in 0..EACH {
                // Several chains in one batch, in other orders: whoever locked as they come would lock in a ring.
                let (first, second) = (
                    TENANTS[(writer % 4) as usize],
                    TENANTS[((writer + n) % 4) as usize],
                );
                let batch = Batch {
                    events: vec![event(first, n), event(second, n)],
                    ..Batch::default()
                };
                ids.extend(batch.events.iter().map(|event| event.event_id));
                // Handed to both, as by somebody who did not hear the first answer.
                let (one, other) = tokio::join!(stores[0].commit(batch.clone()), stores[1].commit(batch));
                let (one, other) = (one.unwrap(), other.unwrap());
                assert_eq!(
                    one.iter().map(|appended| appended.seq).collect::<Vec<_>>(),
                    other.iter().map(|appended| appended.seq).collect::<Vec<_>>()
                );
                assert!(one[0].repeated != other[0].repeated);
            }
            ids
        });
    }
    let ids: HashSet<_> = writers.join_all().await.into_iter().flatten().collect();
    let report = database.verify(&Scope::All);
    assert_eq!(report.status(), ChainStatus::Sound, "{report:?}");
    assert_eq!(report.records, WRITERS * EACH * 2);
    assert_eq!(ids.len() as u64, report.records);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hosts_that_change_the_same_thing_one_is_told_of_the_other() {
    let database = Database::new();
    let (one, other) = (database.store().await, database.store().await);
    add(&one, &["acme"]).await;
    let bind = |n: u64| Batch {
        changes: vec![Change::BindIdentity {
            expected: 0,
            record: generation("acme", 1, &format!("{{\"n\":{n}}}")),
        }],
        ..Batch::of(event("acme", n))
    };
    let (first, second) = tokio::join!(one.commit(bind(1)), other.commit(bind(2)));
    let refusals: Vec<_> = [first, second].into_iter().filter_map(Result::err).collect();
    let conflict = CommitError::GenerationConflict {
        tenant: tenant("acme"),
        expected: 0,
        found: 1,
    };
    assert_eq!(refusals, [conflict]);
    assert_eq!(one.heads().await.unwrap()[0].seq, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_host_is_changing_is_left_out_and_waited_for() {
    let database = Database::new();
    let store = Arc::new(database.store().await);
    add(&*store, &["acme"]).await;
    let document = |id: &str, revision, status: &str| Document {
        key: DocumentKey {
            collection: Collection::Tickets,
            tenant: tenant("acme"),
            id: id.to_owned(),
        },
        revision,
        status: status.to_owned(),
        rank: 0,
        due_at: None,
        body: "{}".to_owned(),
    };
    let put = |document: Document| Batch {
        changes: vec![Change::PutDocument(document)],
        ..Batch::default()
    };
    for id in ["a", "b"] {
        store.commit(put(document(id, 1, "open"))).await.unwrap();
    }
    let another = super::super::session::Session::bare(&database.place())
        .await
        .unwrap();
    another
        .client
        .batch_execute("BEGIN; UPDATE kora.documents SET revision = 2, status = 'claimed' WHERE id = 'a'")
        .await
        .unwrap();
    let filter = DocumentFilter {
        skip_locked: true,
        ..DocumentFilter::of(Collection::Tickets).tenant(&tenant("acme"))
    };
    let free = store.documents(filter).await.unwrap();
    assert_eq!(
        free.iter().map(|found| found.key.id.as_str()).collect::<Vec<_>>(),
        ["b"]
    );

    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        let batch = put(document("a", 2, "mine"));
        async move { store.commit(batch).await }
    });
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while database.sql(blocked) == "0" {
        tokio::task::yield_now().await;
    }
    another.client.batch_execute("COMMIT").await.unwrap();
    let refused = waiting.await.unwrap().unwrap_err();
    assert!(
        matches!(refused, CommitError::RevisionConflict { found: 2, .. }),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_hears_where_chains_end_to_which_another_appended() {
    let database = Database::new();
    let (one, other) = (database.store().await, database.store().await);
    add(&one, &["acme", "globex"]).await;
    let mut heard = other.moves_elsewhere().unwrap();
    // Until both listen, which they begin to do by and by, a notice may be missed: then the next one says as much.
    let mut appended = 0;
    let moved = loop {
        one.commit(Batch::of(event("acme", 1))).await.unwrap();
        other.commit(Batch::of(event("globex", 1))).await.unwrap();
        appended += 1;
        match tokio::time::timeout(std::time::Duration::from_millis(200), heard.recv()).await {
            Ok(moved) => break moved.unwrap(),
            Err(_) => assert!(appended < 300, "nothing is heard"),
        }
    };
    assert_eq!(
        moved.tenant,
        tenant("acme"),
        "what it appended itself is no news to it"
    );
    assert!(moved.seq <= appended);

    // Whoever may connect can say that a chain ends anywhere. Nobody believes it, and what comes then is heard all the same.
    database.sql("NOTIFY kora_heads, 'somebody acme=9000000000000000000 nobody=1 acme= =7'");
    one.commit(Batch::of(event("acme", 2))).await.unwrap();
    let last = appended + 1;
    loop {
        let moved = tokio::time::timeout(std::time::Duration::from_secs(60), heard.recv())
            .await
            .expect("the last of them is heard")
            .unwrap();
        assert!(moved.seq <= last, "{moved:?}");
        if moved.seq == last {
            break;
        }
    }
}
