//! `kora tickets`.

use std::str::FromStr;

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use uuid::Uuid;

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Outcome},
        view,
    },
    service::api::{
        AssignTicket, Call, ClaimAnswer, ClaimResult, ClaimTicket, CreateTicket, Criticality, ListTickets,
        OneTicket, Priority, Progress, RefreshTicket, ReleaseTicket, Resolution, ResolveTicket, RetryReason,
        TicketStatus,
    },
    socket::read_answer,
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TicketsCommand {
    /// Make a ticket
    ///
    /// Who made it, its kind and its id are set by the host.
    Create(Create),
    /// List the tickets that have not ended, the newest first
    List(List),
    /// Show one ticket, who holds it, and how its newest attempt ended
    Show(Which),
    /// Claim a ticket: a given one, due or not, or else the next one that is due
    ///
    /// The next one is that of the highest priority, and among equals the oldest. Exit code 0 if it was claimed, 1 if not; the
    /// answer says why.
    Claim(Claim),
    /// Make a claim last longer, because there was progress
    Refresh(Refresh),
    /// Give a claimed ticket back untouched
    Release(Release),
    /// Say how an attempt ended
    Resolve(Resolve),
    /// Open a ticket again that waits for an operator or was given up
    Reopen(Which),
    /// Say whose a ticket is to do; without an actor, nobody's
    Assign(Assign),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Whose {
    /// The tenant; may be left out where there is exactly one
    #[arg(long)]
    tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Which {
    /// Its id
    #[arg(value_parser = id)]
    ticket: Uuid,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Hold {
    #[command(flatten)]
    which: Which,
    /// The fence token that the claim was answered with; a stale one is refused
    #[arg(long, value_name = "TOKEN")]
    fence: u64,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Create {
    /// What to do, in a line
    title: String,
    /// What to do, at length
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// How much it matters
    #[arg(long, default_value = "normal", value_parser = one_of(Priority::ALL, Priority::as_str))]
    priority: Priority,
    /// Whether a lesser model may do it; it may not unless said
    #[arg(long, value_parser = one_of(Criticality::ALL, Criticality::as_str))]
    criticality: Option<Criticality>,
    /// An actor of the tenant; its agent unless said
    #[arg(long, value_name = "ACTOR", value_parser = id)]
    assign_to: Option<Uuid>,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Only of this status; may be given several times
    #[arg(long, value_parser = one_of(TicketStatus::ALL, TicketStatus::as_str))]
    status: Vec<TicketStatus>,
    /// Also those that have ended
    #[arg(long, conflicts_with = "status")]
    all: bool,
    /// Only those made before this one
    #[arg(long, value_name = "TICKET", value_parser = id)]
    before: Option<Uuid>,
    /// At most this many, 1 to 200; 50 unless said
    #[arg(long, value_name = "COUNT")]
    limit: Option<u32>,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Claim {
    /// Its id; the next one that is due if it is left out
    #[arg(value_parser = id)]
    ticket: Option<Uuid>,
    /// The version of the contract that the caller was made for
    #[arg(long, value_name = "VERSION")]
    contract_version: Option<u32>,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Refresh {
    #[command(flatten)]
    hold: Hold,
    /// What went on; to be alive is not enough
    #[arg(long, value_parser = one_of(Progress::ALL, Progress::as_str))]
    progress: Option<Progress>,
    /// For how long from now; as long as a fresh claim unless said. A claim that lasts longer anyway is not shortened
    #[arg(long, value_name = "SECONDS")]
    extend_by: Option<u64>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Release {
    #[command(flatten)]
    hold: Hold,
    /// Why; kept in the event
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Resolve {
    #[command(flatten)]
    hold: Hold,
    /// How it ended
    #[arg(long, value_parser = one_of(Resolution::ALL, Resolution::as_str))]
    resolution: Resolution,
    /// In words; kept in the event
    #[arg(long, value_name = "TEXT")]
    summary: String,
    /// The tier of the model that did it
    #[arg(long, value_name = "TIER")]
    model_tier: Option<String>,
    /// Why it failed; it fixes when it is tried again
    #[arg(long, value_parser = one_of(RetryReason::ALL, RetryReason::as_str))]
    retry_reason: Option<RetryReason>,
    /// When it is tried again, from now; goes before the reason's time
    #[arg(long, value_name = "SECONDS")]
    retry_after: Option<u64>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Assign {
    #[command(flatten)]
    which: Which,
    /// An actor of the tenant, as `kora tenants list --json` shows them
    #[arg(value_parser = id)]
    actor: Option<Uuid>,
}

/// One of the words of an enum.
pub(super) fn one_of<T>(all: &'static [T], word: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: FromStr + Copy + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let words: Vec<_> = all.iter().map(|value| word(*value)).collect();
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// The id of a ticket, an operation or an actor.
pub(super) fn id(text: &str) -> Result<Uuid, String> {
    let expected =
        || "expected an id as lists show it: a UUID, 32 hexadecimal digits with hyphens".to_owned();
    text.parse().map_err(|_| expected())
}

pub(in crate::cli) fn run(command: TicketsCommand, context: &mut Context<'_>) -> Outcome {
    let call = match command {
        TicketsCommand::List(list) => {
            return context.ask(&Call::TicketsList(list.into()), |tickets: &Vec<_>| {
                view::tickets::tickets(tickets)
            });
        }
        TicketsCommand::Claim(claim) => return run_claim(claim, context),
        TicketsCommand::Create(create) => Call::TicketsCreate(create.into()),
        TicketsCommand::Show(which) => Call::TicketsShow(which.into()),
        TicketsCommand::Refresh(refresh) => {
            let extend_by = refresh.extend_by;
            return context.ask(&Call::TicketsRefresh(refresh.into()), |ticket| {
                view::tickets::refreshed(ticket, extend_by)
            });
        }
        TicketsCommand::Release(release) => Call::TicketsRelease(release.into()),
        TicketsCommand::Resolve(resolve) => Call::TicketsResolve(resolve.into()),
        TicketsCommand::Reopen(which) => Call::TicketsReopen(which.into()),
        TicketsCommand::Assign(assign) => Call::TicketsAssign(AssignTicket {
            tenant: assign.which.whose.tenant,
            ticket: assign.which.ticket,
            actor: assign.actor,
        }),
    };
    context.ask(&call, view::tickets::ticket)
}

/// An answer either way, but only one of them is what was asked for.
fn run_claim(claim: Claim, context: &mut Context<'_>) -> Outcome {
    let call = Call::TicketsClaim(ClaimTicket {
        tenant: claim.whose.tenant,
        ticket: claim.ticket,
        contract_version: claim.contract_version,
    });
    let value = context.daemon()?.call(&call)?;
    let answer: ClaimAnswer = read_answer(value.clone())?;
    if context.ui.json {
        context.ui.json(&value)?;
    } else {
        context.ui.data(&view::tickets::claim(&answer))?;
    }
    if answer.result == Some(ClaimResult::Claimed) {
        Ok(Exit::OK)
    } else {
        Ok(Exit::FAILED)
    }
}

impl From<Which> for OneTicket {
    fn from(which: Which) -> Self {
        Self {
            tenant: which.whose.tenant,
            ticket: which.ticket,
        }
    }
}

impl From<Create> for CreateTicket {
    fn from(create: Create) -> Self {
        Self {
            tenant: create.whose.tenant,
            title: create.title,
            body: create.body,
            priority: Some(create.priority),
            criticality: create.criticality,
            assign_to: create.assign_to,
        }
    }
}

impl From<List> for ListTickets {
    fn from(list: List) -> Self {
        let statuses = if list.status.is_empty() && !list.all {
            TicketStatus::UNENDED.to_vec()
        } else {
            list.status
        };
        Self {
            tenant: list.whose.tenant,
            statuses,
            before: list.before,
            limit: list.limit,
        }
    }
}

impl From<Refresh> for RefreshTicket {
    fn from(refresh: Refresh) -> Self {
        let Hold { which, fence } = refresh.hold;
        Self {
            tenant: which.whose.tenant,
            ticket: which.ticket,
            claim_fence_token: fence,
            progress: refresh.progress,
            extend_by_seconds: refresh.extend_by,
        }
    }
}

impl From<Release> for ReleaseTicket {
    fn from(release: Release) -> Self {
        let Hold { which, fence } = release.hold;
        Self {
            tenant: which.whose.tenant,
            ticket: which.ticket,
            claim_fence_token: fence,
            reason: release.reason,
        }
    }
}

impl From<Resolve> for ResolveTicket {
    fn from(resolve: Resolve) -> Self {
        let Hold { which, fence } = resolve.hold;
        Self {
            tenant: which.whose.tenant,
            ticket: which.ticket,
            claim_fence_token: fence,
            resolution: resolve.resolution,
            resolution_summary: resolve.summary,
            model_tier_used: resolve.model_tier,
            retry_reason: resolve.retry_reason,
            next_eligible_offset_seconds: resolve.retry_after,
        }
    }
}
