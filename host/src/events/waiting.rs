//! What may wait for the store, and when it is tried again. How it is kept is [`spool`](super::spool)'s.
//!
//! The host's own account waits: what has happened in it cannot be taken back because the store is away. Everybody else is told at
//! once that an append failed, unless the store lets them wait too ([`patient`](super::patient)).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{AppendError, EventLog, Kept, Receipt, failures::Reach, spool::Spool};
use crate::{
    domain::{NewEvent, TenantId},
    store::{Batch, CommitError, StoreError},
};

/// How long the store may take over something that can wait: longer than any sync, shorter than an operator's patience. It may
/// have been appended nevertheless; appending it again is then appending it once.
const COMMIT_DEADLINE: Duration = Duration::from_secs(10);
/// The first pause after the store failed: many faults are over at once.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: a store that is back is noticed within half a minute even if nobody appends.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The most events that are appended together while a tenant's entries are drained. Each commit waits for a sync, and whoever appends to
/// that tenant waits for all of them: one by one, an outage of seconds would take minutes to make up for.
const DRAINED_TOGETHER: usize = 256;
/// And the most bytes of them: each attempt copies them, also while the store is away.
const DRAINED_TOGETHER_BYTES: u64 = 1024 * 1024;

/// Why events could not be appended, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause} ({kept})")]
pub struct EmitFailure {
    /// Why.
    pub cause: AppendError,
    /// How they are kept until the store is back.
    pub kept: Kept,
}

/// What one round of draining did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Entries that were appended. An entry is what was emitted together.
    pub appended: usize,
    /// Entries that still wait.
    pub waiting: usize,
}

/// Why a tenant's entries still wait.
enum Stuck {
    /// Nothing of anybody can be appended.
    StoreAway(AppendError),
    /// The tenant's first entry cannot be appended. That says nothing of what waits of others.
    OfTenant(AppendError),
}

/// What cannot be appended now is the tenant's own affair if the store answered, and said what is wrong with it. A damaged chain is: it waits
/// to be repaired, nothing of it is set aside.
const fn reach(cause: &AppendError) -> Reach {
    match cause {
        AppendError::TimedOut { .. } => Reach::Unanswered,
        AppendError::Sealed { .. } | AppendError::Commit(CommitError::Store(StoreError::Damaged(_))) => {
            Reach::Tenant
        }
        AppendError::Commit(refusal) if !matches!(refusal, CommitError::Store(_)) => Reach::Tenant,
        _ => Reach::Everybody,
    }
}

/// Whether an entry must not hold up those behind it: a key that was used for something else while it waited stays used. The host's own
/// account has no keys, so it is a caller's.
fn will_always_be_refused(cause: &AppendError) -> bool {
    matches!(
        cause,
        AppendError::Commit(CommitError::IdempotencyConflict { .. })
    )
}

impl EventLog {
    /// Appends events of one tenant together, or lets them wait, behind those that wait already. Callers that care for the order of
    /// their own await one call before the next. It must not be dropped: the events might be neither appended nor kept.
    ///
    /// # Errors
    /// If they were not appended now; the error says how they are kept.
    pub async fn emit(&self, events: Vec<NewEvent>) -> Result<Vec<Receipt>, EmitFailure> {
        let Some(tenant) = events.first().map(|event| event.tenant.clone()) else {
            return Ok(Vec::new());
        };
        debug_assert!(
            events.iter().all(|event| event.tenant == tenant),
            "an entry is of one tenant"
        );
        let cause = match self.spool.waiting(&tenant) {
            0 => match self.try_commit(events.clone()).await {
                Ok(receipts) => return Ok(receipts),
                Err(cause) => cause,
            },
            // The store is not asked again for each of them: whoever drains does.
            waiting => AppendError::Waiting {
                tenant: tenant.clone(),
                waiting,
                cause: "the store was away".to_owned(),
            },
        };
        let pushed = self
            .off_the_runtime(move |spool| spool.push(&tenant, events))
            .await;
        let kept = pushed.unwrap_or(Kept::Lost);
        self.something_waits.notify_one();
        Err(EmitFailure { cause, kept })
    }

    /// Events of a tenant that wait for the store, in order.
    pub fn waiting(&self, tenant: &TenantId) -> Vec<NewEvent> {
        self.spool.events_of(tenant)
    }

    /// How many entries of all tenants wait for the store.
    pub fn waiting_entries(&self) -> usize {
        self.spool.len()
    }

    pub(super) async fn try_commit(&self, events: Vec<NewEvent>) -> Result<Vec<Receipt>, AppendError> {
        let work = async {
            self.may_append_behind(&events).await?;
            let batch = Batch {
                events,
                ..Batch::default()
            };
            self.commit_and_tell(batch).await.map_err(AppendError::from)
        };
        let appended =
            tokio::time::timeout(COMMIT_DEADLINE, work)
                .await
                .map_err(|_| AppendError::TimedOut {
                    after: COMMIT_DEADLINE,
                })??;
        Ok(appended.into_iter().map(Receipt::from).collect())
    }

