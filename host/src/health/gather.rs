//! Looking at a tenant, and at all of them.

use std::{
    collections::BTreeMap,
    future::{Future, ready},
    sync::PoisonError,
    time::Duration,
};

use tokio::time::{Instant, timeout, timeout_at};

use super::{HEARTBEAT, Health, Pulse};
use crate::{
    domain::{Event, TenantId, Timestamp},
    engine::health::{Dispatch, Heart, Observations, Rollup, Watcher, Writes},
    store::{Collection, DocumentFilter, EventFilter, StoreError, StoreHealth},
};

/// How long any one source may take: an operator waits for the answer, and what takes longer is as good as not there.
const READ_DEADLINE: Duration = Duration::from_secs(2);

/// When the newest event of a chain was told, if there is one, or why that is not known.
type NewestAt = Result<Option<Timestamp>, String>;

impl Health {
    /// How a tenant is now. Of a tenant that is not served it says that nobody took it up.
    pub async fn of_tenant(&self, tenant: &TenantId) -> Rollup {
        self.beside(tenant, self.newest_at(&TenantId::host())).await
    }

    /// How a tenant is, beside the newest event of the host's chain.
    async fn beside(&self, tenant: &TenantId, of_host: impl Future<Output = NewestAt>) -> Rollup {
        let observed = self.observe(tenant, of_host).await;
        let readings = observed.readings(self.0.clock.now());
        Rollup::of(readings, self.0.served.stopped(tenant))
    }

    /// How the host is now, and each of its tenants. Whom there is no time for within `budget` is as it was last found, or left out.
    pub async fn of_host(&self, budget: Duration) -> (Rollup, Vec<(TenantId, Rollup)>) {
        let tenants = self.of_tenants(budget).await;
        let host = TenantId::host();
        let (newest_at, dispatch) = tokio::join!(self.newest_at(&host), self.dispatch(&host));
        let writes = self.writes(newest_at);
        let now = self.0.clock.now();
        let own = vec![
            writes.reading(now),
            dispatch.reading(now),
            Watcher::reading(self.0.watch.last_look()),
        ];
        (Rollup::of_host(own, &tenants), tenants)
    }

    /// How each tenant is, likewise.
    pub async fn of_tenants(&self, budget: Duration) -> Vec<(TenantId, Rollup)> {
        let deadline = Instant::now() + budget;
        let before = self.0.last().clone();
        // Once for all of them: with very many tenants each read counts.
        let of_host = timeout_at(deadline, self.newest_at(&TenantId::host())).await;
        let mut found = BTreeMap::new();
        for tenant in self.0.served.tenants() {
            let looked = match &of_host {
                Ok(of_host) if Instant::now() < deadline => {
                    let look = self.beside(&tenant, ready(of_host.clone()));
                    timeout_at(deadline, look).await.ok()
                }
                // Beginning to look would ask every source, for nobody.
                _ => None,
            };
            if let Some(rollup) = looked.or_else(|| before.get(&tenant).cloned()) {
                found.insert(tenant, rollup);
            }
        }
        self.0.last().clone_from(&found);
        found.into_iter().collect()
    }

    async fn observe(&self, tenant: &TenantId, of_host: impl Future<Output = NewestAt>) -> Observations {
        let inner = &self.0;
        let (own, of_host, dispatch, claims, credit, credentials) = tokio::join!(
            self.newest_at(tenant),
            of_host,
            self.dispatch(tenant),
            in_time(inner.claims.claims(tenant)),
            in_time(inner.credit.credit(tenant)),
            in_time(inner.credentials.required(tenant)),
        );
        let heart = match inner.acting.pulse(tenant) {
            Some(pulse) => Some(self.heart(tenant, pulse).await),
            None => None,
        };
        // The newest event of the tenant's chain or of the host's: all go the same way, and a tenant may have nothing to tell.
        let newest_at = own.and_then(|own| of_host.map(|of_host| own.max(of_host)));
        Observations {
            writes: self.writes(newest_at),
            claims,
            credit,
            breakers: inner.acting.breakers(tenant),
            credentials,
            dispatch,
            heart,
            watcher: inner.watch.last_look(),
        }
    }

    fn writes(&self, newest_at: NewestAt) -> Writes {
        Writes {
            newest_at,
            failing: self.refusal(),
            probe_every: self.0.probe_every,
        }
    }

    async fn newest_at(&self, chain: &TenantId) -> NewestAt {
        let newest = self.newest(chain, EventFilter::default()).await?;
        Ok(newest.map(|event| event.occurred_at))
    }

    async fn heart(&self, tenant: &TenantId, pulse: Pulse) -> Heart {
        let filter = EventFilter {
            prefixes: vec![HEARTBEAT.to_owned()],
            ..EventFilter::default()
        };
        let newest = self.newest(tenant, filter).await;
        Heart {
            newest_at: newest.map(|event| event.map(|event| event.occurred_at)),
            every: pulse.every,
            expected_since: pulse.expected_since,
            failing: pulse.failing,
        }
    }

    /// Asks what whoever begins work asks: for the commands on the tenant.
    async fn dispatch(&self, tenant: &TenantId) -> Dispatch {
        if let Some(cause) = self.refusal() {
            return Dispatch {
                refused: Some(cause),
                answered_at: self.last_answer(),
            };
        }
        let filter = DocumentFilter {
            limit: 1,
            ..DocumentFilter::of(Collection::Commands).tenant(tenant)
        };
        let asked = timeout(READ_DEADLINE, self.0.store.documents(filter)).await;
        if let Ok(Ok(_)) = asked {
            let mut answered = self.0.answered_at.lock().unwrap_or_else(PoisonError::into_inner);
            *answered = Some(self.0.clock.now());
        }
        Dispatch {
            refused: asked.ok().and_then(Result::err).map(|error| error.to_string()),
            answered_at: self.last_answer(),
        }
    }

    /// To this, or to the watch over commands, which asks the same every few seconds.
    fn last_answer(&self) -> Option<Timestamp> {
        let own = *self.0.answered_at.lock().unwrap_or_else(PoisonError::into_inner);
        let look = self.0.watch.last_look().filter(|look| look.could_read);
        own.max(look.map(|look| look.looked_at))
    }

    fn refusal(&self) -> Option<String> {
        match self.0.store.health() {
            StoreHealth::Available => None,
            StoreHealth::Unavailable { cause } => Some(format!("the store is away: {cause}")),
            StoreHealth::Closed => Some(StoreError::Closed.to_string()),
        }
    }

    async fn newest(&self, tenant: &TenantId, filter: EventFilter) -> Result<Option<Event>, String> {
        let filter = EventFilter { limit: 1, ..filter };
        let events = self.0.store.events(tenant, filter);
        let events = in_time(async { events.await.map_err(|error| error.to_string()) }).await?;
        Ok(events.into_iter().next())
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| format!("there was no answer within {} s", READ_DEADLINE.as_secs());
    timeout(READ_DEADLINE, asked).await.map_err(late)?
}
