//! What is asked before work begins: whether a command forbids it.

use serde::Serialize;
use uuid::Uuid;

use super::CommandBook;
use crate::{
    domain::TenantId,
    engine::control::{InForce, Level, highest},
};

/// The kind of refusal, for those who tell refusals apart.
const STOP_KORA: &str = "stop_kora";

/// A refusal, in the form in which an agent gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    /// What is refused and what to do, in one sentence.
    pub error: String,
    /// Always `stop_kora`.
    pub block_kind: &'static str,
    /// What the command does, for example `drain_current_finish`.
    pub stop_kora_action: &'static str,
    /// Which command; absent if it cannot be read.
    pub command_id: Option<Uuid>,
}

impl CommandBook {
    /// Whether a tenant may claim work.
    ///
    /// # Errors
    /// The command of L1 or higher that forbids it. What cannot be read counts as L2.
    pub async fn pre_claim(&self, tenant: &TenantId) -> Result<(), Block> {
        self.refuse_if(tenant, Level::blocks_claims, "nothing may be claimed")
            .await
    }

    /// Whether a tenant's agent may call a tool.
    ///
    /// # Errors
    /// The command of L2 or higher that forbids it. What cannot be read counts as L2.
    pub async fn pre_tool_call(&self, tenant: &TenantId) -> Result<(), Block> {
        self.refuse_if(tenant, Level::blocks_tool_calls, "no tool may be called")
            .await
    }

    /// The command that counts for a tenant, if one is in force. Commands that cannot be read count as one of L2.
    pub async fn counting(&self, tenant: &TenantId) -> Option<InForce> {
        match self.in_force(tenant).await {
            Ok(in_force) => highest(in_force),
            Err(error) => {
                tracing::warn!(%tenant, %error, "[kora.control.unreadable] counts as {}", Level::UNREADABLE);
                Some(InForce::unreadable(tenant.clone()))
            }
        }
    }

    async fn refuse_if(
        &self,
        tenant: &TenantId,
        blocks: impl Fn(Level) -> bool,
        what: &str,
    ) -> Result<(), Block> {
        let counting = self.counting(tenant).await;
        match counting.filter(|in_force| blocks(in_force.level)) {
            None => Ok(()),
            Some(in_force) => Err(Block {
                error: format!("{what}: {}", described(&in_force)),
                block_kind: STOP_KORA,
                stop_kora_action: in_force.level.action(),
                command_id: in_force.command_id,
            }),
        }
    }
}

/// A command in force and what lifts it. Not its reason: that is for those who may read the chain.
pub(super) fn described(in_force: &InForce) -> String {
    let InForce { tenant, level, .. } = in_force;
    let whom = if tenant.is_host() {
        "the host".to_owned()
    } else {
        format!("`{tenant}`")
    };
    let reset = if tenant.is_host() {
        "kora state reset --host".to_owned()
    } else {
        format!("kora state reset --tenant {tenant}")
    };
    match in_force.command_id {
        Some(id) => format!("the {level} command `{id}` on {whom} is in force; `{reset}` lifts it"),
        None => format!(
            "a command on {whom} cannot be read, which counts as {level}; `{reset}` lifts it once the store answers"
        ),
    }
}
