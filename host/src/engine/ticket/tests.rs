//! What the rules of tickets promise, whatever is asked in whatever order.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::ActorKind;

const LEASE: u64 = 600;

fn at(seconds: u64) -> Timestamp {
    later(Timestamp::from_micros(0), seconds)
}

fn plugin(name: &str) -> Actor {
    Actor {
        kind: ActorKind::Plugin,
        id: Some(name.to_owned()),
    }
}

fn agent() -> Uuid {
    Uuid::from_u128(7)
}

fn draft() -> TicketDraft {
    TicketDraft {
        title: " Answer the letter ".to_owned(),
        body: None,
        priority: Priority::Normal,
        criticality: None,
        assigned_to_actor_id: Some(agent()),
    }
}

fn fresh() -> Ticket {
    draft().into_ticket(Actor::host(), at(0)).unwrap()
}

fn grant(holder: &str, now: Timestamp) -> Grant {
    Grant {
        holder: plugin(holder),
        work_attempt_id: Uuid::from_u128(1),
        kora_operation_id: Uuid::from_u128(2),
        now,
        lease_seconds: LEASE,
    }
}

fn held(fence_token: u64, by: &str) -> Held {
    Held {
        fence_token,
        by: plugin(by),
    }
}

fn ending(resolution: Resolution) -> Ending {
    Ending {
        resolution,
        summary: "so it ended".to_owned(),
        model_tier_used: None,
        retry_reason: None,
        next_eligible_offset_seconds: None,
    }
}

fn claimed() -> Ticket {
    fresh().claimed(grant("marvin", at(0)))
}

#[test]
fn a_ticket_says_what_to_do_in_a_line_and_no_more() {
    assert_eq!(fresh().title, "Answer the letter");
    for title in ["", "  ", "two\nlines", &"x".repeat(TITLE_MAX_CHARS + 1)] {
        let draft = TicketDraft {
            title: title.to_owned(),
            ..draft()
        };
        assert!(draft.into_ticket(Actor::host(), at(0)).is_err(), "{title:?}");
    }
    let long = TicketDraft {
        body: Some("x".repeat(BODY_MAX_BYTES + 1)),
        ..draft()
    };
    assert!(long.into_ticket(Actor::host(), at(0)).is_err());
}

#[test]
fn why_a_ticket_cannot_be_claimed_is_said_in_the_words_of_the_contract() {
    let ticket = fresh();
    assert_eq!(ticket.may_be_claimed_by(Some(agent())), Ok(()));
    let refused = |ticket: &Ticket, agent| ticket.may_be_claimed_by(agent).unwrap_err();
    assert_eq!(refused(&ticket, Some(Uuid::nil())), ClaimResult::NotAssigned);
    assert_eq!(refused(&ticket, None), ClaimResult::NotAssigned);
    let nobodys = ticket.assigned_to(None, at(1)).unwrap();
    assert_eq!(refused(&nobodys, Some(agent())), ClaimResult::AssignmentCleared);
    assert_eq!(refused(&claimed(), Some(agent())), ClaimResult::AlreadyClaimed);
    for resolution in [
        Resolution::Completed,
        Resolution::FailedTerminal,
        Resolution::BlockedNeedsOperator,
    ] {
        let ended = claimed().resolved(&held(1, "marvin"), &ending(resolution), at(1));
        assert_eq!(
            refused(&ended.unwrap().ticket, Some(agent())),
            ClaimResult::TicketTerminal
        );
    }
}

#[test]
fn a_claim_is_its_holders_and_the_operators_and_nobody_elses() {
    let ticket = claimed();
    assert!(ticket.held(&held(1, "marvin"), at(1)).is_ok());
    assert_eq!(ticket.held(&held(1, "echo"), at(1)), Err(NotHeld::Anothers));
    let operator = Held {
        fence_token: 1,
        by: Actor {
            kind: ActorKind::Operator,
            id: Some("uid:0".to_owned()),
        },
    };
    assert!(ticket.held(&operator, at(1)).is_ok());
}

