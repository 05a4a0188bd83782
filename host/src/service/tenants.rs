//! Tenants: which there are, adding one, serving it or no longer. Bringing one up is what a boot does for each.

use super::{Begun, Principal, Problem, ProblemKind, Service, TENANTS_AT_ONCE, TenantBoots, api};
use crate::{
    config::Config,
    domain::{Actor, PrimaryState, TenantId},
    engine::{gates::TENANT_IDENTITY, transition::GateReport},
    identity::{Fallback, IdentitySeed, Round, resolve},
    tenants::{Listed, Origin, TenantError, TenantSeed},
};

/// How many tenants are named to somebody who named none: nobody reads more in a line.
const TENANTS_NAMED: usize = 10;

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
    pub async fn add_tenant(&self, by: &Principal, input: api::AddTenant) -> Result<api::Tenant, Problem> {
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
        let added = self.holding(&id, self.tenants.add(seed, by.actor())).await;
        let listed = added.map_err(tenant_problem)?;
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
        by: &Principal,
        input: &api::OneTenant,
    ) -> Result<api::Tenant, Problem> {
        let _turn = self.tenant_turn().await;
        let tenant = self.known_tenant_or_only(Some(&input.tenant))?;
        let listed = self
            .tenants
            .disable(tenant.clone(), by.actor())
            .await
            .map_err(tenant_problem)?;
        self.withdraw(&tenant).await;
        Ok(self.tenant_view(listed))
    }

    /// Serves a tenant again.
    ///
    /// # Errors
    /// If there is no such tenant.
    pub async fn enable_tenant(
        &self,
        by: &Principal,
        input: &api::OneTenant,
    ) -> Result<api::Tenant, Problem> {
        let _turn = self.tenant_turn().await;
        let tenant = self.known_tenant_or_only(Some(&input.tenant))?;
        let enabling = self.tenants.enable(tenant.clone(), by.actor());
        let enabled = self.holding(&tenant, enabling).await;
        let listed = enabled.map_err(tenant_problem)?;
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

    /// Takes note of the tenants of the configuration, and answers those that are not there yet.
    pub fn missing_tenants(&self) -> Vec<TenantSeed> {
        let config = self.config.load_full();
        let configured = config.tenants.iter().map(|(id, section)| TenantSeed {
            id: id.clone(),
            agent_name: section.agent_name.clone(),
        });
        self.tenants.configured(configured.collect())
    }

    /// Adds tenants of the configuration, and answers those that were added. One that cannot be added is told of and left out.
    pub async fn add_missing(&self, missing: Vec<TenantSeed>, actor: Actor) -> Vec<TenantId> {
        match self.tenants.add_configured(missing, actor).await {
            Ok(outcomes) => outcomes.into_iter().filter_map(added).collect(),
            Err(error) => {
                tracing::error!(%error, "the tenants of the configuration were not added");
                Vec::new()
            }
        }
    }

    /// What the configuration says of the identity of every tenant that is served.
    pub fn served_seeds(&self) -> Vec<IdentitySeed> {
        let config = self.config.load_full();
        let served = self.tenants.served().into_iter();
        served.map(|tenant| identity_seed(&config, &tenant)).collect()
    }

    /// After a reload: tenants that the configuration names for the first time are added and brought up, and those for whom nobody
    /// speaks get another chance.
    pub(super) async fn serve_configured_tenants(&self, actor: Actor) {
        {
            let _turn = self.tenant_turn().await;
            let new = self.add_missing(self.missing_tenants(), actor).await;
            let config = self.config.load_full();
            let new: Vec<_> = new.iter().map(|tenant| identity_seed(&config, tenant)).collect();
            self.bring_up(new).await;
        }
        self.retry_unspoken().await;
    }

    /// Boots tenants while the host runs, as far as it holds them; those that have an identity become `ready`, unless they were paused when the host ended, and the
    /// others end `stopped`.
    pub(super) async fn bring_up(&self, seeds: Vec<IdentitySeed>) {
        let seeds = self.held_of(seeds).await;
        let round = self.identities.round();
        for group in seeds.chunks(TENANTS_AT_ONCE) {
            self.boot_tenants(group.to_vec(), &self.standing_gates(), &round)
                .await;
        }
    }

    /// Boots tenants beside each other, after gates of the host that said `host`.
    pub(super) async fn boot_tenants(&self, seeds: Vec<IdentitySeed>, host: &[GateReport], round: &Round) {
        let begun = self.begin_boots(seeds, Some(round)).await;
        self.finish_boots(begun, host).await;
    }

    /// The first half of booting tenants: their own gates. Without somebody who gives identities they are only held, to say why they do
    /// not boot.
    pub async fn begin_boots(&self, seeds: Vec<IdentitySeed>, round: Option<&Round>) -> Vec<Begun> {
        self.identities.seat(seeds.clone());
        seeds
            .iter()
            .for_each(|seed| self.tickets.forget_pace(&seed.tenant));
        self.tenant_boots().begin(seeds, round).await
    }

    /// The second half: every tenant leaves `booting`, as the host's gates and its own say.
    pub async fn finish_boots(&self, begun: Vec<Begun>, host: &[GateReport]) {
        let ended = self.tenant_boots().finish(begun, host).await;
        self.note_ended(ended).await;
    }

    /// What follows a boot, whatever it came to.
    async fn note_ended(&self, ended: Vec<(TenantId, Option<GateReport>)>) {
        for (tenant, decisive) in ended {
            self.note_failed_gate(&tenant, decisive.as_ref());
            self.settle_cost(&tenant).await;
        }
    }

    pub(super) fn tenant_boots(&self) -> TenantBoots {
        TenantBoots {
            store: self.store.clone(),
            log: self.log.clone(),
            states: self.states.clone(),
            tenants: self.tenants.clone(),
            controls: self.controls.clone(),
            history: self.history.clone(),
            clock: self.clock.clone(),
            boot_id: self.boot_id.clone(),
        }
    }

    /// Tenants that had no identity get another chance, now that there is another provider.
    pub(super) async fn retry_unspoken(&self) {
        let _turn = self.tenant_turn().await;
        let mut seeds = self.served_seeds();
        // One that waits to boot has its chance before it.
        seeds.retain(|seed| {
            self.is_stopped(&seed.tenant) && self.identities.slots().speaking(&seed.tenant).is_none()
        });
        self.boot_again(seeds).await;
    }

    /// A tenant that was kept down because nobody spoke for it starts, now that an operator let somebody.
    pub(super) async fn start_if_spoken(&self, tenant: &TenantId) {
        let kept_down = || {
            self.failed_gate(tenant)
                .is_some_and(|gate| gate.gate_id == TENANT_IDENTITY.id)
        };
        if !kept_down() {
            return;
        }
        let _turn = self.tenant_turn().await;
        // Somebody may have been quicker.
        if kept_down() && self.identities.slots().speaking(tenant).is_some() {
            let seed = identity_seed(&self.config.load(), tenant);
            self.boot_again(vec![seed]).await;
        }
    }

    /// Tenants that ended `stopped` whose gates pass now boot anew; of the others, why they still do not is what counts.
    async fn boot_again(&self, seeds: Vec<IdentitySeed>) {
        let round = self.identities.round();
        for group in seeds.chunks(TENANTS_AT_ONCE) {
            let standing = self.standing_gates();
            let boots = self.tenant_boots();
            let ended = boots.boot_again(group.to_vec(), &standing, &round).await;
            self.note_ended(ended).await;
        }
    }

    fn is_stopped(&self, tenant: &TenantId) -> bool {
        let now = self.states.current(tenant);
        now.is_some_and(|now| now.state.primary_state == PrimaryState::Stopped)
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

    /// The tenants that are served and that `by` may know of, sorted.
    pub fn seen_tenants(&self, by: &Principal) -> Vec<TenantId> {
        let mut tenants = self.tenant_ids(true);
        tenants.retain(|tenant| by.sees(tenant));
        tenants
    }

    /// Whose offers `by` could use: those of plugins that act for a tenant that he sees. Who sees all of them sees what every plugin offers.
    pub fn shown_to(&self, by: &Principal) -> impl Fn(&str) -> bool {
        let tenants = (!by.sees_all()).then(|| self.seen_tenants(by));
        move |plugin| {
            let serves =
                |tenants: &Vec<TenantId>| tenants.iter().any(|tenant| self.plugins.serves(plugin, tenant));
            tenants.as_ref().is_none_or(serves)
        }
    }

    fn only_one(&self, mut ids: Vec<TenantId>) -> Result<TenantId, Problem> {
        if ids.len() == 1 {
            return Ok(ids.remove(0));
        }
        let mut shown: Vec<_> = ids.iter().map(|id| format!("`{id}`")).collect();
        if shown.len() > TENANTS_NAMED {
            let more = shown.split_off(TENANTS_NAMED).len();
            shown.push(format!("and {more} more"));
        }
        let there = if shown.is_empty() {
            "none".to_owned()
        } else {
            shown.join(", ")
        };
        let message = format!("name a tenant: there are {there}");
        Err(Problem::new(ProblemKind::BadInput, "tenant.missing", message))
    }

    fn tenant_ids(&self, served_only: bool) -> Vec<TenantId> {
        match served_only {
            true => self.tenants.served(),
            false => self.tenants.ids(),
        }
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
            held_by: self.membership.holder(tenant),
        }
    }
}

/// What the configuration says of a tenant's identity.
pub fn identity_seed(config: &Config, tenant: &TenantId) -> IdentitySeed {
    let section = config.tenant(tenant);
    let own = section.and_then(|section| section.identity.clone());
    IdentitySeed {
        tenant: tenant.clone(),
        identity: own.or_else(|| config.default_identity.clone()).map(String::from),
        fallback: Fallback {
            prompt: config.fallback_prompt(tenant),
            agent_name: section.and_then(|section| section.agent_name.clone()),
        },
    }
}

/// The name that the configuration gives a tenant's agent.
pub fn agent_name(config: &Config, tenant: &TenantId) -> Option<String> {
    config
        .tenant(tenant)
        .and_then(|section| section.agent_name.clone())
}

fn added((tenant, outcome): (TenantId, Result<Listed, TenantError>)) -> Option<TenantId> {
    match outcome {
        Ok(_) => Some(tenant),
        Err(error) => {
            tracing::error!(%tenant, %error, "a tenant of the configuration is not served");
            None
        }
    }
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
