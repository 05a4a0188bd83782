//! What every store must do, whatever it is made of. A backend runs all of it with one line:
//!
//! ```ignore
//! store_conformance!(fresh_store);    // async fn fresh_store() -> (Arc<dyn Store>, impl Sized)
//! ```
//!
//! Each check gets an empty store of its own. What only one backend can show is tested beside that backend.

pub(crate) mod chains;
pub(crate) mod documents;
pub(crate) mod identities;
pub(crate) mod reading;
pub(crate) mod tenants;
pub(crate) mod values;

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
            chains::a_chain_begins_with_its_genesis_and_goes_on_without_gaps
            chains::what_is_read_back_is_what_was_appended
            chains::a_refused_batch_leaves_nothing_behind
            chains::an_event_appended_twice_is_there_once
            chains::a_key_appended_twice_is_there_once
            chains::a_key_used_for_another_event_is_refused
            chains::keys_of_two_tenants_do_not_meet
            chains::an_expected_sequence_that_is_not_the_end_is_refused
            chains::a_batch_handed_in_again_is_answered_as_before
            tenants::only_tenants_that_exist_have_chains
            tenants::a_disabled_tenant_keeps_its_chain
            tenants::tenants_differ_in_more_than_case
            tenants::a_tenant_comes_back_as_it_was_added
            identities::an_identity_is_bound_only_upon_the_generation_that_is_known
            identities::every_generation_keeps_its_exact_bytes
            values::values_belong_to_one_plugin_and_one_tenant
            values::a_quota_counts_keys_and_values_that_are_there_now
            reading::the_filter_is_part_of_the_query
            reading::pages_meet_without_overlap
            reading::a_filter_of_types_answers_what_the_chain_has_of_them
            chains::many_writers_share_one_gapless_chain
            chains::heads_name_the_end_of_every_chain_with_records
            chains::a_closed_store_says_so
            chains::the_rights_are_as_they_must_be_and_looking_leaves_nothing_behind
            chains::the_end_of_one_chain_is_looked_at_alone
            documents::a_document_is_changed_only_upon_the_revision_that_is_known
            documents::a_document_and_the_event_that_tells_of_it_are_there_together_or_not_at_all
            documents::documents_are_found_by_status_time_and_rank
            documents::of_many_who_change_a_document_at_once_one_wins
        }
    };
    (@each $fresh:path; $($group:ident :: $check:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $check() {
            let (store, _kept) = $fresh().await;
            $crate::store::conformance::$group::$check(store).await;
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
