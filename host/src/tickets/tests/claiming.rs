//! Who gets a ticket.

use std::sync::atomic::AtomicBool;

use super::*;

#[tokio::test]
async fn of_many_who_claim_at_once_each_ticket_has_one_holder() {
    let rig = Rig::ready().await;
    for n in 0..20 {
        rig.make(&format!("ticket {n}"), Priority::Normal).await;
    }
    let mut claimers = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let tickets = rig.tickets.clone();
        claimers.spawn(async move {
            let request = ClaimRequest {
                ticket: None,
                contract_version: None,
                holder: marvin(),
            };
            tickets.claim(&acme(), request).await
        });
    }
    let mut claimed = Vec::new();
    let mut empty_handed = 0;
    for answer in claimers.join_all().await {
        match answer {
            Ok(ClaimAnswer::Claimed(it)) => claimed.push(it.stored.ticket_id),
            Ok(ClaimAnswer::NothingDue) | Err(TicketError::KeptChanging) => empty_handed += 1,
            other => panic!("{other:?}"),
        }
    }
    claimed.sort_unstable();
    let holders = claimed.len();
    claimed.dedup();
    assert_eq!(claimed.len(), holders, "one ticket, one holder");
    assert_eq!((holders, empty_handed), (20, 12));
    assert_eq!(
        rig.told("sea_ticket.claimed").len(),
        20,
        "each claim is told once"
    );
}

#[tokio::test]
async fn of_many_who_want_the_same_ticket_one_gets_it() {
    let rig = Rig::ready().await;
    let id = rig.make("the one", Priority::Normal).await;
    let asked = (0..16).map(|_| rig.ask(Some(id)));
    let answers = futures_of(asked).await;
    let claimed = answers
        .iter()
        .filter(|answer| matches!(answer, ClaimAnswer::Claimed(_)));
    assert_eq!(claimed.count(), 1);
    let refused = answers.iter().filter(|answer| {
        matches!(
            answer,
            ClaimAnswer::Refused {
                result: ClaimResult::AlreadyClaimed,
                ..
            }
        )
    });
    assert_eq!(refused.count(), 15);
    assert_eq!(rig.ticket(id).await.claim_count, 1);
}

/// All of them at once, on this task.
async fn futures_of<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, answer) in waiting.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let std::task::Poll::Ready(ready) = one.as_mut().poll(context) {
                *answer = Some(ready);
            }
        }
        if waiting.iter().all(|(_, answer)| answer.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, answer)| answer).collect()
}

#[tokio::test]
async fn the_next_ticket_is_the_most_urgent_then_the_oldest_and_only_one_that_is_due() {
    let rig = Rig::ready().await;
    let later = rig.make("later", Priority::Frontier).await;
    let claimed = rig.claim(Some(later)).await;
    rig.resolve(&claimed, Resolution::FailedRetryable).await;
    let low = rig.make("low", Priority::Low).await;
    let first = rig.make("first", Priority::High).await;
    let second = rig.make("second", Priority::High).await;
    for expected in [first, second, low] {
        assert_eq!(rig.claim(None).await.ticket_id, expected);
    }
    assert_eq!(rig.ask(None).await, ClaimAnswer::NothingDue);
    rig.clock.forward(600);
    assert_eq!(rig.claim(None).await.ticket_id, later);
}

#[tokio::test]
async fn a_ticket_that_is_asked_for_by_its_id_need_not_be_due() {
    let rig = Rig::ready().await;
    let id = rig.make("again", Priority::Normal).await;
    let claimed = rig.claim(Some(id)).await;
    rig.resolve(&claimed, Resolution::FailedRetryable).await;
    assert_eq!(rig.ask(None).await, ClaimAnswer::NothingDue);
    assert_eq!(rig.claim(Some(id)).await.ticket.claim_count, 2);
}

#[tokio::test]
async fn kind_origin_and_ids_are_the_hosts_to_set_and_the_claims_operation_is_its_row_in_the_ledger() {
    let rig = Rig::ready().await;
    let id = rig.make("answer", Priority::Normal).await;
    let made = rig.ticket(id).await;
    assert_eq!(made.origin, operator());
    assert_eq!(made.assigned_to_actor_id, Some(AGENT));
    let created = rig.told("sea_ticket.created").pop().unwrap();
    assert_eq!(created["kind"], "sea");
    assert_eq!(created["origin_actor_kind"], "operator");
    let claimed = rig.claim(None).await;
    let claim = claimed.ticket.claim.unwrap();
    let told = rig.told("sea_ticket.claimed").pop().unwrap();
    assert_eq!(told["kora_operation_id"], claim.kora_operation_id.to_string());
    let rows = rig
        .tickets
        .operations(&acme(), OperationQuery::default())
        .await
        .unwrap();
    let row = &rows[0];
    assert_eq!(row.kora_operation_id, claim.kora_operation_id);
    assert_eq!(row.operation.work_attempt_id, claim.work_attempt_id);
    assert_eq!(row.operation.sequence_within_attempt, 0);
    let recorded = rig.told("kora.operation.recorded").pop().unwrap();
    assert_eq!(recorded["status"], "allocated");
}

