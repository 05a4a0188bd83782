//! Claiming: a given ticket, or the next one by rank that is due.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    Inner, RACES, Refusal, StoredTicket, TicketError, Tickets,
    commit::Edit,
    fresh_id,
    stored::{self},
    tell,
};
use crate::{
    domain::{
        Actor, ClaimPermission, DegradationReason, EventId, OperationalState, PrimaryState, TenantId,
        Timestamp,
    },
    engine::{
        operation::Operation,
        ticket::{CONTRACT_VERSION, ClaimResult, Criticality, Grant, TicketStatus},
    },
    state::CurrentState,
    store::{Collection, Document, DocumentFilter, DocumentOrder},
};

/// How many candidates are read at first: enough that a few who want one at the same time find one each.
const FEW: u32 = 8;
/// How many are read at once where all of the few were not to be had: work that may be done must not starve behind work that may not,
/// however much there is of that.
const MANY: u32 = 512;
/// What is called when a ticket is claimed, as it stands in the ledger.
const CLAIM_TOOL: &str = "kora__claim_sea_ticket";
/// The words of a ticket whose claim was refused after all.
const NOT_HANDED_OUT: &str = "it was not handed out: claiming was forbidden meanwhile";

/// A wish for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Which ticket, due or not; absent: the next one that is due.
    pub ticket: Option<Uuid>,
    /// The version of the contract that the asker speaks; absent: the host's.
    pub contract_version: Option<u32>,
    /// Who asks.
    pub holder: Actor,
}

/// A ticket that is the asker's now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The ticket with its claim.
    pub stored: StoredTicket,
    /// The event that tells of it.
    pub chain_event_id: EventId,
}

/// What came of a wish for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// It is the asker's.
    Claimed(Box<Claimed>),
    /// It is not, and why.
    Refused {
        /// In a word of the contract; never `claimed`.
        result: ClaimResult,
        /// In a sentence.
        detail: String,
    },
    /// No ticket is due.
    NothingDue,
}

impl From<Refusal> for ClaimAnswer {
    fn from(refusal: Refusal) -> Self {
        Self::Refused {
            result: refusal.by.into(),
            detail: refusal.detail,
        }
    }
}

/// Some of the candidates.
struct Page {
    limit: u32,
    /// Only those behind this rank and id.
    after: Option<(i64, String)>,
}

impl Page {
    const fn first() -> Self {
        Self {
            limit: FEW,
            after: None,
        }
    }

    fn behind(last: &Document) -> Self {
        Self {
            limit: MANY,
            after: Some((last.rank, last.key.id.clone())),
        }
    }
}

/// What the guards said in one look at the candidates: many tickets are of few sorts.
type Asked = BTreeMap<Criticality, Option<Refusal>>;

/// What one try at one ticket came to.
enum Try {
    Claimed(Box<Claimed>),
    /// Somebody else was quicker.
    Lost,
    Refused(ClaimAnswer),
}

impl Tickets {
    /// Claims a ticket for the tenant's agent.
    ///
    /// # Errors
    /// If there is no such ticket, or the store could not answer. That it is not to be had now is an answer.
    pub async fn claim(&self, tenant: &TenantId, request: ClaimRequest) -> Result<ClaimAnswer, TicketError> {
        let (inner, tenant) = (self.0.clone(), tenant.clone());
        self.unbroken(async move { inner.claim(&tenant, &request).await })
            .await
    }
}

impl Tickets {
    /// Why the tenant may claim no work of any sort now, if it may not. Whether there is work is another question.
    pub async fn held_back(&self, tenant: &TenantId) -> Option<String> {
        let refusal = match self.0.state_to_claim_in(tenant) {
            Err(refusal) => Some(refusal),
            // What a smaller model may do is held back last.
            Ok(_) => self.0.guards_refuse(tenant, Criticality::DownshiftEligible).await,
        };
        refusal.map(|refusal| refusal.detail)
    }
}

impl Inner {
    async fn claim(&self, tenant: &TenantId, request: &ClaimRequest) -> Result<ClaimAnswer, TicketError> {
        let spoken = request.contract_version.unwrap_or(CONTRACT_VERSION);
        if spoken != CONTRACT_VERSION {
            return Ok(ClaimAnswer::Refused {
                result: ClaimResult::ContractVersionMismatch,
                detail: format!("expected version {CONTRACT_VERSION} of the contract, found {spoken}"),
            });
        }
        if let Err(refusal) = self.state_to_claim_in(tenant) {
            return Ok(refusal.into());
        }
        let place = match self.take_place(tenant).await? {
            Ok(place) => place,
            Err(refusal) => return Ok(refusal.into()),
        };
        let answer = match request.ticket {
            Some(ticket) => self.claim_this(tenant, ticket, &request.holder).await,
            None => self.claim_next(tenant, &request.holder).await,
        };
        if matches!(answer, Ok(ClaimAnswer::Claimed(_))) {
            self.drive(tenant).await;
        } else {
            self.pace.give_back(tenant, &place);
        }
        answer
    }

