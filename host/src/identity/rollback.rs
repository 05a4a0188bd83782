//! Rolling back: the exact bytes of an earlier generation speak again, as a new generation. Nothing is asked of a plugin.

use std::sync::Arc;

use super::{
    Identities, Speaking, SwapError, Swapped,
    candidate::Candidate,
    event::{Cause, Refusal, speaker},
    identities::{Inner, Newest},
    seat::Seat,
    swap::checked_reason,
};
use crate::{
    domain::{Actor, Generation, TenantId},
    store::GenerationRecord,
};

/// A wish that an earlier identity speaks again.
#[derive(Debug, Clone)]
pub struct RollbackRequest {
    /// For whom.
    pub tenant: TenantId,
    /// To which generation; the one before the one that speaks, if absent.
    pub generation: Option<Generation>,
    /// What for.
    pub reason: Option<String>,
    /// Who wants it.
    pub actor: Actor,
}

impl Identities {
    /// Lets an earlier generation of a tenant speak again, to the byte, whether or not its plugin is still there.
    ///
    /// # Errors
    /// See [`SwapError`]. A refusal is told in the chain once the request named a generation that there is.
    pub async fn rollback(&self, request: RollbackRequest) -> Result<Swapped, SwapError> {
        let reason = checked_reason(request.reason.as_deref())?;
        let request = RollbackRequest { reason, ..request };
        let seat = self.0.seat_of(&request.tenant)?;
        self.unbroken(move |inner| async move { inner.rollback(&seat, request).await })
            .await?
    }
}

impl Inner {
    async fn rollback(&self, seat: &Arc<Seat>, request: RollbackRequest) -> Result<Swapped, SwapError> {
        let _turn = seat.turn.lock().await;
        self.require_seated(seat)?;
        let newest = self.newest(seat).await?;
        let target = self
            .target(seat.tenant(), newest.as_ref(), request.generation)
            .await?;
        let restored = self.restore_bytes(seat, newest, &target, &request).await;
        if let Err(error) = &restored {
            let refusal = Refusal {
                to: speaker(target.provider.as_ref()),
                cause: error.to_string(),
                actor: &request.actor,
                reason: request.reason.as_deref(),
            };
            self.tell_refusal(seat, refusal).await;
        }
        restored
    }

    async fn target(
        &self,
        tenant: &TenantId,
        newest: Option<&Newest>,
        asked: Option<Generation>,
    ) -> Result<GenerationRecord, SwapError> {
        let newest = newest.map_or(0, |newest| newest.record.generation);
        let asked = match asked {
            Some(asked) => asked,
            None if newest > 1 => newest - 1,
            None => {
                let tenant = tenant.clone();
                return Err(SwapError::NothingBefore { tenant, newest });
            }
        };
        let record = match asked < newest {
            true => self.store.generation(tenant, asked).await?,
            false => None,
        };
        record.ok_or_else(|| SwapError::GenerationUnknown {
            tenant: tenant.clone(),
            asked,
            newest,
        })
    }

    async fn restore_bytes(
        &self,
        seat: &Seat,
        newest: Option<Newest>,
        target: &GenerationRecord,
        request: &RollbackRequest,
    ) -> Result<Swapped, SwapError> {
        let opened = Speaking::open(target).map_err(|cause| SwapError::Damaged {
            tenant: seat.tenant().clone(),
            generation: target.generation,
            cause,
        })?;
        let candidate = Candidate::again(target, Arc::clone(&opened.snapshot));
        let cause = Cause::Rollback {
            to_generation: target.generation,
            reason: request.reason.clone(),
        };
        self.replace(seat, newest, candidate, cause, &request.actor).await
    }
}
