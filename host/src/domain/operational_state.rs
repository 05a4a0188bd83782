//! The operational state of a tenant. The wire strings are a public contract.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A text that is none of the values of an enum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no {what}: expected one of {expected}")]
pub struct UnknownWireValue {
    /// What was read, for example `primary state`.
    pub what: &'static str,
    /// What was given.
    pub found: String,
    /// All there are.
    pub expected: String,
}

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $wire:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $wire)] $variant,)+
        }
        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// How it is written on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $wire),+ }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($wire),+] })
            }
        }
        impl std::str::FromStr for $name {
            type Err = crate::domain::UnknownWireValue;
            fn from_str(text: &str) -> Result<Self, crate::domain::UnknownWireValue> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or_else(|| crate::domain::UnknownWireValue {
                    what: $what,
                    found: text.chars().take(80).collect(),
                    expected: Self::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}
pub(crate) use wire_enum;

wire_enum! {
    /// What a tenant's agent is doing. Being degraded is a flag beside it, never one of these.
    PrimaryState, "primary state" {
        /// The boot gates run.
        Booting = "booting",
        /// It may claim work.
        Ready = "ready",
        /// It holds a claim.
        Active = "active",
        /// It takes no work until it is resumed.
        Paused = "paused",
        /// It takes no work until the host boots again.
        Stopped = "stopped",
    }
}
wire_enum! {
    /// Which work may be claimed.
    ClaimPermission, "claim permission" {
        /// None.
        None = "none",
        /// Only critical work.
        CriticalOnly = "critical_only",
        /// All.
        Normal = "normal",
    }
}
wire_enum! {
    /// Why a tenant is degraded.
    DegradationReason, "degradation reason" {
        /// The money is spent.
        Cost = "cost",
        /// A credential is missing or refused.
        Auth = "auth",
        /// Work cannot be handed out.
        Dispatch = "dispatch",
        /// The store is away or not what it should be.
        Substrate = "substrate",
        /// A migration is under way.
        Migration = "migration",
        /// An operator said so.
        Operator = "operator",
        /// A token will expire soon.
        TokenExpiring = "token_expiring",
        /// Too many retries.
        RetryCeiling = "retry_ceiling",
    }
}
wire_enum! {
    /// What caused a transition. Only this decides anything; the text beside it is for humans, so nobody can fake a special
    /// event with words.
    TriggerKind, "trigger kind" {
        /// All boot gates passed.
        BootPassed = "boot_passed",
        /// A transient boot gate failed and is tried again.
        BootRetry = "boot_retry",
        /// An invariant boot gate failed.
        BootInvariantFailed = "boot_invariant_failed",
        /// A transient boot gate failed until the budget was used up.
        BootBudgetExhausted = "boot_budget_exhausted",
        /// The epoch of the store is not the one that was known.
        EpochMismatch = "epoch_mismatch",
        /// Work was claimed.
        ClaimAcquired = "claim_acquired",
        /// Work was given back.
        ClaimReleased = "claim_released",
        /// A stop command.
        StopCommand = "stop_command",
        /// The money is spent.
        CostLimit = "cost_limit",
        /// The money was renewed.
        CostRefreshed = "cost_refreshed",
        /// An operator or caller asked for it.
        Operator = "operator",
        /// A pause from before a restart was restored.
        Restored = "restored",
        /// A degradation reason or the permission was changed.
        Degradation = "degradation",
        /// The tenant's state could not be taken up, for example because its chain could not be read.
        WiringFailed = "wiring_failed",
    }
}

/// The operational state of one tenant. A value: a change makes a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationalState {
    /// What it is doing.
    pub primary_state: PrimaryState,
    /// Which work may be claimed.
    pub claim_permission: ClaimPermission,
    /// Why it is degraded, sorted by wire string; empty if it is not.
    pub degradation_reasons: BTreeSet<DegradationReason>,
}

impl OperationalState {
    /// How every tenant begins: booting, claiming nothing, not degraded.
    pub const fn booting() -> Self {
        Self {
            primary_state: PrimaryState::Booting,
            claim_permission: ClaimPermission::None,
            degradation_reasons: BTreeSet::new(),
        }
    }

    /// Whether there is any degradation reason.
    pub fn is_degraded(&self) -> bool {
        !self.degradation_reasons.is_empty()
    }

    /// The reasons as wire strings, sorted as text.
    pub fn reasons_sorted(&self) -> Vec<&'static str> {
        let mut reasons: Vec<_> = self
            .degradation_reasons
            .iter()
            .map(|reason| reason.as_str())
            .collect();
        reasons.sort_unstable();
        reasons
    }
}
