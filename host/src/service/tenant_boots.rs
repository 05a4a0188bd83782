//! Booting tenants: their gates, side by side for each of a group, and what they come to. Whatever happens, none stays `booting`.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::{
    control::Controls,
    domain::{Clock, DegradationReason, PrimaryState, TenantId, Timestamp, TriggerKind},
    engine::{
        gates::{
            CANONICAL_ACTOR, GateSpec, HOST_GATES, Mode, TENANT_BUDGET, TENANT_IDENTITY, Verdict, verdict,
        },
        transition::{BootReport, GateClass, GateOutcome, GateReport, Request},
        trigger::canonical_text,
        vocabulary::Owner,
    },
    events::{EventLog, Writer},
    gates::{BootRecord, Fault, Gate, History, Run, Watcher, chain_tail},
    identity::{IdentitySeed, Restored, Round},
    state::{StateChangeError, States},
    store::Store,
    tenants::Tenants,
};

/// What a tenant says while a gate that failed is tried again.
const RETRYING: &str = "transient boot gate retrying";
/// What it says once that gate has passed.
const PASSED_AT_LAST: &str = "boot gate passed";

/// A tenant whose own gates were run.
pub struct Begun {
    tenant: TenantId,
    started_at: Timestamp,
    gates: Vec<GateReport>,
}

/// Boots tenants.
#[derive(Clone)]
pub struct TenantBoots {
    pub(super) store: Arc<dyn Store>,
    pub(super) log: Arc<EventLog>,
    pub(super) states: Arc<States>,
    pub(super) tenants: Tenants,
    pub(super) controls: Controls,
    pub(super) history: History,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) boot_id: String,
}

impl TenantBoots {
    /// The first half of booting tenants, beside each other: their own gates. `round` is who gives them their identities; without, they
    /// are only held. A tenant that is held in another state than `booting` keeps it.
    pub async fn begin(&self, seeds: Vec<IdentitySeed>, round: Option<&Round>) -> Vec<Begun> {
        self.states.add_tenants(seeds.iter().map(|seed| &seed.tenant));
        let whose = |seed: &IdentitySeed| seed.tenant.clone();
        let begin = |seed: IdentitySeed| {
            let (boots, round) = (self.clone(), round.cloned());
            async move { boots.begin_one(seed, round).await }
        };
        self.beside_each_other(seeds, whose, begin).await
    }

    /// The second half: each tenant leaves `booting` as the gates of the host, which said `host`, and its own say. Answers of each the gate that
    /// keeps it down, if one does.
    pub async fn finish(
        &self,
        begun: Vec<Begun>,
        host: &[GateReport],
    ) -> Vec<(TenantId, Option<GateReport>)> {
        let host: Arc<[GateReport]> = host.into();
        let whose = |begun: &Begun| begun.tenant.clone();
        let finish = |begun: Begun| {
            let (boots, host) = (self.clone(), host.clone());
            async move { boots.finish_one(begun, &host).await }
        };
        self.beside_each_other(begun, whose, finish).await
    }

    /// Gives tenants that ended `stopped` another chance: those whose gates pass now boot anew, the others stay as they are. Answers of each the
    /// gate that keeps it down, if one does.
    pub async fn boot_again(
        &self,
        seeds: Vec<IdentitySeed>,
        host: &[GateReport],
        round: &Round,
    ) -> Vec<(TenantId, Option<GateReport>)> {
        let whose = |seed: &IdentitySeed| seed.tenant.clone();
        let begin = |seed: IdentitySeed| {
            let (boots, round) = (self.clone(), round.clone());
            // `stopped` shows nothing new, and what was before a restart is taken up once the state begins anew.
            async move { boots.begin_one(seed, Some(round)).await }
        };
        let (mut anew, mut said) = (Vec::new(), Vec::new());
        for begun in self.beside_each_other(seeds, whose, begin).await {
            if let (Verdict::Stopped, Some(gate)) = verdict(&begun.gates) {
                let still = Some(gate.clone());
                said.push((begun.tenant, still));
                continue;
            }
            // `stopped` has no way out but another boot: the tenant's state begins anew.
            self.states.remove_tenant(&begun.tenant);
            self.states.add_tenant(&begun.tenant);
            self.take_up(&begun.tenant).await;
            anew.push(begun);
        }
        said.extend(self.finish(anew, host).await);
        said
    }

