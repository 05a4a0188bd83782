//! The states of all tenants: who may change which, and how a pause begins and ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{
    Blocker, Changed, CurrentState, HistoryRecord, Listener, RestoreError, ResumeGuard, StateChangeError,
    emission::{EMISSION_QUEUE, emit_in_order},
    holder::{Holder, HolderParts},
    listeners::{Listeners, NOTICE_QUEUE, tell_in_order},
    requests::{already_paused, check_paused, check_writer, paused_again, resumed},
    restore::{last_pause, last_told},
};
use crate::{
    domain::{Clock, DegradationReason, PrimaryState, TenantId, TriggerKind},
    engine::{
        transition::{Recorded, Request},
        trigger::canonical_text,
        vocabulary::Owner,
    },
    events::{EventLog, Writer},
};

/// How often a resume looks again because the state changed while its guard was asked. More than once is rare already.
const RESUME_ATTEMPTS: usize = 8;
/// How long the store may take to say what was before the restart. A tenant of which that is not known does not start.
const RESTORE_DEADLINE: Duration = Duration::from_secs(10);

/// The operational states of all tenants that are served here.
pub struct States {
    log: Arc<EventLog>,
    clock: Arc<dyn Clock>,
    guard: Arc<dyn ResumeGuard>,
    holders: ArcSwap<HashMap<TenantId, Arc<Holder>>>,
    /// Held while tenants come and go.
    membership: Mutex<()>,
    listeners: Arc<Listeners>,
    tasks: TaskTracker,
}

