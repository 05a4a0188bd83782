//! What claims make of a tenant's state.

use super::*;

#[tokio::test]
async fn a_tenant_is_active_while_any_claim_is_held() {
    let rig = Rig::ready().await;
    let first = rig.make("first", Priority::Normal).await;
    let second = rig.make("second", Priority::Normal).await;
    let first = rig.claim(Some(first)).await;
    assert_eq!(rig.primary(), PrimaryState::Active);
    let second = rig.claim(Some(second)).await;
    rig.resolve(&first, Resolution::Completed).await;
    assert_eq!(rig.primary(), PrimaryState::Active);
    rig.resolve(&second, Resolution::Released).await;
    assert_eq!(rig.primary(), PrimaryState::Ready);
    let kinds: Vec<_> = rig
        .told("kora.operational_state.transitioned")
        .iter()
        .map(|told| told["trigger_kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["boot_passed", "claim_acquired", "claim_released"]);
}

#[tokio::test]
async fn a_claim_that_ran_out_releases_the_tenant_too() {
    let rig = Rig::ready().await;
    let id = rig.make("forgotten", Priority::Normal).await;
    rig.claim(None).await;
    assert_eq!(rig.tickets.sweep().await.unwrap(), 0);
    rig.clock.forward(600);
    assert_eq!(rig.tickets.sweep().await.unwrap(), 1);
    assert_eq!(rig.primary(), PrimaryState::Ready);
    let ticket = rig.ticket(id).await;
    assert_eq!(
        (ticket.status, ticket.failure_count),
        (TicketStatus::FailedRetryable, 1)
    );
    let expired = rig.told("sea_ticket.claim_expired").pop().unwrap();
    assert_eq!(
        (&expired["claim_fence_token"], &expired["failure_count"]),
        (&1.into(), &1.into())
    );
    assert_eq!(rig.tickets.sweep().await.unwrap(), 0, "once is enough");
}

#[tokio::test]
async fn more_leases_than_fit_into_one_look_are_swept_in_one_go() {
    let rig = Rig::ready().await;
    for n in 0..70 {
        rig.make(&format!("ticket {n}"), Priority::Normal).await;
        rig.claim(None).await;
    }
    rig.clock.forward(600);
    assert_eq!(rig.tickets.sweep().await.unwrap(), 70);
}

#[tokio::test]
async fn a_claim_from_before_a_restart_makes_the_tenant_active_again() {
    let rig = Rig::ready().await;
    rig.make("long", Priority::Normal).await;
    let claimed = rig.claim(None).await;
    let rig = rig.restarted().await;
    assert_eq!(rig.primary(), PrimaryState::Active);
    rig.resolve(&claimed, Resolution::Completed).await;
    assert_eq!(rig.primary(), PrimaryState::Ready);
}

#[tokio::test]
async fn a_pause_holds_while_its_claims_end_and_a_resume_looks_at_what_is_left() {
    let rig = Rig::ready().await;
    for n in 0..2 {
        rig.make(&format!("ticket {n}"), Priority::Normal).await;
    }
    let first = rig.claim(None).await;
    let second = rig.claim(None).await;
    let writer = Writer::operator(0);
    rig.states.pause(&acme(), "lunch", &writer).await.unwrap();
    rig.resolve(&first, Resolution::Completed).await;
    assert_eq!(rig.primary(), PrimaryState::Paused);
    rig.states.resume(&acme(), "back", &writer).await.unwrap();
    rig.states.flush().await;
    assert_eq!(rig.primary(), PrimaryState::Active);
    rig.resolve(&second, Resolution::Completed).await;
    assert_eq!(rig.primary(), PrimaryState::Ready);
}

#[tokio::test]
async fn a_listener_that_hears_of_other_changes_leaves_the_state_alone() {
    let rig = Rig::ready().await;
    rig.states
        .pause(&acme(), "lunch", &Writer::operator(0))
        .await
        .unwrap();
    rig.states.flush().await;
    assert_eq!(rig.primary(), PrimaryState::Paused);
    assert!(
        !rig.states
            .listen("tickets", Arc::new(StateWatch(rig.tickets.clone())))
    );
}

async fn held(rig: &Rig) -> usize {
    rig.tickets.held(&acme()).await.unwrap().len()
}

#[tokio::test]
async fn what_is_held_is_counted_however_much_it_is() {
    let rig = Rig::ready().await;
    let one = rig.make("one of many", Priority::Normal).await;
    rig.claim(None).await;
    rig.multiply(one, 2500);
    assert_eq!(held(&rig).await, 2501);
}

#[tokio::test]
async fn what_a_tenant_holds_can_be_taken_back_and_the_old_holders_come_too_late() {
    let rig = Rig::ready().await;
    for n in 0..3 {
        rig.make(&format!("ticket {n}"), Priority::Normal).await;
    }
    let first = rig.claim(None).await;
    rig.claim(None).await;
    assert_eq!(held(&rig).await, 2);
    let taken = rig.tickets.take_back(&acme(), "a stop command").await.unwrap();
    assert_eq!((taken, held(&rig).await), (2, 0));
    assert_eq!(rig.primary(), PrimaryState::Ready);
    let ticket = rig.ticket(first.ticket_id).await;
    assert_eq!((ticket.status, ticket.failure_count), (TicketStatus::Open, 0));
    let late = rig
        .tickets
        .release(&acme(), first.ticket_id, held_by_marvin(&first), None)
        .await;
    assert!(matches!(late, Err(TicketError::NotHeld(_))), "{late:?}");
}

#[tokio::test]
async fn what_cannot_be_read_keeps_nothing_else_from_being_taken_back() {
    let rig = Rig::ready().await;
    let mut claimed = Vec::new();
    for n in 0..3 {
        rig.make(&format!("ticket {n}"), Priority::Normal).await;
        claimed.push(rig.claim(None).await);
    }
    rig.damage(claimed[1].ticket_id);
    let taken = rig.tickets.take_back(&acme(), "a stop command").await;
    assert!(
        matches!(taken, Err(TicketError::Damaged { .. })),
        "whoever waits for it goes on waiting: {taken:?}"
    );
    for readable in [&claimed[0], &claimed[2]] {
        assert_eq!(rig.ticket(readable.ticket_id).await.status, TicketStatus::Open);
    }
    assert!(rig.tickets.held(&acme()).await.is_err());
}

#[tokio::test]
async fn a_row_of_the_ledger_that_cannot_be_read_keeps_nothing_else_from_being_taken_back() {
    let rig = Rig::ready().await;
    let mut claimed = Vec::new();
    for n in 0..3 {
        rig.make(&format!("ticket {n}"), Priority::Normal).await;
        claimed.push(rig.claim(None).await);
    }
    rig.damage(claimed[1].ticket.claim.as_ref().unwrap().kora_operation_id);
    let taken = rig.tickets.take_back(&acme(), "a stop command").await;
    assert!(matches!(taken, Err(TicketError::Damaged { .. })), "{taken:?}");
    let held = rig.tickets.held(&acme()).await.unwrap();
    assert_eq!(held, [claimed.swap_remove(1)]);
}
