//! Who may append what, and what the host sets.

use super::*;
use crate::{
    domain::TenantId,
    engine::vocabulary::NotAllowed,
    events::AppendError,
    store::{Batch, CommitError},
};

#[tokio::test]
async fn actor_source_time_and_generation_are_the_hosts_to_say() {
    let rig = Rig::new();
    rig.log
        .set_generation_of(|tenant: &TenantId| (tenant.as_str() == "acme").then_some(7));
    let sighed = AppendRequest::new(
        id("acme"),
        kind("marvin.sighed"),
        &br#"{ "depth": 1.0 }"#[..],
        marvin(),
    );
    let receipt = rig.log.append(sighed).await.unwrap();
    rig.log.append(deployed("x")).await.unwrap();

    let chain = rig.store.chain("acme");
    assert_eq!(receipt.seq, Some(1));
    assert!(!receipt.pending);
    assert_eq!(receipt.event_id, chain[0].event_id);
    assert_eq!(chain[0].payload, r#"{"depth":1.0}"#);
    assert_eq!(chain[0].actor_kind.as_deref(), Some("plugin"));
    assert_eq!(chain[0].actor_id.as_deref(), Some("marvin"));
    assert_eq!(chain[0].source, format!("marvin@1.2.3#{}", Digest::of(b"marvin")));
    assert_eq!(chain[0].identity_generation, Some(7));
    assert_eq!(chain[0].occurred_at.to_rfc3339_seconds(), "2026-11-20T10:00:00Z");
    assert_eq!(chain[1].actor_kind.as_deref(), Some("operator"));
    assert_eq!(chain[1].actor_id.as_deref(), Some("uid:1000"));
    assert_eq!(chain[1].source, concat!("kora-host@", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn anothers_type_is_refused_whoever_asks() {
    let rig = Rig::new();
    let attempts = [
        ("kora.boot.ready", marvin()),
        ("deploy.finished", marvin()),
        ("marvin.sighed", Writer::operator(0)),
        ("kora.identity.swapped", Writer::operator(0)),
        ("marvin.laughed", marvin()),
        ("kora.boot.ready", Writer::host(Owner::Identity)),
    ];
    for (event_type, writer) in attempts {
        let request = AppendRequest::new(id("acme"), kind(event_type), &b"{}"[..], writer);
        let refused = rig.log.append(request).await.unwrap_err();
        assert!(
            matches!(refused, AppendError::NotAllowed(_)),
            "{event_type}: {refused}"
        );
        assert!(!refused.is_unavailable());
    }
    assert!(rig.store.chain("acme").is_empty());
}

#[tokio::test]
async fn what_the_host_did_for_somebody_names_them() {
    let rig = Rig::new();
    let marvin_himself = marvin().actor().clone();
    let asked = [
        Writer::operator(1000).through(Owner::Identity),
        Writer::host(Owner::Identity).on_behalf_of(&marvin_himself),
    ];
    for writer in asked {
        let swapped = rig
            .log
            .draft_own(&id("acme"), OwnType::IdentitySwapped, &b"{}"[..], &writer)
            .unwrap();
        rig.log.commit(Batch::of(swapped)).await.unwrap();
    }
    let actors: Vec<_> = rig
        .store
        .chain("acme")
        .into_iter()
        .filter_map(|event| event.actor_id)
        .collect();
    assert_eq!(actors, ["uid:1000", "marvin"]);
}

#[tokio::test]
async fn a_plugin_that_left_can_append_no_more() {
    let rig = Rig::new();
    rig.log.retire_plugin_types(&"marvin".parse().unwrap());
    let sighed = AppendRequest::new(id("acme"), kind("marvin.sighed"), &b"{}"[..], marvin());
    let refused = rig.log.append(sighed).await.unwrap_err();
    assert!(
        matches!(
            refused,
            AppendError::NotAllowed(NotAllowed::NotInVocabulary { .. })
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn what_is_no_json_object_is_refused() {
    let rig = Rig::new();
    for payload in ["", "[]", "\"x\"", "{\"a\":}", "{} {}"] {
        let request = AppendRequest {
            payload: payload.as_bytes().into(),
            ..deployed("x")
        };
        let refused = rig.log.append(request).await.unwrap_err();
        assert!(matches!(refused, AppendError::Payload(_)), "{payload}: {refused}");
    }
}

#[tokio::test]
async fn the_same_key_appends_once() {
    let rig = Rig::new();
    let request = AppendRequest {
        idempotency_key: Some("deploy 7".to_owned()),
        ..deployed("x")
    };
    let first = rig.log.append(request.clone()).await.unwrap();
    let second = rig.log.append(request).await.unwrap();
    assert_eq!(first.event_id, second.event_id);
    assert!(second.repeated && !first.repeated);
    assert_eq!(rig.store.chain("acme").len(), 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_with_what_was_found() {
    let rig = Rig::new();
    for key in [String::new(), "x".repeat(129), "a\nb".to_owned(), "ä".to_owned()] {
        let request = AppendRequest {
            idempotency_key: Some(key.clone()),
            ..deployed("x")
        };
        let refused = rig.log.append(request).await.unwrap_err().to_string();
        assert!(
            refused.contains(&format!("one of {} bytes was found", key.len())),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn an_append_that_expects_another_end_of_the_chain_is_refused() {
    let rig = Rig::new();
    let at_the_beginning = AppendRequest {
        expected_seq: Some(0),
        ..deployed("x")
    };
    rig.log.append(at_the_beginning.clone()).await.unwrap();
    let refused = rig.log.append(at_the_beginning).await.unwrap_err();
    let AppendError::Commit(CommitError::SequenceConflict {
        expected: 0,
        found: 1,
        ..
    }) = refused
    else {
        panic!("{refused}");
    };
}

#[tokio::test]
async fn while_the_store_is_away_a_plain_append_is_refused_at_once() {
    let rig = Rig::new();
    rig.store.go_away();
    let refused = rig.log.append(deployed("x")).await.unwrap_err();
    assert!(refused.is_unavailable(), "{refused}");
    assert_eq!(rig.log.waiting_entries(), 0);
}
