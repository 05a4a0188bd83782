//! Beside other hosts on one store: being up, and following what they do.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, interval_at},
};
use tokio_util::sync::CancellationToken;

use super::parts::Running;
use crate::{
    control::Elsewhere,
    domain::TenantId,
    engine::vocabulary::OwnType,
    events::Heard,
    membership::{self, Membership},
    service::Service,
    store::{EventFilter, Order},
};

/// How often everything is looked at that other hosts may have changed, for what nobody told of.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The shortest time between two reads of what was told: many moves of a chain are one read of it.
const AT_MOST_EVERY: Duration = Duration::from_millis(100);

/// The tenants and runs of other hosts.
pub struct OtherHosts(pub Membership);

impl Elsewhere for OtherHosts {
    fn holds(&self, tenant: &TenantId) -> bool {
        self.0.holder(tenant).is_some()
    }

    fn is_up(&self, session: &str) -> bool {
        self.0.is_up_elsewhere(session)
    }
}

/// Becomes one of the hosts, before any tenant is held, and stays so to its end. What other hosts do is followed from the end of the
/// boot, which has the turn of tenants until then, to the beginning of the stop.
pub async fn join(running: &Running) {
    let service = &running.service;
    if !service.membership.is_shared() {
        return;
    }
    service.join_hosts().await;
    let moved = Arc::new(Moved::default());
    until(
        &running.stop_upkeep,
        service,
        keep_up(service.clone(), moved.clone()),
    );
    until(
        &running.stop_watching,
        service,
        hear(service.clone(), moved.clone()),
    );
    until(&running.stop_watching, service, follow(service.clone(), moved));
}

fn until(stop: &CancellationToken, service: &Service, work: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.clone();
    service
        .tasks
        .spawn(async move { stop.run_until_cancelled(work).await });
}

/// What is to be looked at again.
#[derive(Default)]
struct Moved {
    what: Mutex<What>,
    something: Notify,
}

#[derive(Default)]
struct What {
    chains: BTreeSet<TenantId>,
    everything: bool,
}

impl Moved {
    fn note(&self, note: impl FnOnce(&mut What)) {
        note(&mut self.what.lock().unwrap_or_else(PoisonError::into_inner));
        self.something.notify_one();
    }

    async fn next(&self) -> What {
        self.something.notified().await;
        std::mem::take(&mut *self.what.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Nothing that takes its time, so that nobody takes this host for lost.
async fn keep_up(service: Arc<Service>, moved: Arc<Moved>) {
    let mut rounds = interval_at(Instant::now() + membership::EVERY, membership::EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        match service.membership.round().await {
            Ok(round) if round.is_new || round.is_somebody_gone => moved.note(|what| what.everything = true),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the hosts on this store could not be looked at"),
        }
    }
}

async fn hear(service: Arc<Service>, moved: Arc<Moved>) {
    let mut subscription = service.log.subscribe();
    while let Some(heard) = subscription.next().await {
        match heard {
            Heard::Elsewhere(chain) => moved.note(|what| what.chains.extend([chain.tenant])),
            Heard::Missed(_) => moved.note(|what| what.everything = true),
            Heard::Event(_) => {}
        }
    }
}

async fn follow(service: Arc<Service>, moved: Arc<Moved>) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut followed = Followed::default();
    loop {
        let what = tokio::select! {
            _ = looks.tick() => What { everything: true, ..What::default() },
            what = moved.next() => what,
        };
        if what.everything {
            service.follow_store().await;
            followed.every_chain(&service).await;
        }
        for tenant in what.chains {
            followed.chain(&service, &tenant).await;
        }
        tokio::time::sleep(AT_MOST_EVERY).await;
    }
}

/// How far the chains were followed.
#[derive(Default)]
struct Followed(std::collections::HashMap<TenantId, u64>);

impl Followed {
    /// Those that moved since, by whomever.
    async fn every_chain(&mut self, service: &Service) {
        let heads = match service.store.heads().await {
            Ok(heads) => heads,
            Err(error) => return tracing::debug!(%error, "the chains could not be looked at"),
        };
        for head in heads {
            if self.0.get(&head.tenant) != Some(&head.seq) {
                // What could not be read now is read with the next look.
                if head.tenant.is_host() || service.follow_tenant(&head.tenant).await {
                    self.0.insert(head.tenant, head.seq);
                }
            }
        }
    }

    async fn chain(&mut self, service: &Service, tenant: &TenantId) {
        if tenant.is_host() {
            if self.tells_of_tenants(service).await {
                service.follow_store().await;
            }
        } else {
            service.follow_tenant(tenant).await;
        }
        if tenant.is_host() || service.membership.holds(tenant) {
            // A command may have been given there.
            service.controls.round().await;
        }
    }

    /// Whether a tenant was added, disabled or enabled since the host's chain was looked at last. What cannot be read may say so.
    async fn tells_of_tenants(&mut self, service: &Service) -> bool {
        let host = TenantId::host();
        let told = [
            OwnType::HostTenantAdded,
            OwnType::HostTenantDisabled,
            OwnType::HostTenantEnabled,
        ];
        let newest = |prefixes: Vec<String>, after_seq: Option<u64>| EventFilter {
            prefixes,
            after_seq,
            limit: 1,
            order: Order::NewestFirst,
            ..EventFilter::default()
        };
        let Ok(end) = service.store.events(&host, newest(Vec::new(), None)).await else {
            return true;
        };
        let Some(end) = end.first().map(|event| event.seq) else {
            return false;
        };
        let Some(since) = self.0.insert(host.clone(), end) else {
            return true;
        };
        let prefixes = told.map(|own| own.as_str().to_owned()).to_vec();
        let found = service.store.events(&host, newest(prefixes, Some(since))).await;
        found.map_or(true, |found| !found.is_empty())
    }
}
