//! Identity generations.

use super::*;

async fn bind(store: &dyn Store, expected: u64, record: GenerationRecord) -> Result<(), CommitError> {
    let changes = vec![Change::BindIdentity { expected, record }];
    store
        .commit(Batch {
            changes,
            ..Batch::default()
        })
        .await
        .map(drop)
}

pub(crate) async fn an_identity_is_bound_only_upon_the_generation_that_is_known(store: Arc<dyn Store>) {
    add(&*store, &["acme", "globex"]).await;
    let conflict = |expected, found| CommitError::GenerationConflict {
        tenant: tenant("acme"),
        expected,
        found,
    };
    assert_eq!(
        bind(&*store, 1, generation("acme", 2, "{}")).await.unwrap_err(),
        conflict(1, 0)
    );
    bind(&*store, 0, generation("acme", 1, "{}")).await.unwrap();
    assert_eq!(
        bind(&*store, 0, generation("acme", 1, "{}")).await.unwrap_err(),
        conflict(0, 1)
    );
    assert_eq!(
        bind(&*store, 1, generation("acme", 7, "{}")).await.unwrap_err(),
        conflict(6, 1)
    );
    bind(&*store, 1, generation("acme", 2, "{}")).await.unwrap();
    bind(&*store, 0, generation("globex", 1, "{}")).await.unwrap();
}

pub(crate) async fn every_generation_keeps_its_exact_bytes(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let first = generation("acme", 1, "{\"soul\":\"\\u0000 é\\n\"}");
    let second = GenerationRecord {
        provider: None,
        plugin_version: None,
        plugin_digest: None,
        ..generation("acme", 2, &format!("{{\"soul\":\"{}\"}}", "x".repeat(200_000)))
    };
    bind(&*store, 0, first.clone()).await.unwrap();
    bind(&*store, 1, second.clone()).await.unwrap();
    let acme = tenant("acme");
    assert_eq!(
        store.generations(&acme, 9).await.unwrap(),
        [second.clone(), first.clone()]
    );
    assert_eq!(store.generations(&acme, 1).await.unwrap(), [second]);
    assert_eq!(store.generation(&acme, 1).await.unwrap(), Some(first));
    assert_eq!(store.generation(&acme, 3).await.unwrap(), None);
}
