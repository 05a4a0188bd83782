//! Who speaks for which tenant: looking, swapping, rolling back, proving.

use super::{Principal, Problem, ProblemKind, Service, api};
use crate::identity::{FALLBACK, RollbackRequest, Shown, SwapError, SwapRequest, Swapped, WhyError};

impl Service {
    /// Every served tenant with who speaks for it, and every provider that could.
    pub fn identities(&self) -> api::Identities {
        let providers = self.identities.providers().into_iter().map(|info| api::Provider {
            provider: info.id.to_string(),
            plugin_version: info.plugin_version,
            plugin_digest: info.plugin_digest.to_string(),
        });
        let tenants = self.identities.list().into_iter().map(view);
        api::Identities {
            tenants: tenants.collect(),
            providers: providers.collect(),
        }
    }

    /// Who speaks for a tenant, in which words.
    ///
    /// # Errors
    /// If no such tenant is served.
    pub fn identity(&self, input: &api::OneTenant) -> Result<api::Identity, Problem> {
        let tenant = self.tenant(&input.tenant)?;
        let whole = self
            .identities
            .show(&tenant)
            .ok_or_else(|| self.unknown_tenant(tenant.as_str()))?;
        let snapshot = whole
            .snapshot
            .map(|snapshot| serde_json::to_value(snapshot).unwrap_or_default());
        Ok(api::Identity {
            snapshot,
            ..view(whole.shown)
        })
    }

    /// Lets another provider speak.
    ///
    /// # Errors
    /// If the provider does not give an identity, or another generation speaks than was expected. Who spoke goes on speaking.
    pub async fn swap_identity(&self, by: &Principal, input: api::Swap) -> Result<api::Swapped, Problem> {
        let tenant = self.tenant(&input.tenant)?;
        let request = SwapRequest {
            tenant: tenant.clone(),
            provider: input.provider,
            expect_generation: input.expect_generation,
            reason: input.reason,
            actor: by.actor(),
        };
        let swapped = self.identities.swap(request).await;
        match &swapped {
            Ok(_) => self.metrics.host.identity_swapped(),
            Err(_) => self.metrics.host.identity_swap_refused(),
        }
        let swapped = swapped.map_err(swap_problem)?;
        self.start_if_spoken(&tenant).await;
        Ok(self.swapped(swapped))
    }

    /// Lets an earlier generation speak again, in its exact bytes.
    ///
    /// # Errors
    /// If there is no such generation.
    pub async fn roll_identity_back(
        &self,
        by: &Principal,
        input: api::Rollback,
    ) -> Result<api::Swapped, Problem> {
        let tenant = self.tenant(&input.tenant)?;
        let request = RollbackRequest {
            tenant: tenant.clone(),
            generation: input.generation,
            reason: input.reason,
            actor: by.actor(),
        };
        let swapped = self.identities.rollback(request).await.map_err(swap_problem)?;
        self.metrics.host.identity_swapped();
        self.start_if_spoken(&tenant).await;
        Ok(self.swapped(swapped))
    }

    /// Why the identity that speaks does so, each link checked.
    ///
    /// # Errors
    /// If no such tenant is served, nobody speaks for it, or the store cannot be read.
    pub async fn why(&self, input: &api::OneTenant) -> Result<api::Why, Problem> {
        let tenant = self.tenant(&input.tenant)?;
        let why = self.identities.why(&tenant).await.map_err(|error| {
            let (kind, code) = match &error {
                WhyError::TenantUnknown { .. } => (ProblemKind::NotFound, "tenant.unknown"),
                WhyError::NoIdentity { .. } => (ProblemKind::WrongState, "identity.none"),
                WhyError::Store(_) => (ProblemKind::Unavailable, "store.unavailable"),
            };
            Problem::new(kind, code, error.to_string())
        })?;
        let speaking = self.identities.slots().speaking(&tenant);
        let event = why.event;
        Ok(api::Why {
            tenant: why.tenant.to_string(),
            generation: why.generation,
            agent_name: speaking
                .map(|s| s.snapshot.agent_name.clone())
                .unwrap_or_default(),
            provider: provider(&why.provider),
            snapshot_hash: why.snapshot_hash.to_string(),
            plugin_version: why.plugin_version,
            plugin_digest: why.plugin_digest.map(|digest| digest.to_string()),
            event_id: event.as_ref().map(|e| e.event_id.to_string()).unwrap_or_default(),
            event_type: event.as_ref().map(|e| e.event_type.clone()),
            seq: event.as_ref().map(|e| e.seq),
            occurred_at: event.as_ref().map(|e| e.occurred_at.to_rfc3339()),
            event_hash: event.as_ref().map(|e| e.this_hash.to_string()),
            proved: why.proved,
            broken: why.broken_link,
        })
    }

