//! What the holder of a ticket may do, and nobody else.

use super::*;
use crate::engine::{
    operation::{OperationStatus, Step},
    ticket::{NotHeld, Progress},
};

#[tokio::test]
async fn everything_under_a_stale_fence_token_is_refused_and_changes_nothing() {
    let rig = Rig::ready().await;
    let id = rig.make("contended", Priority::Normal).await;
    let stale = held_by_marvin(&rig.claim(Some(id)).await);
    rig.clock.forward(600);
    rig.tickets.sweep().await.unwrap();
    let newest = rig.claim(Some(id)).await;
    let (tenant, tickets) = (acme(), &rig.tickets);
    let row = LedgerRow {
        ticket: id,
        held: stale.clone(),
        operation: Uuid::nil(),
    };
    let progress = Some(Progress::ToolCallBoundary);
    let refused = [
        tickets
            .refresh(&tenant, id, stale.clone(), progress, None)
            .await
            .unwrap_err(),
        tickets
            .release(&tenant, id, stale.clone(), None)
            .await
            .unwrap_err(),
        tickets
            .resolve(&tenant, id, stale.clone(), ending(Resolution::Completed))
            .await
            .unwrap_err(),
        tickets.allocate(&tenant, id, stale, "tool").await.unwrap_err(),
        tickets.step(&tenant, row, Step::Dispatch).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(
            error,
            TicketError::NotHeld(NotHeld::Stale { given: 1, newest: 2 })
        );
    }
    assert_eq!(rig.ticket(id).await, newest.ticket);
}

#[tokio::test]
async fn a_lease_that_ran_out_holds_nothing_even_before_it_is_swept_and_whoever_wants_the_ticket_gets_it() {
    let rig = Rig::ready().await;
    let id = rig.make("slow", Priority::Normal).await;
    let late = held_by_marvin(&rig.claim(Some(id)).await);
    rig.clock.forward(600);
    let refused = rig
        .tickets
        .resolve(&acme(), id, late, ending(Resolution::Completed))
        .await;
    assert!(
        matches!(refused, Err(TicketError::NotHeld(NotHeld::Expired { .. }))),
        "{refused:?}"
    );
    assert_eq!(rig.claim(Some(id)).await.ticket.claim_count, 2);
    assert_eq!(rig.told("sea_ticket.claim_expired").len(), 1);
}

#[tokio::test]
async fn a_claim_with_progress_outlives_its_first_lease() {
    let rig = Rig::ready().await;
    let id = rig.make("long", Priority::Normal).await;
    let held = held_by_marvin(&rig.claim(Some(id)).await);
    for _ in 0..20 {
        rig.clock.forward(60);
        let progress = Some(Progress::StreamingTokenAdvanced);
        rig.tickets
            .refresh(&acme(), id, held.clone(), progress, None)
            .await
            .unwrap();
    }
    assert_eq!(rig.tickets.sweep().await.unwrap(), 0);
    let idle = rig.tickets.refresh(&acme(), id, held, None, None).await;
    assert_eq!(idle, Err(TicketError::NoProgress));
    let ticket = rig.ticket(id).await;
    assert_eq!(
        (ticket.status, ticket.work_attempt_count),
        (TicketStatus::InProgress, 1)
    );
    assert_eq!(rig.told("sea_ticket.claim_refreshed").len(), 20);
}

