//! Tickets and the ledger, for the operator.

use super::{Principal, Problem, ProblemKind, Service, api};
use crate::{
    domain::TenantId,
    engine::ticket::{Ending, Held, NotHeld, Priority, TicketDraft},
    store::CommitError,
    tickets::{ClaimRequest, LIST_MAX, OperationQuery, TicketError, TicketQuery},
};

impl Service {
    /// Makes a ticket. The host sets kind, origin and id.
    ///
    /// # Errors
    /// If a text is empty or too long, no such actor acts in the tenant, or the store refused.
    pub async fn create_ticket(
        &self,
        by: &Principal,
        input: api::CreateTicket,
    ) -> Result<api::Ticket, Problem> {
        let tenant = self.tenant_or_only(input.tenant.as_deref())?;
        let draft = TicketDraft {
            title: input.title,
            body: input.body,
            priority: input.priority.unwrap_or(Priority::Normal),
            criticality: input.criticality,
            assigned_to_actor_id: input.assign_to,
        };
        let made = self.tickets.create(&tenant, draft, by.actor()).await;
        made.map(api::Ticket::from).map_err(ticket_problem)
    }

    /// Tickets, without their bodies.
    ///
    /// # Errors
    /// If the limit is out of range, or the store cannot be read.
    pub async fn tickets(&self, input: api::ListTickets) -> Result<Vec<api::Ticket>, Problem> {
        let tenant = self.known_tenant_or_only(input.tenant.as_deref())?;
        check_limit(input.limit)?;
        let query = TicketQuery {
            statuses: input.statuses,
            before: input.before,
            limit: input.limit,
        };
        let found = self.tickets.list(&tenant, query).await.map_err(ticket_problem)?;
        let without_body = |stored| api::Ticket {
            body: None,
            ..api::Ticket::from(stored)
        };
        Ok(found.into_iter().map(without_body).collect())
    }

    /// One ticket, whole.
    ///
    /// # Errors
    /// If there is none, or the store cannot be read.
    pub async fn ticket(&self, input: &api::OneTicket) -> Result<api::Ticket, Problem> {
        let tenant = self.known_tenant_or_only(input.tenant.as_deref())?;
        let found = self.tickets.get(&tenant, input.ticket).await;
        found.map(api::Ticket::from).map_err(ticket_problem)
    }

    /// Claims a ticket for the tenant's agent, held by the operator. That it is not to be had is an answer.
    ///
    /// # Errors
    /// If there is no such ticket, or the store refused.
    pub async fn claim_ticket(
        &self,
        by: &Principal,
        input: api::ClaimTicket,
    ) -> Result<api::ClaimAnswer, Problem> {
        let tenant = self.tenant_or_only(input.tenant.as_deref())?;
        let request = ClaimRequest {
            ticket: input.ticket,
            contract_version: input.contract_version,
            holder: by.actor(),
        };
        let answer = self.tickets.claim(&tenant, request).await;
        answer.map(api::ClaimAnswer::from).map_err(ticket_problem)
    }

    /// Makes a claim last longer.
    ///
    /// # Errors
    /// If the fence token is stale, there was no progress, or the store refused.
    pub async fn refresh_ticket(
        &self,
        by: &Principal,
        input: api::RefreshTicket,
    ) -> Result<api::Ticket, Problem> {
        let tenant = self.whose(input.tenant.as_deref())?;
        let held = held(by, input.claim_fence_token);
        let (progress, by) = (input.progress, input.extend_by_seconds);
        let refreshed = self
            .tickets
            .refresh(&tenant, input.ticket, held, progress, by)
            .await;
        refreshed.map(api::Ticket::from).map_err(ticket_problem)
    }

    /// Gives a ticket back.
    ///
    /// # Errors
    /// If the fence token is stale, or the store refused.
    pub async fn release_ticket(
        &self,
        by: &Principal,
        input: api::ReleaseTicket,
    ) -> Result<api::Ticket, Problem> {
        let tenant = self.whose(input.tenant.as_deref())?;
        let held = held(by, input.claim_fence_token);
        let released = self
            .tickets
            .release(&tenant, input.ticket, held, input.reason)
            .await;
        released.map(api::Ticket::from).map_err(ticket_problem)
    }

    /// Says how an attempt ended.
    ///
    /// # Errors
    /// If the fence token is stale, a text or time makes no sense, or the store refused.
    pub async fn resolve_ticket(
        &self,
        by: &Principal,
        input: api::ResolveTicket,
    ) -> Result<api::Ticket, Problem> {
        let tenant = self.whose(input.tenant.as_deref())?;
        let held = held(by, input.claim_fence_token);
        let ending = Ending {
            resolution: input.resolution,
            summary: input.resolution_summary,
            model_tier_used: input.model_tier_used,
            retry_reason: input.retry_reason,
            next_eligible_offset_seconds: input.next_eligible_offset_seconds,
        };
        let resolved = self.tickets.resolve(&tenant, input.ticket, held, ending).await;
        resolved.map(api::Ticket::from).map_err(ticket_problem)
    }

