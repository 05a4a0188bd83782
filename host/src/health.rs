//! How healthy tenants and the host are: eight subsignals, each from its own source, rolled up by
//! [`engine::health`](crate::engine::health), and the probe that tells of it.
//!
//! ```text
//!   store, states, tickets, accounts, plugins, daemons, secrets, the watch over commands
//!                        │ ports
//!                        ▼
//!                 Health::of_tenant ──▶ Health::of_host ──▶ probe ──▶ the host's chain: each time
//!                                                               └───▶ a tenant's chain: when it changed
//! ```
//!
//! Looking changes nothing. What does not answer in time is not waited for: it counts as not known.

mod gather;
mod ports;
mod probe;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use ports::{Acting, ClaimsSource, CredentialSource, CreditSource, Pulse, Served, WatchSource};

use crate::{
    domain::{Clock, TenantId, Timestamp},
    engine::health::Rollup,
    store::Store,
    tenants::Journal,
};

/// The type of the event that is a sign of life, and the name of the periodic task that appends it.
pub const HEARTBEAT: &str = "kora.daemon.alive";

/// What health is gathered from.
pub struct HealthParts {
    /// Source of `last_successful_write` (the newest event), `dispatch_reachable` (whether it answers) and of the signs of life.
    pub store: Arc<dyn Store>,
    /// Where the probe is written.
    pub journal: Arc<dyn Journal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Which tenants there are, and which are stopped.
    pub served: Arc<dyn Served>,
    /// Source of `claim_state`.
    pub claims: Arc<dyn ClaimsSource>,
    /// Source of `credit_burn`.
    pub credit: Arc<dyn CreditSource>,
    /// Source of `breaker_state`, and who gives signs of life.
    pub acting: Arc<dyn Acting>,
    /// Source of `auth_validity_window`.
    pub credentials: Arc<dyn CredentialSource>,
    /// Source of `escalation_watcher_liveness`.
    pub watch: Arc<dyn WatchSource>,
    /// How often the probe is written.
    pub probe_every: Duration,
}

/// The health of all tenants. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    parts: HealthParts,
    /// When the store last answered.
    answered_at: Mutex<Option<Timestamp>>,
    /// What was last found of each tenant that is served.
    last: Mutex<BTreeMap<TenantId, Rollup>>,
}

impl std::ops::Deref for Inner {
    type Target = HealthParts;

    fn deref(&self) -> &HealthParts {
        &self.parts
    }
}

impl Inner {
    fn last(&self) -> MutexGuard<'_, BTreeMap<TenantId, Rollup>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health {
    /// Over these parts. Does nothing yet.
    pub fn new(parts: HealthParts) -> Self {
        Self(Arc::new(Inner {
            parts,
            answered_at: Mutex::default(),
            last: Mutex::default(),
        }))
    }
}