#[tokio::test]
async fn each_reason_not_to_get_a_ticket_has_its_word() {
    let rig = Rig::ready().await;
    let id = rig.make("wanted", Priority::Normal).await;
    let anothers = ClaimRequest {
        ticket: Some(id),
        contract_version: Some(2),
        holder: marvin(),
    };
    let answer = rig.tickets.claim(&acme(), anothers).await.unwrap();
    let mismatch = ClaimResult::ContractVersionMismatch;
    assert!(matches!(answer, ClaimAnswer::Refused { result, .. } if result == mismatch));
    let whose = acme();
    let assign = |actor| rig.tickets.assign(&whose, id, actor, operator());
    assign(Some(Uuid::nil())).await.unwrap();
    assert_eq!(rig.refused(Some(id)).await, ClaimResult::NotAssigned);
    assign(None).await.unwrap();
    assert_eq!(rig.refused(Some(id)).await, ClaimResult::AssignmentCleared);
    assign(Some(AGENT)).await.unwrap();
    let unknown = assign(Some(Uuid::from_u128(99))).await.unwrap_err();
    assert!(matches!(unknown, TicketError::ActorUnknown { .. }), "{unknown}");
    let claimed = rig.claim(Some(id)).await;
    assert_eq!(rig.refused(Some(id)).await, ClaimResult::AlreadyClaimed);
    rig.resolve(&claimed, Resolution::Completed).await;
    assert_eq!(rig.refused(Some(id)).await, ClaimResult::TicketTerminal);
    let missing = ClaimRequest {
        ticket: Some(Uuid::nil()),
        contract_version: None,
        holder: marvin(),
    };
    let unknown = rig.tickets.claim(&acme(), missing).await.unwrap_err();
    assert!(matches!(unknown, TicketError::Unknown { .. }), "{unknown}");
}

#[tokio::test]
async fn what_the_state_allows_is_asked_first() {
    let rig = Rig::ready().await;
    let id = rig.make("usual", Priority::High).await;
    let permit =
        |permission| rig.change(Request::stay(TriggerKind::Degradation, "test").permission(permission));
    permit(ClaimPermission::None).await;
    assert_eq!(rig.refused(None).await, ClaimResult::BlockedByControl);
    permit(ClaimPermission::CriticalOnly).await;
    assert_eq!(rig.refused(Some(id)).await, ClaimResult::BlockedByControl);
    let reason = Request::stay(TriggerKind::Degradation, "test").adding([DegradationReason::Cost]);
    rig.change(reason).await;
    assert_eq!(rig.refused(Some(id)).await, ClaimResult::BlockedByCost);
    let critical = rig.make("critical", Priority::Frontier).await;
    assert_eq!(rig.claim(None).await.ticket_id, critical);
    rig.go(PrimaryState::Paused, TriggerKind::Operator).await;
    assert_eq!(rig.refused(Some(id)).await, ClaimResult::BlockedByCost);
}

#[tokio::test]
async fn work_that_a_guard_allows_does_not_starve_behind_work_that_it_does_not() {
    let rig = Rig::ready().await;
    let dear = rig.make("dear", Priority::High).await;
    rig.multiply(dear, 2000);
    let cheap = rig
        .make_of(TicketDraft {
            criticality: Some(Criticality::DownshiftEligible),
            ..draft("cheap")
        })
        .await;
    *rig.miser.0.lock().unwrap() = Some(Criticality::FrontierOnly);
    assert_eq!(rig.claim(None).await.ticket_id, cheap);
    assert_eq!(rig.refused(None).await, ClaimResult::BlockedByCost);
}

#[tokio::test]
async fn a_claim_that_the_store_did_not_take_is_no_claim() {
    let rig = Rig::ready().await;
    let id = rig.make("wanted", Priority::Normal).await;
    rig.store.on_next_commit(NextCommit::Fails);
    let request = ClaimRequest {
        ticket: None,
        contract_version: None,
        holder: marvin(),
    };
    let away = rig.tickets.claim(&acme(), request).await.unwrap_err();
    assert!(matches!(away, TicketError::Commit(_)), "{away}");
    assert_eq!(rig.ticket(id).await.status, TicketStatus::Open);
    assert_eq!(rig.primary(), PrimaryState::Ready);
    rig.claim(None).await;
}

/// Has nothing to say before a claim is committed. Afterwards it refuses, and by then the ticket was changed once more.
struct SecondThoughts {
    tickets: Tickets,
    ticket: Uuid,
    was_asked: AtomicBool,
}

#[async_trait]
impl ClaimGuard for SecondThoughts {
    async fn refuses(&self, tenant: &TenantId, _: Criticality) -> Option<Refusal> {
        if !self.was_asked.swap(true, Ordering::SeqCst) {
            return None;
        }
        let assigned = self
            .tickets
            .assign(tenant, self.ticket, Some(Uuid::nil()), operator());
        assigned.await.unwrap();
        Some(Refusal::cost("the money went meanwhile"))
    }
}

#[tokio::test]
async fn a_claim_that_is_refused_after_all_is_taken_back_though_its_ticket_was_changed_meanwhile() {
    let rig = Rig::ready().await;
    let id = rig.make("wanted", Priority::Normal).await;
    let guard = SecondThoughts {
        tickets: rig.tickets.clone(),
        ticket: id,
        was_asked: AtomicBool::new(false),
    };
    let guarded = Tickets::new(TicketsParts {
        guards: vec![Arc::new(guard)],
        ..rig.parts()
    });
    let wish = ClaimRequest {
        ticket: None,
        contract_version: None,
        holder: marvin(),
    };
    let answer = guarded.claim(&acme(), wish).await.unwrap();
    let refused = ClaimResult::BlockedByCost;
    assert!(matches!(answer, ClaimAnswer::Refused { result, .. } if result == refused));
    let ticket = rig.ticket(id).await;
    assert_eq!((ticket.status, ticket.claim), (TicketStatus::Open, None));
    assert_eq!((ticket.failure_count, ticket.work_attempt_count), (0, 0));
    assert_eq!(rig.primary(), PrimaryState::Ready);
    let ended = rig.told("kora.sea_ticket.resolved").pop().unwrap();
    assert_eq!(ended["resolution"], "released");
}
