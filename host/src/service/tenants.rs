//! Tenants: which there are, adding one, serving it or no longer. Bringing one up is what a boot does for each.

use std::time::{Duration, Instant};

use super::{Operator, Problem, ProblemKind, Service, api};
use crate::{
    config::Config,
    domain::{Actor, PrimaryState, TenantId, TriggerKind},
    engine::{
        transition::{BootReport, GateClass, GateOutcome, GateReport, Request},
        trigger::canonical_text,
        vocabulary::Owner,
    },
    events::Writer,
    identity::{Fallback, IdentitySeed, Speaking, resolve},
    state::StateChangeError,
    tenants::{Listed, Origin, TenantError, TenantSeed},
};

/// The gate of a tenant that somebody speaks for it.
pub const TENANT_IDENTITY: &str = "tenant_identity";

impl Service {
    /// Every tenant, served or not.
    pub fn tenants(&self) -> Vec<api::Tenant> {
        self.tenants
            .list()
            .into_iter()
            .map(|listed| self.tenant_view(listed))
            .collect()
    }

    /// Adds a tenant and brings it up.
    ///
    /// # Errors
    /// If the id is bad or taken, or the identity is not the name of one provider. A tenant without an identity is added all the same, and stays `stopped`.
    pub async fn add_tenant(
        &self,
        operator: Operator,
        input: api::AddTenant,
    ) -> Result<api::Tenant, Problem> {
        let id: TenantId = input.tenant.parse().map_err(|e: crate::domain::InvalidName| {
            Problem::new(ProblemKind::BadInput, "tenant.id", e.to_string())
        })?;
        let _turn = self.tenant_turn().await;
        if let Some(asked) = &input.identity {
            // A slip must not let somebody else speak.
            resolve(asked, &self.identities.providers()).map_err(|error| {
                Problem::new(
                    ProblemKind::BadInput,
                    "identity.provider_unknown",
                    error.to_string(),
                )
                .hint("the tenant was not added")
            })?;
        }
        let config = self.config.load_full();
        let seed = TenantSeed {
            id: id.clone(),
            agent_name: agent_name(&config, &id),
        };
        let listed = self
            .tenants
            .add(seed, operator.actor())
            .await
            .map_err(tenant_problem)?;
        let mut seed = identity_seed(&config, &id);
        if input.identity.is_some() {
            seed.identity = input.identity;
        }
        self.bring_up(vec![seed]).await;
        Ok(self.tenant_view(listed))
    }

    /// Serves a tenant no longer. It keeps its chain and its identity.
    ///
    /// # Errors
    /// If there is no such tenant.
    pub async fn disable_tenant(
        &self,
        operator: Operator,
        input: &api::OneTenant,
    ) -> Result<api::Tenant, Problem> {
        let _turn = self.tenant_turn().await;
        let tenant = self.known_tenant_or_only(Some(&input.tenant))?;
        let listed = self
            .tenants
            .disable(tenant.clone(), operator.actor())
            .await
            .map_err(tenant_problem)?;
        self.identities.withdraw(&tenant).await;
        self.states.remove_tenant(&tenant);
        self.note_failed_gate(&tenant, None);
        Ok(self.tenant_view(listed))
    }

    /// Serves a tenant again.
    ///
    /// # Errors
    /// If there is no such tenant.
    pub async fn enable_tenant(
        &self,
        operator: Operator,
        input: &api::OneTenant,
    ) -> Result<api::Tenant, Problem> {
        let _turn = self.tenant_turn().await;
        let tenant = self.known_tenant_or_only(Some(&input.tenant))?;
        let listed = self
            .tenants
            .enable(tenant.clone(), operator.actor())
            .await
            .map_err(tenant_problem)?;
        if self.states.current(&tenant).is_none() {
            let seed = identity_seed(&self.config.load(), &tenant);
            self.bring_up(vec![seed]).await;
        }
        Ok(self.tenant_view(listed))
    }

