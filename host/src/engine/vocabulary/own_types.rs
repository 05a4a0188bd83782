//! The closed list of the host's own event types.

use super::Owner;
use crate::domain::{EventType, wire_enum};

wire_enum! {
    /// An event type of the host's own. There are no others under the words that the host keeps for itself; under `kora.`, all
    /// others are the plugin's of that name.
    OwnType, "event type of the host" {
        /// The primary state, the permission or the reasons of a tenant changed.
        OperationalStateTransitioned = "kora.operational_state.transitioned",
        /// All boot gates of a tenant passed.
        BootReady = "kora.boot.ready",
        /// An invariant boot gate of a tenant failed.
        BootFailed = "kora.boot.failed",
        /// A tenant was paused because the money is spent.
        PausedCostLimit = "kora.paused.cost_limit",
        /// A tenant has spent so much that it stands on another rung of the cost ladder.
        CostRungChanged = "kora.cost.rung_changed",
        /// What was counted was compared with the provider's figure.
        CostReconciled = "kora.cost.reconciled",
        /// Credit was granted for another billing period.
        CostRefreshed = "kora.cost.refreshed",
        /// The store's epoch is not the one that was known.
        DrObserved = "kora.dr.observed",
        /// How healthy a tenant is.
        HealthProbe = "kora.health.probe",
        /// A ticket came to an end.
        TicketResolved = "kora.sea_ticket.resolved",
        /// A claim ran out before it was given back.
        TicketClaimExpired = "sea_ticket.claim_expired",
        /// A ticket was made.
        TicketCreated = "sea_ticket.created",
        /// A ticket was claimed.
        TicketClaimed = "sea_ticket.claimed",
        /// A claim lasts longer, for there was progress.
        TicketClaimRefreshed = "sea_ticket.claim_refreshed",
        /// A ticket that had been given up, or waited for an operator, is open again.
        TicketReopened = "sea_ticket.reopened",
        /// A ticket is another's to do, or nobody's.
        TicketAssigned = "sea_ticket.assigned",
        /// An operation took a step in the ledger.
        OperationRecorded = "kora.operation.recorded",

        /// Another identity speaks for a tenant.
        IdentitySwapped = "kora.identity.swapped",
        /// A swap was refused.
        IdentitySwapRefused = "kora.identity.swap_refused",
        /// An earlier generation speaks for a tenant again.
        IdentityRolledBack = "kora.identity.rolled_back",

        /// A session ended.
        SessionEnded = "kora.session.ended",
        /// Work was handed to another agent.
        HandoffToClaudePm = "kora.handoff.to_claude_pm",
        /// A tool call was denied by the constitution.
        ConstitutionDisagreementRaised = "kora.constitution.disagreement_raised",
        /// A decision is asked of a human.
        EscalationRequested = "kora.escalation.requested",
        /// An entry was replaced by a newer one.
        NodeSuperseded = "kora.node.superseded",
        /// A link between two entries was made.
        RelationLinkCreated = "kora.relationlink.created",
        /// A scratchpad entry was made.
        ScratchpadCreated = "kronicle.agent_scratchpad.created",

        /// A stop command took effect.
        ControlEnforced = "kora_control.enforced",
        /// A stop command could not take effect.
        ControlFailed = "kora_control.failed",
        /// A stop command was seen by the one that it is for.
        ControlAcknowledged = "kora_control.acknowledged",
        /// A stop command was given.
        ControlIssued = "kora_control.issued",
        /// A stop command took too long, and one that goes further was given in its place.
        ControlEscalated = "kora_control.escalated",
        /// A reset lifted a stop command.
        ControlSuperseded = "kora_control.superseded",
        /// The time of a stop command is over.
        ControlExpired = "kora_control.expired",

        /// The host has started.
        HostStarted = "host.started",
        /// The host is about to stop.
        HostStopping = "host.stopping",
        /// A plugin went from one state of its life to another.
        HostPluginStateChanged = "host.plugin.state_changed",
        /// A daemon went from one state of its life to another.
        HostDaemonStateChanged = "host.daemon.state_changed",
        /// The configuration was read again.
        HostConfigReloaded = "host.config.reloaded",
        /// An operator accepted a store that is not the one that was known.
        HostEpochAccepted = "host.epoch.accepted",
        /// A tenant was added.
        HostTenantAdded = "host.tenant.added",
        /// A tenant is served no longer.
        HostTenantDisabled = "host.tenant.disabled",
        /// A tenant is served again.
        HostTenantEnabled = "host.tenant.enabled",
    }
}

impl OwnType {
    /// As an event type.
    pub fn event_type(self) -> EventType {
        self.as_str()
            .parse()
            .expect("the host's own types have the form of an event type")
    }

    /// Which part of the host appends it.
    pub const fn owner(self) -> Owner {
        match self {
            Self::OperationalStateTransitioned
            | Self::BootReady
            | Self::BootFailed
            | Self::PausedCostLimit
            | Self::CostRungChanged
            | Self::CostReconciled
            | Self::CostRefreshed
            | Self::DrObserved
            | Self::HealthProbe
            | Self::TicketResolved
            | Self::TicketClaimExpired
            | Self::TicketCreated
            | Self::TicketClaimed
            | Self::TicketClaimRefreshed
            | Self::TicketReopened
            | Self::TicketAssigned
            | Self::OperationRecorded => Owner::Engine,
            Self::IdentitySwapped | Self::IdentitySwapRefused | Self::IdentityRolledBack => Owner::Identity,
            Self::SessionEnded
            | Self::HandoffToClaudePm
            | Self::ConstitutionDisagreementRaised
            | Self::EscalationRequested
            | Self::NodeSuperseded
            | Self::RelationLinkCreated
            | Self::ScratchpadCreated => Owner::Session,
            Self::ControlEnforced
            | Self::ControlFailed
            | Self::ControlAcknowledged
            | Self::ControlIssued
            | Self::ControlEscalated
            | Self::ControlSuperseded
            | Self::ControlExpired => Owner::Control,
            Self::HostStarted
            | Self::HostStopping
            | Self::HostPluginStateChanged
            | Self::HostDaemonStateChanged
            | Self::HostConfigReloaded
            | Self::HostEpochAccepted
            | Self::HostTenantAdded
            | Self::HostTenantDisabled
            | Self::HostTenantEnabled => Owner::Host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_host_has_the_form_of_an_event_type() {
        for own in OwnType::ALL {
            assert_eq!(own.event_type().as_str(), own.as_str());
        }
    }
}
