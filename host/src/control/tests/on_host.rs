//! Commands on the host.

use super::*;

#[tokio::test]
async fn l1_to_l3_on_the_host_pause_every_tenant() {
    for level in [Level::L1, Level::L2, Level::L3] {
        let rig = Rig::new().await;
        let issued = rig.give(on_host(level)).await;
        assert_eq!(issued.foreseen.len(), 2);
        for tenant in [acme(), globex()] {
            assert_eq!(rig.state(&tenant), PrimaryState::Paused);
            assert!(rig.controls.book().pre_claim(&tenant).await.is_err());
        }
        assert_eq!(rig.told("acme"), [""; 0], "it is told in the host's chain");
        assert_eq!(rig.told("host").len(), 3);
        assert!(rig.exit.0.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn l4_on_the_host_ends_it_in_order_and_the_next_one_runs() {
    for level in [Level::L4, Level::L5] {
        let rig = Rig::new().await;
        let issued = rig.give(on_host(level)).await;
        assert_eq!(issued.command.lifecycle, Lifecycle::Enforcing);
        let asked = rig.exit.0.lock().unwrap().clone();
        assert_eq!(asked.len(), 1);
        assert!(
            asked[0].contains(&level.to_string()) && !asked[0].contains("smells"),
            "{asked:?}"
        );
        assert!(
            rig.controls.book().pre_claim(&acme()).await.is_err(),
            "while it ends"
        );
        let revoked = if level == Level::L5 {
            vec![TenantId::host()]
        } else {
            Vec::new()
        };
        assert_eq!(*rig.tokens.0.lock().unwrap(), revoked, "{level}");
        assert_eq!(rig.state(&acme()), PrimaryState::Ready);
        rig.controls.exited().await;
        assert!(rig.told("host").last().unwrap().starts_with("enforced"));

        let rig = rig.restarted("second run").await;
        assert_eq!(rig.state(&acme()), PrimaryState::Ready);
        assert_eq!(rig.controls.book().pre_claim(&acme()).await, Ok(()));
        rig.controls.round().await;
        assert!(rig.exit.0.lock().unwrap().is_empty());
        assert!(
            rig.tokens.0.lock().unwrap().is_empty(),
            "tokens of the new run are left alone"
        );
        assert_eq!(rig.told("host").len(), 3, "nothing is told twice");
    }
}

#[tokio::test]
async fn a_host_that_was_killed_while_it_obeyed_is_not_ended_again() {
    let rig = Rig::new().await;
    rig.give(on_host(Level::L4)).await;
    let rig = rig.restarted("second run").await;
    assert_eq!(
        rig.lifecycles(&TenantId::host()).await,
        [(Level::L4, Lifecycle::Enforced)]
    );
    rig.controls.round().await;
    assert!(rig.exit.0.lock().unwrap().is_empty());
    assert_eq!(rig.controls.book().pre_claim(&acme()).await, Ok(()));
}

#[tokio::test]
async fn an_order_to_exit_hides_no_command_that_holds_a_tenant() {
    let rig = Rig::new().await;
    rig.stop(Level::L1).await;
    rig.give(on_host(Level::L2)).await;
    rig.give(on_host(Level::L4)).await;
    let rig = rig.restarted("second run").await;
    for tenant in [acme(), globex()] {
        assert_eq!(rig.state(&tenant), PrimaryState::Paused);
    }
}

#[tokio::test]
async fn a_tenants_reset_leaves_what_is_on_the_host() {
    let rig = Rig::new().await;
    rig.give(on_host(Level::L2)).await;
    assert!(rig.stop(Level::L0).await.superseded.is_empty());
    assert!(rig.controls.book().pre_claim(&acme()).await.is_err());
}

#[tokio::test]
async fn a_host_that_starts_leaves_the_order_to_exit_of_another_that_is_up() {
    let rig = Rig::new().await;
    rig.give(on_host(Level::L4)).await;
    let elsewhere = Arc::new(FakeElsewhere::default());
    elsewhere.runs.lock().unwrap().push("first run".to_owned());
    let home = TempDir::new().unwrap();
    let (store, clock) = (rig.store.clone(), rig.clock.clone());
    let other = Rig::beside(elsewhere, store, clock, "beside", home).await;
    other.clock.pass(3600);
    other.controls.round().await;
    let host = TenantId::host();
    assert_eq!(other.lifecycles(&host).await, [(Level::L4, Lifecycle::Enforcing)]);
    assert!(
        other.exit.0.lock().unwrap().is_empty(),
        "it is not the one that is to end"
    );

    // The first one was killed before it could say that it had ended.
    other.elsewhere.runs.lock().unwrap().clear();
    other.controls.round().await;
    assert_eq!(other.lifecycles(&host).await, [(Level::L4, Lifecycle::Enforced)]);
}

#[tokio::test]
async fn a_command_on_a_tenant_is_carried_out_by_the_host_that_holds_it() {
    let rig = Rig::new().await;
    let elsewhere = Arc::new(FakeElsewhere::default());
    elsewhere.tenants.lock().unwrap().push(acme());
    let home = TempDir::new().unwrap();
    let (store, clock) = (rig.store.clone(), rig.clock.clone());
    let other = Rig::beside(elsewhere, store, clock, "beside", home).await;
    let issued = other.stop(Level::L2).await;
    assert!(issued.command.lifecycle.is_open());
    other.controls.round().await;
    assert_eq!(
        other.lifecycles(&acme()).await,
        [(Level::L2, issued.command.lifecycle)]
    );
    rig.controls.round().await;
    assert_eq!(rig.state(&acme()), PrimaryState::Paused);
    assert_eq!(rig.lifecycles(&acme()).await, [(Level::L2, Lifecycle::Enforced)]);
}

#[tokio::test]
async fn a_stop_of_all_hosts_waits_for_the_work_of_tenants_that_run_on_others_and_leaves_it_to_them() {
    let rig = Rig::new().await;
    let there: TenantId = "initech".parse().unwrap();
    rig.elsewhere.tenants.lock().unwrap().push(there.clone());
    rig.hold_work(&there, 1);
    assert_eq!(
        rig.give(on_host(Level::L1)).await.command.lifecycle,
        Lifecycle::Enforced,
        "a pause lets what is held be finished"
    );
    for level in [Level::L2, Level::L3] {
        rig.hold_work(&there, 1);
        assert_eq!(
            rig.give(on_host(level)).await.command.lifecycle,
            Lifecycle::Enforcing
        );
        rig.controls.round().await;
        let latest = async || rig.lifecycles(&TenantId::host()).await.pop().unwrap();
        assert_eq!(latest().await, (level, Lifecycle::Enforcing));
        rig.hold_work(&there, 0);
        rig.controls.round().await;
        assert_eq!(latest().await, (level, Lifecycle::Enforced));
    }
    assert!(rig.work.aborted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_abort_that_another_host_was_told_of_reaches_tenants_that_a_drain_paused() {
    let rig = Rig::new().await;
    let elsewhere = Arc::new(FakeElsewhere::default());
    elsewhere.runs.lock().unwrap().push("first run".to_owned());
    let home = TempDir::new().unwrap();
    let (store, clock) = (rig.store.clone(), rig.clock.clone());
    let other = Rig::beside(elsewhere, store, clock, "beside", home).await;
    other.hold_work(&acme(), 1);
    rig.give(on_host(Level::L2)).await;
    other.controls.round().await;
    assert_eq!(other.state(&acme()), PrimaryState::Paused);
    let aborted = || other.work.aborted.lock().unwrap().clone();
    assert_eq!(aborted(), []);

    rig.give(on_host(Level::L3)).await;
    other.work.cannot_abort.store(true, Ordering::SeqCst);
    other.controls.round().await;
    assert_eq!(aborted(), []);
    other.work.cannot_abort.store(false, Ordering::SeqCst);
    other.controls.round().await;
    assert_eq!(aborted(), [acme()], "what failed once is tried again");
    other.hold_work(&acme(), 0);
    other.controls.round().await;
    assert_eq!(aborted(), [acme()], "and nobody's who holds nothing");
}

#[tokio::test]
async fn a_tenant_that_comes_up_under_an_abort_is_made_to_let_go_although_that_fails_at_first() {
    let rig = Rig::new().await;
    rig.stop(Level::L3).await;
    assert_eq!(rig.lifecycles(&acme()).await, [(Level::L3, Lifecycle::Enforced)]);
    rig.hold_work(&acme(), 1);
    rig.work.aborted.lock().unwrap().clear();
    rig.work.cannot_abort.store(true, Ordering::SeqCst);
    rig.controls.hold(&acme()).await;
    rig.work.cannot_abort.store(false, Ordering::SeqCst);
    rig.controls.round().await;
    assert_eq!(*rig.work.aborted.lock().unwrap(), [acme()]);
}

#[tokio::test]
async fn l5_on_a_tenant_revokes_tokens_on_every_host_and_an_order_to_exit_on_the_one_that_exits() {
    let rig = Rig::new().await;
    let elsewhere = Arc::new(FakeElsewhere::default());
    elsewhere.tenants.lock().unwrap().push(acme());
    elsewhere.runs.lock().unwrap().push("first run".to_owned());
    let home = TempDir::new().unwrap();
    let (store, clock) = (rig.store.clone(), rig.clock.clone());
    let other = Rig::beside(elsewhere, store, clock, "beside", home).await;
    let revoked = |rig: &Rig| rig.tokens.0.lock().unwrap().clone();

    // The one that holds the tenant is told later than the one that was asked.
    other.stop(Level::L5).await;
    assert_eq!((revoked(&rig), revoked(&other)), (vec![], vec![acme()]));
    rig.controls.round().await;
    assert_eq!(revoked(&rig), [acme()]);
    // And the other way round; a lower level revokes nothing.
    rig.give(StopOrder {
        tenant: globex(),
        ..order(Level::L4)
    })
    .await;
    rig.give(StopOrder {
        tenant: globex(),
        ..order(Level::L5)
    })
    .await;
    other.controls.round().await;
    assert_eq!(revoked(&other), [acme(), globex()]);

    rig.give(on_host(Level::L5)).await;
    other.controls.round().await;
    assert_eq!(revoked(&rig).last(), Some(&TenantId::host()));
    assert_eq!(revoked(&other), [acme(), globex()]);
}