    /// Appends what waits, each tenant in order. Stops where the store is away, or did not answer for two tenants in a row; a tenant whose events
    /// are refused holds up nobody else, and comes last in the next round. Dropped half-way, the rest waits on.
    pub async fn drain(&self) -> Drained {
        let _alone = self.draining.lock().await;
        let mut appended = 0;
        let mut tenants = self.spool.tenants();
        tenants.sort_by_cached_key(|tenant| self.failures.has(tenant));
        for tenant in tenants {
            let (count, stuck) = self.drain_one(&tenant).await;
            appended += count;
            match stuck {
                // Told when it was sealed.
                Ok(()) | Err(Stuck::OfTenant(AppendError::Sealed { .. })) => {}
                Err(Stuck::OfTenant(cause)) => {
                    tracing::error!(%tenant, "[kora.chain.emit.failed] what waits for the store cannot be appended: {cause}");
                }
                Err(Stuck::StoreAway(cause)) => {
                    tracing::warn!("[kora.chain.emit.failed] the store is still away: {cause}");
                    break;
                }
            }
        }
        self.tidy().await;
        Drained {
            appended,
            waiting: self.spool.len(),
        }
    }

    /// Drains whenever something waits, with growing pauses while the store is away, until `stop`.
    pub async fn keep_draining(&self, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.spool.is_empty() {
                pause = FIRST_PAUSE;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.something_waits.notified() => continue,
                }
            }
            let round = tokio::select! {
                () = stop.cancelled() => return,
                round = self.drain() => round,
            };
            if round.appended > 0 {
                tracing::info!(
                    entries = round.appended,
                    "[kora.chain.emit] what waited for the store is appended"
                );
                pause = FIRST_PAUSE;
            }
            if round.waiting == 0 {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Nothing may overtake what waits: it is appended first, or the caller is refused.
    pub(super) async fn let_earlier_ones_pass(&self, events: &[NewEvent]) -> Result<(), AppendError> {
        let tenants: BTreeSet<_> = events.iter().map(|event| &event.tenant).collect();
        for tenant in tenants {
            if self.spool.waiting(tenant) == 0 {
                continue;
            }
            let failures_before = self.failures.count();
            let _alone = self.draining.lock().await;
            if let Some(cause) = self.failures.since(failures_before, tenant)
                && self.spool.waiting(tenant) > 0
            {
                // A crowd that waited for one failed attempt does not make one attempt each.
                return Err(self.still_waiting(tenant, cause));
            }
            let (_, stuck) = self.drain_one(tenant).await;
            self.tidy().await;
            if let Err(Stuck::StoreAway(cause) | Stuck::OfTenant(cause)) = stuck {
                return Err(self.still_waiting(tenant, cause.of_the_store()));
            }
        }
        Ok(())
    }

    /// Appends what waits of a tenant.
    pub(super) async fn catch_up(&self, tenant: &TenantId) {
        if self.spool.waiting(tenant) == 0 {
            return;
        }
        let _alone = self.draining.lock().await;
        if let (_, Err(Stuck::StoreAway(cause) | Stuck::OfTenant(cause))) = self.drain_one(tenant).await {
            tracing::warn!(%tenant, "[kora.chain.emit.failed] what waits for the store waits on: {cause}");
        }
        self.tidy().await;
    }

    fn still_waiting(&self, tenant: &TenantId, cause: String) -> AppendError {
        AppendError::Waiting {
            tenant: tenant.clone(),
            waiting: self.spool.waiting(tenant),
            cause,
        }
    }

    /// The caller holds `draining`.
    async fn drain_one(&self, tenant: &TenantId) -> (usize, Result<(), Stuck>) {
        let (mut appended, mut one_by_one) = (0, 0_usize);
        loop {
            let events_max = if one_by_one == 0 { DRAINED_TOGETHER } else { 1 };
            let entries = self.spool.first_ones(tenant, events_max, DRAINED_TOGETHER_BYTES);
            let Some(first) = entries.first() else {
                self.failures.forget(tenant);
                return (appended, Ok(()));
            };
            let events = entries.iter().flat_map(|entry| entry.events.to_vec());
            match self.try_commit(events.collect()).await {
                Ok(_) => {
                    self.failures.store_answered();
                    for entry in &entries {
                        self.spool.appended(tenant, entry.number);
                    }
                    appended += entries.len();
                }
                // One of them is to blame: those before it are not to wait for it.
                Err(cause) if entries.len() > 1 && !cause.is_unavailable() => {
                    one_by_one = entries.len();
                    continue;
                }
                Err(cause) if will_always_be_refused(&cause) => {
                    tracing::error!(%tenant, "[kora.chain.emit.failed] what waited is refused for good and set aside: {cause}");
                    let set_aside = first.clone();
                    let done = self
                        .off_the_runtime(move |spool| spool.set_aside(&set_aside))
                        .await;
                    if done != Some(true) {
                        return (appended, Err(self.stuck(tenant, cause)));
                    }
                    self.spool.appended(tenant, first.number);
                }
                Err(cause) => return (appended, Err(self.stuck(tenant, cause))),
            }
            one_by_one = one_by_one.saturating_sub(entries.len());
        }
    }

    fn stuck(&self, tenant: &TenantId, cause: AppendError) -> Stuck {
        let is_everybodys = self.failures.note(tenant, reach(&cause), cause.of_the_store());
        if is_everybodys {
            Stuck::StoreAway(cause)
        } else {
            Stuck::OfTenant(cause)
        }
    }

    async fn tidy(&self) {
        if self.off_the_runtime(Spool::tidy).await.is_none() {
            tracing::warn!("the spool could not be written anew: the runtime is ending");
        }
    }

    /// Files block: not on a worker of the runtime. Nothing if the runtime is ending, or the work panicked.
    pub(super) async fn off_the_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Spool) -> T + Send + 'static,
    ) -> Option<T> {
        let spool = Arc::clone(&self.spool);
        tokio::task::spawn_blocking(move || work(&spool)).await.ok()
    }
}
