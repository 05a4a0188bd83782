//! Tickets: work that a tenant's agent claims, does and gives back, and the ledger of what it does meanwhile.
//!
//! The rules are [`engine::ticket`](crate::engine::ticket)'s. Here they meet the store: each change of a ticket is one batch with
//! the event that tells of it, upon the revision that was read, so that of many who want a ticket one gets it, also from
//! several hosts. What holds a claim back is asked first, and once more after the commit ([`ClaimGuard`]); what claims make of a
//! tenant's state is driven from the store's truth, never counted.
//!
//! ```text
//!   claim ─▶ permission ─▶ ramp ─▶ candidates ─▶ guards ─▶ commit ─▶ guards ┬─▶ ready → active
//!   refresh, resolve, begin, step ─▶ fence ─▶ commit ──────────────────────┤
//!   sweep ─▶ leases that ran out ─▶ commit ────────────────────────────────┴─▶ active → ready
//! ```

mod at_work;
mod claim;
mod commit;
mod drive;
mod error;
mod guard;
mod hold;
mod ledger;
mod list;
mod make;
mod pace;
mod stored;
mod sweep;
mod tell;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

pub use claim::{ClaimAnswer, ClaimRequest, Claimed};
pub use drive::StateWatch;
pub use error::TicketError;
pub use guard::{Agents, BlockedBy, ClaimGuard, Purse, Refusal};
pub use ledger::LedgerRow;
pub use list::{LIST_DEFAULT, LIST_MAX, OperationQuery, TicketQuery};
pub use stored::{StoredOperation, StoredTicket};

use crate::{
    domain::{Clock, TenantId},
    engine::{ramp::Ramp, ticket::LEASE_SECONDS},
    state::States,
    store::Store,
    tenants::{Journal, Unbroken},
};
use pace::Pace;

/// How often a change is tried anew after somebody else was quicker. Each lost race means that another's change was made.
const RACES: usize = 16;

/// What an operator may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketRules {
    /// How long a claim lasts unless it is refreshed, in seconds.
    pub lease_seconds: u64,
    /// How claims are spaced while a tenant begins slowly.
    pub ramp: Ramp,
}

impl Default for TicketRules {
    fn default() -> Self {
        Self {
            lease_seconds: LEASE_SECONDS,
            ramp: Ramp::default(),
        }
    }
}

/// What tickets work with.
pub struct TicketsParts {
    /// Where they are.
    pub store: Arc<dyn Store>,
    /// How they are changed.
    pub journal: Arc<dyn Journal>,
    /// By which time.
    pub clock: Arc<dyn Clock>,
    /// What claims drive, and are held back by.
    pub states: Arc<States>,
    /// Who acts in a tenant.
    pub agents: Arc<dyn Agents>,
    /// What else holds claims back; all are asked, the first refusal counts.
    pub guards: Vec<Arc<dyn ClaimGuard>>,
    /// Whether there was no money for a while.
    pub purse: Arc<dyn Purse>,
    /// What the operator set.
    pub rules: TicketRules,
}

/// The tickets of all tenants. Cheap to clone; all clones are one.
///
/// Cancel safe: what was begun goes on to its end although the caller went away.
#[derive(Clone)]
pub struct Tickets(Arc<Inner>);

struct Inner {
    parts: TicketsParts,
    pace: Pace,
    /// Held while a tenant's state is driven: one for each tenant that ever had a claim here.
    drives: std::sync::Mutex<HashMap<TenantId, Arc<tokio::sync::Mutex<()>>>>,
    unbroken: Unbroken,
}

impl std::ops::Deref for Inner {
    type Target = TicketsParts;

    fn deref(&self) -> &TicketsParts {
        &self.parts
    }
}

impl Tickets {
    /// Over these parts.
    pub fn new(parts: TicketsParts) -> Self {
        Self(Arc::new(Inner {
            parts,
            pace: Pace::default(),
            drives: std::sync::Mutex::default(),
            unbroken: Unbroken::default(),
        }))
    }

    /// Waits for what is under way.
    pub async fn join(&self) {
        self.0.unbroken.join().await;
    }

    /// Runs `work` to its end although the caller may go away.
    async fn unbroken<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, TicketError>> + Send + 'static,
    ) -> Result<T, TicketError> {
        self.0.unbroken.run(work).await?
    }
}

/// A fresh id, which sorts by the time of its making.
fn fresh_id() -> Uuid {
    Uuid::now_v7()
}
