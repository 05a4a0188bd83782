//! Tickets and the operation ledger.

use jiff::{SignedDuration, Timestamp};

use super::{
    table::{Table, fields},
    text::{counted, one_line, or_nothing, several_lines},
};
use crate::service::api::{Claim, ClaimAnswer, Operation, Resolved, Ticket};

/// Tickets, one on a line.
pub(in crate::cli) fn tickets(tickets: &[Ticket]) -> String {
    Table::new([
        "TICKET",
        "STATUS",
        "PRIORITY",
        "CLAIMS",
        "FENCE",
        "NOT BEFORE",
        "TITLE",
    ])
    .rows(tickets, |ticket| {
        [
            ticket.ticket_id.to_string(),
            ticket.sea_status.to_string(),
            ticket.sea_priority.to_string(),
            ticket.claim_count.to_string(),
            number(ticket.active_claim_token),
            or_nothing(ticket.next_eligible_at.as_deref()),
            ticket.title.clone(),
        ]
    })
    .to_text("no tickets")
}

/// One ticket, whole.
pub(in crate::cli) fn ticket(ticket: &Ticket) -> String {
    let origin = actor(
        ticket.origin_actor_kind.as_str(),
        ticket.origin_actor_id.as_deref(),
    );
    let assigned = ticket.assigned_to_actor_id.map(|id| id.to_string());
    let criticality = ticket.criticality.map(|criticality| criticality.to_string());
    let mut text = fields([
        ("ticket", ticket.ticket_id.to_string()),
        ("tenant", ticket.tenant.clone()),
        ("title", ticket.title.clone()),
        ("status", ticket.sea_status.to_string()),
        ("priority", ticket.sea_priority.to_string()),
        ("criticality", or_nothing(criticality.as_deref())),
        ("made by", origin),
        ("assigned to", or_nothing(assigned.as_deref())),
        ("claims", ticket.claim_count.to_string()),
        ("attempts", ticket.work_attempt_count.to_string()),
        ("failures", ticket.failure_count.to_string()),
        ("not before", or_nothing(ticket.next_eligible_at.as_deref())),
        ("made", ticket.created_at.clone()),
        ("changed", ticket.updated_at.clone()),
    ]);
    if let Some(claim) = &ticket.claim {
        text += &format!("\n{}", held(claim));
    }
    if let Some(resolved) = &ticket.last_resolution {
        text += &format!("\n{}", ended(resolved));
    }
    if let Some(body) = &ticket.body {
        text += &format!("\n{}\n", several_lines(body));
    }
    text
}

/// A ticket whose claim was refreshed, to last `extend_by` seconds from then on.
pub(in crate::cli) fn refreshed(ticket: &Ticket, extend_by: Option<u64>) -> String {
    format!(
        "{}{}",
        self::ticket(ticket),
        not_shortened(ticket, extend_by).unwrap_or_default()
    )
}

/// That it goes on for longer than was asked.
fn not_shortened(ticket: &Ticket, extend_by: Option<u64>) -> Option<String> {
    let (seconds, ends_at) = (extend_by?, &ticket.claim.as_ref()?.lease_expires_at);
    let refreshed_at: Timestamp = ticket.updated_at.parse().ok()?;
    let asked = refreshed_at
        .checked_add(SignedDuration::from_secs(seconds.try_into().ok()?))
        .ok()?;
    (asked < ends_at.parse().ok()?).then(|| {
        let seconds = counted(seconds, "second");
        format!(
            "\nthe claim lasts until {} as before: {seconds} from now is sooner, and a refresh shortens no claim\n",
            one_line(ends_at)
        )
    })
}

fn held(claim: &Claim) -> String {
    fields([
        ("fence", claim.claim_fence_token.to_string()),
        (
            "held by",
            actor(claim.holder_kind.as_str(), claim.holder_id.as_deref()),
        ),
        ("since", claim.claimed_at.clone()),
        ("until", claim.lease_expires_at.clone()),
        ("attempt", claim.work_attempt_id.to_string()),
        ("operation", claim.kora_operation_id.to_string()),
        ("under way", claim.open_operations.len().to_string()),
    ])
}

fn ended(resolved: &Resolved) -> String {
    fields([
        ("last ended", resolved.resolution.to_string()),
        ("at", resolved.resolved_at.clone()),
        ("summary", resolved.resolution_summary.clone()),
        ("model tier", or_nothing(resolved.model_tier_used.as_deref())),
    ])
}

/// What came of a claim.
pub(in crate::cli) fn claim(answer: &ClaimAnswer) -> String {
    if let Some(claimed) = &answer.ticket {
        return format!("claimed\n\n{}", ticket(claimed));
    }
    let detail = one_line(answer.detail.as_deref().unwrap_or_default());
    match answer.result {
        Some(result) => format!("{result}: {detail}\n"),
        None => format!("{detail}\n"),
    }
}