#[tokio::test]
async fn the_end_of_an_attempt_is_told_with_the_change_that_it_makes() {
    let rig = Rig::ready().await;
    let id = rig.make("answer", Priority::Normal).await;
    let held = held_by_marvin(&rig.claim(Some(id)).await);
    let failed = Ending {
        model_tier_used: Some("opus".to_owned()),
        next_eligible_offset_seconds: Some(90),
        ..ending(Resolution::FailedRetryable)
    };
    rig.tickets.resolve(&acme(), id, held, failed).await.unwrap();
    let told = rig.told("kora.sea_ticket.resolved").pop().unwrap();
    let expected = serde_json::json!({
        "sea_ticket_id": id.to_string(),
        "workspace_id": "acme",
        "resolution": "failed_retryable",
        "resolution_summary": "so it ended",
        "model_tier_used": "opus",
        "next_eligible_offset_seconds": 90,
    });
    assert_eq!(told, expected);
    let ticket = rig.ticket(id).await;
    assert_eq!(ticket.status, TicketStatus::FailedRetryable);
    assert_eq!(ticket.next_eligible_at, Some(Timestamp::from_micros(90_000_000)));
    assert_eq!(
        ticket.last_resolution.unwrap().resolution,
        Resolution::FailedRetryable
    );
}

#[tokio::test]
async fn the_third_failure_gives_a_ticket_up_until_an_operator_reopens_it() {
    let rig = Rig::ready().await;
    let id = rig.make("hopeless", Priority::Normal).await;
    for _ in 0..3 {
        let claimed = rig.claim(Some(id)).await;
        rig.resolve(&claimed, Resolution::FailedRetryable).await;
    }
    assert_eq!(rig.ticket(id).await.status, TicketStatus::FailedTerminal);
    let told: Vec<_> = rig
        .told("kora.sea_ticket.resolved")
        .iter()
        .map(|told| told["resolution"].clone())
        .collect();
    assert_eq!(told, ["failed_retryable", "failed_retryable", "failed_terminal"]);
    rig.tickets.reopen(&acme(), id, operator()).await.unwrap();
    rig.claim(None).await;
}

#[tokio::test]
async fn the_ledger_counts_from_the_claim_and_what_was_under_way_ends_with_the_attempt() {
    let rig = Rig::ready().await;
    let id = rig.make("busy", Priority::Normal).await;
    let claimed = rig.claim(Some(id)).await;
    let held = held_by_marvin(&claimed);
    let allocate = async |tool: &str| {
        let allocated = rig.tickets.allocate(&acme(), id, held.clone(), tool).await;
        allocated.unwrap()
    };
    let step = async |operation: Uuid, step: Step| {
        let row = LedgerRow {
            ticket: id,
            held: held.clone(),
            operation,
        };
        rig.tickets.step(&acme(), row, step).await
    };
    let done = allocate("mail").await;
    let left = allocate("post").await;
    assert_eq!(
        [
            done.operation.sequence_within_attempt,
            left.operation.sequence_within_attempt
        ],
        [1, 2]
    );
    let too_early = step(done.kora_operation_id, Step::Commit(None))
        .await
        .unwrap_err();
    assert!(matches!(too_early, TicketError::Step(_)), "{too_early}");
    step(done.kora_operation_id, Step::Dispatch).await.unwrap();
    step(done.kora_operation_id, Step::Commit(Some("sent".to_owned())))
        .await
        .unwrap();
    let again = step(done.kora_operation_id, Step::Abandon(None))
        .await
        .unwrap_err();
    assert!(matches!(again, TicketError::NotUnderWay { .. }), "{again}");
    step(left.kora_operation_id, Step::Dispatch).await.unwrap();
    rig.resolve(&claimed, Resolution::Completed).await;
    let rows = rig
        .tickets
        .operations(&acme(), OperationQuery::default())
        .await
        .unwrap();
    let statuses: Vec<_> = rows
        .iter()
        .map(|row| (row.operation.sequence_within_attempt, row.operation.status))
        .collect();
    use OperationStatus::{Abandoned, Committed};
    assert_eq!(statuses, [(2, Abandoned), (1, Committed), (0, Committed)]);
    let abandoned = OperationQuery {
        status: Some(Abandoned),
        ..OperationQuery::default()
    };
    let found = rig.tickets.operations(&acme(), abandoned).await.unwrap();
    assert_eq!(found[0].kora_operation_id, left.kora_operation_id);
}