    /// Waits until nobody else adds, serves or withdraws tenants. The boot has the turn until its end.
    pub async fn tenant_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.tenant_changes.lock().await
    }

    /// Sees to it that every tenant of the configuration is there. One that cannot be added is told of and left out.
    pub async fn ensure_configured_tenants(&self, actor: Actor) {
        let config = self.config.load_full();
        let configured = config.tenants.keys().map(|id| TenantSeed {
            id: id.clone(),
            agent_name: agent_name(&config, id),
        });
        match self.tenants.ensure(configured.collect(), actor).await {
            Ok(outcomes) => {
                for (tenant, outcome) in outcomes {
                    if let Err(error) = outcome {
                        tracing::error!(%tenant, %error, "a tenant of the configuration is not served");
                    }
                }
            }
            Err(error) => tracing::error!(%error, "the tenants of the configuration were not added"),
        }
    }

    /// What the configuration says of the identity of every tenant that is served.
    pub fn served_seeds(&self) -> Vec<IdentitySeed> {
        let config = self.config.load_full();
        let served = self.tenants.list().into_iter();
        served
            .filter(|listed| listed.record.active)
            .map(|listed| identity_seed(&config, &listed.record.tenant))
            .collect()
    }

    /// After a reload: tenants that the configuration names for the first time are added and brought up, and those for whom nobody
    /// speaks get another chance.
    pub(super) async fn serve_configured_tenants(&self, actor: Actor) {
        {
            let _turn = self.tenant_turn().await;
            self.ensure_configured_tenants(actor).await;
            let mut new = self.served_seeds();
            new.retain(|seed| self.states.current(&seed.tenant).is_none());
            self.bring_up(new).await;
        }
        self.retry_unspoken().await;
    }

    /// Takes up the states of tenants and gives each its identity; those that have one become `ready`, unless they were paused
    /// when the host ended, and the others end `stopped`.
    async fn bring_up(&self, seeds: Vec<IdentitySeed>) {
        self.take_up_states(&seeds).await;
        let gates = self.restore_identities(seeds).await;
        for (tenant, gate) in gates {
            self.finish_boot(&tenant, vec![gate]).await;
        }
    }

    /// Holds the state of each tenant, `booting` or as it was before a restart.
    pub async fn take_up_states(&self, seeds: &[IdentitySeed]) {
        for seed in seeds {
            self.take_up_state(&seed.tenant).await;
        }
    }

    /// A stop command in force holds a tenant before anything else is done with it.
    async fn take_up_state(&self, tenant: &TenantId) {
        if let Err(error) = self.states.wire_in(tenant).await {
            tracing::warn!(%tenant, %error, "[kora.operational_state.wire_in]");
        }
        self.controls.hold(tenant).await;
    }

    /// Gives each tenant its identity and answers what its gate says.
    pub async fn restore_identities(&self, seeds: Vec<IdentitySeed>) -> Vec<(TenantId, GateReport)> {
        let began = Instant::now();
        let tenants: Vec<_> = seeds.iter().map(|seed| seed.tenant.clone()).collect();
        let restored = self.identities.restore(seeds).await;
        let elapsed = began.elapsed();
        match restored {
            Ok(restored) => restored
                .into_iter()
                .map(|(tenant, outcome)| (tenant, identity_gate(outcome.map(|it| described(&it)), elapsed)))
                .collect(),
            // Nobody is left `booting` for it.
            Err(interrupted) => tenants
                .into_iter()
                .map(|tenant| (tenant, identity_gate(Err(&interrupted), elapsed)))
                .collect(),
        }
    }

    /// Moves a tenant out of `booting` as its gates say. One that was paused when the host ended stays so.
    pub async fn finish_boot(&self, tenant: &TenantId, gates: Vec<GateReport>) {
        let booting = self
            .states
            .current(tenant)
            .is_some_and(|s| s.state.primary_state == PrimaryState::Booting);
        if !booting {
            self.store_is_here(tenant).await;
            return self.settle_cost(tenant).await;
        }
        let failed = gates.iter().find(|gate| gate.outcome == GateOutcome::Fail);
        let (to, kind) = match failed {
            None => (PrimaryState::Ready, TriggerKind::BootPassed),
            Some(gate) if gate.gate_class == GateClass::Transient => {
                (PrimaryState::Stopped, TriggerKind::BootBudgetExhausted)
            }
            Some(_) => (PrimaryState::Stopped, TriggerKind::BootInvariantFailed),
        };
        self.note_failed_gate(tenant, failed);
        if let Some(gate) = failed {
            tracing::error!(%tenant, gate = gate.gate_id, "a boot gate failed: {}", gate.detail);
        }
        let report = BootReport {
            boot_id: self.boot_id.clone(),
            failed_gate_id: failed.map(|gate| gate.gate_id.clone()),
            failed_detail: failed.map(|gate| gate.detail.clone()),
            gates,
        };
        let request = Request::to(to, kind, canonical_text(kind)).with_boot(report);
        let writer = Writer::host(Owner::Engine);
        match self.states.transition(tenant, request, &writer).await {
            Ok(_) | Err(StateChangeError::TenantUnknown { .. }) => {}
            Err(error) => tracing::error!(%tenant, %error, "the boot of a tenant could not be finished"),
        }
        self.settle_cost(tenant).await;
    }

    /// Tenants that had no identity get another chance, now that there is another provider.
    pub(super) async fn retry_unspoken(&self) {
        let _turn = self.tenant_turn().await;
        let mut seeds = self.served_seeds();
        seeds.retain(|seed| self.identities.slots().speaking(&seed.tenant).is_none());
        if seeds.is_empty() {
            return;
        }
        for (tenant, gate) in self.restore_identities(seeds).await {
            if gate.outcome == GateOutcome::Pass {
                self.boot_anew(&tenant, gate).await;
            } else {
                // Why it still does not start is what counts now.
                self.note_failed_gate(&tenant, Some(&gate));
            }
        }
    }

    /// A tenant that was kept down because nobody spoke for it starts, now that an operator let somebody.
    pub(super) async fn start_if_spoken(&self, tenant: &TenantId) {
        let kept_down = || {
            self.failed_gate(tenant)
                .is_some_and(|gate| gate.gate_id == TENANT_IDENTITY)
        };
        if !kept_down() {
            return;
        }
        let _turn = self.tenant_turn().await;
        let speaking = self.identities.slots().speaking(tenant);
        // Somebody may have been quicker.
        let Some(speaking) = speaking.filter(|_| kept_down()) else {
            return;
        };
        let detail = spoken(&speaking);
        let gate = identity_gate(Ok::<_, std::convert::Infallible>(detail), Duration::ZERO);
        self.boot_anew(tenant, gate).await;
    }

    /// `stopped` has no way out but another boot: the tenant's state begins anew.
    async fn boot_anew(&self, tenant: &TenantId, gate: GateReport) {
        self.note_failed_gate(tenant, None);
        self.states.remove_tenant(tenant);
        self.take_up_state(tenant).await;
        self.finish_boot(tenant, vec![gate]).await;
    }

    /// A tenant that is served.
    pub(super) fn tenant(&self, text: &str) -> Result<TenantId, Problem> {
        let tenant: TenantId = text.parse().map_err(|_| self.unknown_tenant(text))?;
        if self.tenants.is_served(&tenant) {
            Ok(tenant)
        } else {
            Err(self.unknown_tenant(text))
        }
    }

    /// A tenant that is served; if none is named, the only one.
    pub(super) fn tenant_or_only(&self, text: Option<&str>) -> Result<TenantId, Problem> {
        match text {
            Some(text) => self.tenant(text),
            None => self.only_one(self.tenant_ids(true)),
        }
    }

    /// A tenant that is there, served or not; if none is named, the only one.
    pub(super) fn known_tenant_or_only(&self, text: Option<&str>) -> Result<TenantId, Problem> {
        let Some(text) = text else {
            return self.only_one(self.tenant_ids(false));
        };
        let tenant: TenantId = text.parse().map_err(|_| self.unknown_tenant(text))?;
        self.tenants
            .get(&tenant)
            .map(|listed| listed.record.tenant)
            .ok_or_else(|| self.unknown_tenant(text))
    }

    fn only_one(&self, mut ids: Vec<TenantId>) -> Result<TenantId, Problem> {
        if ids.len() == 1 {
            return Ok(ids.remove(0));
        }
        let shown: Vec<_> = ids.iter().map(|id| format!("`{id}`")).collect();
        let message = format!(
            "name a tenant: there are {}",
            if ids.is_empty() {
                "none".into()
            } else {
                shown.join(", ")
            }
        );
        Err(Problem::new(ProblemKind::BadInput, "tenant.missing", message))
    }

    fn tenant_ids(&self, served_only: bool) -> Vec<TenantId> {
        let listed = self.tenants.list().into_iter();
        listed
            .filter(|l| l.record.active || !served_only)
            .map(|l| l.record.tenant)
            .collect()
    }

    pub(super) fn unknown_tenant(&self, text: &str) -> Problem {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
        let message = format!("there is no tenant `{shown}` that is served");
        let problem = Problem::new(ProblemKind::NotFound, "tenant.unknown", message)
            .hint("`kora tenants list` shows those there are");
        let known = text.parse().ok().and_then(|tenant| self.tenants.get(&tenant));
        match known.filter(|listed| !listed.record.active) {
            Some(listed) => {
                let tenant = &listed.record.tenant;
                problem.hint(format!(
                    "it is disabled: `kora tenants enable {tenant}` serves it again"
                ))
            }
            None => problem,
        }
    }

    fn tenant_view(&self, listed: Listed) -> api::Tenant {
        let tenant = &listed.record.tenant;
        let speaking = self.identities.slots().speaking(tenant);
        let state = self.states.current(tenant);
        let actor = |actor: &crate::domain::TenantActor| api::Actor {
            actor_id: actor.actor_id.to_string(),
            kind: actor.kind.clone(),
            name: actor.name.clone(),
            active: actor.active,
            canonical: actor.canonical,
        };
        // The register may have moved on since `listed` was taken, when it is the answer to a change.
        let active = self
            .tenants
            .get(tenant)
            .map_or(listed.record.active, |now| now.record.active);
        api::Tenant {
            tenant: tenant.to_string(),
            active,
            origin: match listed.origin {
                Origin::Config => "configuration".to_owned(),
                Origin::Command => "command".to_owned(),
            },
            created_at: listed.record.created_at.to_rfc3339_seconds(),
            actors: listed.record.actors.iter().map(actor).collect(),
            primary_state: state.map(|s| s.state.primary_state.to_string()),
            agent_name: speaking.as_ref().map(|s| s.snapshot.agent_name.clone()),
            provider: speaking
                .as_ref()
                .and_then(|s| s.provider.as_ref())
                .map(ToString::to_string),
            generation: speaking.as_ref().map(|s| s.generation),
            failed_gate: self.failed_gate(tenant),
        }
    }
}

