//! Being told that something changed, for whoever reads it anew then.

use tokio_util::sync::CancellationToken;

use super::Service;
use crate::{
    domain::TenantId,
    engine::vocabulary::OwnType,
    events::{Heard, Subscription},
};

/// The type of the event that tells of every change of a tenant's operational state.
pub const STATE_CHANGED: &str = OwnType::OperationalStateTransitioned.as_str();

/// Something changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An event was appended.
    Event {
        /// To whose chain.
        tenant: TenantId,
        /// Of which type.
        event_type: String,
    },
    /// A chain grew by another host's doing.
    Chain {
        /// Whose.
        tenant: TenantId,
    },
    /// Any chain may have grown: there was more than could be told.
    Unknown,
}

/// Changes, from when it was made on.
#[derive(Debug)]
pub struct Changes(Subscription);

impl Changes {
    /// The next, or nothing once the host ends. May be dropped at any time.
    pub async fn next(&mut self) -> Option<Change> {
        let change = match self.0.next().await? {
            Heard::Event(appended) => Change::Event {
                tenant: appended.event.tenant.clone(),
                event_type: appended.event.event_type.to_string(),
            },
            Heard::Elsewhere(moved) => Change::Chain { tenant: moved.tenant },
            Heard::Missed(_) => Change::Unknown,
        };
        Some(change)
    }
}

impl Service {
    /// Changes of every chain from now on.
    pub fn changes(&self) -> Changes {
        Changes(self.log.subscribe())
    }

    /// Ready once the surface is to be closed: streams end then.
    pub async fn closing(&self) {
        self.surface_closing.cancelled().await;
    }

    /// Cancelled once the surface is to be closed.
    pub fn surface_token(&self) -> CancellationToken {
        self.surface_closing.clone()
    }

    /// Ends every stream to callers.
    pub fn close_surface(&self) {
        self.surface_closing.cancel();
    }
}
