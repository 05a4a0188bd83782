//! Appending: what one chain, and many, must be.

use super::*;

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

pub(crate) async fn the_rights_are_as_they_must_be_and_looking_leaves_nothing_behind(store: Arc<dyn Store>) {
    append(&*store, "host", 2).await;
    let before = (store.heads().await.unwrap(), all_of(&*store, "host").await);
    for _ in 0..2 {
        assert_eq!(store.check_rights().await.unwrap(), None);
    }
    assert_eq!(
        (store.heads().await.unwrap(), all_of(&*store, "host").await),
        before
    );
    let next = one(store.commit(Batch::of(event("host", 3))).await);
    assert_eq!(next.seq, 3, "the chain goes on where it was");
    assert_is_chain(&all_of(&*store, "host").await);
}

pub(crate) async fn the_end_of_one_chain_is_looked_at_alone(store: Arc<dyn Store>) {
    add(&*store, &["acme", "globex"]).await;
    append(&*store, "acme", 3).await;
    for id in ["acme", "globex"] {
        assert_eq!(store.check_tail(&tenant(id), 2).await.unwrap(), None, "{id}");
    }
    assert_eq!(store.check_tail(&TenantId::host(), 2).await.unwrap(), None);
}
