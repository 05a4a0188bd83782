//! Documents.

use super::*;
use crate::store::{Collection, Document, DocumentFilter, DocumentKey, DocumentOrder};

fn key(id: &str, document: &str) -> DocumentKey {
    DocumentKey {
        collection: Collection::Tickets,
        tenant: if id == "host" {
            TenantId::host()
        } else {
            tenant(id)
        },
        id: document.to_owned(),
    }
}

fn document(id: &str, name: &str) -> Document {
    Document {
        key: key(id, name),
        revision: 1,
        status: "open".to_owned(),
        rank: 0,
        due_at: None,
        body: "{}".to_owned(),
    }
}

async fn put(store: &dyn Store, document: Document) -> Result<(), CommitError> {
    let batch = Batch {
        changes: vec![Change::PutDocument(document)],
        ..Batch::default()
    };
    store.commit(batch).await.map(drop)
}

async fn found(store: &dyn Store, filter: DocumentFilter) -> Vec<String> {
    let documents = store.documents(filter).await.unwrap();
    documents.into_iter().map(|document| document.key.id).collect()
}

pub(crate) async fn a_document_is_changed_only_upon_the_revision_that_is_known(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let first = document("acme", "a");
    put(&*store, first.clone()).await.unwrap();
    let second = Document {
        revision: 2,
        status: "claimed".to_owned(),
        rank: -3,
        due_at: Some(Timestamp::from_micros(-7)),
        body: r#"{"é":"😀"}"#.to_owned(),
        ..first.clone()
    };
    put(&*store, second.clone()).await.unwrap();
    let read = store.document(&first.key).await.unwrap();
    assert_eq!(read, Some(second.clone()));
    for (revision, expected) in [(1, 0), (2, 1), (4, 3), (0, 0)] {
        let refused = put(
            &*store,
            Document {
                revision,
                ..second.clone()
            },
        )
        .await
        .unwrap_err();
        let conflict = CommitError::RevisionConflict {
            collection: Collection::Tickets,
            id: "a".to_owned(),
            expected,
            found: 2,
        };
        assert_eq!(refused, conflict);
    }
    let of_nobody = put(&*store, document("nobody", "a")).await.unwrap_err();
    assert!(
        matches!(of_nobody, CommitError::TenantUnknown { .. }),
        "{of_nobody}"
    );
    assert_eq!(store.document(&first.key).await.unwrap(), Some(second));
    assert_eq!(store.document(&key("acme", "b")).await.unwrap(), None);
}

pub(crate) async fn a_document_and_the_event_that_tells_of_it_are_there_together_or_not_at_all(
    store: Arc<dyn Store>,
) {
    add(&*store, &["acme"]).await;
    let batch = |revision| Batch {
        events: vec![event("acme", revision)],
        changes: vec![Change::PutDocument(Document {
            revision,
            ..document("acme", "a")
        })],
        ..Batch::default()
    };
    store.commit(batch(1)).await.unwrap();
    assert!(store.commit(batch(3)).await.is_err());
    assert_eq!(all_of(&*store, "acme").await.len(), 1);
}

pub(crate) async fn documents_are_found_by_status_time_and_rank(store: Arc<dyn Store>) {
    add(&*store, &["acme", "globex"]).await;
    let at = |micros| Some(Timestamp::from_micros(micros));
    let ticket = |tenant: &str, name: &str, status: &str, rank, due_at| Document {
        status: status.to_owned(),
        rank,
        due_at,
        ..document(tenant, name)
    };
    for document in [
        ticket("acme", "1", "open", 5, None),
        ticket("acme", "2", "open", 1, at(10)),
        ticket("acme", "3", "claimed", 0, at(20)),
        ticket("acme", "4", "open", 1, at(30)),
        ticket("globex", "5", "open", 0, None),
        ticket("host", "6", "open", 9, None),
    ] {
        put(&*store, document).await.unwrap();
    }
    let all = DocumentFilter::of(Collection::Tickets);
    assert_eq!(found(&*store, all.clone()).await, ["6", "5", "4", "3", "2", "1"]);
    let of_acme = all.clone().tenant(&tenant("acme"));
    let open = DocumentFilter {
        order: DocumentOrder::Ranked,
        ..of_acme.clone().statuses(["open"])
    };
    assert_eq!(found(&*store, open.clone()).await, ["2", "4", "1"]);
    let behind = DocumentFilter {
        after_rank: Some((1, "2".to_owned())),
        ..open.clone()
    };
    assert_eq!(found(&*store, behind).await, ["4", "1"]);
    let due = DocumentFilter {
        due_by: at(10),
        skip_locked: true,
        ..open
    };
    assert_eq!(found(&*store, due.clone()).await, ["2", "1"]);
    assert_eq!(found(&*store, DocumentFilter { limit: 1, ..due }).await, ["2"]);
    let before = DocumentFilter {
        before_id: Some("3".to_owned()),
        ..of_acme
    };
    assert_eq!(found(&*store, before).await, ["2", "1"]);
    assert!(
        found(&*store, DocumentFilter::of(Collection::Commands))
            .await
            .is_empty()
    );
    let owners = async |statuses: &[&'static str]| {
        let owners = store.owners(Collection::Tickets, statuses).await.unwrap();
        owners
            .into_iter()
            .map(|owner| owner.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(owners(&["claimed", "in_progress"]).await, ["acme"]);
    assert_eq!(owners(&["claimed", "open"]).await, ["acme", "globex", "host"]);
    assert_eq!(owners(&["in_progress"]).await, [""; 0]);
    let commands = store.owners(Collection::Commands, &["open"]).await.unwrap();
    assert!(commands.is_empty(), "{commands:?}");
}

pub(crate) async fn of_many_who_change_a_document_at_once_one_wins(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    put(&*store, document("acme", "a")).await.unwrap();
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..16 {
        let store = Arc::clone(&store);
        tries.spawn(async move {
            let changed = Document {
                revision: 2,
                body: format!("{{\"n\":{n}}}"),
                ..document("acme", "a")
            };
            put(&*store, changed.clone()).await.map(|()| changed)
        });
    }
    let won: Vec<_> = tries
        .join_all()
        .await
        .into_iter()
        .filter_map(Result::ok)
        .collect();
    assert_eq!(won.len(), 1);
    assert_eq!(
        store.document(&key("acme", "a")).await.unwrap(),
        won.into_iter().next()
    );
}