/// What the configuration says of a tenant's identity.
pub fn identity_seed(config: &Config, tenant: &TenantId) -> IdentitySeed {
    let own = config.tenant(tenant).and_then(|section| section.identity.clone());
    IdentitySeed {
        tenant: tenant.clone(),
        identity: own.or_else(|| config.default_identity.clone()).map(String::from),
        fallback: Fallback {
            prompt: config.fallback_prompt(tenant),
            agent_name: agent_name(config, tenant),
        },
    }
}

/// The name that the configuration gives a tenant's agent.
pub fn agent_name(config: &Config, tenant: &TenantId) -> Option<String> {
    config
        .tenant(tenant)
        .and_then(|section| section.agent_name.clone())
}

fn identity_gate(outcome: Result<String, impl std::fmt::Display>, elapsed: Duration) -> GateReport {
    let (outcome, detail) = match outcome {
        Ok(detail) => (GateOutcome::Pass, detail),
        Err(error) => (GateOutcome::Fail, error_line(&error)),
    };
    GateReport {
        gate_id: TENANT_IDENTITY.to_owned(),
        gate_class: GateClass::Invariant,
        outcome,
        attempts: 1,
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        detail,
    }
}

fn described(restored: &crate::identity::Restored) -> String {
    let spoken = spoken(&restored.speaking);
    match &restored.fault {
        Some(fault) => format!("{spoken}; {fault}"),
        None => spoken,
    }
}

fn spoken(speaking: &Speaking) -> String {
    let provider = speaking
        .provider
        .as_ref()
        .map_or("the fallback prompt", |provider| provider.as_str());
    format!("{provider} speaks, generation {}", speaking.generation)
}

fn error_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().replace('\n', " ")
}

fn tenant_problem(error: TenantError) -> Problem {
    let (kind, code) = match &error {
        TenantError::Exists { .. } => (ProblemKind::Conflict, "tenant.exists"),
        TenantError::Unknown { .. } => (ProblemKind::NotFound, "tenant.unknown"),
        TenantError::Name => (ProblemKind::BadInput, "tenant.agent_name"),
        TenantError::Commit(_) | TenantError::Store(_) => (ProblemKind::Unavailable, "store.unavailable"),
        TenantError::Interrupted(_) => (ProblemKind::Unavailable, "host.interrupted"),
    };
    Problem::new(kind, code, error.to_string())
}
