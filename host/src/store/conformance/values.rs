//! Plugins' values.

use super::*;

async fn put(
    store: &dyn Store,
    scope: &KvScope,
    key: &str,
    value: &[u8],
    quota: u64,
) -> Result<(), CommitError> {
    let (scope, key, value) = (scope.clone(), key.to_owned(), value.to_vec());
    let changes = vec![Change::KvPut {
        scope,
        key,
        value,
        quota,
    }];
    store
        .commit(Batch {
            changes,
            ..Batch::default()
        })
        .await
        .map(drop)
}

pub(crate) async fn values_belong_to_one_plugin_and_one_tenant(store: Arc<dyn Store>) {
    add(&*store, &["acme", "globex"]).await;
    let scope = |plugin: &str, id| KvScope {
        plugin: plugin.to_owned(),
        tenant: tenant(id),
    };
    let (mine, theirs, elsewhere) = (
        scope("kora", "acme"),
        scope("marvin", "acme"),
        scope("kora", "globex"),
    );
    for key in ["a", "a/1", "a/2", "a0", "b"] {
        put(&*store, &mine, key, b"\0\xff", 100).await.unwrap();
    }
    put(&*store, &theirs, "a", b"", 100).await.unwrap();
    assert_eq!(store.kv_get(&mine, "a").await.unwrap(), Some(b"\0\xff".to_vec()));
    assert_eq!(store.kv_get(&theirs, "a").await.unwrap(), Some(Vec::new()));
    assert_eq!(store.kv_get(&elsewhere, "a").await.unwrap(), None);
    let (keys, bytes) = store.kv_list(&mine, "a/").await.unwrap();
    assert_eq!(
        (keys, bytes),
        (
            vec!["a/1".to_owned(), "a/2".to_owned()],
            5 * 2 + 1 + 3 + 3 + 2 + 1
        )
    );
    assert_eq!(store.kv_list(&elsewhere, "").await.unwrap(), (Vec::new(), 0));
}

pub(crate) async fn a_quota_counts_keys_and_values_that_are_there_now(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let scope = KvScope {
        plugin: "kora".to_owned(),
        tenant: tenant("acme"),
    };
    put(&*store, &scope, "key", &[0; 7], 10).await.unwrap();
    let refusal = put(&*store, &scope, "k", b"", 10).await.unwrap_err();
    assert_eq!(refusal, CommitError::QuotaExceeded { quota: 10, used: 10 });
    put(&*store, &scope, "key", &[1; 6], 10).await.unwrap();
    put(&*store, &scope, "k", b"", 10).await.unwrap();
    let delete = |key: &str| Batch {
        changes: vec![Change::KvDelete {
            scope: scope.clone(),
            key: key.to_owned(),
        }],
        ..Batch::default()
    };
    store.commit(delete("key")).await.unwrap();
    store.commit(delete("key")).await.unwrap();
    assert_eq!(
        store.kv_list(&scope, "").await.unwrap(),
        (vec!["k".to_owned()], 1)
    );
    assert_eq!(store.kv_get(&scope, "key").await.unwrap(), None);
}
