//! Giving tenants their identity when they begin to be served: what the store has wins; without it, what the configuration
//! names; without that, the fallback prompt; without that, the tenant does not start.

use std::sync::Arc;

use super::{
    Asker, DamagedGeneration, FallbackError, Identities, IdentitySeed, ResolveError, Speaking,
    candidate::Candidate,
    event::Cause,
    identities::{Inner, Newest, for_each_seat},
    providers::{self, enumerated},
    renew::Renewal,
    seat::{Condition, Seat},
};
use crate::{
    domain::{Actor, ProviderId, TenantId},
    store::{CommitError, StoreError},
    tenants::Interrupted,
};

const ANSWERED_DIFFERENTLY: &str = "the provider answered differently when the host booted";
const SEEDED: &str = "first identity, as configured";

/// A tenant that has an identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// Who speaks.
    pub speaking: Arc<Speaking>,
    /// A new generation was made.
    pub renewed: bool,
    /// Why the stored snapshot speaks unconfirmed, or the fallback prompt instead of the configured provider.
    pub fault: Option<String>,
}

/// Why a tenant has no identity and does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Nobody speaks for it, and nothing does.
    #[error(
        "tenant `{tenant}` has no identity: {}; {fallback}. Name one of the identity providers there are ({}) as `identity` of the tenant or with `kora identity swap`, or give it a fallback prompt",
        .provider.as_deref().unwrap_or("no provider is configured for it"),
        enumerated(.there_are)
    )]
    NoIdentity {
        /// Whose.
        tenant: TenantId,
        /// Why the configured provider does not speak; absent if none is configured.
        provider: Option<String>,
        /// Why the fallback prompt does not speak.
        fallback: FallbackError,
        /// The providers there are.
        there_are: Vec<ProviderId>,
    },
    /// The configured name fits several providers. Nobody guesses, and no fallback hides it.
    #[error("tenant `{tenant}` has no identity: {cause}")]
    Ambiguous {
        /// Whose.
        tenant: TenantId,
        /// What is wrong with the name.
        cause: ResolveError,
    },
    /// What is stored is not what was written, and its provider does not give it anew.
    #[error("tenant `{tenant}` has no identity: {damage}, and it is not given anew: {cause}")]
    Damaged {
        /// Whose.
        tenant: TenantId,
        /// What is wrong with what is stored.
        damage: DamagedGeneration,
        /// Why it is not given anew.
        cause: String,
    },
    /// The tenant was withdrawn meanwhile.
    #[error("tenant `{tenant}` is no longer served")]
    Withdrawn {
        /// Which.
        tenant: TenantId,
    },
    /// The first generation was not committed.
    #[error("the identity of tenant `{tenant}` cannot be kept: {cause}")]
    Commit {
        /// Whose.
        tenant: TenantId,
        /// Why.
        cause: CommitError,
    },
    /// The store could not be read.
    #[error("the identity of tenant `{tenant}` cannot be read: {cause}")]
    Store {
        /// Whose.
        tenant: TenantId,
        /// Why.
        cause: StoreError,
    },
}

/// Tenants that are given their identities one by one, but ask as one: a provider that hangs costs all of them one deadline.
#[derive(Clone)]
pub struct Round {
    identities: Identities,
    asker: Arc<Asker>,
}

impl Round {
    /// Seats a tenant and gives it its identity. It may be tried again. Cancel safe: once begun it goes on to its end.
    ///
    /// # Errors
    /// Why it has none, or that the work was interrupted.
    pub async fn restore(&self, seed: IdentitySeed) -> Result<Result<Restored, RestoreError>, Interrupted> {
        let asker = Arc::clone(&self.asker);
        let work = |inner: Arc<Inner>| async move {
            let seat = match inner.seat(&seed.tenant) {
                Some(seat) => {
                    seat.set_seed(seed);
                    seat
                }
                None => inner.admit(vec![seed]).remove(0),
            };
            inner.restore(&seat, &asker).await
        };
        self.identities.unbroken(work).await
    }
}

impl Identities {
    /// Begins a round of tenants that are given their identities one by one.
    pub fn round(&self) -> Round {
        Round {
            identities: self.clone(),
            asker: Arc::new(self.0.asker()),
        }
    }

    /// Gives each of these tenants a place, empty until it is [restored](Round::restore): one new map for all of them, where each by
    /// itself would make one of its own.
    pub fn seat(&self, seeds: Vec<IdentitySeed>) {
        self.0.admit(seeds);
    }

    /// Seats tenants and gives each its identity; answers what became of each, in order. One that fails does not stop the
    /// others, and may be tried again. A provider that hangs costs all of them one deadline.
    ///
    /// # Errors
    /// If the work was interrupted.
    pub async fn restore(
        &self,
        seeds: Vec<IdentitySeed>,
    ) -> Result<Vec<(TenantId, Result<Restored, RestoreError>)>, Interrupted> {
        self.unbroken(move |inner| async move {
            let seats = inner.admit(seeds);
            let asker = Arc::new(inner.asker());
            for_each_seat(seats, |seat| {
                let (inner, asker) = (Arc::clone(&inner), Arc::clone(&asker));
                async move { (seat.tenant().clone(), inner.restore(&seat, &asker).await) }
            })
            .await
        })
        .await
    }
}

