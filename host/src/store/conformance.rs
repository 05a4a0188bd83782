//! What every store must do, whatever it is made of. A backend runs all of it with one line:
//!
//! ```ignore
//! store_conformance!(fresh_store);    // async fn fresh_store() -> (Arc<dyn Store>, impl Sized)
//! ```
//!
//! Each check gets an empty store of its own. What only one backend can show is tested beside that backend.

use std::{collections::HashSet, sync::Arc};

use uuid::Uuid;

use super::{
    Appended, Batch, Change, CommitError, EventFilter, GenerationRecord, KvScope, Order, Store, StoreError,
    StoreHealth,
};
use crate::{
    domain::{
        Actor, ActorKind, Digest, Event, EventId, NewEvent, TenantActor, TenantId, TenantRecord, Timestamp,
    },
    engine::{
        chain::{self, Record, RecordHasher},
        payload,
    },
};

macro_rules! store_conformance {
    ($fresh:path) => {
        $crate::store::conformance::store_conformance! { @each $fresh;
            a_chain_begins_with_its_genesis_and_goes_on_without_gaps
            what_is_read_back_is_what_was_appended
            a_refused_batch_leaves_nothing_behind
            an_event_appended_twice_is_there_once
            a_key_appended_twice_is_there_once
            a_key_used_for_another_event_is_refused
            keys_of_two_tenants_do_not_meet
            an_expected_sequence_that_is_not_the_end_is_refused
            a_batch_handed_in_again_is_answered_as_before
            only_tenants_that_exist_have_chains
            a_disabled_tenant_keeps_its_chain
            tenants_differ_in_more_than_case
            a_tenant_comes_back_as_it_was_added
            an_identity_is_bound_only_upon_the_generation_that_is_known
            every_generation_keeps_its_exact_bytes
            values_belong_to_one_plugin_and_one_tenant
            a_quota_counts_keys_and_values_that_are_there_now
            the_filter_is_part_of_the_query
            pages_meet_without_overlap
            many_writers_share_one_gapless_chain
            heads_name_the_end_of_every_chain_with_records
            a_closed_store_says_so
        }
    };
    (@each $fresh:path; $($check:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $check() {
            let (store, _kept) = $fresh().await;
            $crate::store::conformance::$check(store).await;
        })*
    };
}
pub(crate) use store_conformance;

/// A tenant's id.
pub(crate) fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// A tenant with one actor.
pub(crate) fn tenant_record(id: &str) -> TenantRecord {
    TenantRecord {
        tenant: tenant(id),
        active: true,
        created_at: Timestamp::from_micros(1_700_000_000_000_000),
        actors: vec![TenantActor {
            actor_id: Uuid::now_v7(),
            kind: "kora".to_owned(),
            name: "Kora".to_owned(),
            active: true,
            canonical: true,
        }],
    }
}

/// An event of the tenant `id` with the payload `{"n":n}`.
pub(crate) fn event(id: &str, n: u64) -> NewEvent {
    NewEvent {
        tenant: if id == "host" {
            TenantId::host()
        } else {
            tenant(id)
        },
        event_id: EventId::new(),
        event_type: "kora.test.happened".parse().unwrap(),
        occurred_at: Timestamp::from_micros(1_700_000_000_000_000 + i64::try_from(n).unwrap()),
        actor: Actor {
            kind: ActorKind::Operator,
            id: Some("uid:0".to_owned()),
        },
        source: "kora-host@0.1.0".to_owned(),
        identity_generation: Some(n),
        idempotency_key: None,
        payload: payload::normalise(format!("{{\"n\":{n}}}").as_bytes()).unwrap(),
    }
}