    /// Does something for several tenants at once. One for whom it panics ends `stopped`.
    async fn beside_each_other<G, T, W>(
        &self,
        given: Vec<G>,
        whose: impl Fn(&G) -> TenantId,
        work: impl Fn(G) -> W,
    ) -> Vec<T>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let (mut working, mut tenants) = (JoinSet::new(), HashMap::new());
        for one in given {
            let tenant = whose(&one);
            tenants.insert(working.spawn(work(one)).id(), tenant);
        }
        let mut done = Vec::with_capacity(tenants.len());
        while let Some(ended) = working.join_next_with_id().await {
            match ended {
                Ok((_, one)) => done.push(one),
                Err(error) => {
                    if let Some(tenant) = tenants.get(&error.id()) {
                        tracing::error!(%tenant, %error, "[kora.operational_state.wire_in] the tenant stays stopped");
                        self.stop(tenant, TriggerKind::WiringFailed, None).await;
                    }
                }
            }
        }
        done
    }

    async fn begin_one(&self, seed: IdentitySeed, round: Option<Round>) -> Begun {
        let (tenant, started_at) = (seed.tenant.clone(), self.clock.now());
        let gates = match round {
            Some(round) => self.pass_gates(seed, &round).await,
            None => {
                // That it stops is told in its chain, if that can be vouched for.
                self.look_at_end(&tenant).await;
                Vec::new()
            }
        };
        Begun {
            tenant,
            started_at,
            gates,
        }
    }

    /// What was before a restart; and a stop command in force holds a tenant before anything else is done with it.
    async fn take_up(&self, tenant: &TenantId) {
        if let Err(error) = self.states.take_up(tenant).await {
            tracing::warn!(%tenant, %error, "[kora.operational_state.wire_in]");
        }
        self.controls.hold(tenant).await;
    }

    async fn pass_gates(&self, seed: IdentitySeed, round: &Round) -> Vec<GateReport> {
        let tenant = seed.tenant.clone();
        let mut run = Run::new(Mode::Boot, TENANT_BUDGET, Arc::new(self.showing(&tenant)));
        self.pass_tail(&mut run, &tenant).await;
        if run.pass(&canonical_actor(&self.tenants, &tenant)).await {
            self.take_up(&tenant).await;
            run.pass(&tenant_identity(round, seed)).await;
        }
        run.into_reports()
    }

    fn showing(&self, tenant: &TenantId) -> Showing {
        Showing {
            states: self.states.clone(),
            tenant: tenant.clone(),
        }
    }

    /// Whether anything may be appended to a tenant's chain, without booting the tenant.
    async fn look_at_end(&self, tenant: &TenantId) {
        let mut look = Run::new(Mode::CheckOnly, TENANT_BUDGET, Arc::new(self.showing(tenant)));
        self.pass_tail(&mut look, tenant).await;
    }

    /// First of all, and before anything is told: nothing is written behind a record that nobody can vouch for.
    async fn pass_tail(&self, run: &mut Run, tenant: &TenantId) {
        run.pass(&chain_tail(&self.store, tenant)).await;
        let last = run.reports().last();
        match last.filter(|report| report.outcome == GateOutcome::Fail) {
            Some(broken) => self.log.seal(tenant, &broken.detail),
            None => self.log.unseal(tenant).await,
        }
    }

    /// Moves a tenant out of `booting` as its gates say, and notes the boot. One that was paused when the host ended stays so, unless
    /// a gate failed.
    async fn finish_one(&self, begun: Begun, host: &[GateReport]) -> (TenantId, Option<GateReport>) {
        let Begun {
            tenant,
            started_at,
            gates,
        } = begun;
        let gates = [shown_to_tenants(host), gates].concat();
        let (result, decisive) = verdict(&gates);
        if let Some(gate) = decisive {
            tracing::error!(%tenant, gate = gate.gate_id, "a boot gate failed: {}", gate.detail);
        }
        let report = BootReport {
            boot_id: self.boot_id.clone(),
            failed_gate_id: decisive.map(|gate| gate.gate_id.clone()),
            failed_detail: decisive.map(|gate| gate.detail.clone()),
            gates: gates.clone(),
        };
        let transient = decisive.is_some_and(|gate| gate.gate_class == GateClass::Transient);
        match result {
            Verdict::Ready => self.make_ready(&tenant, report).await,
            Verdict::Paused => self.pause(&tenant).await,
            Verdict::Stopped => {
                let kind = match transient {
                    true => TriggerKind::BootBudgetExhausted,
                    false => TriggerKind::BootInvariantFailed,
                };
                self.stop(&tenant, kind, Some(report)).await;
            }
        }
        let record = BootRecord {
            boot_id: self.boot_id.clone(),
            result: self.ended_as(&tenant, result),
            started_at,
            ended_at: self.clock.now(),
            failed_gate_id: decisive.map(|gate| gate.gate_id.clone()),
            gates: gates.clone(),
        };
        self.history.note(&tenant, &record);
        let keeps_down = decisive.filter(|_| result == Verdict::Stopped).cloned();
        (tenant, keeps_down)
    }

    /// A pause from before a restart is what a boot whose gates passed came to.
    fn ended_as(&self, tenant: &TenantId, result: Verdict) -> Verdict {
        let now = self.states.current(tenant).map(|now| now.state.primary_state);
        match now {
            Some(PrimaryState::Paused) => Verdict::Paused,
            Some(PrimaryState::Stopped) => Verdict::Stopped,
            _ => result,
        }
    }

    async fn make_ready(&self, tenant: &TenantId, report: BootReport) {
        let kind = TriggerKind::BootPassed;
        match self.primary(tenant) {
            Some(PrimaryState::Booting) => {
                let ready = Request::to(PrimaryState::Ready, kind, canonical_text(kind));
                self.change(tenant, ready.with_boot(report)).await;
            }
            Some(PrimaryState::Paused) => self.store_is_here(tenant).await,
            _ => {}
        }
    }

    /// A pause that was taken up from before a restart may say that the store is away, or was another one: this boot would not have
    /// passed its gates without its store.
    async fn store_is_here(&self, tenant: &TenantId) {
        let says_away = self.states.current(tenant).is_some_and(|now| {
            now.state
                .degradation_reasons
                .contains(&DegradationReason::Substrate)
        });
        if says_away {
            let request = Request::stay(TriggerKind::Degradation, "the store is back")
                .removing([DegradationReason::Substrate]);
            self.change(tenant, request).await;
        }
    }

    async fn pause(&self, tenant: &TenantId) {
        let kind = TriggerKind::EpochMismatch;
        let request = match self.primary(tenant) {
            Some(PrimaryState::Booting) => Request::to(PrimaryState::Paused, kind, canonical_text(kind)),
            // It is paused already: from here on it cannot be resumed for this, too.
            Some(PrimaryState::Paused) => Request::stay(kind, canonical_text(kind)),
            _ => return,
        };
        self.change(tenant, request.adding([DegradationReason::Substrate]))
            .await;
    }

    async fn stop(&self, tenant: &TenantId, kind: TriggerKind, report: Option<BootReport>) {
        if let Some(PrimaryState::Booting | PrimaryState::Paused) = self.primary(tenant) {
            let request = Request::to(PrimaryState::Stopped, kind, canonical_text(kind));
            let request = match report {
                Some(report) => request.with_boot(report),
                None => request,
            };
            self.change(tenant, request).await;
        }
    }

    fn primary(&self, tenant: &TenantId) -> Option<PrimaryState> {
        self.states.current(tenant).map(|now| now.state.primary_state)
    }

    async fn change(&self, tenant: &TenantId, request: Request) {
        let writer = Writer::host(Owner::Engine);
        match self.states.transition(tenant, request, &writer).await {
            Ok(_) | Err(StateChangeError::TenantUnknown { .. }) => {}
            Err(error) => tracing::error!(%tenant, %error, "the boot of a tenant could not be finished"),
        }
    }
}

