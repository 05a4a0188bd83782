//! Chains that nothing is appended to: because of their end, or because nobody has looked at it yet.
//!
//! ```text
//!   waits for its boot  ── the tenant boots here ──▶ looked at ──▶ open, or broken
//!          │ another host holds it
//!          ▼
//!   looked at first     ── somebody appends ───────▶ looked at ──▶ open, or broken
//! ```

use std::{
    collections::{BTreeSet, HashMap},
    sync::{PoisonError, RwLock},
};

use super::{AppendError, EventLog};
use crate::{
    domain::{NewEvent, TenantId},
    store::{CommitError, StoreError, TAIL_RECORDS},
};

/// Why nothing is appended to a chain. One that is not in here is open.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seal {
    /// Its tenant boots here sooner or later, and looks at its end.
    WaitsForBoot,
    /// Its tenant does not boot here. Whoever appends first looks at its end.
    LookFirst,
    /// Its end is not as it was written.
    Broken(String),
}

#[derive(Default)]
pub(super) struct Seals(RwLock<HashMap<TenantId, Seal>>);

impl Seals {
    fn read<T>(&self, read: impl FnOnce(&HashMap<TenantId, Seal>) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<TenantId, Seal>) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl EventLog {
    /// Appends nothing to the chain of this tenant any more: what the host itself tells of it waits in the spool, everything else is refused.
    pub fn seal(&self, tenant: &TenantId, cause: &str) {
        let seal = Seal::Broken(cause.to_owned());
        self.seals.change(|seals| seals.insert(tenant.clone(), seal));
    }

    /// Appends to the chain of this tenant again, and what waits of it before this answers, unless the store is away. Cancel safe: the rest waits
    /// on.
    pub async fn unseal(&self, tenant: &TenantId) {
        if self.seals.change(|seals| seals.remove(tenant)).is_some() {
            self.catch_up(tenant).await;
        }
    }

    /// Seals the chains of tenants of which something waits in the spool, until their ends were looked at.
    pub fn seal_waiting(&self) {
        for tenant in self.spool.tenants() {
            if !tenant.is_host() {
                self.seals
                    .change(|seals| seals.insert(tenant, Seal::WaitsForBoot));
            }
        }
    }

    /// These tenants do not boot here: at the end of the chain of each is looked before the first event is appended to it, and not
    /// before. So it costs nothing that there are many. What waits of them is tried again.
    pub fn look_before_appending(&self, tenants: impl IntoIterator<Item = TenantId>) {
        self.seals.change(|seals| {
            seals.extend(tenants.into_iter().map(|tenant| (tenant, Seal::LookFirst)));
        });
        self.something_waits.notify_one();
    }

    /// Whether anything may be appended to the chains of these events. Looks at those at which somebody has to look first.
    pub(super) async fn may_append_behind(&self, events: &[NewEvent]) -> Result<(), AppendError> {
        if self.seals.read(HashMap::is_empty) {
            return Ok(());
        }
        let tenants: BTreeSet<&TenantId> = events.iter().map(|event| &event.tenant).collect();
        for tenant in tenants {
            let mut seal = self.seals.read(|seals| seals.get(tenant).cloned());
            if seal == Some(Seal::LookFirst) {
                let looked = self.look_at_end(tenant).await;
                seal = looked.map_err(|error| AppendError::Commit(CommitError::Store(error)))?;
            }
            let cause = match seal {
                None => continue,
                Some(Seal::WaitsForBoot | Seal::LookFirst) => "its end was not looked at yet".to_owned(),
                Some(Seal::Broken(cause)) => cause,
            };
            let tenant = tenant.clone();
            return Err(AppendError::Sealed { tenant, cause });
        }
        Ok(())
    }

    async fn look_at_end(&self, tenant: &TenantId) -> Result<Option<Seal>, StoreError> {
        let fault = self.store.check_tail(tenant, TAIL_RECORDS).await?;
        if let Some(fault) = &fault {
            tracing::error!(%tenant, "[kora.chain.sealed] nothing is appended to the chain: {fault}");
        }
        let seal = fault.map(Seal::Broken);
        self.seals.change(|seals| match &seal {
            // Whoever booted the tenant meanwhile has looked, too.
            _ if seals.get(tenant) != Some(&Seal::LookFirst) => {}
            None => drop(seals.remove(tenant)),
            Some(broken) => drop(seals.insert(tenant.clone(), broken.clone())),
        });
        Ok(seal)
    }
}