#[test]
fn a_fence_token_that_was_never_given_is_not_called_stale() {
    let said = |ticket: &Ticket, token| {
        ticket
            .held(&held(token, "marvin"), at(1))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        said(&claimed(), 7),
        "no claim of the ticket has the fence token 7: the newest has 1"
    );
    assert_eq!(
        said(&fresh(), 1),
        "no claim of the ticket has the fence token 1: it was never claimed"
    );
    let again = claimed()
        .expired(at(LEASE))
        .unwrap()
        .ticket
        .claimed(grant("marvin", at(LEASE)));
    let given = again.held(&held(1, "marvin"), at(LEASE)).unwrap_err();
    assert_eq!(given, NotHeld::Stale { given: 1, newest: 2 });
}

#[test]
fn a_lease_ends_to_the_microsecond_and_is_a_failed_attempt() {
    let last = Timestamp::from_micros(at(LEASE).as_micros() - 1);
    assert!(claimed().held(&held(1, "marvin"), last).is_ok());
    assert!(claimed().expired(last).is_err());
    assert_eq!(
        claimed().held(&held(1, "marvin"), at(LEASE)),
        Err(NotHeld::Expired {
            given: 1,
            at: at(LEASE)
        })
    );
    let ended = claimed().expired(at(LEASE)).unwrap();
    assert_eq!(ended.ticket.status, TicketStatus::FailedRetryable);
    assert_eq!(ended.ticket.failure_count, 1);
    assert_eq!(ended.next_eligible_offset_seconds, Some(600));
    assert_eq!(ended.ticket.due_at(), Some(at(LEASE + 600)));
}

#[test]
fn only_progress_makes_a_lease_longer_and_no_longer_than_a_fresh_one() {
    let refresh = |progress, by| claimed().refreshed(&held(1, "marvin"), progress, by, at(60), LEASE);
    assert_eq!(refresh(None, None), Err(RefreshError::NoProgress));
    let advanced = Some(Progress::StreamingTokenAdvanced);
    let refreshed = refresh(advanced, None).unwrap();
    assert_eq!(refreshed.due_at(), Some(at(660)));
    assert_eq!(refreshed.status, TicketStatus::InProgress);
    assert_eq!(refreshed.work_attempt_count, 1);
    assert_eq!(refresh(advanced, Some(10)).unwrap().due_at(), Some(at(600)));
    for out_of_range in [0, LEASE + 1] {
        assert!(refresh(advanced, Some(out_of_range)).is_err());
    }
}

#[test]
fn each_reason_to_try_again_has_its_time() {
    let due = |retry_reason, offset| {
        let ending = Ending {
            retry_reason,
            next_eligible_offset_seconds: offset,
            ..ending(Resolution::FailedRetryable)
        };
        ending.check().unwrap();
        let ended = claimed().resolved(&held(1, "marvin"), &ending, at(0)).unwrap();
        ended.ticket.next_eligible_at.unwrap()
    };
    assert_eq!(due(Some(RetryReason::ConstitutionInconclusive), None), at(300));
    assert_eq!(due(Some(RetryReason::AgentTimeout), None), at(600));
    assert_eq!(due(Some(RetryReason::Network), None), at(60));
    assert_eq!(due(None, None), at(600));
    assert_eq!(due(Some(RetryReason::Network), Some(5)), at(5));
    let never_again = Ending {
        next_eligible_offset_seconds: Some(5),
        ..ending(Resolution::Completed)
    };
    assert_eq!(never_again.check(), Err(TicketInputError::OffsetOfNothing));
}

#[test]
fn the_third_failure_is_the_last_until_an_operator_reopens_it() {
    let mut ticket = fresh();
    for failure in 1..=FAILURES_MAX {
        ticket = ticket.claimed(grant("marvin", at(0)));
        let fence = u64::from(failure);
        let ended = ticket
            .resolved(
                &held(fence, "marvin"),
                &ending(Resolution::FailedRetryable),
                at(1),
            )
            .unwrap();
        let is_last = failure == FAILURES_MAX;
        let expected = if is_last {
            Resolution::FailedTerminal
        } else {
            Resolution::FailedRetryable
        };
        assert_eq!(ended.resolution, expected);
        assert_eq!(ended.next_eligible_offset_seconds.is_none(), is_last);
        ticket = ended.ticket;
    }
    let reopened = ticket.reopened(at(2)).unwrap();
    assert_eq!((reopened.status, reopened.failure_count), (TicketStatus::Open, 0));
    assert_eq!(reopened.reopened(at(3)), Err(TicketStatus::Open));
}

