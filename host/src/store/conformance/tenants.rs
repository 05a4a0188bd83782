//! Tenants and their chains.

use super::*;

pub(crate) async fn only_tenants_that_exist_have_chains(store: Arc<dyn Store>) {
    add(&*store, &["Acme"]).await;
    append(&*store, "host", 1).await;
    for unknown in ["nobody", "acme"] {
        let refusal = store.commit(Batch::of(event(unknown, 1))).await.unwrap_err();
        assert_eq!(
            refusal,
            CommitError::TenantUnknown {
                tenant: tenant(unknown)
            }
        );
    }
    let unknown = tenant("nobody");
    let scope = KvScope {
        plugin: "kora".to_owned(),
        tenant: unknown.clone(),
    };
    for change in [
        Change::SetTenantActive {
            tenant: unknown.clone(),
            active: true,
        },
        Change::BindIdentity {
            expected: 0,
            record: generation("nobody", 1, "{}"),
        },
        Change::KvPut {
            scope,
            key: "k".to_owned(),
            value: vec![1],
            quota: 9,
        },
    ] {
        let batch = Batch {
            changes: vec![change],
            ..Batch::default()
        };
        let refusal = store.commit(batch).await.unwrap_err();
        assert_eq!(
            refusal,
            CommitError::TenantUnknown {
                tenant: unknown.clone()
            }
        );
    }
    assert_eq!(store.events(&unknown, EventFilter::default()).await.unwrap(), []);
}

pub(crate) async fn a_disabled_tenant_keeps_its_chain(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    append(&*store, "acme", 1).await;
    let changes = vec![Change::SetTenantActive {
        tenant: tenant("acme"),
        active: false,
    }];
    let batch = Batch {
        changes,
        ..Batch::of(event("acme", 2))
    };
    assert_eq!(one(store.commit(batch).await).seq, 2);
    assert!(!store.tenants().await.unwrap()[0].active);
    append(&*store, "acme", 1).await;
    assert_eq!(all_of(&*store, "acme").await.len(), 3);
}

pub(crate) async fn tenants_differ_in_more_than_case(store: Arc<dyn Store>) {
    add(&*store, &["Acme"]).await;
    for (taken, by) in [("ACME", tenant("Acme")), ("Acme", tenant("Acme"))] {
        let changes = vec![Change::AddTenant(tenant_record(taken))];
        let refusal = store
            .commit(Batch {
                changes,
                ..Batch::default()
            })
            .await
            .unwrap_err();
        assert_eq!(refusal, CommitError::TenantExists { tenant: by });
    }
    let changes = vec![Change::AddTenant(TenantRecord {
        tenant: TenantId::host(),
        ..tenant_record("x")
    })];
    let refusal = store
        .commit(Batch {
            changes,
            ..Batch::default()
        })
        .await
        .unwrap_err();
    assert_eq!(
        refusal,
        CommitError::TenantExists {
            tenant: TenantId::host()
        }
    );
}

pub(crate) async fn a_tenant_comes_back_as_it_was_added(store: Arc<dyn Store>) {
    let mut given = tenant_record("globex");
    given.active = false;
    given.actors.insert(
        0,
        TenantActor {
            canonical: false,
            active: false,
            ..tenant_record("x").actors.remove(0)
        },
    );
    let changes = vec![
        Change::AddTenant(given.clone()),
        Change::AddTenant(tenant_record("Acme")),
    ];
    store
        .commit(Batch {
            changes,
            ..Batch::default()
        })
        .await
        .unwrap();
    let tenants = store.tenants().await.unwrap();
    assert_eq!(
        tenants
            .iter()
            .map(|record| record.tenant.as_str())
            .collect::<Vec<_>>(),
        ["Acme", "globex"]
    );
    assert_eq!(tenants[1], given);
}
