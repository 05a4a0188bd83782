//! Which tenants this host runs, where several hosts share a store: those that it holds. The others are shown, with who speaks for
//! them, and belong to the host that holds them.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Principal, Problem, ProblemKind, Service};
use crate::{
    domain::{ProviderId, TenantId},
    identity::IdentitySeed,
    tenants::Interrupted,
};

/// Another host holds the tenant.
const HELD_ELSEWHERE: &str = "tenant.held_elsewhere";
/// A host that took a tenant which is not served any more lets it go within this.
const LETS_GO_WITHIN: Duration = Duration::from_secs(3);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

impl Service {
    /// Becomes one of the hosts on the store, before any tenant is held. If the store does not let it now, it does so later.
    pub async fn join_hosts(&self) {
        if let Err(error) = self.membership.round().await {
            tracing::warn!(%error, "this host holds no tenants yet: it could not write down that it is up");
        }
    }

    /// What runs here follows what the store says by now: which tenants there are and are served, who speaks for them, and which of
    /// them this host holds. May be left out or done twice.
    pub async fn follow_store(&self) {
        if !self.membership.is_shared() {
            return;
        }
        let turn = self.tenant_turn().await;
        if let Err(error) = self.tenants.refresh().await {
            return tracing::warn!(%error, "what other hosts changed of the tenants is not seen yet");
        }
        let served = self.served_seeds();
        self.withdraw_all_but(&served).await;
        // First of all: what this host was taken for lost with, another may have run meanwhile, also where it is taken again at once.
        self.let_go().await;
        let mut held = self.held_of(served).await;
        self.let_go().await;
        held.retain(|seed| {
            self.states.current(&seed.tenant).is_none() && !self.waiting.is_pending(&seed.tenant)
        });
        if !held.is_empty() {
            held = self.still_served(held).await;
            tracing::info!(
                tenants = held.len(),
                "[kora.host.holds] tenants are taken up here"
            );
            self.bring_up(held).await;
        }
        // Nobody's boot waits for this, nor anybody who adds a tenant.
        drop(turn);
        self.see_who_speaks_elsewhere().await;
    }

    /// Lets go of those of the tenants just taken that were disabled since it was read which are served: whoever serves one again is the one to
    /// hold it.
    async fn still_served(&self, taken: Vec<IdentitySeed>) -> Vec<IdentitySeed> {
        if let Err(error) = self.tenants.refresh().await {
            tracing::warn!(%error, "whether the tenants that are taken up are still served is not known");
            return taken;
        }
        let is_served = |seed: &IdentitySeed| self.tenants.is_served(&seed.tenant);
        let (served, gone): (Vec<_>, Vec<_>) = taken.into_iter().partition(is_served);
        for seed in gone {
            if let Err(error) = self.membership.release(&seed.tenant).await {
                tracing::warn!(tenant = %seed.tenant, %error, "no other host can run the tenant while this one is up");
            }
        }
        served
    }

    async fn see_who_speaks_elsewhere(&self) {
        let silent = |seed: IdentitySeed| self.is_silent_elsewhere(&seed.tenant).then_some(seed.tenant);
        let tenants: Vec<_> = self.served_seeds().into_iter().filter_map(silent).collect();
        if let Err(error) = self.identities.catch_up_with(&tenants).await {
            tracing::warn!(%error, "who speaks for tenants of other hosts could not be read");
        }
    }

    /// Whether another host holds the tenant, and it is not known here who speaks for it.
    fn is_silent_elsewhere(&self, tenant: &TenantId) -> bool {
        self.membership.holder(tenant).is_some() && self.identities.slots().speaking(tenant).is_none()
    }

    /// Before a call that names a tenant of another host is answered: who speaks for it is read if that was not done yet.
    pub(super) async fn see_who_speaks(&self, tenant: &TenantId) {
        if self.is_silent_elsewhere(tenant)
            && let Err(error) = self.identities.catch_up_with(std::slice::from_ref(tenant)).await
        {
            tracing::warn!(%tenant, %error, "who speaks could not be read");
        }
    }

    /// What this host shows and does of a tenant follows what another host did to it. False if not all of that could be read: it is to be
    /// asked again.
    pub async fn follow_tenant(&self, tenant: &TenantId) -> bool {
        let caught_up = self.identities.catch_up_with(std::slice::from_ref(tenant)).await;
        match &caught_up {
            Ok(changed) if changed.is_empty() => {}
            Ok(_) => tracing::info!(%tenant, "another host changed who speaks"),
            Err(error) => tracing::warn!(%tenant, %error, "who speaks could not be read again"),
        }
        self.follow_state(tenant).await;
        let mut is_settled = true;
        if self.membership.holds(tenant) {
            is_settled = self.follow_cost(tenant).await;
            self.tickets.follow(tenant).await;
        }
        caught_up.is_ok() && is_settled
    }

    /// Takes those of these tenants that no other host holds, and answers those that this one holds. The others are seated, and nothing of
    /// theirs is read.
    pub async fn held_of(&self, seeds: Vec<IdentitySeed>) -> Vec<IdentitySeed> {
        if !self.membership.is_shared() {
            return seeds;
        }
        let tenants: Vec<_> = seeds.iter().map(|seed| seed.tenant.clone()).collect();
        if let Err(error) = self.membership.take(&tenants).await {
            tracing::warn!(%error, "not all tenants that nobody holds are taken up yet");
        }
        let is_held = |seed: &IdentitySeed| self.membership.holds(&seed.tenant);
        let (held, elsewhere): (Vec<_>, Vec<_>) = seeds.into_iter().partition(is_held);
        self.show_only(elsewhere);
        held
    }

