//! A provider says that it would answer differently now: the tenants it speaks for are asked for again.

use std::sync::Arc;

use super::{
    Asker, Identities,
    event::Refusal,
    identities::{Inner, for_each_seat},
    renew::{RenewError, Renewal},
    seat::Seat,
};
use crate::{
    domain::{Actor, ActorKind, Generation, ProviderId, TenantId},
    tenants::Interrupted,
};

const ANNOUNCED: &str = "announced by the provider";

/// What an announcement came to for one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announced {
    /// The provider says what speaks already.
    Unchanged,
    /// The provider says what an operator rolled back from: the rollback stands.
    HeldByRollback,
    /// This generation speaks now.
    Renewed(Generation),
    /// Who spoke goes on speaking.
    Refused(String),
    /// An earlier announcement still waits for its turn and will see this one's change too; or the provider no longer
    /// speaks for the tenant.
    Nothing,
}

impl Identities {
    /// Asks `provider` again for `tenant`, or for all it speaks for, and commits what differs; answers what became of each.
    /// To be called, too, when a plugin was admitted: it may be the one that a tenant's identity came from.
    ///
    /// However often a provider announces, one asking waits for each tenant at most. The same fault is told in the chain once.
    ///
    /// # Errors
    /// If the work was interrupted.
    pub async fn announced(
        &self,
        provider: &ProviderId,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<(TenantId, Announced)>, Interrupted> {
        let (provider, tenant) = (provider.clone(), tenant.cloned());
        self.unbroken(move |inner| async move {
            let mut seats = inner.seats();
            seats.retain(|seat| {
                speaks_for(&provider, seat) && tenant.as_ref().is_none_or(|tenant| tenant == seat.tenant())
            });
            let asker = Arc::new(inner.asker());
            for_each_seat(seats, |seat| {
                let (inner, asker, provider) = (Arc::clone(&inner), Arc::clone(&asker), provider.clone());
                async move {
                    let announced = inner.announced(&seat, &provider, &asker).await;
                    (seat.tenant().clone(), announced)
                }
            })
            .await
        })
        .await
    }
}

impl Inner {
    async fn announced(&self, seat: &Arc<Seat>, provider: &ProviderId, asker: &Asker) -> Announced {
        if !seat.begin_announced() {
            return Announced::Nothing;
        }
        let _turn = seat.turn.lock().await;
        seat.end_announced();
        // While waiting, an operator may have swapped to another, or the tenant may have gone.
        if !self.is_seated(seat) || !speaks_for(provider, seat) {
            return Announced::Nothing;
        }
        self.renew_announced(seat, provider, asker).await
    }

    async fn renew_announced(&self, seat: &Seat, provider: &ProviderId, asker: &Asker) -> Announced {
        let actor = Actor {
            kind: ActorKind::Plugin,
            id: Some(provider.plugin().to_owned()),
        };
        let newest = match self.newest(seat).await {
            Ok(Some(newest)) if newest.record.provider.as_ref() == Some(provider) => newest,
            Ok(_) => return Announced::Nothing,
            Err(error) => return Announced::Refused(error.to_string()),
        };
        let (renewal, before) = self.renew(seat, &newest, asker, ANNOUNCED, &actor).await;
        let error = match renewal {
            Ok(Renewal::Unchanged) => return Announced::Unchanged,
            Ok(Renewal::HeldByRollback) => return Announced::HeldByRollback,
            Ok(Renewal::Renewed(speaking)) => return Announced::Renewed(speaking.generation),
            Err(error) => error,
        };
        let cause = error.to_string();
        if before.fault.as_ref() != Some(&cause) {
            self.tell_announced_refusal(seat, provider, &error, &actor).await;
        }
        Announced::Refused(cause)
    }

    async fn tell_announced_refusal(
        &self,
        seat: &Seat,
        provider: &ProviderId,
        error: &RenewError,
        actor: &Actor,
    ) {
        let refusal = Refusal {
            to: provider.as_str(),
            cause: error.to_string(),
            actor,
            reason: Some(ANNOUNCED),
        };
        self.tell_refusal(seat, refusal).await;
    }
}

fn speaks_for(provider: &ProviderId, seat: &Seat) -> bool {
    seat.speaking()
        .is_some_and(|speaking| speaking.provider.as_ref() == Some(provider))
}