/// Adds tenants.
pub(crate) async fn add(store: &dyn Store, ids: &[&str]) {
    let changes = ids
        .iter()
        .map(|id| Change::AddTenant(tenant_record(id)))
        .collect();
    let batch = Batch {
        changes,
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
}

/// Appends `count` events to a tenant, one batch each.
pub(crate) async fn append(store: &dyn Store, id: &str, count: u64) {
    for n in 1..=count {
        store.commit(Batch::of(event(id, n))).await.unwrap();
    }
}

fn one(appended: Result<Vec<Appended>, CommitError>) -> Appended {
    let mut appended = appended.unwrap();
    assert_eq!(appended.len(), 1);
    appended.remove(0)
}

fn with_key(event: NewEvent, key: &str) -> NewEvent {
    NewEvent {
        idempotency_key: Some(key.to_owned()),
        ..event
    }
}

async fn all_of(store: &dyn Store, id: &str) -> Vec<Event> {
    let filter = EventFilter {
        limit: u32::MAX,
        order: Order::OldestFirst,
        ..EventFilter::default()
    };
    store.events(&event(id, 0).tenant, filter).await.unwrap()
}

fn assert_is_chain(events: &[Event]) {
    let Some(first) = events.first() else { return };
    let mut hasher = RecordHasher::new();
    let mut expected = (1, chain::genesis(first.tenant.as_str()));
    for event in events {
        assert_eq!((event.seq, event.prev_hash), expected);
        assert_eq!(
            hasher.hash(event.prev_hash.as_bytes(), &Record::of(event)),
            event.this_hash
        );
        expected = (event.seq + 1, event.this_hash);
    }
}

pub(crate) async fn a_chain_begins_with_its_genesis_and_goes_on_without_gaps(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let first = one(store.commit(Batch::of(event("acme", 1))).await);
    assert_eq!((first.seq, first.repeated), (1, false));
    let more = Batch {
        events: vec![event("acme", 2), event("host", 1), event("acme", 3)],
        ..Batch::default()
    };
    let seqs: Vec<_> = store
        .commit(more)
        .await
        .unwrap()
        .iter()
        .map(|appended| appended.seq)
        .collect();
    assert_eq!(seqs, [2, 1, 3]);
    for id in ["acme", "host"] {
        assert_is_chain(&all_of(&*store, id).await);
    }
    assert_eq!(store.check_tails(2).await.unwrap(), None);
}

pub(crate) async fn what_is_read_back_is_what_was_appended(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let text = r#"{"é\u00e9":"\/ 😀","z":1.0E+2,"a":[-0,18446744073709551615]}"#;
    let given = NewEvent {
        idempotency_key: Some("a\0key".to_owned()),
        identity_generation: None,
        actor: Actor::host(),
        occurred_at: Timestamp::from_micros(-5),
        payload: payload::normalise(text.as_bytes()).unwrap(),
        ..event("acme", 1)
    };
    let appended = one(store.commit(Batch::of(given.clone())).await);
    let read = store.event(given.event_id).await.unwrap().unwrap();
    let expected = Event {
        tenant: given.tenant.clone(),
        seq: 1,
        event_id: given.event_id,
        event_type: "kora.test.happened".to_owned(),
        occurred_at: given.occurred_at,
        actor_kind: Some("host".to_owned()),
        actor_id: None,
        source: given.source.clone(),
        identity_generation: None,
        idempotency_key: given.idempotency_key.clone(),
        payload: text.to_owned(),
        prev_hash: chain::genesis("acme"),
        this_hash: appended.this_hash,
    };
    assert_eq!(read, expected);
    assert_eq!(store.event(EventId::new()).await.unwrap(), None);
}

pub(crate) async fn a_refused_batch_leaves_nothing_behind(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let batch = Batch {
        changes: vec![
            Change::AddTenant(tenant_record("globex")),
            Change::SetTenantActive {
                tenant: tenant("acme"),
                active: false,
            },
        ],
        events: vec![event("globex", 1), event("acme", 1), event("nobody", 1)],
        expected_seq: None,
    };
    let refusal = store.commit(batch).await.unwrap_err();
    assert_eq!(
        refusal,
        CommitError::TenantUnknown {
            tenant: tenant("nobody")
        }
    );
    let tenants = store.tenants().await.unwrap();
    assert_eq!(tenants.len(), 1);
    assert!(tenants[0].active);
    assert_eq!(store.heads().await.unwrap(), []);
    append(&*store, "acme", 1).await;
    assert_is_chain(&all_of(&*store, "acme").await);
}

pub(crate) async fn an_event_appended_twice_is_there_once(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let twice = event("acme", 1);
    let first = one(store.commit(Batch::of(twice.clone())).await);
    append(&*store, "acme", 1).await;
    let again = one(store.commit(Batch::of(twice.clone())).await);
    assert_eq!(
        again,
        Appended {
            repeated: true,
            ..first
        }
    );
    assert_eq!(all_of(&*store, "acme").await.len(), 2);

    let in_one = event("acme", 3);
    let batch = Batch {
        events: vec![in_one.clone(), in_one],
        ..Batch::default()
    };
    let appended = store.commit(batch).await.unwrap();
    assert_eq!((appended[0].repeated, appended[1].repeated), (false, true));

    let other = NewEvent {
        event_id: twice.event_id,
        ..event("acme", 9)
    };
    let conflict = store.commit(Batch::of(other)).await.unwrap_err();
    assert_eq!(
        conflict,
        CommitError::IdempotencyConflict {
            event_id: twice.event_id
        }
    );
}

pub(crate) async fn a_key_appended_twice_is_there_once(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let first = one(store.commit(Batch::of(with_key(event("acme", 1), "key"))).await);
    let second = Batch {
        expected_seq: Some((tenant("acme"), 0)),
        ..Batch::of(with_key(event("acme", 1), "key"))
    };
    assert_eq!(
        one(store.commit(second).await),
        Appended {
            repeated: true,
            ..first
        }
    );
    assert_eq!(all_of(&*store, "acme").await.len(), 1);
}

pub(crate) async fn a_key_used_for_another_event_is_refused(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let first = one(store.commit(Batch::of(with_key(event("acme", 1), "key"))).await);
    let conflict = CommitError::IdempotencyConflict {
        event_id: first.event_id,
    };
    let other_payload = with_key(event("acme", 2), "key");
    let other_type = NewEvent {
        event_type: "kora.test.other".parse().unwrap(),
        ..with_key(event("acme", 1), "key")
    };
    for other in [other_payload, other_type] {
        assert_eq!(store.commit(Batch::of(other)).await.unwrap_err(), conflict);
    }
}

pub(crate) async fn keys_of_two_tenants_do_not_meet(store: Arc<dyn Store>) {
    add(&*store, &["acme", "globex"]).await;
    for id in ["acme", "globex"] {
        assert!(!one(store.commit(Batch::of(with_key(event(id, 1), "key"))).await).repeated);
    }
}

pub(crate) async fn an_expected_sequence_that_is_not_the_end_is_refused(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let expecting = |seq| Batch {
        expected_seq: Some((tenant("acme"), seq)),
        ..Batch::of(event("acme", 1))
    };
    assert_eq!(one(store.commit(expecting(0)).await).seq, 1);
    let conflict = CommitError::SequenceConflict {
        tenant: tenant("acme"),
        expected: 0,
        found: 1,
    };
    assert_eq!(store.commit(expecting(0)).await.unwrap_err(), conflict);
    assert_eq!(one(store.commit(expecting(1)).await).seq, 2);
}

pub(crate) async fn a_batch_handed_in_again_is_answered_as_before(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let batch = Batch {
        events: vec![event("acme", 1), event("host", 2)],
        changes: vec![Change::BindIdentity {
            expected: 0,
            record: generation("acme", 1, "{}"),
        }],
        expected_seq: Some((tenant("acme"), 0)),
    };
    let first = store.commit(batch.clone()).await.unwrap();
    let again = store.commit(batch).await.unwrap();
    let expected: Vec<_> = first
        .into_iter()
        .map(|appended| Appended {
            repeated: true,
            ..appended
        })
        .collect();
    assert_eq!(again, expected);
    assert_eq!(store.generations(&tenant("acme"), 9).await.unwrap().len(), 1);
}

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

/// An identity generation whose snapshot is `snapshot`.
pub(crate) fn generation(id: &str, generation: u64, snapshot: &str) -> GenerationRecord {
    GenerationRecord {
        tenant: tenant(id),
        generation,
        provider: Some("marvin/marvin".parse().unwrap()),
        plugin_version: Some("1.2.3".to_owned()),
        plugin_digest: Some(Digest::of(b"library")),
        snapshot_hash: Digest::of(snapshot.as_bytes()),
        snapshot: snapshot.to_owned(),
        event_id: EventId::new(),
        created_at: Timestamp::from_micros(7),
    }
}

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

pub(crate) async fn the_filter_is_part_of_the_query(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let types = [
        "kora.boot.ready",
        "korax.boot.ready",
        "kora.bootx.ready",
        "kora_control.stop.issued",
    ];
    for event_type in types.iter().chain(&types) {
        let event = NewEvent {
            event_type: event_type.parse().unwrap(),
            ..event("acme", 1)
        };
        store.commit(Batch::of(event)).await.unwrap();
    }
    let read = async |prefixes: &[&str], limit| -> Vec<u64> {
        let prefixes = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
        let filter = EventFilter {
            prefixes,
            limit,
            ..EventFilter::default()
        };
        let events = store.events(&tenant("acme"), filter).await.unwrap();
        events.iter().map(|event| event.seq).collect()
    };
    assert_eq!(read(&["kora", "kora_control"], 50).await, [8, 7, 5, 4, 3, 1]);
    assert_eq!(read(&["kora.boot"], 50).await, [5, 1]);
    assert_eq!(read(&["kora.boot.ready"], 1).await, [5]);
    assert_eq!(read(&["kor"], 50).await, [0; 0]);
    assert_eq!(read(&[], 3).await, [8, 7, 6]);
}

pub(crate) async fn pages_meet_without_overlap(store: Arc<dyn Store>) {
    add(&*store, &["acme", "globex"]).await;
    append(&*store, "globex", 3).await;
    append(&*store, "acme", 5).await;
    let read = async |after_seq, before_seq, order| -> Vec<u64> {
        let filter = EventFilter {
            after_seq,
            before_seq,
            order,
            limit: 2,
            ..EventFilter::default()
        };
        let events = store.events(&tenant("acme"), filter).await.unwrap();
        events.iter().map(|event| event.seq).collect()
    };
    assert_eq!(read(None, None, Order::NewestFirst).await, [5, 4]);
    assert_eq!(read(None, Some(4), Order::NewestFirst).await, [3, 2]);
    assert_eq!(read(None, Some(2), Order::NewestFirst).await, [1]);
    assert_eq!(read(Some(0), None, Order::OldestFirst).await, [1, 2]);
    assert_eq!(read(Some(2), None, Order::OldestFirst).await, [3, 4]);
    assert_eq!(read(Some(2), Some(4), Order::OldestFirst).await, [3]);
    assert_eq!(read(Some(5), None, Order::OldestFirst).await, [0; 0]);
    assert_eq!(
        read(Some(u64::MAX), Some(u64::MAX), Order::NewestFirst).await,
        [0; 0]
    );
}

pub(crate) async fn many_writers_share_one_gapless_chain(store: Arc<dyn Store>) {
    const WRITERS: u64 = 32;
    const EACH: u64 = 20;
    add(&*store, &["acme"]).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for n in 0..EACH {
                    // Refused ones in the same groups must not spoil the others.
                    if n % 5 == 0 {
                        store.commit(Batch::of(event("nobody", 1))).await.unwrap_err();
                    }
                    let appended = one(store.commit(Batch::of(event("acme", writer * EACH + n))).await);
                    answers.push((appended.seq, appended.event_id));
                }
                answers
            })
        })
        .collect();
    let mut answers = HashSet::new();
    for writer in writers {
        answers.extend(writer.await.unwrap());
    }
    let events = all_of(&*store, "acme").await;
    assert_is_chain(&events);
    assert_eq!(events.len() as u64, WRITERS * EACH);
    assert_eq!(
        answers,
        events.iter().map(|event| (event.seq, event.event_id)).collect()
    );
}

