//! Swapping who speaks for a tenant: prepare, commit, publish. Any failure leaves the old identity speaking.

use std::sync::Arc;

use serde::Serialize;

use super::{
    AskError, DamagedGeneration, Identities, ResolveError,
    candidate::Candidate,
    event::{Cause, Refusal, speaker},
    identities::{Committed, Inner, Newest},
    providers,
    seat::Seat,
};
use crate::{
    domain::{Actor, Digest, Generation, TenantId},
    store::{Appended, CommitError, StoreError},
    tenants::Interrupted,
};

/// The most characters of a reason: a few sentences. It stays in the chain for ever.
pub const MAX_REASON_CHARS: usize = 1000;

/// A wish that another identity speaks for a tenant.
#[derive(Debug, Clone)]
pub struct SwapRequest {
    /// For whom.
    pub tenant: TenantId,
    /// Which provider: `plugin/provider`, or the provider's part alone if only one has it.
    pub provider: String,
    /// The swap is refused unless this generation speaks now (0: none).
    pub expect_generation: Option<Generation>,
    /// What for.
    pub reason: Option<String>,
    /// Who wants it.
    pub actor: Actor,
}

/// A swap, or a rollback, that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Swapped {
    /// For whom.
    pub tenant: TenantId,
    /// The generation that speaks now.
    pub generation: Generation,
    /// Who spoke: a provider's id, or `fallback`; absent if nobody did.
    pub from: Option<String>,
    /// Who speaks now: a provider's id, or `fallback`.
    pub to: String,
    /// The hash of what spoke.
    pub from_hash: Option<Digest>,
    /// The hash of what speaks now.
    pub to_hash: Digest,
    /// The event that tells of it.
    pub event: Appended,
}

/// Why a swap or a rollback was refused. Who spoke goes on speaking.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwapError {
    /// No such tenant is served.
    #[error("there is no tenant `{tenant}` that is served: `kora tenants list` shows those there are")]
    TenantUnknown {
        /// What was asked for.
        tenant: TenantId,
    },
    /// The reason is bad.
    #[error("a reason must have 1 to {MAX_REASON_CHARS} characters, or be left out")]
    Reason,
    /// The name does not name one provider.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Another generation speaks than was expected.
    #[error(
        "`{tenant}` is at generation {found}, not {expected}: look at it with `kora identity show {tenant}` and decide anew"
    )]
    GenerationConflict {
        /// Whose.
        tenant: TenantId,
        /// As the caller believed.
        expected: Generation,
        /// As it is.
        found: Generation,
    },
    /// The provider gave no identity.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// There is no generation before the one that speaks.
    #[error("`{tenant}` has no earlier generation to roll back to: it is at generation {newest}")]
    NothingBefore {
        /// Whose.
        tenant: TenantId,
        /// The newest generation, 0 for none.
        newest: Generation,
    },
    /// No such generation.
    #[error(
        "`{tenant}` has no generation {asked} to roll back to: it has 1 to {newest}, and {newest} speaks now"
    )]
    GenerationUnknown {
        /// Whose.
        tenant: TenantId,
        /// What was asked for.
        asked: Generation,
        /// The newest generation.
        newest: Generation,
    },
    /// The generation is not what was written.
    #[error("generation {generation} of `{tenant}` is damaged and cannot speak: {cause}")]
    Damaged {
        /// Whose.
        tenant: TenantId,
        /// Which.
        generation: Generation,
        /// What is wrong.
        cause: DamagedGeneration,
    },
    /// The batch was refused.
    #[error(transparent)]
    Commit(CommitError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not known what became of it.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl From<CommitError> for SwapError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::GenerationConflict {
                tenant,
                expected,
                found,
            } => Self::GenerationConflict {
                tenant,
                expected,
                found,
            },
            CommitError::Store(error) => Self::Store(error),
            other => Self::Commit(other),
        }
    }
}