/// The gates of the host in the records of a tenant: which there were and how they came out. What one says is the host's affair, and may
/// name paths, other tenants and callers; of one that failed there is a word for what is the matter.
fn shown_to_tenants(host: &[GateReport]) -> Vec<GateReport> {
    let shown = |gate: &GateReport| GateReport {
        detail: match gate.outcome {
            GateOutcome::Pass => String::new(),
            GateOutcome::Fail | GateOutcome::NotLookedAt => word(gate),
        },
        ..gate.clone()
    };
    host.iter().map(shown).collect()
}

/// Why tenants wait for the gate, or what its failure means where they do not.
fn word(gate: &GateReport) -> String {
    let reason = HOST_GATES.iter().find(|spec| spec.id == gate.gate_id);
    let reason = reason.and_then(|spec| spec.reason);
    reason.map_or_else(|| gate.gate_class.to_string(), |reason| reason.to_string())
}

/// Somebody acts for the tenant's agent.
fn canonical_actor(tenants: &Tenants, tenant: &TenantId) -> Gate {
    let (tenants, tenant) = (tenants.clone(), tenant.clone());
    Gate::new(CANONICAL_ACTOR, move || {
        let listed = tenants.get(&tenant);
        let actor = listed.as_ref().and_then(|listed| listed.canonical_actor());
        let checked = match actor {
            Some(actor) if actor.active => Ok(format!("`{}` acts for the tenant", actor.name)),
            Some(actor) => Err(Fault::lasting(format!(
                "the canonical actor `{}` of the tenant is not active",
                actor.name
            ))),
            None => Err(Fault::lasting(
                "the tenant has no canonical actor: expected one, as every tenant is added with",
            )),
        };
        async { checked }
    })
}

