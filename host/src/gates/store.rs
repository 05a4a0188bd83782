//! The gates that look at the store.

use std::sync::Arc;

use super::{
    epoch::{EpochError, EpochHold, KnownEpoch, Mismatch, StoreEpoch, judge},
    gate::{Fault, Gate},
};
use crate::{
    domain::TenantId,
    engine::gates::{CHAIN_TAIL, EPOCH, STORE_RIGHTS},
    store::{Store, TAIL_RECORDS},
};

/// The end of a tenant's chain, or of the host's own.
pub fn chain_tail(store: &Arc<dyn Store>, tenant: &TenantId) -> Gate {
    let (store, tenant) = (Arc::clone(store), tenant.clone());
    Gate::new(CHAIN_TAIL, move || {
        let (store, tenant) = (Arc::clone(&store), tenant.clone());
        async move {
            match store.check_tail(&tenant, TAIL_RECORDS).await? {
                None => Ok("the end of the chain is sound".to_owned()),
                Some(fault) => Err(Fault::lasting(fault)),
            }
        }
    })
}

/// The store takes an event, and neither changes nor deletes one.
pub fn store_rights(store: &Arc<dyn Store>) -> Gate {
    let store = Arc::clone(store);
    Gate::new(STORE_RIGHTS, move || {
        let store = Arc::clone(&store);
        async move {
            match store.check_rights().await? {
                None => Ok(
                    "an append works, what is committed is synced, and a change and a deletion are refused"
                        .to_owned(),
                ),
                Some(fault) => Err(Fault::now(fault)),
            }
        }
    })
}

/// The store is in the epoch that this home knows; a home that knows none remembers it. What differs holds the tenants from then on.
pub fn epoch(store: &Arc<dyn Store>, known: KnownEpoch, hold: EpochHold) -> Gate {
    let epoch = StoreEpoch::new(Arc::clone(store));
    Gate::new(EPOCH, move || {
        let (epoch, known, hold) = (epoch.clone(), known.clone(), hold.clone());
        async move { look(&epoch, known, &hold).await }
    })
}

async fn look(epoch: &StoreEpoch, known: KnownEpoch, hold: &EpochHold) -> Result<String, Fault> {
    let observed = epoch.read_or_make().await.map_err(|error| match error {
        EpochError::Store(error) => Fault::from(error),
        error => Fault::lasting(error),
    })?;
    let reading = known.clone();
    let read = tokio::task::spawn_blocking(move || reading.read())
        .await
        .map_err(Fault::now)?;
    match judge(&observed, read) {
        Ok(Some(_)) => Ok(format!("the store is in the known epoch `{observed}`")),
        Ok(None) => {
            let detail = format!("the first boot on this store: its epoch `{observed}` is known from now on");
            let written = tokio::task::spawn_blocking(move || known.write(&observed)).await;
            match written.map_err(Fault::now)? {
                Ok(()) => Ok(detail),
                // The next boot is the first one, too, then: nothing is held that should not be, and the reason is told.
                Err(error) => Ok(format!("{detail}, but was not kept: {error}")),
            }
        }
        Err(mismatch) => {
            let detail = Mismatch::detail(&mismatch);
            hold.set(mismatch);
            Err(Fault::lasting(detail))
        }
    }
}
