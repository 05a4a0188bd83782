//! What cannot be read or written: it counts as an order to stop.

use super::*;
use crate::store::{Document, memory::Mood};

/// What a later release, or damage, may leave in the store.
fn odd(rig: &Rig, change: impl Fn(&mut Document)) {
    let mut contents = rig.store.contents();
    let (key, mut document) = contents.documents.pop_first().unwrap();
    change(&mut document);
    contents.documents.insert(key, document);
}

#[tokio::test]
async fn fault_m_a_command_that_cannot_be_read_counts_as_l2() {
    let oddities: [fn(&mut Document); 5] = [
        |document| document.body = document.body.replace("\"level\":1", "\"level\":9"),
        |document| document.body = "{}".to_owned(),
        |document| document.body = "not even JSON".to_owned(),
        |document| document.status = "deferred".to_owned(),
        |document| document.body = document.body.replace("\"sequence\":1", "\"sequence\":2"),
    ];
    for oddity in oddities {
        let rig = Rig::new().await;
        rig.stop(Level::L1).await;
        odd(&rig, oddity);
        let book = rig.controls.book();
        let block = book.pre_tool_call(&acme()).await.unwrap_err();
        assert_eq!(
            (block.stop_kora_action, block.command_id),
            ("drain_current_finish", None)
        );
        assert!(rig.resume(&acme()).await.is_err());
        let listing = rig.controls.list(&acme()).await.unwrap();
        assert!(matches!(listing.active[..], [Entry::Unreadable { .. }]));

        let rig = rig.restarted("second run").await;
        assert_eq!(rig.state(&acme()), PrimaryState::Paused);
        rig.stop(Level::L0).await;
        assert_eq!(rig.controls.book().pre_tool_call(&acme()).await, Ok(()));
        rig.resume(&acme()).await.unwrap();
        assert!(rig.stop(Level::L0).await.superseded.is_empty());
    }
}

#[tokio::test]
async fn while_the_store_is_away_nothing_begins_and_nothing_is_resumed() {
    let rig = Rig::new().await;
    rig.states
        .pause(&acme(), "lunch", &Writer::operator(1000))
        .await
        .unwrap();
    rig.store.go_away();
    let book = rig.controls.book();
    assert_eq!(
        book.pre_claim(&acme()).await.unwrap_err().stop_kora_action,
        "drain_current_finish"
    );
    assert!(book.pre_tool_call(&acme()).await.is_err());
    let refused = rig.resume(&acme()).await.unwrap_err();
    assert!(refused.to_string().contains("cannot be read"), "{refused}");
    rig.controls.issue(order(Level::L2)).await.unwrap_err();
    rig.store.come_back();
    rig.resume(&acme()).await.unwrap();
}

#[tokio::test]
async fn a_tenant_whose_commands_cannot_be_read_comes_up_paused() {
    let rig = Rig::new().await;
    let tenant: TenantId = "initech".parse().unwrap();
    rig.store.add_tenant("initech");
    rig.states.wire_in(&tenant).await.unwrap();
    rig.store
        .set_mood(Mood::Fails(crate::store::StoreError::Unavailable(
            "the disk is full".to_owned(),
        )));
    rig.controls.hold(&tenant).await;
    assert_eq!(rig.state(&tenant), PrimaryState::Paused);
}

#[tokio::test]
async fn a_command_is_obeyed_although_it_cannot_be_written_down_that_it_was() {
    let rig = Rig::new().await;
    rig.hold_work(&acme(), 1);
    let issued = rig.stop(Level::L2).await.command;
    // As another host gave it, and this one has not seen it yet.
    let mut unseen = issued.clone();
    unseen.lifecycle = Lifecycle::Created;
    unseen.record.sequence = 2;
    unseen.record.level = Level::L4;
    let document = book::written(&unseen, 1);
    rig.store
        .contents()
        .documents
        .insert(document.key.clone(), document);
    rig.hold_work(&acme(), 0);
    rig.store.on_next_commit(NextCommit::Fails);
    rig.controls.round().await;
    assert_eq!(rig.state(&acme()), PrimaryState::Stopped);
    rig.controls.round().await;
    assert_eq!(
        rig.lifecycles(&acme()).await,
        [(Level::L2, Lifecycle::Enforced), (Level::L4, Lifecycle::Enforced)]
    );
}

#[tokio::test]
async fn an_answer_that_was_lost_loses_no_command() {
    let rig = Rig::new().await;
    rig.store.on_next_commit(NextCommit::HappensAndFails);
    rig.controls.issue(order(Level::L2)).await.unwrap_err();
    assert_eq!(rig.state(&acme()), PrimaryState::Ready);
    assert!(
        rig.controls.book().pre_claim(&acme()).await.is_err(),
        "it holds from the commit on"
    );
    rig.controls.round().await;
    assert_eq!(rig.state(&acme()), PrimaryState::Paused);
    assert_eq!(rig.lifecycles(&acme()).await, [(Level::L2, Lifecycle::Enforced)]);
}