    /// Lets a tenant be served from now on, and takes it before: once it is served, whichever host hears of it first would. What this host
    /// took for nothing it lets go.
    pub(super) async fn holding<T, E>(
        &self,
        tenant: &TenantId,
        serving: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let held_before = self.membership.holds(tenant);
        let deadline = Instant::now() + LETS_GO_WITHIN;
        loop {
            if let Err(error) = self.membership.take(std::slice::from_ref(tenant)).await {
                tracing::warn!(%tenant, %error, "another host may be the one to take the tenant up");
            }
            // One that was disabled a moment ago may have been taken by who did not know: it is about to be let go.
            let is_anothers = self.membership.holder(tenant).is_some() && !self.tenants.is_served(tenant);
            if !is_anothers || Instant::now() >= deadline {
                break;
            }
            sleep(LOOK_AGAIN_AFTER).await;
        }
        let served = serving.await;
        if served.is_err()
            && !held_before
            && let Err(error) = self.membership.release(tenant).await
        {
            tracing::warn!(%tenant, %error, "no other host can run the tenant while this one is up");
        }
        served
    }

    /// A provider answers differently now. The tenants that another host holds are that one's affair.
    ///
    /// # Errors
    /// If the work was interrupted.
    pub async fn announced(
        &self,
        provider: &ProviderId,
        tenant: Option<&TenantId>,
    ) -> Result<(), Interrupted> {
        if !self.membership.is_shared() {
            return self.identities.announced(provider, tenant).await.map(drop);
        }
        let held = match tenant {
            Some(tenant) => vec![tenant.clone()],
            None => self.states.tenants(),
        };
        for tenant in held.iter().filter(|tenant| self.membership.holds(tenant)) {
            self.identities.announced(provider, Some(tenant)).await?;
        }
        Ok(())
    }

    /// Why a tenant that is served has no state here. Which host has it, [`told_to`](Self::told_to) adds for who may know.
    pub(super) fn not_held(&self, tenant: &TenantId) -> Problem {
        if self.membership.holder(tenant).is_none() {
            return self.unknown_tenant(tenant.as_str());
        }
        let message = format!("the tenant `{tenant}` is held by another host of this store");
        Problem::new(ProblemKind::WrongState, HELD_ELSEWHERE, message)
            .with("tenant", tenant)
            .hint("ask that host; when it ends, another takes the tenant up")
    }

    /// A problem as it is told to somebody. A host's name says on which machine it runs and where its home is: that is for who may know of
    /// all tenants.
    pub fn told_to(&self, by: &Principal, problem: Problem) -> Problem {
        let tenant = problem.data.get("tenant").and_then(serde_json::Value::as_str);
        let tenant = tenant.filter(|_| problem.code == HELD_ELSEWHERE && by.sees_all());
        let tenant = tenant.and_then(|tenant| tenant.parse::<TenantId>().ok());
        let Some(holder) = tenant.and_then(|tenant| self.membership.holder(&tenant)) else {
            return problem;
        };
        Problem {
            message: format!("{}, `{holder}`", problem.message),
            ..problem
        }
        .with("held_by", holder)
    }

    /// Seats tenants that another host holds, so far as they are not. Nothing of theirs is read now, since there may be very many: who
    /// speaks is read once the boot is over or a call names the tenant, and the end of a chain before something is appended to it here.
    fn show_only(&self, mut seeds: Vec<IdentitySeed>) {
        seeds.retain(|seed| self.identities.slots().speaking(&seed.tenant).is_none());
        let tenants: Vec<_> = seeds.iter().map(|seed| seed.tenant.clone()).collect();
        self.identities.seat(seeds);
        self.log.look_before_appending(tenants);
    }

    /// Tenants that another host disabled.
    async fn withdraw_all_but(&self, served: &[IdentitySeed]) {
        let served: BTreeSet<_> = served.iter().map(|seed| &seed.tenant).collect();
        let running = self.states.tenants();
        let gone = running.iter().filter(|tenant| !served.contains(*tenant));
        for tenant in gone {
            self.withdraw(tenant).await;
        }
    }

    /// Tenants that run here although this host holds them no longer.
    async fn let_go(&self) {
        for tenant in self.states.tenants() {
            if self.membership.holds(&tenant) {
                continue;
            }
            tracing::warn!(%tenant, "[kora.host.let_go] the tenant does not run here any more: this host does not hold it");
            self.states.remove_tenant(&tenant);
            self.note_failed_gate(&tenant, None);
        }
    }

    /// Runs a tenant no longer.
    pub(super) async fn withdraw(&self, tenant: &TenantId) {
        self.identities.withdraw(tenant).await;
        self.states.remove_tenant(tenant);
        self.note_failed_gate(tenant, None);
        if let Err(error) = self.membership.release(tenant).await {
            tracing::warn!(%tenant, %error, "no other host can run the tenant while this one is up");
        }
    }
}
