//! What the subsignals say together: of a tenant, and of a host with all its tenants.

use serde::Deserialize;

use super::{Group, Health, Reading, SignalStatus, Subsignal};
use crate::domain::TenantId;

/// How a tenant, or a host, is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollup {
    /// The worse of the two groups.
    pub overall: Health,
    /// What steers the work.
    pub control_plane: Health,
    /// What does it.
    pub worker: Health,
    /// Why it is stopped, if it is.
    pub stopped_reason: Option<String>,
    /// What it is made of.
    pub subsignals: Vec<Reading>,
}

/// A rollup without its moments and reasons: what it takes to see whether it changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Outline {
    /// As [`Rollup::overall`].
    pub overall: Health,
    /// As [`Rollup::control_plane`].
    pub control_plane: Health,
    /// As [`Rollup::worker`].
    pub worker: Health,
    /// As [`Rollup::stopped_reason`].
    pub stopped_reason: Option<String>,
    subsignals: Vec<OutlinedSignal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct OutlinedSignal {
    name: Subsignal,
    status: SignalStatus,
}

impl Rollup {
    /// Of these subsignals. A tenant that is stopped does not work, so that nothing is asked of its worker; `stopped` says why it is.
    pub fn of(subsignals: Vec<Reading>, stopped: Option<String>) -> Self {
        let control_plane = group(&subsignals, Group::ControlPlane);
        let worker = match stopped {
            Some(_) => Health::Stopped,
            None => group(&subsignals, Group::Worker),
        };
        Self {
            overall: control_plane.max(worker),
            control_plane,
            worker,
            stopped_reason: stopped,
            subsignals,
        }
    }

    /// Of a host: each subsignal is the worst of the host's own and its tenants'. The worker of a stopped tenant does not count; the
    /// host is stopped when all its tenants are.
    pub fn of_host(own: Vec<Reading>, tenants: &[(TenantId, Self)]) -> Self {
        let mut all = own;
        for (tenant, rollup) in tenants {
            let counting = rollup.subsignals.iter().filter(|reading| rollup.counts(reading));
            all.extend(counting.map(|reading| reading.of(&format!("`{tenant}`"))));
        }
        let worst = |name: &Subsignal| {
            let of_name = all.iter().filter(|reading| reading.name == *name);
            // The first of the worst.
            of_name.rev().max_by_key(|reading| reading.status).cloned()
        };
        let subsignals = Subsignal::ALL.iter().filter_map(worst).collect();
        Self::of(subsignals, all_stopped(tenants))
    }

    /// What it takes to see whether it changed.
    pub fn outline(&self) -> Outline {
        let outlined = |reading: &Reading| OutlinedSignal {
            name: reading.name,
            status: reading.status,
        };
        Outline {
            overall: self.overall,
            control_plane: self.control_plane,
            worker: self.worker,
            stopped_reason: self.stopped_reason.clone(),
            subsignals: self.subsignals.iter().map(outlined).collect(),
        }
    }

    fn counts(&self, reading: &Reading) -> bool {
        self.worker != Health::Stopped || reading.name.group() == Group::ControlPlane
    }
}

fn group(subsignals: &[Reading], group: Group) -> Health {
    let of_group = subsignals.iter().filter(|reading| reading.name.group() == group);
    let healths = of_group.map(|reading| Health::from(reading.status));
    healths.max().unwrap_or(Health::Healthy)
}

fn all_stopped(tenants: &[(TenantId, Rollup)]) -> Option<String> {
    let mut reasons = tenants.iter().map(|(tenant, rollup)| {
        let reason = rollup.stopped_reason.as_ref()?;
        Some(format!("`{tenant}`: {reason}"))
    });
    let first = reasons.next()??;
    reasons.all(|reason| reason.is_some()).then_some(first)
}