    /// The tenant's state, if it lets any work be claimed.
    fn state_to_claim_in(&self, tenant: &TenantId) -> Result<Arc<CurrentState>, Refusal> {
        let now = self.states.current(tenant);
        let Some(now) = now else {
            return Err(Refusal::control("the tenant has no operational state here"));
        };
        let state = &now.state;
        if !matches!(state.primary_state, PrimaryState::Ready | PrimaryState::Active) {
            return Err(held_back(
                state,
                format!("the tenant is `{}`", state.primary_state),
            ));
        }
        match state.claim_permission {
            ClaimPermission::None => Err(held_back(state, "the tenant may claim nothing now".to_owned())),
            ClaimPermission::Normal | ClaimPermission::CriticalOnly => Ok(now),
        }
    }

    async fn claim_this(
        &self,
        tenant: &TenantId,
        ticket: Uuid,
        holder: &Actor,
    ) -> Result<ClaimAnswer, TicketError> {
        for _ in 0..RACES {
            let now = self.clock.now();
            let found = stored::ticket(&*self.store, tenant, ticket).await?;
            if found.ticket.status.is_held() && found.ticket.due_at().is_some_and(|at| at <= now) {
                // Nobody has swept yet: whoever wants it does.
                self.expire(&found, now).await?;
                continue;
            }
            match self.try_claim(&found, holder, now, &mut Asked::new()).await? {
                Try::Claimed(claimed) => return Ok(ClaimAnswer::Claimed(claimed)),
                Try::Refused(answer) => return Ok(answer),
                Try::Lost => {}
            }
        }
        Err(TicketError::KeptChanging)
    }

    async fn claim_next(&self, tenant: &TenantId, holder: &Actor) -> Result<ClaimAnswer, TicketError> {
        for _ in 0..RACES {
            if let Some(answer) = self.claim_first(tenant, holder).await? {
                return Ok(answer);
            }
        }
        Err(TicketError::KeptChanging)
    }

    /// The first candidate that is to be had; if none is, why the first one is not. Nothing if somebody else was quicker.
    async fn claim_first(
        &self,
        tenant: &TenantId,
        holder: &Actor,
    ) -> Result<Option<ClaimAnswer>, TicketError> {
        let now = self.clock.now();
        let mut page = Page::first();
        let (mut refused, mut asked) = (None, Asked::new());
        loop {
            let (candidates, next) = self.candidates(tenant, page, now).await?;
            let mut is_lost = false;
            for candidate in candidates {
                match self.try_claim(&candidate, holder, now, &mut asked).await? {
                    Try::Claimed(claimed) => return Ok(Some(ClaimAnswer::Claimed(claimed))),
                    Try::Refused(answer) => refused = refused.or(Some(answer)),
                    Try::Lost => is_lost = true,
                }
            }
            if is_lost {
                return Ok(None);
            }
            match next {
                Some(next) => page = next,
                None => return Ok(Some(refused.unwrap_or(ClaimAnswer::NothingDue))),
            }
        }
    }

    /// A page of those that are due, by rank, and where the next one begins, if there may be one.
    async fn candidates(
        &self,
        tenant: &TenantId,
        page: Page,
        now: Timestamp,
    ) -> Result<(Vec<StoredTicket>, Option<Page>), TicketError> {
        let filter = DocumentFilter {
            due_by: Some(now),
            skip_locked: true,
            limit: page.limit,
            after_rank: page.after,
            order: DocumentOrder::Ranked,
            ..DocumentFilter::of(Collection::Tickets).tenant(tenant)
        };
        let claimable = TicketStatus::CLAIMABLE.map(TicketStatus::as_str);
        let found = self.store.documents(filter.statuses(claimable)).await?;
        let last = found.last().filter(|_| found.len() >= page.limit as usize);
        let next = last.map(Page::behind);
        let read = found.into_iter().filter_map(|document| {
            let read = StoredTicket::read(document);
            // One that cannot be read must not keep the others from being done.
            read.inspect_err(|error| tracing::error!(%tenant, %error, "a ticket cannot be claimed"))
                .ok()
        });
        Ok((read.collect(), next))
    }

