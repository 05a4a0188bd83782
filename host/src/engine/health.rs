//! The rules of health: what each of eight subsignals makes of what was observed, and what they say together.
//!
//! ```text
//!   any subsignal degraded ──▶ its group is in `outage`        worker         last_successful_write, claim_state, credit_burn,
//!   any stale or missing   ──▶ `degraded`                                     breaker_state, last_heartbeat
//!   the tenant is stopped  ──▶ the worker is `stopped`         control plane  auth_validity_window, dispatch_reachable,
//!   overall                 =  the worse of the two                           escalation_watcher_liveness
//! ```
//!
//! `stale` is what was good and is too old, `missing` what nobody can tell, `degraded` what is known to be bad.

mod observation;
mod reading;
mod rollup;

pub use observation::{
    BEAT_LIMIT, Breaker, BreakerState, CLAIM_GRACE, CREDIT_LIMIT_PERCENT, Claims, Credential, Credit,
    DISPATCH_LIMIT, Dispatch, EXPIRY_WINDOW, Heart, Observations, PROBE_GRACE, WATCHER_LIMIT, WRITE_LIMIT,
    Watcher, Writes,
};
pub use reading::Reading;
pub use rollup::{Outline, Rollup};

use crate::domain::wire_enum;

wire_enum! {
    /// One thing that is looked at.
    Subsignal, "subsignal" {
        /// When something was last committed.
        LastSuccessfulWrite = "last_successful_write",
        /// The tickets that are held.
        ClaimState = "claim_state",
        /// How much of the credit is spent.
        CreditBurn = "credit_burn",
        /// The daemons and plugins that act for the tenant.
        BreakerState = "breaker_state",
        /// The secrets that those plugins require.
        AuthValidityWindow = "auth_validity_window",
        /// Whether the store answers who asks what may be done.
        DispatchReachable = "dispatch_reachable",
        /// When a plugin last gave a sign of life.
        LastHeartbeat = "last_heartbeat",
        /// When the watch over stop commands last looked.
        EscalationWatcherLiveness = "escalation_watcher_liveness",
    }
}
wire_enum! {
    /// How a subsignal is, the best first.
    SignalStatus, "status of a subsignal" {
        /// It is good, and was so a moment ago.
        Fresh = "fresh",
        /// It was good, and that is too long ago.
        Stale = "stale",
        /// Nobody can tell.
        Missing = "missing",
        /// It is bad.
        Degraded = "degraded",
    }
}
wire_enum! {
    /// How a group, or all of it, is, the best first.
    Health, "health" {
        /// All is good.
        Healthy = "healthy",
        /// Something is too old or not known.
        Degraded = "degraded",
        /// It does not work, and is not meant to.
        Stopped = "stopped",
        /// Something is bad.
        Outage = "outage",
    }
}
wire_enum! {
    /// What a subsignal says something about.
    Group, "group of subsignals" {
        /// What steers the work.
        ControlPlane = "control_plane",
        /// What does it.
        Worker = "worker",
    }
}

impl Subsignal {
    /// The group that it belongs to.
    pub const fn group(self) -> Group {
        match self {
            Self::AuthValidityWindow | Self::DispatchReachable | Self::EscalationWatcherLiveness => {
                Group::ControlPlane
            }
            Self::LastSuccessfulWrite
            | Self::ClaimState
            | Self::CreditBurn
            | Self::BreakerState
            | Self::LastHeartbeat => Group::Worker,
        }
    }
}

impl From<SignalStatus> for Health {
    fn from(status: SignalStatus) -> Self {
        match status {
            SignalStatus::Fresh => Self::Healthy,
            SignalStatus::Stale | SignalStatus::Missing => Self::Degraded,
            SignalStatus::Degraded => Self::Outage,
        }
    }
}

#[cfg(test)]
mod tests;
