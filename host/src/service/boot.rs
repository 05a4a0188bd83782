//! The boot of this host as an operator sees it: its history, and a store that has to be accepted before tenants go on.

use std::time::Duration;

use serde_json::json;

use super::{Principal, Problem, ProblemKind, Service, api};
use crate::{
    domain::{Actor, DegradationReason, PrimaryState, TenantId, TriggerKind},
    engine::{
        gates::{EPOCH, TENANT_GATES, verdict},
        transition::{GateOutcome, GateReport, Request},
        vocabulary::{OwnType, Owner},
    },
    events::Writer,
    gates::{BootRecord, Mismatch},
    store::StoreHealth,
    tenants::TenantSeed,
};

/// What tenants say once an epoch was accepted.
const ACCEPTED: &str = "the epoch of the store was accepted";
/// How many boots are shown unless somebody asks for another number.
const SHOWN_UNASKED: u32 = 10;
/// How many tenants of the configuration are added before somebody else has a turn.
const ADDED_IN_A_TURN: usize = 512;
/// How long a call waits for the tenant that it names to boot: longer than a provider may take, shorter than anybody's patience.
const NEED_DEADLINE: Duration = Duration::from_secs(30);

impl Service {
    /// The newest boots of a tenant, or of the host, newest first.
    ///
    /// # Errors
    /// If there is no such tenant, the limit is none, or the store cannot be read.
    pub async fn boot_history(&self, input: &api::BootHistory) -> Result<Vec<api::Boot>, Problem> {
        let tenant = match input.tenant.as_deref() {
            Some(text) if text != TenantId::host().as_str() => self.known_tenant_or_only(Some(text))?,
            _ => TenantId::host(),
        };
        let limit = input.limit.unwrap_or(SHOWN_UNASKED);
        if !(1..=crate::gates::SHOWN).contains(&limit) {
            let message = format!(
                "expected a limit from 1 to {}, found {limit}",
                crate::gates::SHOWN
            );
            return Err(Problem::new(ProblemKind::BadInput, "boot.limit", message));
        }
        let newest = self
            .history
            .newest(&tenant, limit)
            .await
            .map_err(|error| Problem::new(ProblemKind::Unavailable, "boot.history", error.to_string()))?;
        Ok(newest
            .into_iter()
            .map(|record| api::Boot::of(&tenant, record))
            .collect())
    }

    /// Accepts the epoch of a store that is not the one that was known: it is known from now on, and tenants can be resumed.
    ///
    /// # Errors
    /// If there is nothing to accept, the store is in another epoch than the one that is named, or it cannot be written down.
    pub async fn accept_epoch(
        &self,
        by: &Principal,
        input: &api::AcceptEpoch,
    ) -> Result<api::EpochAccepted, Problem> {
        let Some(mismatch) = self.epoch_hold.mismatch() else {
            let message = "there is nothing to accept: the store is in the epoch that this home knows";
            return Err(Problem::new(ProblemKind::WrongState, "boot.epoch_known", message));
        };
        let Mismatch { observed, known } = &*mismatch;
        if input.epoch != observed.as_str() {
            let message = format!("the store is in epoch `{observed}`, not in the one that was named");
            return Err(
                Problem::new(ProblemKind::Conflict, "boot.epoch_other", message).hint(format!(
                    "if that is the store that is meant: `kora boot accept-epoch {observed}`"
                )),
            );
        }
        let (file, epoch) = (self.known_epoch.clone(), observed.clone());
        let written = tokio::task::spawn_blocking(move || file.write(&epoch)).await;
        let failed = |error: &dyn std::fmt::Display| {
            Problem::new(ProblemKind::Unavailable, "boot.epoch_not_kept", error.to_string())
        };
        written
            .map_err(|error| failed(&error))?
            .map_err(|error| failed(&error))?;
        self.epoch_hold.clear();
        self.note_epoch_accepted(by);
        let payload = json!({"observed_substrate_epoch": observed, "last_known_epoch": known});
        let writer = by.writer().through(Owner::Host);
        self.tell_host(OwnType::HostEpochAccepted, payload, &writer).await;
        let released = self.release_from_epoch(by).await;
        Ok(api::EpochAccepted {
            epoch: observed.to_string(),
            may_be_resumed: released.iter().map(ToString::to_string).collect(),
        })
    }