    async fn try_claim(
        &self,
        found: &StoredTicket,
        holder: &Actor,
        now: Timestamp,
        asked: &mut Asked,
    ) -> Result<Try, TicketError> {
        if let Some(answer) = self.refusal(found, asked).await {
            return Ok(Try::Refused(answer));
        }
        let grant = Grant {
            holder: holder.clone(),
            work_attempt_id: fresh_id(),
            kora_operation_id: fresh_id(),
            now,
            lease_seconds: self.rules.lease_seconds,
        };
        let (attempt, operation) = (grant.work_attempt_id, grant.kora_operation_id);
        let row = Operation::allocated(attempt, 0, found.ticket_id, CLAIM_TOOL.to_owned(), now);
        let mut edit = Edit::new(found.ticket.clone().claimed(grant), ());
        edit.begins = Some((operation, row));
        let claim = edit.ticket.claim.clone();
        let edit = match claim {
            Some(claim) => edit.telling(move |after| tell::claimed(after, &claim)),
            None => edit,
        };
        let Some((stored, (), appended)) = self.try_edit(found, edit, holder, now).await? else {
            return Ok(Try::Lost);
        };
        if let Some(refusal) = self.second_thoughts(&stored, asked).await? {
            return Ok(Try::Refused(refusal.into()));
        }
        let chain_event_id = appended.first().map_or_else(EventId::new, |first| first.event_id);
        Ok(Try::Claimed(Box::new(Claimed {
            stored,
            chain_event_id,
        })))
    }

    /// Asks once more after the commit, and takes the claim back if it is refused by now.
    ///
    /// Whoever gave a command or paused the tenant since the first look may have looked for claims before there was this one. A command is
    /// written before anybody looks, so one of the two sees the other. That the command may also have come after the claim, whose holder
    /// L1 and L2 would let finish, takes nothing from anybody: nobody was told of the claim.
    async fn second_thoughts(
        &self,
        claimed: &StoredTicket,
        asked: &mut Asked,
    ) -> Result<Option<Refusal>, TicketError> {
        asked.clear();
        let refusal = self.barred(claimed, asked).await;
        if refusal.is_some()
            && let Err(error) = self.take_back_untold(claimed, NOT_HANDED_OUT).await
        {
            tracing::error!(tenant = %claimed.tenant, ticket = %claimed.ticket_id, "a claim that was refused after all ends only with its lease");
            return Err(error);
        }
        Ok(refusal)
    }

    /// Why this ticket is not to be had, if it is not.
    async fn refusal(&self, found: &StoredTicket, asked: &mut Asked) -> Option<ClaimAnswer> {
        let (tenant, ticket) = (&found.tenant, &found.ticket);
        if let Err(result) = ticket.may_be_claimed_by(self.agents.agent_of(tenant)) {
            let detail = why(result, ticket.status);
            return Some(ClaimAnswer::Refused { result, detail });
        }
        self.barred(found, asked).await.map(ClaimAnswer::from)
    }

    /// Why work like this is not to be claimed, whatever the ticket itself says.
    async fn barred(&self, found: &StoredTicket, asked: &mut Asked) -> Option<Refusal> {
        let (tenant, ticket) = (&found.tenant, &found.ticket);
        let now = match self.state_to_claim_in(tenant) {
            Ok(now) => now,
            Err(refusal) => return Some(refusal),
        };
        if now.state.claim_permission == ClaimPermission::CriticalOnly && !ticket.priority.is_critical() {
            let detail = "the tenant may claim only work of the priority `frontier` now";
            return Some(held_back(&now.state, detail.to_owned()));
        }
        let criticality = ticket.criticality();
        match asked.entry(criticality) {
            Entry::Occupied(answered) => answered.get().clone(),
            Entry::Vacant(open) => {
                let answer = self.guards_refuse(tenant, criticality).await;
                open.insert(answer).clone()
            }
        }
    }

    async fn guards_refuse(&self, tenant: &TenantId, criticality: Criticality) -> Option<Refusal> {
        for guard in &self.guards {
            let refusal = guard.refuses(tenant, criticality).await;
            if refusal.is_some() {
                return refusal;
            }
        }
        None
    }
}

/// What holds it back is the money if the state says so, else control.
fn held_back(state: &OperationalState, detail: String) -> Refusal {
    if state.degradation_reasons.contains(&DegradationReason::Cost) {
        Refusal::cost(detail)
    } else {
        Refusal::control(detail)
    }
}

fn why(result: ClaimResult, status: TicketStatus) -> String {
    match result {
        ClaimResult::AlreadyClaimed => "somebody holds it".to_owned(),
        ClaimResult::NotAssigned => "it is assigned to another actor".to_owned(),
        ClaimResult::AssignmentCleared => "it is assigned to nobody".to_owned(),
        _ => format!("it is `{status}`"),
    }
}