#[derive(Debug, Clone)]
enum Act {
    Claim,
    Refresh { stale: bool },
    Resolve { stale: bool, resolution: Resolution },
    Begin { stale: bool },
    Wait(u64),
    Sweep,
    Reopen,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let resolution = prop::sample::select(Resolution::ALL);
    let act = prop_oneof![
        3 => Just(Act::Claim),
        2 => any::<bool>().prop_map(|stale| Act::Refresh { stale }),
        3 => (any::<bool>(), resolution).prop_map(|(stale, resolution)| Act::Resolve { stale, resolution }),
        2 => any::<bool>().prop_map(|stale| Act::Begin { stale }),
        2 => (0_u64..900).prop_map(Act::Wait),
        1 => Just(Act::Sweep),
        1 => Just(Act::Reopen),
    ];
    prop::collection::vec(act, 0..60)
}

/// What the ticket becomes, and whether somebody who asked was let.
fn perform(ticket: &Ticket, act: &Act, now: Timestamp) -> Option<Ticket> {
    let as_holder = |stale: bool| {
        held(
            ticket.claim_count - u64::from(stale && ticket.claim_count > 0),
            "marvin",
        )
    };
    match act {
        Act::Claim => {
            ticket.may_be_claimed_by(Some(agent())).ok()?;
            Some(ticket.clone().claimed(grant("marvin", now)))
        }
        Act::Refresh { stale } => ticket
            .clone()
            .refreshed(
                &as_holder(*stale),
                Some(Progress::ToolCallBoundary),
                None,
                now,
                LEASE,
            )
            .ok(),
        Act::Resolve { stale, resolution } => {
            let ended = ticket
                .clone()
                .resolved(&as_holder(*stale), &ending(*resolution), now);
            ended.ok().map(|ended| ended.ticket)
        }
        Act::Begin { stale } => {
            let begun = ticket
                .clone()
                .with_operation(&as_holder(*stale), Uuid::nil(), now);
            begun.ok().map(|(ticket, _)| ticket)
        }
        Act::Sweep => ticket.clone().expired(now).ok().map(|ended| ended.ticket),
        Act::Reopen => ticket.clone().reopened(now).ok(),
        Act::Wait(_) => None,
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_a_ticket_has_one_holder_at_most_and_its_token_only_grows(acts in acts()) {
        let (mut ticket, mut seconds) = (fresh(), 0);
        for act in acts {
            if let Act::Wait(more) = act {
                seconds += more;
                continue;
            }
            let now = at(seconds);
            let Some(after) = perform(&ticket, &act, now) else { continue };
            let is_stale = matches!(
                act,
                Act::Refresh { stale: true } | Act::Resolve { stale: true, .. } | Act::Begin { stale: true }
            );
            prop_assert!(!is_stale, "a stale token changed the ticket: {act:?}");
            prop_assert_eq!(after.claim.is_some(), after.status.is_held());
            prop_assert!(after.claim_count >= ticket.claim_count);
            prop_assert_eq!(after.claim_count > ticket.claim_count, matches!(act, Act::Claim));
            prop_assert!(after.work_attempt_count <= after.claim_count);
            let given_up = after.status == TicketStatus::FailedRetryable && after.failure_count >= FAILURES_MAX;
            prop_assert!(!given_up);
            if let (Some(before), Some(after)) = (&ticket.claim, &after.claim) {
                prop_assert!(after.lease_expires_at >= before.lease_expires_at);
                prop_assert!(after.lease_expires_at <= later(now, LEASE).max(before.lease_expires_at));
                prop_assert!(after.next_sequence >= before.next_sequence);
            }
            let text = serde_json::to_string(&after).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Ticket>(&text).unwrap(), &after);
            ticket = after;
        }
    }
}