pub(crate) async fn heads_name_the_end_of_every_chain_with_records(store: Arc<dyn Store>) {
    add(&*store, &["globex", "acme", "empty"]).await;
    append(&*store, "globex", 1).await;
    append(&*store, "acme", 2).await;
    let heads = store.heads().await.unwrap();
    assert_eq!(
        heads
            .iter()
            .map(|head| (head.tenant.as_str(), head.seq))
            .collect::<Vec<_>>(),
        [("acme", 2), ("globex", 1)]
    );
    assert_eq!(heads[0].hash, all_of(&*store, "acme").await[1].this_hash);
}

pub(crate) async fn a_closed_store_says_so(store: Arc<dyn Store>) {
    assert_eq!(store.health(), StoreHealth::Available);
    let queued = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit(Batch::of(event("host", 1))).await }
    });
    store.close().await;
    store.close().await;
    match queued.await.unwrap() {
        Ok(appended) => assert_eq!(appended[0].seq, 1),
        Err(error) => assert_eq!(error, StoreError::Closed.into()),
    }
    assert_eq!(store.health(), StoreHealth::Closed);
    assert_eq!(store.heads().await.unwrap_err(), StoreError::Closed);
    let refusal = store.commit(Batch::of(event("host", 2))).await.unwrap_err();
    assert_eq!(refusal, CommitError::Store(StoreError::Closed));
}
