//! The accounts of all tenants: recording, comparing, renewing, and the check before money is spent.

use std::sync::Arc;

use uuid::Uuid;

use super::{Brake, CostError, Policies, bookkeeping::Bookkeeping, documents::Held};
use crate::{
    domain::{Actor, BillingPeriod, Clock, Money, TenantId, Timestamp},
    engine::{
        cost::{Account, Comparison, Criticality, Decision, Ladder, Rung, UnknownCost, Usage},
        ramp::SlowStart,
    },
    store::Store,
    tenants::{Journal, Unbroken},
};

/// The most bytes of a usage's id.
pub(super) const MAX_KEY_BYTES: usize = 128;

/// What the accounts are made of.
pub struct CostsParts {
    /// Where they lie.
    pub store: Arc<dyn Store>,
    /// How they are changed.
    pub journal: Arc<dyn Journal>,
    /// What the time is.
    pub clock: Arc<dyn Clock>,
    /// What may be spent.
    pub policies: Arc<dyn Policies>,
    /// What happens when it is spent.
    pub brake: Arc<dyn Brake>,
}

/// The accounts of all tenants. Cheap to clone; all clones are one.
///
/// What changes an account goes on to its end although the future was dropped.
#[derive(Clone)]
pub struct Costs(Arc<Inner>);

struct Inner {
    bookkeeping: Bookkeeping,
    unbroken: Unbroken,
}

/// A usage that somebody tells of.
#[derive(Debug, Clone)]
pub struct NewUsage {
    /// What was used.
    pub usage: Usage,
    /// Recording the same id of the same source twice is recording once; absent: each time is another usage.
    pub id: Option<String>,
    /// Who tells, in one word: ids of two sources do not meet. Set by the host.
    pub source: String,
    /// Who caused it.
    pub actor: Actor,
}

/// What became of a usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its id in the store.
    pub id: String,
    /// It was recorded before.
    pub repeated: bool,
    /// The rung on which the tenant stands now.
    pub rung: Rung,
    /// What counts as spent.
    pub spent_to_date_usd: Money,
}

/// What became of a provider's figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// How it compares.
    pub comparison: Comparison,
    /// The rung on which the tenant stands now.
    pub rung: Rung,
}

/// How a tenant's money stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostState {
    /// The account.
    pub account: Account,
    /// The rung on which it stands by the policy as it is now.
    pub rung: Rung,
    /// What may be spent in the period, and where the rungs begin.
    pub ladder: Ladder,
    /// Why the figure is not to be believed, if it is not.
    pub unknown: Option<UnknownCost>,
    /// What was recorded in the last 24 hours, to the microsecond.
    pub last_24h_usd: Money,
    /// What will have been spent at the end of the period at that rate; absent once it is over.
    pub projected_usd: Option<Money>,
    /// The period.
    pub period: BillingPeriod,
}

impl Costs {
    /// Over these parts.
    pub fn new(parts: CostsParts) -> Self {
        Self(Arc::new(Inner {
            bookkeeping: Bookkeeping::new(parts),
            unbroken: Unbroken::default(),
        }))
    }

    /// Counts a usage. If that spends the last of the pool, the tenant is paused before this answers. Money that was spent is counted
    /// on every rung.
    ///
    /// # Errors
    /// If the usage or its id makes no sense, the id was used for another, or the account cannot be read or changed. After
    /// [`CostError::Commit`] with a store that is away it may have been counted: tell of it again with the same id.
    pub async fn record(&self, tenant: &TenantId, new: NewUsage) -> Result<Recorded, CostError> {
        new.usage.check()?;
        let id = document_id(&new)?;
        let (inner, tenant) = (Arc::clone(&self.0), tenant.clone());
        let work = async move { inner.bookkeeping.record(&tenant, &id, &new).await };
        self.0.unbroken.run(work).await?
    }

    /// Compares what was counted with what the provider says was spent in the current period, and lifts it to that where the rules
    /// say so. A hard stop that this makes known pauses the tenant.
    ///
    /// # Errors
    /// If the figure is negative, or the account cannot be read or changed.
    pub async fn reconcile(
        &self,
        tenant: &TenantId,
        provider: Money,
        actor: Actor,
    ) -> Result<Reconciled, CostError> {
        if provider.is_negative() {
            return Err(CostError::Figure { found: provider });
        }
        let (inner, tenant) = (Arc::clone(&self.0), tenant.clone());
        let work = async move { inner.bookkeeping.reconcile(&tenant, provider, &actor).await };
        self.0.unbroken.run(work).await?
    }

