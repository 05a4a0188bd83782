//! `kora__list_identities`, `kora__get_identity`, `kora__swap_identity`, `kora__rollback_identity`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Annotations, Context, HostTool, ToolFault, ToolKind, daemon_status::Nothing};
use crate::service::api;

/// Who speaks for whom, and who could.
pub(super) struct ListIdentities;
/// Who speaks for a tenant, in which words.
pub(super) struct GetIdentity;
/// Letting another provider speak.
pub(super) struct SwapIdentity;
/// Letting an earlier generation speak again.
pub(super) struct RollbackIdentity;

/// Who speaks for whom.
#[derive(Serialize, JsonSchema)]
pub(super) struct Identities {
    /// Those of the tenants that the caller may know of.
    identities: Vec<Identity>,
    /// Providers that could speak.
    providers: Vec<Provider>,
}

/// Who speaks for a tenant.
#[derive(Serialize, JsonSchema)]
pub(super) struct Identity {
    workspace_id: String,
    generation: u64,
    /// `plugin/provider`; absent for the fallback prompt.
    provider: Option<String>,
    agent_name: String,
    agent_version: String,
    snapshot_hash: String,
    plugin_version: Option<String>,
    plugin_digest: Option<String>,
    /// The provider is not there now; the last snapshot goes on speaking.
    provider_missing: bool,
    /// What the configuration names, where that is another.
    drift: Option<String>,
    /// The texts; only where one tenant is asked for.
    snapshot: Option<Map<String, Value>>,
}

/// Somebody who could speak.
#[derive(Serialize, JsonSchema)]
struct Provider {
    provider: String,
    plugin_version: String,
    plugin_digest: String,
}

impl From<api::Identity> for Identity {
    fn from(identity: api::Identity) -> Self {
        Self {
            workspace_id: identity.tenant,
            generation: identity.generation,
            provider: identity.provider,
            agent_name: identity.agent_name,
            agent_version: identity.agent_version,
            snapshot_hash: identity.snapshot_hash,
            plugin_version: identity.plugin_version,
            plugin_digest: identity.plugin_digest,
            provider_missing: identity.provider_missing,
            drift: identity.drift,
            snapshot: identity
                .snapshot
                .and_then(|snapshot| snapshot.as_object().cloned()),
        }
    }
}

impl HostTool for ListIdentities {
    const NAME: &'static str = "kora__list_identities";
    const TITLE: &'static str = "List identities";
    const DESCRIPTION: &'static str =
        "Who speaks for each tenant that the caller may know of, and which providers could.";
    const KIND: ToolKind = ToolKind::Read;
    const ANNOTATIONS: Annotations = Annotations::READ;
    const IS_OF_TENANT: bool = false;
    type Input = Nothing;
    type Output = Identities;

    async fn run(context: Context<'_>, _: Nothing) -> Result<Identities, ToolFault> {
        let all = context.service.identities();
        let is_seen = |identity: &api::Identity| {
            identity
                .tenant
                .parse()
                .is_ok_and(|tenant| context.by.sees(&tenant))
        };
        let providers = all.providers.into_iter().map(|provider| Provider {
            provider: provider.provider,
            plugin_version: provider.plugin_version,
            plugin_digest: provider.plugin_digest,
        });
        Ok(Identities {
            identities: all
                .tenants
                .into_iter()
                .filter(is_seen)
                .map(Identity::from)
                .collect(),
            providers: providers.collect(),
        })
    }
}

impl HostTool for GetIdentity {
    const NAME: &'static str = "kora__get_identity";
    const TITLE: &'static str = "Get an identity";
    const DESCRIPTION: &'static str =
        "Who speaks for a tenant, with the texts and the hash and code that prove it.";
    const KIND: ToolKind = ToolKind::Read;
    const ANNOTATIONS: Annotations = Annotations::READ;
    type Input = Nothing;
    type Output = Identity;

    async fn run(context: Context<'_>, _: Nothing) -> Result<Identity, ToolFault> {
        let input = api::OneTenant {
            tenant: context.tenant()?.to_string(),
        };
        Ok(context.service.identity(&input)?.into())
    }
}

/// A provider to let speak.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Swap {
    /// `plugin/provider`, or `provider` where only one plugin has it.
    #[schemars(length(min = 1))]
    provider: String,
    /// Refused unless this generation speaks now.
    #[serde(default)]
    expect_generation: Option<u64>,
    /// Why; it is kept in the tenant's chain.
    #[serde(default)]
    reason: Option<String>,
}

/// A generation to go back to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// Which; without it, the one before.
    #[serde(default)]
    generation: Option<u64>,
    /// Why; it is kept in the tenant's chain.
    #[serde(default)]
    reason: Option<String>,
}

/// Who speaks now.
#[derive(Serialize, JsonSchema)]
pub(super) struct Swapped {
    success: bool,
    generation: u64,
    from: Option<String>,
    to: Option<String>,
    from_hash: Option<String>,
    to_hash: String,
    agent_name: String,
    event_id: String,
    /// The caller's label.
    caller_actor_kind: String,
}

fn swapped(context: &Context<'_>, swapped: api::Swapped) -> Swapped {
    Swapped {
        success: true,
        generation: swapped.generation,
        from: swapped.from,
        to: swapped.to,
        from_hash: swapped.from_hash,
        to_hash: swapped.to_hash,
        agent_name: swapped.agent_name,
        event_id: swapped.event_id,
        caller_actor_kind: context.caller_kind(),
    }
}

impl HostTool for SwapIdentity {
    const NAME: &'static str = "kora__swap_identity";
    const TITLE: &'static str = "Swap the identity";
    const DESCRIPTION: &'static str = "Lets another provider speak for a tenant, in one step. If anything fails, who spoke goes on speaking.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    type Input = Swap;
    type Output = Swapped;

    async fn run(context: Context<'_>, input: Swap) -> Result<Swapped, ToolFault> {
        let request = api::Swap {
            tenant: context.tenant()?.to_string(),
            provider: input.provider,
            expect_generation: input.expect_generation,
            reason: input.reason,
        };
        let answer = context.service.swap_identity(context.by, request).await?;
        Ok(swapped(&context, answer))
    }
}

impl HostTool for RollbackIdentity {
    const NAME: &'static str = "kora__rollback_identity";
    const TITLE: &'static str = "Roll the identity back";
    const DESCRIPTION: &'static str = "Lets an earlier generation speak for a tenant again, byte for byte.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    type Input = Rollback;
    type Output = Swapped;

    async fn run(context: Context<'_>, input: Rollback) -> Result<Swapped, ToolFault> {
        let request = api::Rollback {
            tenant: context.tenant()?.to_string(),
            generation: input.generation,
            reason: input.reason,
        };
        let answer = context.service.roll_identity_back(context.by, request).await?;
        Ok(swapped(&context, answer))
    }
}