impl States {
    /// Without tenants and listeners.
    pub fn new(log: Arc<EventLog>, clock: Arc<dyn Clock>, guard: Arc<dyn ResumeGuard>) -> Self {
        Self {
            log,
            clock,
            guard,
            holders: ArcSwap::default(),
            membership: Mutex::new(()),
            listeners: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Lets a listener hear of the changes of all tenants from now on, after those that came before it. If there is one of that
    /// name already, nothing changes and the answer is false.
    pub fn listen(&self, name: &str, listener: Arc<dyn Listener>) -> bool {
        self.listeners.add(name, listener)
    }

    /// Lets a listener hear no more; false if there was none of that name.
    pub fn unlisten(&self, name: &str) -> bool {
        self.listeners.remove(name)
    }

    /// Holds the state of a tenant from now on, `booting` at first. If it is held already, nothing changes and the answer is false.
    /// Must be called within the runtime.
    pub fn add_tenant(&self, tenant: &TenantId) -> bool {
        self.add_tenants([tenant]) == 1
    }

    /// The same for several, which costs one copy of the map and not one for each. Answers how many were not held before.
    pub fn add_tenants<'t>(&self, tenants: impl IntoIterator<Item = &'t TenantId>) -> usize {
        let _alone = self.membership.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.holders.load();
        let mut new = tenants
            .into_iter()
            .filter(|tenant| !before.contains_key(*tenant))
            .peekable();
        if new.peek().is_none() {
            return 0;
        }
        let mut holders = HashMap::clone(&before);
        for tenant in new {
            let holder = || Arc::new(self.new_holder(tenant));
            holders.entry(tenant.clone()).or_insert_with(holder);
        }
        let added = holders.len() - before.len();
        self.holders.store(Arc::new(holders));
        added
    }

    fn new_holder(&self, tenant: &TenantId) -> Holder {
        let (emissions, jobs) = mpsc::channel(EMISSION_QUEUE);
        let (notices, noticed) = mpsc::channel(NOTICE_QUEUE);
        self.tasks.spawn(emit_in_order(Arc::clone(&self.log), jobs));
        self.tasks
            .spawn(tell_in_order(Arc::clone(&self.listeners), noticed));
        Holder::new(HolderParts {
            tenant: tenant.clone(),
            clock: Arc::clone(&self.clock),
            log: Arc::clone(&self.log),
            emissions,
            notices,
        })
    }

    /// Holds the state of a tenant no longer; false if it was not. What is queued is told all the same.
    pub fn remove_tenant(&self, tenant: &TenantId) -> bool {
        let _alone = self.membership.lock().unwrap_or_else(PoisonError::into_inner);
        let mut holders = HashMap::clone(&self.holders.load());
        let found = holders.remove(tenant).is_some();
        self.holders.store(Arc::new(holders));
        found
    }

    /// The tenants whose state is held, sorted.
    pub fn tenants(&self) -> Vec<TenantId> {
        let mut tenants: Vec<_> = self.holders.load().keys().cloned().collect();
        tenants.sort_unstable();
        tenants
    }

    /// A tenant's state now, if it is held. Takes no lock.
    pub fn current(&self, tenant: &TenantId) -> Option<Arc<CurrentState>> {
        self.holders.load().get(tenant).map(|holder| holder.current())
    }

    /// The newest `limit` changes of a tenant, oldest first, of the last [`HISTORY_LEN`](super::HISTORY_LEN), if it is held.
    pub fn history(&self, tenant: &TenantId, limit: usize) -> Option<Vec<HistoryRecord>> {
        self.holders
            .load()
            .get(tenant)
            .map(|holder| holder.history(limit))
    }

    /// Holds the state of a tenant and takes up what was before a restart. The host lives on whatever happens: a tenant that
    /// cannot be taken up ends `stopped`, with a warning. A second call changes nothing. Answers the state it is in.
    ///
    /// # Errors
    /// If the tenant is removed meanwhile.
    pub async fn wire_in(&self, tenant: &TenantId) -> Result<Arc<CurrentState>, StateChangeError> {
        if self.add_tenant(tenant) {
            return self.take_up(tenant).await;
        }
        Ok(self.holder(tenant)?.current())
    }

    /// Takes up what was before a restart for a tenant that is held and `booting`: what [`wire_in`](Self::wire_in) does after holding it.
    ///
    /// # Errors
    /// If the tenant is removed meanwhile.
    pub async fn take_up(&self, tenant: &TenantId) -> Result<Arc<CurrentState>, StateChangeError> {
        if let Err(cause) = self.restore(tenant).await {
            tracing::warn!(%tenant, "[kora.operational_state.wire_in] the tenant stays stopped: {cause}");
            let kind = TriggerKind::WiringFailed;
            let stop = Request::to(PrimaryState::Stopped, kind, canonical_text(kind));
            self.holder(tenant)?
                .change(&Writer::host(Owner::Engine), |_| Ok(stop))
                .await?;
        }
        Ok(self.holder(tenant)?.current())
    }

    /// Pauses a tenant that is booting if it was paused, with the same reasons, when the host ended; says whether it was.
    ///
    /// # Errors
    /// If that cannot be found out. The tenant must not become ready then.
    pub async fn restore(&self, tenant: &TenantId) -> Result<bool, RestoreError> {
        let Ok(holder) = self.holder(tenant) else {
            return Ok(false);
        };
        if holder.current().state.primary_state != PrimaryState::Booting {
            return Ok(false);
        }
        let last_pause = tokio::time::timeout(RESTORE_DEADLINE, last_pause(&self.log, tenant))
            .await
            .map_err(|_| RestoreError::TimedOut {
                after_seconds: RESTORE_DEADLINE.as_secs(),
            })??;
        let Some(pause) = last_pause else {
            return Ok(false);
        };
        let restored = holder
            .change(&Writer::host(Owner::Engine), |_| Ok(paused_again(&pause)))
            .await;
        // Only a tenant that was stopped meanwhile refuses, and that is safer still.
        Ok(restored.is_ok())
    }

    /// Changes a tenant's state as the table allows. Answers once the chain was told, or the events wait: whether the change
    /// happened does not depend on that. If the future is dropped, the change may have happened.
    ///
    /// # Errors
    /// If the table, the expected state or the writer's part forbid it; if it would lift a pause, which only
    /// [`resume`](Self::resume) does; if the tenant is not held.
    pub async fn transition(
        &self,
        tenant: &TenantId,
        request: Request,
        writer: &Writer,
    ) -> Result<Changed, StateChangeError> {
        check_writer(&request, writer)?;
        let decide = |now: &CurrentState| {
            let lifts_pause =
                now.state.primary_state == PrimaryState::Paused && request.to == Some(PrimaryState::Ready);
            if lifts_pause {
                Err(StateChangeError::ResumeOnly)
            } else {
                Ok(request)
            }
        };
        self.holder(tenant)?.change(writer, decide).await
    }

    /// Adds or removes one reason for being degraded, whatever the primary state is. The note is for humans.
    ///
    /// # Errors
    /// If the tenant is stopped or not held, or the note is too long.
    pub async fn set_degradation(
        &self,
        tenant: &TenantId,
        reason: DegradationReason,
        present: bool,
        note: &str,
        writer: &Writer,
    ) -> Result<Changed, StateChangeError> {
        let kind = TriggerKind::Degradation;
        let text = if note.trim().is_empty() {
            canonical_text(kind)
        } else {
            note
        };
        let request = Request::stay(kind, text);
        let request = if present {
            request.adding([reason])
        } else {
            request.removing([reason])
        };
        self.transition(tenant, request, writer).await
    }

    /// Pauses a tenant that is booting, ready or active, for the reason `operator`, until it is [resumed](Self::resume).
    ///
    /// # Errors
    /// If it is paused or stopped already, not held, or the text is empty or too long.
    pub async fn pause(
        &self,
        tenant: &TenantId,
        text: &str,
        writer: &Writer,
    ) -> Result<Changed, StateChangeError> {
        let request = Request::to(PrimaryState::Paused, TriggerKind::Operator, text)
            .adding([DegradationReason::Operator]);
        check_writer(&request, writer)?;
        let decide = |now: &CurrentState| match now.state.primary_state {
            PrimaryState::Paused => Err(already_paused().into()),
            _ => Ok(request),
        };
        self.holder(tenant)?.change(writer, decide).await
    }

    /// Lifts a pause once nothing holds it: the tenant becomes ready, the reasons `operator` and `cost` go, and unless other reasons keep the
    /// permission at `critical_only` it is `normal` again.
    ///
    /// # Errors
    /// If something holds the pause, which the error lists; if it is not paused or not held; if the text is empty or too long.
    pub async fn resume(
        &self,
        tenant: &TenantId,
        text: &str,
        writer: &Writer,
    ) -> Result<Changed, StateChangeError> {
        let holder = self.holder(tenant)?;
        for _ in 0..RESUME_ATTEMPTS {
            let seen = holder.current();
            let request = resumed(&seen.state, text);
            check_writer(&request, writer)?;
            check_paused(&seen.state)?;
            let blocked_by = self.guard.blocked_by(tenant, &seen.state).await;
            if !blocked_by.is_empty() {
                return Err(StateChangeError::Blocked { blocked_by });
            }
            // The guard spoke of the state that was seen; of another it has to be asked again.
            let decide = |now: &CurrentState| {
                if now.state == seen.state {
                    Ok(request)
                } else {
                    Err(StateChangeError::KeptChanging)
                }
            };
            match holder.change(writer, decide).await {
                Err(StateChangeError::KeptChanging) => {}
                decided => return decided,
            }
        }
        Err(StateChangeError::KeptChanging)
    }

    /// The change of state that a tenant's chain tells of last, also of one that is not held here; none if there never was one.
    ///
    /// # Errors
    /// If the chain cannot be read, or what it tells cannot have happened.
    pub async fn last_told(&self, tenant: &TenantId) -> Result<Option<Recorded>, RestoreError> {
        last_told(&self.log, tenant).await
    }

    /// What holds the pause of a tenant now; empty if nothing does, or if it is not held here.
    pub async fn pause_held_by(&self, tenant: &TenantId) -> Vec<Blocker> {
        match self.current(tenant) {
            Some(now) => self.guard.blocked_by(tenant, &now.state).await,
            None => Vec::new(),
        }
    }

    /// Waits until every change so far was told to the chain, or waits in the spool, and was heard by the listeners.
    pub async fn flush(&self) {
        let holders = self.holders.load_full();
        for holder in holders.values() {
            holder.flush().await;
        }
    }

    /// Holds no state any more, and waits until every change was told and heard.
    pub async fn close(&self) {
        {
            let _alone = self.membership.lock().unwrap_or_else(PoisonError::into_inner);
            self.holders.store(Arc::default());
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn holder(&self, tenant: &TenantId) -> Result<Arc<Holder>, StateChangeError> {
        self.holders
            .load()
            .get(tenant)
            .cloned()
            .ok_or_else(|| StateChangeError::TenantUnknown {
                tenant: tenant.clone(),
            })
    }
}