    /// Notes that credit was granted for a new billing period, which begins at `start`: nothing is spent of it yet. Without `start`
    /// it is the period that follows the current one, or begins now if that is not over. Lifts no pause: that is what resuming does.
    ///
    /// # Errors
    /// If `start` is not after the current period's, or in the future, or the account cannot be read or changed.
    pub async fn refresh(
        &self,
        tenant: &TenantId,
        start: Option<Timestamp>,
        actor: Actor,
    ) -> Result<(), CostError> {
        let (inner, tenant) = (Arc::clone(&self.0), tenant.clone());
        let work = async move { inner.bookkeeping.refresh(&tenant, start, &actor).await };
        self.0.unbroken.run(work).await?
    }

    /// Looks at an account whose tenant was just taken up or resumed, whose policy changed, or to which another host may have counted:
    /// tells of the rung if it is another, pauses the tenant if all is spent, and begins a ramp that was due. Writes nothing if nothing
    /// is otherwise.
    ///
    /// # Errors
    /// If the account cannot be read or changed. Nothing can be spent then either.
    pub async fn settle(&self, tenant: &TenantId) -> Result<(), CostError> {
        let (inner, tenant) = (Arc::clone(&self.0), tenant.clone());
        let work = async move { inner.bookkeeping.settle(&tenant).await };
        self.0.unbroken.run(work).await?
    }

    /// Notes that a tenant whose pause was for want of money takes work again since `at`.
    ///
    /// # Errors
    /// If the account cannot be read or changed: the ramp stays [due](SlowStart::Due), which is slower.
    pub async fn note_resumed(&self, tenant: &TenantId, at: Timestamp) -> Result<(), CostError> {
        let (inner, tenant) = (Arc::clone(&self.0), tenant.clone());
        let work = async move { inner.bookkeeping.begin_slowly(&tenant, at).await };
        self.0.unbroken.run(work).await?
    }

    /// Whether money may be spent on a piece of work of this criticality, and by which model. Whatever cannot be found out is a no.
    pub async fn may_spend(&self, tenant: &TenantId, criticality: Option<Criticality>) -> Decision {
        let books = &self.0.bookkeeping;
        match books.held(tenant).await {
            Ok((held, now)) => Decision::of(&held.account, &books.policy(tenant), criticality, now),
            Err(error) => {
                tracing::warn!(%tenant, %error, "it is not known what was spent: nothing may be spent");
                Decision::Unknown(UnknownCost::Unreadable(error.to_string()))
            }
        }
    }

    /// How the money stands.
    ///
    /// # Errors
    /// If the account cannot be read.
    pub async fn state(&self, tenant: &TenantId) -> Result<CostState, CostError> {
        let books = &self.0.bookkeeping;
        let (Held { account, .. }, now) = books.held(tenant).await?;
        let policy = books.policy(tenant);
        let last_24h_usd = books.last_24h(tenant, &account, now).await?;
        let unknown = account
            .stale_since(policy.stale_after, now)
            .map(|since| UnknownCost::Stale { since });
        Ok(CostState {
            rung: policy.ladder.rung(account.spent_to_date_usd),
            ladder: policy.ladder,
            unknown,
            last_24h_usd,
            projected_usd: account.projected_usd(last_24h_usd, now),
            period: account.period(),
            account,
        })
    }

    /// How the tenant takes up work, as far as money is concerned. What cannot be found out is the slowest answer.
    pub async fn slow_start(&self, tenant: &TenantId) -> SlowStart {
        let held = self.0.bookkeeping.held(tenant).await;
        held.map_or(SlowStart::Due, |(held, _)| held.account.slow_start())
    }

    /// Waits for changes under way.
    pub async fn join(&self) {
        self.0.unbroken.join().await;
    }
}

/// `source:id`, or an id that nobody else has.
fn document_id(new: &NewUsage) -> Result<String, CostError> {
    let Some(id) = &new.id else {
        return Ok(format!("{}:{}", new.source, Uuid::now_v7()));
    };
    let is_printable = id.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    if is_printable && (1..=MAX_KEY_BYTES).contains(&id.len()) {
        return Ok(format!("{}:{id}", new.source));
    }
    Err(CostError::Key {
        found_bytes: id.len(),
    })
}