/// Somebody speaks for the tenant.
fn tenant_identity(round: &Round, seed: IdentitySeed) -> Gate {
    let round = round.clone();
    Gate::new(TENANT_IDENTITY, move || {
        let (round, seed) = (round.clone(), seed.clone());
        async move {
            match round.restore(seed).await {
                Ok(Ok(restored)) => Ok(described(&restored)),
                Ok(Err(error)) => Err(Fault::lasting(error)),
                Err(interrupted) => Err(Fault::lasting(interrupted)),
            }
        }
    })
}

fn described(restored: &Restored) -> String {
    let speaking = &restored.speaking;
    let provider = speaking
        .provider
        .as_ref()
        .map_or("the fallback prompt", |provider| provider.as_str());
    let spoken = format!("{provider} speaks, generation {}", speaking.generation);
    match &restored.fault {
        Some(fault) => format!("{spoken}; {fault}"),
        None => spoken,
    }
}

/// Shows in a tenant's state why it is still booting.
struct Showing {
    states: Arc<States>,
    tenant: TenantId,
}

#[async_trait]
impl Watcher for Showing {
    async fn retrying(&self, gate: &GateSpec, _detail: &str) {
        show(&self.states, &self.tenant, gate, true).await;
    }

    async fn passed_at_last(&self, gate: &GateSpec) {
        show(&self.states, &self.tenant, gate, false).await;
    }
}

/// Shows, or no longer, the reason for which a tenant that boots waits.
pub async fn show(states: &States, tenant: &TenantId, gate: &GateSpec, waits: bool) {
    let Some(reason) = gate.reason else { return };
    let request = if waits {
        Request::stay(TriggerKind::BootRetry, RETRYING).adding([reason])
    } else {
        Request::stay(TriggerKind::BootRetry, PASSED_AT_LAST).removing([reason])
    };
    let request = request.expecting(PrimaryState::Booting);
    // A tenant that left `booting` meanwhile shows what it is by itself.
    if let Err(error) = states
        .transition(tenant, request, &Writer::host(Owner::Engine))
        .await
    {
        tracing::debug!(%tenant, %error, "what a tenant waits for is not shown in its state");
    }
}
