//! The ports of tickets: who acts in a tenant, what holds claims back, and what spaces them.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    domain::TenantId,
    engine::{
        ramp::SlowStart,
        ticket::{ClaimResult, Criticality},
    },
};

/// Knows who acts in a tenant.
pub trait Agents: Send + Sync + 'static {
    /// The actor that acts for the tenant's agent, if it may act.
    fn agent_of(&self, tenant: &TenantId) -> Option<Uuid>;

    /// Whether this actor may act in the tenant.
    fn is_actor(&self, tenant: &TenantId, actor: Uuid) -> bool;
}

/// What holds a claim back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockedBy {
    /// A command, a pause, the ramp after one.
    Control,
    /// The money.
    Cost,
}

impl From<BlockedBy> for ClaimResult {
    fn from(by: BlockedBy) -> Self {
        match by {
            BlockedBy::Control => Self::BlockedByControl,
            BlockedBy::Cost => Self::BlockedByCost,
        }
    }
}

/// A claim that is not allowed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What holds it back.
    pub by: BlockedBy,
    /// Why, in a sentence.
    pub detail: String,
}

impl Refusal {
    /// Because of control.
    pub fn control(detail: impl Into<String>) -> Self {
        Self {
            by: BlockedBy::Control,
            detail: detail.into(),
        }
    }

    /// Because of the money.
    pub fn cost(detail: impl Into<String>) -> Self {
        Self {
            by: BlockedBy::Cost,
            detail: detail.into(),
        }
    }
}

/// Knows whether there was no money for a while.
#[async_trait]
pub trait Purse: Send + Sync + 'static {
    /// How the tenant takes up work, as far as money is concerned. What cannot be found out is the slowest answer.
    async fn slow_start(&self, tenant: &TenantId) -> SlowStart;
}

/// Is asked before a ticket is claimed, and once more when it is: a refusal then takes the claim back before anybody was told of it. What
/// cannot be found out refuses.
#[async_trait]
pub trait ClaimGuard: Send + Sync + 'static {
    /// Why this tenant may not claim a ticket of this criticality now, if it may not.
    async fn refuses(&self, tenant: &TenantId, criticality: Criticality) -> Option<Refusal>;
}
