//! The probe: tells the host's chain how all is, again and again, and a tenant's chain when that is another than before.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::Health;
use crate::{
    domain::{Actor, EventId, TenantId, Timestamp},
    engine::{
        health::{self, Outline, Reading, Rollup},
        vocabulary::OwnType,
    },
    store::{Change, Collection, CommitError, Document, DocumentKey},
    tenants::Telling,
};

/// When the first probe comes at the latest: a boot has settled by then.
const FIRST_PROBE: Duration = Duration::from_secs(15);
/// How long one probe may look at tenants.
const PROBE_BUDGET: Duration = Duration::from_secs(60);
/// The document of a tenant that says what its chain was last told.
const TOLD: &str = "told";

impl Health {
    /// Probes until it is told to stop. May be dropped at any time.
    pub async fn watch(&self, stop: CancellationToken) {
        let every = self.0.probe_every;
        let mut rounds = interval_at(Instant::now() + FIRST_PROBE.min(every), every);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = rounds.tick() => {}
            }
            // With very many tenants it takes its time, and what stops is of no interest any more.
            if stop.run_until_cancelled(self.probe()).await.is_none() {
                return;
            }
        }
    }

    /// One probe.
    pub async fn probe(&self) {
        let (host, tenants) = self.of_host(PROBE_BUDGET).await;
        if host.overall != health::Health::Healthy {
            tracing::warn!(overall = %host.overall, control_plane = %host.control_plane, worker = %host.worker, "[kora.health.probe]");
        }
        self.tell_of_host(&host, tenants.is_empty()).await;
        for (tenant, rollup) in &tenants {
            match self.tell_if_changed(tenant, rollup).await {
                // Another host on the same store told of it.
                Ok(()) | Err(CommitError::RevisionConflict { .. }) => {}
                Err(error) => tracing::warn!(%tenant, %error, "the health of a tenant could not be told yet"),
            }
        }
    }

    /// Hosts that share the chain say who they are, and one that only stands by says nothing.
    async fn tell_of_host(&self, rollup: &Rollup, is_idle: bool) {
        let name = self.0.served.beside_others();
        if name.is_some() && is_idle {
            return;
        }
        let mut telling = self.telling(&TenantId::host(), rollup);
        if let Some(name) = name {
            telling.payload["host"] = json!(name);
        }
        if let Err(error) = self.0.journal.tell(telling).await {
            tracing::warn!(%error, "the health of the host could not be told");
        }
    }

    /// A tenant that was never told of is taken for healthy: there is nothing to tell of one that is.
    async fn tell_if_changed(&self, tenant: &TenantId, rollup: &Rollup) -> Result<(), CommitError> {
        let key = DocumentKey {
            collection: Collection::Health,
            tenant: tenant.clone(),
            id: TOLD.to_owned(),
        };
        let stored = self.0.store.document(&key).await?;
        let is_news = match &stored {
            None => rollup.overall != health::Health::Healthy,
            // What cannot be read any more is no reason to be silent.
            Some(told) => serde_json::from_str::<Outline>(&told.body).ok() != Some(rollup.outline()),
        };
        if !is_news {
            return Ok(());
        }
        let document = Document {
            key,
            revision: stored.map_or(0, |told| told.revision) + 1,
            status: rollup.overall.to_string(),
            rank: 0,
            due_at: None,
            body: self.payload(rollup).to_string(),
        };
        let telling = self.telling(tenant, rollup);
        self.0
            .journal
            .commit(Change::PutDocument(document), telling)
            .await?;
        tracing::info!(%tenant, overall = %rollup.overall, "[kora.health.probe] changed");
        Ok(())
    }

    fn telling(&self, tenant: &TenantId, rollup: &Rollup) -> Telling {
        Telling {
            tenant: tenant.clone(),
            event_id: EventId::new(),
            event_type: OwnType::HealthProbe,
            payload: self.payload(rollup),
            actor: Actor::host(),
        }
    }

    fn payload(&self, rollup: &Rollup) -> Value {
        json!({
            "overall": rollup.overall,
            "control_plane": rollup.control_plane,
            "worker": rollup.worker,
            "stopped_reason": rollup.stopped_reason,
            "subsignals": rollup.subsignals.iter().map(subsignal).collect::<Vec<_>>(),
            "probe_cadence_seconds": self.0.probe_every.as_secs(),
        })
    }
}

fn subsignal(reading: &Reading) -> Value {
    json!({
        "name": reading.name,
        "status": reading.status,
        "last_update_at": reading.last_update_at.map(Timestamp::to_rfc3339_seconds),
        "detail": reading.detail,
    })
}