    /// Opens a ticket again that waits for an operator or was given up.
    ///
    /// # Errors
    /// If it does neither, or the store refused.
    pub async fn reopen_ticket(
        &self,
        by: &Principal,
        input: &api::OneTicket,
    ) -> Result<api::Ticket, Problem> {
        let tenant = self.whose(input.tenant.as_deref())?;
        let reopened = self.tickets.reopen(&tenant, input.ticket, by.actor()).await;
        reopened.map(api::Ticket::from).map_err(ticket_problem)
    }

    /// Says whose a ticket is to do.
    ///
    /// # Errors
    /// If it has ended, no such actor acts in the tenant, or the store refused.
    pub async fn assign_ticket(
        &self,
        by: &Principal,
        input: &api::AssignTicket,
    ) -> Result<api::Ticket, Problem> {
        let tenant = self.whose(input.tenant.as_deref())?;
        let assigned = self
            .tickets
            .assign(&tenant, input.ticket, input.actor, by.actor())
            .await;
        assigned.map(api::Ticket::from).map_err(ticket_problem)
    }

    /// Rows of the operation ledger.
    ///
    /// # Errors
    /// If the limit is out of range, or the store cannot be read.
    pub async fn operations(&self, input: api::ListOperations) -> Result<Vec<api::Operation>, Problem> {
        let tenant = self.known_tenant_or_only(input.tenant.as_deref())?;
        check_limit(input.limit)?;
        let query = OperationQuery {
            status: input.status,
            before: input.before,
            limit: input.limit,
        };
        let found = self.tickets.operations(&tenant, query).await;
        let found = found.map_err(ticket_problem)?;
        Ok(found.into_iter().map(api::Operation::from).collect())
    }

    /// What a ticket's holder and its operator do is possible also while the tenant is not served.
    fn whose(&self, tenant: Option<&str>) -> Result<TenantId, Problem> {
        self.known_tenant_or_only(tenant)
    }
}

fn held(by: &Principal, fence_token: u64) -> Held {
    Held {
        fence_token,
        by: by.actor(),
    }
}

fn check_limit(limit: Option<u32>) -> Result<(), Problem> {
    match limit {
        Some(limit) if !(1..=LIST_MAX).contains(&limit) => {
            let message = format!("the limit is {limit}, expected 1 to {LIST_MAX}");
            Err(Problem::new(ProblemKind::BadInput, "tickets.limit", message))
        }
        _ => Ok(()),
    }
}

fn ticket_problem(error: TicketError) -> Problem {
    use ProblemKind::{BadInput, Conflict, Internal, NotFound, Unavailable, WrongState};
    let (kind, code) = match &error {
        TicketError::Unknown { .. } => (NotFound, "tickets.unknown"),
        TicketError::ActorUnknown { .. } => (NotFound, "tickets.actor_unknown"),
        TicketError::Input(_) => (BadInput, "tickets.input"),
        TicketError::NotHeld(NotHeld::Stale { .. }) => (Conflict, "tickets.stale_fence"),
        TicketError::NotHeld(NotHeld::NeverGiven { .. }) => (Conflict, "tickets.unknown_fence"),
        TicketError::NotHeld(NotHeld::Expired { .. }) => (Conflict, "tickets.claim_expired"),
        TicketError::NotHeld(NotHeld::Over { .. }) => (WrongState, "tickets.claim_over"),
        TicketError::NotHeld(NotHeld::Anothers) => (ProblemKind::Denied, "tickets.anothers_claim"),
        TicketError::NoProgress => (WrongState, "tickets.no_progress"),
        TicketError::TooManyOperations => (WrongState, "tickets.too_many_operations"),
        TicketError::NotUnderWay { .. } => (NotFound, "operations.not_under_way"),
        TicketError::Step(_) => (WrongState, "operations.illegal_step"),
        TicketError::Status { .. } => (WrongState, "tickets.status"),
        TicketError::KeptChanging => (Conflict, "tickets.kept_changing"),
        TicketError::Damaged { .. } => (Internal, "tickets.damaged"),
        TicketError::Commit(CommitError::TenantUnknown { .. }) => (NotFound, "tenant.unknown"),
        TicketError::Commit(CommitError::Store(_)) | TicketError::Store(_) => {
            (Unavailable, "store.unavailable")
        }
        TicketError::Commit(_) => (Conflict, "tickets.not_committed"),
        TicketError::Interrupted(_) => (Unavailable, "host.interrupted"),
    };
    let problem = Problem::new(kind, code, error.to_string());
    match &error {
        TicketError::Unknown { .. } => problem.hint("`kora tickets list` shows those there are"),
        TicketError::NotHeld(_) => {
            problem.hint("`kora tickets show TICKET` shows who holds it, and with which token")
        }
        TicketError::NoProgress => problem.hint("on the command line it is `--progress`"),
        _ => problem,
    }
}
