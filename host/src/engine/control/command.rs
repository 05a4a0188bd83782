//! One command: what was ordered, and what became of it when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{IllegalStep, Level, Lifecycle};
use crate::domain::{Actor, TenantId, Timestamp};

/// A command on a tenant or, in the host's own chain, on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Whom it is for; the host is [`TenantId::host`].
    pub tenant: TenantId,
    /// How far it has come.
    pub lifecycle: Lifecycle,
    /// What was ordered.
    pub record: CommandRecord,
}

/// What is kept of a command beside its place and its lifecycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRecord {
    /// Its id.
    pub command_id: Uuid,
    /// Its place among the commands on the same tenant, from 1, without gaps.
    pub sequence: u64,
    /// How far it goes.
    pub level: Level,
    /// Why.
    pub reason: String,
    /// Who ordered it; the host itself where it raised one that was late.
    pub issuer: Actor,
    /// The run of the host in which it was ordered: an order to end a host is for that run.
    pub session: String,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it came to each point of its lifecycle.
    pub reached: BTreeMap<Lifecycle, Timestamp>,
    /// The late one that this was issued in place of.
    pub escalated_from: Option<Uuid>,
    /// The reset that cleared it.
    pub superseded_by: Option<Uuid>,
    /// Why it could not be carried out.
    pub failure: Option<String>,
}

impl Command {
    /// Its level.
    pub const fn level(&self) -> Level {
        self.record.level
    }

    /// Whether it is on the host and not on one tenant.
    pub fn is_on_host(&self) -> bool {
        self.tenant.is_host()
    }

    /// Whether it orders a host to exit. It does nothing to the states of tenants, which end with the process.
    pub fn ends_host(&self) -> bool {
        self.is_on_host() && self.level().ends()
    }

    /// When it was ordered.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.record.reached.get(&Lifecycle::Created).copied()
    }

    /// Whether its own time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.record.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether it holds nothing, whatever the time is: a reset, what was lifted, and an order to exit once it was obeyed. Whoever
    /// starts a host after that wants one that runs.
    pub fn holds_nothing(&self) -> bool {
        let is_obeyed = self.ends_host() && self.lifecycle == Lifecycle::Enforced;
        self.level() == Level::L0 || self.lifecycle.is_lifted() || is_obeyed
    }

    /// Whether it holds: nothing cleared it and its time is not over, however far it has come.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        !self.holds_nothing() && !self.is_over(now)
    }

    /// The same one step on.
    ///
    /// # Errors
    /// If that step does not follow.
    pub fn advanced(mut self, to: Lifecycle, at: Timestamp) -> Result<Self, IllegalStep> {
        let from = self.lifecycle;
        if !from.may_become(to) {
            return Err(IllegalStep { from, to });
        }
        self.lifecycle = to;
        self.record.reached.insert(to, at);
        Ok(self)
    }

    /// The same, seen and begun by the one that it is for, from wherever it was.
    ///
    /// # Errors
    /// If there is nothing to do with it any more.
    pub fn taken_up(self, at: Timestamp) -> Result<Self, IllegalStep> {
        use Lifecycle::{Acknowledged, Enforcing, VisibleToRuntime};
        let mut command = self;
        for step in [VisibleToRuntime, Acknowledged, Enforcing] {
            if command.lifecycle < step {
                command = command.advanced(step, at)?;
            }
        }
        if command.lifecycle.is_open() {
            Ok(command)
        } else {
            let (from, to) = (command.lifecycle, Enforcing);
            Err(IllegalStep { from, to })
        }
    }
}
