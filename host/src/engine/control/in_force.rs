//! Which command counts where several are in force.

use std::cmp::Reverse;

use serde::Serialize;
use uuid::Uuid;

use super::{Command, Level};
use crate::domain::TenantId;

/// A command in force, as far as it matters to those whom it stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InForce {
    /// Whom it is for; the host is [`TenantId::host`].
    pub tenant: TenantId,
    /// As which level it counts.
    pub level: Level,
    /// Which; absent if it cannot be read.
    pub command_id: Option<Uuid>,
    /// Its place among the commands on the same tenant; 0 if it cannot be read.
    pub sequence: u64,
}

impl InForce {
    /// Something on this tenant that cannot be read.
    pub const fn unreadable(tenant: TenantId) -> Self {
        Self {
            tenant,
            level: Level::UNREADABLE,
            command_id: None,
            sequence: 0,
        }
    }
}

impl From<&Command> for InForce {
    fn from(command: &Command) -> Self {
        Self {
            tenant: command.tenant.clone(),
            level: command.level(),
            command_id: Some(command.record.command_id),
            sequence: command.record.sequence,
        }
    }
}

/// The one that counts: of the highest level, and of those the earliest.
pub fn highest(in_force: impl IntoIterator<Item = InForce>) -> Option<InForce> {
    let all = in_force.into_iter();
    all.max_by_key(|one| (one.level, Reverse(one.sequence)))
}
