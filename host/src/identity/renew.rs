//! Asking again those who speak already: does the provider still say what the store has? If not, that is a new generation.
//!
//! Used when the host boots and when a provider announces a change. Whatever goes wrong, the stored snapshot goes on
//! speaking: it is data and outlives the plugin that made it.

use std::sync::Arc;

use super::{
    AskError, Asker, FallbackError, Speaking,
    candidate::Candidate,
    event::{Cause, ROLLED_BACK},
    identities::{Inner, Newest},
    seat::{Condition, Seat},
};
use crate::{
    domain::{Actor, Generation},
    store::{CommitError, GenerationRecord, StoreError},
};

/// How many generations are looked through for what was rolled back from. Each may be half a megabyte.
const ROLLBACK_LOOKBACK: u32 = 16;

/// What asking again came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Renewal {
    /// The provider says what speaks already.
    Unchanged,
    /// The provider says what an operator rolled back from: the rollback stands.
    HeldByRollback,
    /// The provider says something else, which speaks now.
    Renewed(Arc<Speaking>),
}

/// Why asking again came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RenewError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Fallback(#[from] FallbackError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Inner {
    /// Asks again who speaks, commits what differs, and notes what was found at the seat. The caller has the turn. Answers
    /// also the condition that was noted before.
    pub(super) async fn renew(
        &self,
        seat: &Seat,
        newest: &Newest,
        asker: &Asker,
        reason: &str,
        actor: &Actor,
    ) -> (Result<Renewal, RenewError>, Condition) {
        let renewal = self.try_renew(seat, newest, asker, reason, actor).await;
        let condition = Condition {
            fault: renewal.as_ref().err().map(ToString::to_string),
            held_by_rollback: renewal == Ok(Renewal::HeldByRollback),
        };
        if let Some(fault) = &condition.fault {
            tracing::warn!(tenant = %seat.tenant(), %fault, "the stored identity goes on speaking");
        }
        (renewal, seat.note(condition))
    }

    async fn try_renew(
        &self,
        seat: &Seat,
        newest: &Newest,
        asker: &Asker,
        reason: &str,
        actor: &Actor,
    ) -> Result<Renewal, RenewError> {
        let record = &newest.record;
        let candidate = self.ask_again(seat, record, asker).await?;
        if newest.damage.is_none() {
            if !candidate.differs_from(record) {
                return Ok(Renewal::Unchanged);
            }
            if self.was_rolled_back_from(record, &candidate).await? {
                return Ok(Renewal::HeldByRollback);
            }
        }
        let cause = Cause::Swap {
            reason: Some(reason.to_owned()),
        };
        let committed = self.commit(seat, Some(record), candidate, cause, actor).await?;
        Ok(Renewal::Renewed(committed.speaking))
    }

    async fn ask_again(
        &self,
        seat: &Seat,
        record: &GenerationRecord,
        asker: &Asker,
    ) -> Result<Candidate, RenewError> {
        let next: Generation = record.generation + 1;
        Ok(match &record.provider {
            Some(provider) => asker.ask(provider, seat.tenant(), next).await?,
            None => Candidate::fallback(&seat.seed().fallback, seat.tenant()).await?,
        })
    }

    /// Whether `record` is a rollback and the candidate is what its provider said before it. Otherwise every restart would
    /// undo what the operator did.
    async fn was_rolled_back_from(
        &self,
        record: &GenerationRecord,
        candidate: &Candidate,
    ) -> Result<bool, StoreError> {
        let event = self.store.event(record.event_id).await?;
        if event.is_none_or(|event| event.event_type != ROLLED_BACK) {
            return Ok(false);
        }
        let known = self.store.generations(&record.tenant, ROLLBACK_LOOKBACK).await?;
        Ok(known.iter().any(|earlier| candidate.repeats(earlier)))
    }
}