impl Identities {
    /// Lets another provider speak for a tenant. Always makes a generation, even of the same bytes: somebody wanted it said
    /// again. Waits for the tenant's turn, then at most [`PROVIDER_DEADLINE`](super::PROVIDER_DEADLINE) for the provider.
    ///
    /// # Errors
    /// See [`SwapError`]. A refusal is told in the chain once the request named a tenant and a provider that there are.
    pub async fn swap(&self, request: SwapRequest) -> Result<Swapped, SwapError> {
        let reason = checked_reason(request.reason.as_deref())?;
        let request = SwapRequest { reason, ..request };
        let seat = self.0.seat_of(&request.tenant)?;
        self.unbroken(move |inner| async move { inner.swap(&seat, request).await })
            .await?
    }
}

impl Inner {
    pub(super) fn seat_of(&self, tenant: &TenantId) -> Result<Arc<Seat>, SwapError> {
        self.seat(tenant).ok_or_else(|| SwapError::TenantUnknown {
            tenant: tenant.clone(),
        })
    }

    async fn swap(&self, seat: &Arc<Seat>, request: SwapRequest) -> Result<Swapped, SwapError> {
        let _turn = seat.turn.lock().await;
        self.require_seated(seat)?;
        let provider = providers::resolve(&request.provider, &self.providers.list())?;
        let swapped = self.try_swap(seat, &provider, &request).await;
        if let Err(error) = &swapped {
            let refusal = Refusal {
                to: provider.as_str(),
                cause: error.to_string(),
                actor: &request.actor,
                reason: request.reason.as_deref(),
            };
            self.tell_refusal(seat, refusal).await;
        }
        swapped
    }

    async fn try_swap(
        &self,
        seat: &Seat,
        provider: &crate::domain::ProviderId,
        request: &SwapRequest,
    ) -> Result<Swapped, SwapError> {
        let newest = self.newest(seat).await?;
        let found = newest.as_ref().map_or(0, |newest| newest.record.generation);
        require_generation(seat.tenant(), request.expect_generation, found)?;
        let candidate = self.asker().ask(provider, seat.tenant(), found + 1).await?;
        let cause = Cause::Swap {
            reason: request.reason.clone(),
        };
        self.replace(seat, newest, candidate, cause, &request.actor).await
    }

    /// Commits a candidate that an operator chose.
    pub(super) async fn replace(
        &self,
        seat: &Seat,
        newest: Option<Newest>,
        candidate: Candidate,
        cause: Cause,
        actor: &Actor,
    ) -> Result<Swapped, SwapError> {
        let previous = newest.map(|newest| newest.record);
        let Committed { speaking, appended } = self
            .commit(seat, previous.as_ref(), candidate, cause, actor)
            .await?;
        seat.note(super::seat::Condition::default());
        let from = previous
            .as_ref()
            .map(|previous| speaker(previous.provider.as_ref()).to_owned());
        Ok(Swapped {
            tenant: seat.tenant().clone(),
            generation: speaking.generation,
            from,
            to: speaker(speaking.provider.as_ref()).to_owned(),
            from_hash: previous.map(|previous| previous.snapshot_hash),
            to_hash: speaking.snapshot_hash,
            event: appended,
        })
    }

    pub(super) fn require_seated(&self, seat: &Arc<Seat>) -> Result<(), SwapError> {
        if self.is_seated(seat) {
            return Ok(());
        }
        Err(SwapError::TenantUnknown {
            tenant: seat.tenant().clone(),
        })
    }
}

/// A reason as it is told: trimmed. An empty one is a slip, not "none".
pub(super) fn checked_reason(reason: Option<&str>) -> Result<Option<String>, SwapError> {
    let Some(reason) = reason.map(str::trim) else {
        return Ok(None);
    };
    if reason.is_empty() || reason.chars().count() > MAX_REASON_CHARS {
        return Err(SwapError::Reason);
    }
    Ok(Some(reason.to_owned()))
}

fn require_generation(
    tenant: &TenantId,
    expected: Option<Generation>,
    found: Generation,
) -> Result<(), SwapError> {
    match expected {
        Some(expected) if expected != found => Err(SwapError::GenerationConflict {
            tenant: tenant.clone(),
            expected,
            found,
        }),
        _ => Ok(()),
    }
}