    /// What the epoch gate found is told in the host's own chain.
    pub async fn tell_mismatch(&self) {
        if let Some(mismatch) = self.epoch_hold.mismatch() {
            let Mismatch { observed, known } = &*mismatch;
            let payload = json!({"observed_substrate_epoch": observed, "last_known_epoch": known});
            let writer = Writer::host(Owner::Engine);
            self.tell_host(OwnType::DrObserved, payload, &writer).await;
        }
    }

    /// Notes the boot of the host, once it has ended.
    pub fn note_host_boot(&self) {
        let gates = self.gate_reports();
        let (result, decisive) = verdict(&gates);
        let record = BootRecord {
            boot_id: self.boot_id.clone(),
            result,
            started_at: self.coordinator.boot_at(),
            ended_at: self.clock.now(),
            failed_gate_id: decisive.map(|gate| gate.gate_id.clone()),
            gates: gates.clone(),
        };
        self.history.note(&TenantId::host(), &record);
    }

    /// What the host says of a tenant that is brought up after the boot: only what still holds.
    pub(super) fn standing_gates(&self) -> Vec<GateReport> {
        let mut gates = self.gate_reports();
        gates.retain(|gate| gate.gate_id == EPOCH.id && gate.outcome == GateOutcome::Fail);
        gates
    }

    /// Lets the tenant that a call names boot next if it waits to.
    pub(super) async fn need(&self, tenant: Option<&str>) {
        let Some(Ok(tenant)) = tenant.map(str::parse::<TenantId>) else {
            return;
        };
        if tokio::time::timeout(NEED_DEADLINE, self.waiting.need(&tenant))
            .await
            .is_err()
        {
            tracing::warn!(%tenant, "a tenant that was asked for still waits to boot");
        }
        self.see_who_speaks(&tenant).await;
    }

    /// Boots the tenants that wait, a group at a time.
    pub async fn boot_waiting(&self) {
        let round = self.identities.round();
        loop {
            // Whoever adds or withdraws tenants has its turn between two groups.
            let _turn = self.tenant_turn().await;
            let group = self.waiting.next_group();
            if group.is_empty() {
                return;
            }
            let config = self.config.load_full();
            let due = group
                .iter()
                .filter(|tenant| self.tenants.is_served(tenant) && self.states.current(tenant).is_none());
            let seeds: Vec<_> = due.map(|tenant| super::identity_seed(&config, tenant)).collect();
            let seeds = self.held_of(seeds).await;
            self.boot_tenants(seeds, &self.gate_reports(), &round).await;
            self.waiting.done(&group);
        }
    }

    /// Adds the tenants of the configuration that are not in the store yet, and lets them wait to boot.
    pub async fn add_the_rest(&self, missing: Vec<TenantSeed>) {
        for some in missing.chunks(ADDED_IN_A_TURN) {
            // Whoever else adds or withdraws tenants has its turn in between.
            let _turn = self.tenant_turn().await;
            let added = self.add_missing(some.to_vec(), Actor::host()).await;
            self.waiting.put(added);
        }
    }

    fn note_epoch_accepted(&self, by: &Principal) {
        let mut gates = self
            .gates
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for gate in gates.iter_mut().filter(|gate| gate.gate_id == EPOCH.id) {
            gate.outcome = GateOutcome::Pass;
            gate.detail = format!("accepted by {by}");
        }
    }