impl Inner {
    async fn restore(&self, seat: &Arc<Seat>, asker: &Asker) -> Result<Restored, RestoreError> {
        let _turn = seat.turn.lock().await;
        let tenant = seat.tenant().clone();
        if !self.is_seated(seat) {
            return Err(RestoreError::Withdrawn { tenant });
        }
        let restored = match self.newest(seat).await {
            Ok(Some(newest)) => self.restore_bound(seat, newest, asker).await,
            Ok(None) => self.seed(seat, asker).await,
            Err(cause) => Err(RestoreError::Store { tenant, cause }),
        };
        if let Err(error) = &restored {
            seat.note(Condition {
                fault: Some(error.to_string()),
                held_by_rollback: false,
            });
        }
        restored
    }

    async fn restore_bound(
        &self,
        seat: &Seat,
        newest: Newest,
        asker: &Asker,
    ) -> Result<Restored, RestoreError> {
        let (renewal, _) = self
            .renew(seat, &newest, asker, ANSWERED_DIFFERENTLY, &Actor::host())
            .await;
        let renewed = matches!(renewal, Ok(Renewal::Renewed(_)));
        let fault = renewal.err().map(|error| error.to_string());
        match (seat.speaking(), newest.damage) {
            (Some(speaking), _) => Ok(Restored {
                speaking,
                renewed,
                fault,
            }),
            (None, damage) => Err(unspoken(seat.tenant(), damage, fault)),
        }
    }

    async fn seed(&self, seat: &Seat, asker: &Asker) -> Result<Restored, RestoreError> {
        let (candidate, fault) = self.first_candidate(seat, asker).await?;
        let reason = match &fault {
            Some(fault) => format!("{SEEDED}; the fallback prompt speaks: {fault}"),
            None => SEEDED.to_owned(),
        };
        let cause = Cause::Swap { reason: Some(reason) };
        let committed = self.commit(seat, None, candidate, cause, &Actor::host()).await;
        let (speaking, renewed) = match (committed, seat.speaking()) {
            (Ok(committed), _) => (committed.speaking, true),
            // Another host on this store was quicker; what it chose was published.
            (Err(CommitError::GenerationConflict { .. }), Some(speaking)) => (speaking, false),
            (Err(cause), _) => {
                let tenant = seat.tenant().clone();
                return Err(RestoreError::Commit { tenant, cause });
            }
        };
        seat.note(Condition {
            fault: fault.clone(),
            held_by_rollback: false,
        });
        Ok(Restored {
            speaking,
            renewed,
            fault,
        })
    }

    /// What the configured provider says; else the fallback prompt, and why the provider does not speak.
    async fn first_candidate(
        &self,
        seat: &Seat,
        asker: &Asker,
    ) -> Result<(Candidate, Option<String>), RestoreError> {
        let seed = seat.seed();
        let provider = match &seed.identity {
            None => None,
            Some(configured) => match self.ask_configured(seat, configured, asker).await? {
                Ok(candidate) => return Ok((candidate, None)),
                Err(why) => Some(why),
            },
        };
        match Candidate::fallback(&seed.fallback, seat.tenant()).await {
            Ok(candidate) => {
                if let Some(fault) = &provider {
                    tracing::warn!(tenant = %seat.tenant(), %fault, "the fallback prompt speaks");
                }
                Ok((candidate, provider))
            }
            Err(fallback) => Err(RestoreError::NoIdentity {
                tenant: seat.tenant().clone(),
                provider,
                fallback,
                there_are: self.providers.list().into_iter().map(|info| info.id).collect(),
            }),
        }
    }

    async fn ask_configured(
        &self,
        seat: &Seat,
        configured: &str,
        asker: &Asker,
    ) -> Result<Result<Candidate, String>, RestoreError> {
        let tenant = seat.tenant();
        match providers::resolve(configured, &self.providers.list()) {
            Ok(provider) => Ok(asker
                .ask(&provider, tenant, 1)
                .await
                .map_err(|error| error.to_string())),
            Err(cause @ ResolveError::Ambiguous { .. }) => Err(RestoreError::Ambiguous {
                tenant: tenant.clone(),
                cause,
            }),
            Err(unknown) => Ok(Err(unknown.to_string())),
        }
    }
}

/// Why a tenant that has a generation has nothing that speaks: its bytes are damaged and were not given anew.
fn unspoken(tenant: &TenantId, damage: Option<DamagedGeneration>, fault: Option<String>) -> RestoreError {
    let tenant = tenant.clone();
    match damage {
        Some(damage) => RestoreError::Damaged {
            tenant,
            damage,
            cause: fault.unwrap_or_else(|| "nobody was asked".to_owned()),
        },
        None => RestoreError::Withdrawn { tenant },
    }
}
