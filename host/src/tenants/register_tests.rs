//! Tests of the register of tenants.

use super::{super::testing::*, *};

async fn open(store: &Arc<MemoryStore>) -> Tenants {
    let journal = Arc::new(PlainJournal(Arc::clone(store)));
    Tenants::open(Arc::clone(store) as _, journal, Arc::new(StandingClock))
        .await
        .unwrap()
}

fn seed(id: &str) -> TenantSeed {
    TenantSeed {
        id: tenant(id),
        agent_name: None,
    }
}

#[tokio::test]
async fn a_configured_tenant_is_added_once_with_its_canonical_actor_and_its_event() {
    let store = Arc::new(MemoryStore::default());
    let first = open(&store).await;
    first.ensure(vec![seed("acme")], Actor::host()).await.unwrap();
    let again = open(&store).await;
    again.ensure(vec![seed("acme")], Actor::host()).await.unwrap();

    let listed = again.list();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].origin, Origin::Config);
    let canonical: Vec<_> = listed[0].record.actors.iter().filter(|a| a.canonical).collect();
    assert_eq!(canonical.len(), 1);
    assert_eq!(
        (canonical[0].kind.as_str(), canonical[0].name.as_str()),
        ("kora", "acme")
    );

    let told = store.told("host");
    assert_eq!(told.len(), 1, "a second boot tells nothing new");
    assert_eq!(told[0].0, "host.tenant.added");
    assert_eq!(told[0].1["origin"], "config");
    assert_eq!(
        told[0].1["actors"][0]["actor_id"],
        canonical[0].actor_id.to_string()
    );
}

#[tokio::test]
async fn ids_that_differ_only_in_case_are_refused_and_not_made_one() {
    let store = Arc::new(MemoryStore::default());
    let tenants = open(&store).await;
    tenants.add(seed("Acme"), operator()).await.unwrap();
    let error = tenants.add(seed("acme"), operator()).await.unwrap_err();
    assert_eq!(
        error,
        TenantError::Exists {
            asked: tenant("acme"),
            there: tenant("Acme")
        }
    );

    let outcomes = tenants
        .ensure(vec![seed("ACME"), seed("globex")], Actor::host())
        .await
        .unwrap();
    assert!(outcomes[0].1.is_err());
    assert!(outcomes[1].1.is_ok(), "one bad tenant does not stop the others");
    assert!(
        !tenants.is_served(&tenant("acme")),
        "an id in another case is nobody's"
    );
    assert!(tenants.get(&tenant("acme")).is_none());
}

#[tokio::test]
async fn a_disabled_tenant_is_not_served_and_stays_so_after_a_restart() {
    let store = Arc::new(MemoryStore::default());
    let tenants = open(&store).await;
    tenants.ensure(vec![seed("acme")], Actor::host()).await.unwrap();
    tenants.disable(tenant("acme"), operator()).await.unwrap();
    tenants.disable(tenant("acme"), operator()).await.unwrap();
    assert!(!tenants.is_served(&tenant("acme")));

    let again = open(&store).await;
    again.ensure(vec![seed("acme")], Actor::host()).await.unwrap();
    assert!(!again.is_served(&tenant("acme")), "the store wins");
    assert_eq!(again.list().len(), 1, "it is still shown");
    again.enable(tenant("acme"), operator()).await.unwrap();
    assert!(again.is_served(&tenant("acme")));

    let types: Vec<_> = store
        .told("host")
        .into_iter()
        .map(|(event_type, _)| event_type)
        .collect();
    assert_eq!(
        types,
        ["host.tenant.added", "host.tenant.disabled", "host.tenant.enabled"]
    );
}

#[tokio::test]
async fn a_tenant_is_never_there_without_its_event_nor_served_before_it_is_durable() {
    let store = Arc::new(MemoryStore::default());
    let tenants = open(&store).await;
    store.on_next_commit(NextCommit::Fails);
    assert!(tenants.add(seed("acme"), operator()).await.is_err());
    assert!(tenants.list().is_empty() && store.told("host").is_empty());
    assert!(tenants.add(seed("acme"), operator()).await.is_ok());
}

#[tokio::test]
async fn a_tenant_whose_addition_was_answered_with_an_error_but_happened_is_found_again() {
    let store = Arc::new(MemoryStore::default());
    let tenants = open(&store).await;
    store.on_next_commit(NextCommit::HappensAndFails);
    assert!(tenants.add(seed("acme"), operator()).await.is_err());
    let again = tenants.add(seed("acme"), operator()).await;
    assert!(matches!(again, Err(TenantError::Exists { .. })));
    assert!(tenants.is_served(&tenant("acme")));
}

#[tokio::test]
async fn many_who_add_the_same_tenant_at_once_add_it_once() {
    let store = Arc::new(MemoryStore::default());
    let tenants = open(&store).await;
    let mut adding = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let tenants = tenants.clone();
        adding.spawn(async move { tenants.add(seed("acme"), operator()).await.is_ok() });
    }
    let added = adding.join_all().await.into_iter().filter(|added| *added).count();
    assert_eq!((added, store.told("host").len()), (1, 1));
}

#[tokio::test]
async fn changes_to_tenants_that_are_not_there_are_refused() {
    let store = Arc::new(MemoryStore::default());
    let tenants = open(&store).await;
    let error = tenants.disable(tenant("ghost"), operator()).await.unwrap_err();
    assert_eq!(
        error,
        TenantError::Unknown {
            asked: tenant("ghost")
        }
    );
    let named = TenantSeed {
        agent_name: Some("\n".to_owned()),
        ..seed("acme")
    };
    assert_eq!(tenants.add(named, operator()).await, Err(TenantError::Name));
}
