//! What a command does when it is given.

use super::*;

#[tokio::test]
async fn l1_to_l3_pause_a_tenant_and_l4_and_l5_stop_it() {
    for level in [Level::L1, Level::L2, Level::L3, Level::L4, Level::L5] {
        let rig = Rig::new().await;
        let issued = rig.stop(level).await;
        let expected = if level < Level::L4 {
            PrimaryState::Paused
        } else {
            PrimaryState::Stopped
        };
        assert_eq!(rig.state(&acme()), expected, "{level}");
        assert_eq!(rig.state(&globex()), PrimaryState::Ready, "{level}");
        assert_eq!(issued.command.lifecycle, Lifecycle::Enforced);
        assert_eq!(
            issued.foreseen,
            [Foreseen {
                tenant: acme(),
                from: PrimaryState::Ready,
                to: expected
            }]
        );
        let revoked = if level == Level::L5 {
            vec![acme()]
        } else {
            Vec::new()
        };
        assert_eq!(*rig.tokens.0.lock().unwrap(), revoked, "{level}");
        let history = rig.states.history(&acme(), 1).unwrap();
        assert_eq!(
            (history[0].trigger.as_str(), history[0].trigger_kind),
            (
                format!("STOP-KORA {level}: the disk smells").as_str(),
                TriggerKind::StopCommand
            )
        );
    }
}

#[tokio::test]
async fn the_chain_tells_what_became_of_a_command_and_who_gave_it() {
    let rig = Rig::new().await;
    let issued = rig.stop(Level::L2).await;
    assert_eq!(rig.told("acme"), ["issued 2", "acknowledged 2", "enforced 2"]);
    let chain = rig.store.told("acme");
    let (_, enforced) = chain.last().unwrap();
    assert_eq!(
        enforced["command_id"],
        issued.command.record.command_id.to_string()
    );
    for (field, expected) in [
        ("kind", "drain"),
        ("action", "drain_current_finish"),
        ("lifecycle_state", "enforced"),
        ("reason", "the disk smells"),
    ] {
        assert_eq!(enforced[field], expected, "{enforced}");
    }
    assert_eq!(enforced["issuer"]["id"], "uid:1000");
    let paused = rig.store.chain("acme").into_iter();
    let mut paused = paused.filter(|event| event.payload.contains("STOP-KORA"));
    assert_eq!(paused.next().unwrap().actor_id.as_deref(), Some("uid:1000"));
}

#[tokio::test]
async fn what_is_blocked_depends_on_the_level_and_is_told_with_the_command() {
    let rig = Rig::new().await;
    let book = rig.controls.book();
    assert_eq!(book.pre_claim(&acme()).await, Ok(()));
    let pause = rig.stop(Level::L1).await;
    let block = book.pre_claim(&acme()).await.unwrap_err();
    assert_eq!(block.command_id, Some(pause.command.record.command_id));
    assert_eq!(book.pre_tool_call(&acme()).await, Ok(()));

    rig.stop(Level::L3).await;
    let first = rig.give(order(Level::L3)).await.command.record.sequence;
    assert_eq!(first, 3, "the sequence counts for each tenant");
    let block = book.pre_tool_call(&acme()).await.unwrap_err();
    let wire = serde_json::to_value(&block).unwrap();
    assert_eq!(
        (&wire["block_kind"], &wire["stop_kora_action"]),
        (&"stop_kora".into(), &"abort_release_claim".into())
    );
    let error = wire["error"].as_str().unwrap();
    assert!(error.contains("kora state reset --tenant acme"), "{error}");
    assert!(!error.contains("smells"), "a reason is for the chain: {error}");
    assert_eq!(book.pre_claim(&globex()).await, Ok(()));
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let rig = Rig::new().await;
    rig.stop(Level::L1).await;
    let before = rig.store.contents().clone();
    let mut foreseen = Vec::new();
    for tenant in [acme(), TenantId::host()] {
        for level in [Level::L2, Level::L4] {
            let issued = rig
                .give(StopOrder {
                    tenant: tenant.clone(),
                    dry_run: true,
                    ..order(level)
                })
                .await;
            let changes = issued.foreseen.iter();
            let changes = changes.map(|it| format!("{} {}-{}", it.tenant, it.from, it.to));
            foreseen.push(changes.collect::<Vec<_>>().join(", "));
        }
    }
    assert_eq!(
        foreseen,
        [
            "acme paused-paused",
            "acme paused-stopped",
            "acme paused-paused, globex ready-paused",
            ""
        ]
    );
    let reset = StopOrder {
        dry_run: true,
        ..order(Level::L0)
    };
    assert_eq!(rig.give(reset).await.superseded.len(), 1);
    assert_eq!(rig.store.contents().documents, before.documents);
    assert_eq!(rig.store.contents().events, before.events);
    assert_eq!(rig.state(&globex()), PrimaryState::Ready);
    assert!(rig.exit.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_bad_reason_or_expiry_is_refused_before_anything_is_written() {
    let rig = Rig::new().await;
    let bad = [
        StopOrder {
            reason: " ".to_owned(),
            ..order(Level::L2)
        },
        StopOrder {
            reason: "x".repeat(901),
            ..order(Level::L2)
        },
        StopOrder {
            expires_in: Some(Duration::ZERO),
            ..order(Level::L2)
        },
    ];
    for order in bad {
        rig.controls.issue(order).await.unwrap_err();
    }
    assert!(rig.store.contents().documents.is_empty());
}

#[tokio::test]
async fn two_hosts_on_one_store_give_each_command_a_place_of_its_own() {
    let rig = Rig::new().await;
    let home = TempDir::new().unwrap();
    let other = Rig::on(rig.store.clone(), rig.clock.clone(), "other host", home).await;
    let (here, there) = tokio::join!(
        async {
            for _ in 0..4 {
                rig.stop(Level::L1).await;
            }
        },
        async {
            for _ in 0..4 {
                other.stop(Level::L2).await;
            }
        }
    );
    assert_eq!((here, there), ((), ()));
    let listing = rig.controls.list(&acme()).await.unwrap();
    let mut places: Vec<_> = commands(&listing.history)
        .map(|command| command.record.sequence)
        .collect();
    places.sort_unstable();
    assert_eq!(places, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(commands(&listing.history).all(|command| command.lifecycle == Lifecycle::Enforced));
}

#[tokio::test]
async fn the_list_shows_the_one_that_counts_first() {
    let rig = Rig::new().await;
    rig.stop(Level::L1).await;
    rig.give(on_host(Level::L2)).await;
    rig.stop(Level::L3).await;
    let listing = rig.controls.list(&acme()).await.unwrap();
    let levels = |entries: &[Entry]| commands(entries).map(Command::level).collect::<Vec<_>>();
    assert_eq!(levels(&listing.active), [Level::L3, Level::L2, Level::L1]);
    assert_eq!(levels(&listing.history), [Level::L3, Level::L1]);
    assert_eq!(levels(&listing.recently_enforced), [Level::L3, Level::L1]);
    rig.stop(Level::L0).await;
    let listing = rig.controls.list(&acme()).await.unwrap();
    assert_eq!(levels(&listing.active), [Level::L2]);
    assert_eq!(levels(&listing.recently_enforced), [Level::L0]);
}