/// Rows of the ledger, one on a line.
pub(in crate::cli) fn operations(rows: &[Operation]) -> String {
    Table::new(["OPERATION", "STATUS", "SEQUENCE", "TOOL", "TICKET", "CHANGED"])
        .rows(rows, |row| {
            [
                row.kora_operation_id.to_string(),
                row.status.to_string(),
                row.sequence_within_attempt.to_string(),
                row.tool_name.clone(),
                row.ticket_id.to_string(),
                row.updated_at.clone(),
            ]
        })
        .to_text("no operations")
}

fn number(number: Option<u64>) -> String {
    or_nothing(number.map(|number| number.to_string()).as_deref())
}

fn actor(kind: &str, id: Option<&str>) -> String {
    id.map_or_else(|| kind.to_owned(), |id| format!("{kind} {id}"))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        domain::ActorKind,
        service::api::{ClaimResult, Priority, Resolution, TicketStatus},
    };

    fn answered() -> Ticket {
        Ticket {
            tenant: "acme".to_owned(),
            ticket_id: Uuid::nil(),
            kind: "sea".to_owned(),
            title: "answer\u{1b} the letter".to_owned(),
            body: Some("It lies\non the desk.".to_owned()),
            sea_status: TicketStatus::FailedRetryable,
            sea_priority: Priority::High,
            criticality: None,
            origin_actor_kind: ActorKind::Operator,
            origin_actor_id: Some("uid:0".to_owned()),
            assigned_to_actor_id: None,
            active_claim_token: None,
            claim: None,
            claim_count: 2,
            work_attempt_count: 1,
            failure_count: 1,
            next_eligible_at: Some("2026-11-20T10:05:00Z".to_owned()),
            last_resolution: Some(Resolved {
                resolution: Resolution::FailedRetryable,
                resolution_summary: "no stamps".to_owned(),
                model_tier_used: None,
                resolved_at: "2026-11-20T10:00:00Z".to_owned(),
            }),
            created_at: "2026-11-20T09:00:00Z".to_owned(),
            updated_at: "2026-11-20T10:00:00Z".to_owned(),
        }
    }

    #[test]
    fn a_ticket_is_shown_with_its_last_attempt_and_its_body() {
        insta::assert_snapshot!(ticket(&answered()), @r"
        ticket       00000000-0000-0000-0000-000000000000
        tenant       acme
        title        answer\u{1b} the letter
        status       failed_retryable
        priority     high
        criticality  -
        made by      operator uid:0
        assigned to  -
        claims       2
        attempts     1
        failures     1
        not before   2026-11-20T10:05:00Z
        made         2026-11-20T09:00:00Z
        changed      2026-11-20T10:00:00Z

        last ended  failed_retryable
        at          2026-11-20T10:00:00Z
        summary     no stamps
        model tier  -

        It lies
        on the desk.
        ");
    }

    #[test]
    fn a_refresh_that_would_shorten_the_claim_says_that_it_did_not() {
        let held = Ticket {
            claim: Some(Claim {
                claim_fence_token: 2,
                holder_kind: ActorKind::Operator,
                holder_id: None,
                work_attempt_id: Uuid::nil(),
                kora_operation_id: Uuid::nil(),
                claimed_at: "2026-11-20T09:59:00Z".to_owned(),
                lease_expires_at: "2026-11-20T10:09:00Z".to_owned(),
                open_operations: vec![],
            }),
            ..answered()
        };
        let says = "\nthe claim lasts until 2026-11-20T10:09:00Z as before: 2 seconds from now is sooner, and a refresh shortens no claim\n";
        assert!(
            refreshed(&held, Some(2)).ends_with(says),
            "{}",
            refreshed(&held, Some(2))
        );
        for longer in [Some(540), Some(600), None] {
            assert_eq!(refreshed(&held, longer), ticket(&held));
        }
    }

    #[test]
    fn tickets_are_one_on_a_line() {
        insta::assert_snapshot!(tickets(&[answered()]), @r"
        TICKET                                STATUS            PRIORITY  CLAIMS  FENCE  NOT BEFORE            TITLE
        00000000-0000-0000-0000-000000000000  failed_retryable  high      2       -      2026-11-20T10:05:00Z  answer\u{1b} the letter
        ");
        assert_eq!(tickets(&[]), "no tickets\n");
    }

    #[test]
    fn a_refused_claim_says_why_in_a_line() {
        let answer = ClaimAnswer {
            result: Some(ClaimResult::BlockedByCost),
            detail: Some("the money is spent".to_owned()),
            claim_fence_token: None,
            lease_expires_at: None,
            claim_count: None,
            chain_event_id: None,
            work_attempt_id: None,
            kora_operation_id: None,
            ticket: None,
        };
        assert_eq!(claim(&answer), "blocked_by_cost: the money is spent\n");
    }
}
