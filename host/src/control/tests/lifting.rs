//! What lifts a command, and what does not.

use super::*;

fn blockers(refused: StateChangeError) -> Vec<(String, String)> {
    let StateChangeError::Blocked { blocked_by } = refused else {
        panic!("{refused}");
    };
    blocked_by.into_iter().map(|it| (it.what, it.detail)).collect()
}

#[tokio::test]
async fn fault_n_a_pause_by_a_command_is_held_by_it_until_a_reset() {
    let rig = Rig::new().await;
    let issued = rig.stop(Level::L2).await;
    let blocked_by = blockers(rig.resume(&acme()).await.unwrap_err());
    assert_eq!(blocked_by.len(), 1);
    assert_eq!(blocked_by[0].0, "drain");
    let id = issued.command.record.command_id.to_string();
    assert!(blocked_by[0].1.contains(&id), "{blocked_by:?}");

    let reset = rig.stop(Level::L0).await;
    assert_eq!(reset.superseded, [issued.command.record.command_id]);
    assert_eq!(rig.state(&acme()), PrimaryState::Paused, "a reset resumes nobody");
    rig.resume(&acme()).await.unwrap();
    let now = rig.states.current(&acme()).unwrap();
    assert_eq!(now.state.primary_state, PrimaryState::Ready);
    assert!(now.state.reasons_sorted().is_empty());
    assert_eq!(rig.controls.book().pre_claim(&acme()).await, Ok(()));
    assert_eq!(
        rig.told("acme"),
        [
            "issued 2",
            "acknowledged 2",
            "enforced 2",
            "superseded 2",
            "enforced 0"
        ]
    );
}

#[tokio::test]
async fn all_that_holds_a_tenant_is_said_at_once() {
    let rig = Rig::new().await;
    rig.stop(Level::L1).await;
    rig.give(on_host(Level::L3)).await;
    let what: Vec<_> = blockers(rig.resume(&acme()).await.unwrap_err())
        .into_iter()
        .map(|(what, _)| what)
        .collect();
    assert_eq!(what, ["pause", "abort"]);
    rig.stop(Level::L0).await;
    assert_eq!(blockers(rig.resume(&acme()).await.unwrap_err()).len(), 1);
    rig.give(on_host(Level::L0)).await;
    rig.resume(&acme()).await.unwrap();
    rig.resume(&globex()).await.unwrap();
}

#[tokio::test]
async fn a_reset_clears_all_or_nothing() {
    let rig = Rig::new().await;
    for level in [Level::L1, Level::L3, Level::L2] {
        rig.stop(level).await;
    }
    rig.store.on_next_commit(NextCommit::Fails);
    rig.controls.issue(order(Level::L0)).await.unwrap_err();
    assert!(rig.resume(&acme()).await.is_err());
    let in_force = rig.controls.book().in_force(&acme()).await.unwrap();
    assert_eq!(in_force[0].level, Level::L3);

    assert_eq!(rig.stop(Level::L0).await.superseded.len(), 3);
    rig.resume(&acme()).await.unwrap();
    assert!(
        rig.stop(Level::L0).await.superseded.is_empty(),
        "there is nothing left"
    );
}

#[tokio::test]
async fn a_reset_clears_more_than_fit_into_one_batch() {
    let rig = Rig::new().await;
    let one = rig.stop(Level::L1).await.command;
    for sequence in 2..=1_100 {
        let mut more = one.clone();
        more.record.sequence = sequence;
        let document = book::written(&more, 1);
        rig.store
            .contents()
            .documents
            .insert(document.key.clone(), document);
    }
    assert_eq!(rig.stop(Level::L0).await.superseded.len(), 1_100);
    assert!(rig.controls.book().in_force(&acme()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_command_that_has_expired_holds_nothing_whether_or_not_it_is_marked() {
    let rig = Rig::new().await;
    rig.give(StopOrder {
        expires_in: Some(Duration::from_secs(60)),
        ..order(Level::L2)
    })
    .await;
    rig.clock.pass(59);
    rig.controls.round().await;
    assert!(rig.resume(&acme()).await.is_err());
    rig.clock.pass(1);
    assert_eq!(rig.controls.book().pre_claim(&acme()).await, Ok(()));
    rig.controls.round().await;
    assert_eq!(rig.lifecycles(&acme()).await, [(Level::L2, Lifecycle::Expired)]);
    assert_eq!(rig.told("acme").last().unwrap(), "expired 2");
    assert_eq!(rig.state(&acme()), PrimaryState::Paused);
    rig.resume(&acme()).await.unwrap();
    rig.controls.round().await;
    assert_eq!(rig.state(&acme()), PrimaryState::Ready);
}

#[tokio::test]
async fn a_command_in_force_holds_its_tenant_after_a_restart() {
    for (level, held) in [
        (Level::L1, PrimaryState::Paused),
        (Level::L4, PrimaryState::Stopped),
    ] {
        let rig = Rig::new().await;
        rig.stop(level).await;
        let rig = rig.restarted("second run").await;
        assert_eq!(rig.state(&acme()), held);
        assert_eq!(rig.state(&globex()), PrimaryState::Ready);
        assert!(rig.controls.book().pre_claim(&acme()).await.is_err());
        rig.stop(Level::L0).await;
        let rig = rig.restarted("third run").await;
        let expected = match held {
            // A pause outlives its reason until somebody resumes it; `stopped` ends with the process.
            PrimaryState::Paused => PrimaryState::Paused,
            _ => PrimaryState::Ready,
        };
        assert_eq!(rig.state(&acme()), expected);
    }
}

#[tokio::test]
async fn a_tenant_that_got_loose_is_held_again_by_the_next_round() {
    let rig = Rig::new().await;
    rig.stop(Level::L2).await;
    // A host that does not know of commands shares the store.
    let home = TempDir::new().unwrap();
    let other = Rig::on(
        Arc::new(MemoryStore::with_tenants(&["acme", "globex"])),
        rig.clock.clone(),
        "other",
        home,
    )
    .await;
    let command = rig.store.contents().documents.clone();
    other.store.contents().documents = command;
    assert_eq!(other.state(&acme()), PrimaryState::Ready);
    other.controls.round().await;
    assert_eq!(other.state(&acme()), PrimaryState::Paused);
    assert_eq!(other.state(&globex()), PrimaryState::Ready);
}