    /// While the store is away the reason stays: its return takes it away.
    async fn release_from_epoch(&self, by: &Principal) -> Vec<TenantId> {
        let mut released = Vec::new();
        let is_here = self.store.health() == StoreHealth::Available;
        for tenant in self.states.tenants() {
            let held = self.states.current(&tenant).is_some_and(|now| {
                now.state.primary_state == PrimaryState::Paused
                    && now
                        .state
                        .degradation_reasons
                        .contains(&DegradationReason::Substrate)
            });
            if !held || !is_here {
                continue;
            }
            let request =
                Request::stay(TriggerKind::Operator, ACCEPTED).removing([DegradationReason::Substrate]);
            match self.states.transition(&tenant, request, &by.writer()).await {
                Ok(_) => released.push(tenant),
                Err(error) => tracing::warn!(%tenant, %error, "a tenant is still held by the epoch"),
            }
        }
        released
    }

    async fn tell_host(&self, own: OwnType, payload: serde_json::Value, writer: &Writer) {
        let serde_json::Value::Object(payload) = payload else {
            return;
        };
        let told = match self.log.draft_own(&TenantId::host(), own, &payload, writer) {
            Ok(event) => self
                .log
                .emit(vec![event])
                .await
                .map(drop)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = told {
            tracing::error!(
                event_type = own.as_str(),
                error,
                "what happened to the store's epoch could not be told yet"
            );
        }
    }
}

impl api::Boot {
    /// Leaves of the gates of the host, which go before the tenant's own, what they are called and how they came out: what one says may
    /// name paths, other tenants and callers.
    pub fn hide_host_affairs(&mut self) {
        let is_own = |gate: &api::Gate| TENANT_GATES.iter().any(|own| own.id == gate.gate_id);
        let mut gates = self.gates.iter();
        // The end of a chain is looked at for the host as well, and first of all for the tenant.
        let first = gates.rposition(|gate| gate.gate_id == TENANT_GATES[0].id);
        let first = first.filter(|first| self.gates[*first..].iter().all(is_own));
        let of_host = first.unwrap_or(self.gates.len());
        self.gates[..of_host]
            .iter_mut()
            .for_each(|gate| gate.detail.clear());
    }

    /// A boot, as a rim shows it.
    pub fn of(tenant: &TenantId, record: BootRecord) -> Self {
        Self {
            boot_id: record.boot_id,
            tenant: tenant.to_string(),
            result: record.result.to_string(),
            started_at: record.started_at.to_rfc3339(),
            ended_at: record.ended_at.to_rfc3339(),
            failed_gate_id: record.failed_gate_id,
            gates: record.gates.into_iter().map(api::Gate::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(gates: &[&str]) -> Vec<String> {
        let gate = |id: &&str| api::Gate {
            gate_id: (*id).to_owned(),
            gate_class: "invariant".to_owned(),
            outcome: "fail".to_owned(),
            attempts: 1,
            elapsed_ms: 0,
            detail: format!("of {id}"),
        };
        let mut boot = api::Boot {
            boot_id: "boot_00000000".to_owned(),
            tenant: "acme".to_owned(),
            result: "stopped".to_owned(),
            started_at: String::new(),
            ended_at: String::new(),
            failed_gate_id: None,
            gates: gates.iter().map(gate).collect(),
        };
        boot.hide_host_affairs();
        boot.gates.into_iter().map(|gate| gate.detail).collect()
    }

    #[test]
    fn a_tenants_record_shows_what_its_own_gates_said_and_nothing_of_the_hosts() {
        assert_eq!(
            details(&["store", "chain_tail", "epoch", "chain_tail", "canonical_actor"]),
            ["", "", "", "of chain_tail", "of canonical_actor"]
        );
        assert_eq!(details(&["chain_tail", "chain_tail"]), ["", "of chain_tail"]);
        assert_eq!(details(&["chain_tail", "epoch"]), ["", ""]);
        assert_eq!(details(&["epoch"]), [""]);
        assert_eq!(
            details(&["chain_tail", "tenant_identity"]),
            ["of chain_tail", "of tenant_identity"]
        );
    }
}
