//! The identity providers of plugins, as identities ask them.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use serde_json::Value;

use crate::{
    config::Config,
    domain::{Generation, ProviderId, TenantId},
    identity::{PROVIDER_DEADLINE, Provided, ProviderError, ProviderInfo, Providers},
    plugin::{CallError, CallErrorKind, PluginState, Registry},
};

/// The plugin's own deadline passes before the one of whoever asks, so that it is this side that learns of it.
const ANSWER_DEADLINE: Duration = PROVIDER_DEADLINE.saturating_sub(Duration::from_millis(500));

pub struct PluginProviders {
    pub registry: Arc<Registry>,
    pub config: Arc<ArcSwap<Config>>,
}

#[async_trait]
impl Providers for PluginProviders {
    async fn snapshot(
        &self,
        provider: &ProviderId,
        tenant: &TenantId,
        next_generation: Generation,
    ) -> Result<Provided, ProviderError> {
        let instance = self
            .registry
            .instance(provider.plugin())
            .ok_or(ProviderError::NotFound)?;
        let identity = instance.identity();
        let config = self.config.load().plugin_config(&identity.name, Some(tenant));
        let config = Value::Object(config).to_string().into_bytes();
        let answer = instance
            .snapshot(
                provider.provider(),
                tenant.as_str(),
                config,
                next_generation,
                ANSWER_DEADLINE,
            )
            .await;
        match answer {
            Ok(bytes) => Ok(Provided {
                bytes,
                plugin_version: identity.version.clone(),
                plugin_digest: identity.digest,
            }),
            Err(error) => {
                self.note(provider, &error);
                Err(provider_error(error))
            }
        }
    }

    fn list(&self) -> Vec<ProviderInfo> {
        let providers = self.registry.providers().into_iter();
        let info = |(id, identity): (ProviderId, crate::plugin::PluginIdentity)| ProviderInfo {
            id,
            plugin_version: identity.version,
            plugin_digest: identity.digest,
        };
        providers.map(info).collect()
    }
}

impl PluginProviders {
    /// A provider that never comes back holds a thread that nobody can stop: its plugin is not called again.
    fn note(&self, provider: &ProviderId, error: &CallError) {
        tracing::warn!(%provider, %error, "an identity provider failed");
        if error.kind == CallErrorKind::TimedOut
            && let Some(report) = self.registry.report(provider.plugin())
            && let Some(instance) = report.instance
        {
            let cause = format!(
                "the identity provider `{}` does not come back",
                provider.provider()
            );
            self.registry
                .set_state(&instance.identity().name, PluginState::Wedged, Some(cause));
        }
    }
}

fn provider_error(error: CallError) -> ProviderError {
    match error.kind {
        CallErrorKind::Poisoned => ProviderError::Poisoned,
        CallErrorKind::TimedOut => ProviderError::TimedOut,
        _ => ProviderError::Failed(error.message),
    }
}