    fn swapped(&self, swapped: Swapped) -> api::Swapped {
        let speaking = self.identities.slots().speaking(&swapped.tenant);
        api::Swapped {
            tenant: swapped.tenant.to_string(),
            generation: swapped.generation,
            from: swapped.from.as_deref().and_then(provider),
            to: provider(&swapped.to),
            from_hash: swapped.from_hash.map(|hash| hash.to_string()),
            to_hash: swapped.to_hash.to_string(),
            agent_name: speaking
                .map(|s| s.snapshot.agent_name.clone())
                .unwrap_or_default(),
            event_id: swapped.event.event_id.to_string(),
            seq: swapped.event.seq,
        }
    }
}

fn provider(text: &str) -> Option<String> {
    (text != FALLBACK).then(|| text.to_owned())
}

fn view(shown: Shown) -> api::Identity {
    let speaks = shown.speaks;
    api::Identity {
        tenant: shown.tenant.to_string(),
        generation: speaks.as_ref().map_or(0, |s| s.generation),
        provider: speaks.as_ref().and_then(|s| provider(&s.provider)),
        agent_name: speaks.as_ref().map(|s| s.agent_name.clone()).unwrap_or_default(),
        agent_version: speaks
            .as_ref()
            .map(|s| s.agent_version.clone())
            .unwrap_or_default(),
        snapshot_hash: speaks
            .as_ref()
            .map(|s| s.snapshot_hash.to_string())
            .unwrap_or_default(),
        plugin_version: speaks.as_ref().and_then(|s| s.plugin_version.clone()),
        plugin_digest: speaks
            .as_ref()
            .and_then(|s| s.plugin_digest)
            .map(|digest| digest.to_string()),
        drift: shown.drift,
        provider_missing: shown.provider_missing,
        fault: shown.fault,
        held_by_rollback: shown.held_by_rollback,
        snapshot: None,
    }
}

fn swap_problem(error: SwapError) -> Problem {
    let (kind, code) = match &error {
        SwapError::TenantUnknown { .. } => (ProblemKind::NotFound, "tenant.unknown"),
        SwapError::Reason => (ProblemKind::BadInput, "identity.reason"),
        SwapError::Resolve(_) => (ProblemKind::BadInput, "identity.provider_unknown"),
        SwapError::GenerationConflict { .. } => (ProblemKind::Conflict, "identity.generation_conflict"),
        SwapError::Ask(_) => (ProblemKind::WrongState, "identity.not_given"),
        SwapError::NothingBefore { .. } => (ProblemKind::WrongState, "identity.nothing_before"),
        SwapError::GenerationUnknown { .. } => (ProblemKind::NotFound, "identity.generation_unknown"),
        SwapError::Damaged { .. } => (ProblemKind::Internal, "identity.damaged"),
        SwapError::Commit(_) => (ProblemKind::Conflict, "identity.commit_refused"),
        SwapError::Store(_) => (ProblemKind::Unavailable, "store.unavailable"),
        SwapError::Interrupted(_) => (ProblemKind::Unavailable, "host.interrupted"),
    };
    Problem::new(kind, code, error.to_string())
}
