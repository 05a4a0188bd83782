//! Being told that something changed, for whoever reads it anew then.

use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::Service;
use crate::{
    domain::TenantId,
    engine::vocabulary::OwnType,
    events::{Heard, Subscription},
    plugin::{OfferGenerations, ResourceUpdated},
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
    /// A resource of a plugin's changed.
    Resource {
        /// Which.
        uri: String,
    },
    /// What plugins offer changed: other lists than before.
    Offers {
        /// That of tools.
        tools: bool,
        /// That of prompts.
        prompts: bool,
        /// That of resources.
        resources: bool,
    },
    /// Anything may have changed: there was more than could be told.
    Unknown,
}

/// Changes, from when it was made on.
#[derive(Debug)]
pub struct Changes {
    chains: Subscription,
    updates: broadcast::Receiver<ResourceUpdated>,
    generations: watch::Receiver<OfferGenerations>,
    known: OfferGenerations,
}

impl Changes {
    /// The next, or nothing once the host ends. May be dropped at any time.
    pub async fn next(&mut self) -> Option<Change> {
        tokio::select! {
            heard = self.chains.next() => Self::of_chain(heard?),
            updated = self.updates.recv() => match updated {
                Ok(updated) => Some(Change::Resource { uri: updated.uri }),
                Err(broadcast::error::RecvError::Lagged(_)) => Some(Change::Unknown),
                Err(broadcast::error::RecvError::Closed) => None,
            },
            changed = self.generations.changed() => {
                changed.ok()?;
                let now = *self.generations.borrow_and_update();
                let before = std::mem::replace(&mut self.known, now);
                Some(Change::Offers {
                    tools: now.tools != before.tools,
                    prompts: now.prompts != before.prompts,
                    resources: now.resources != before.resources,
                })
            }
        }
    }

    fn of_chain(heard: Heard) -> Option<Change> {
        let change = match heard {
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
    /// Changes of every chain and of what plugins offer, from now on.
    pub fn changes(&self) -> Changes {
        let mut generations = self.plugins.offer_generations();
        let known = *generations.borrow_and_update();
        Changes {
            chains: self.log.subscribe(),
            updates: self.plugins.resource_updates(),
            generations,
            known,
        }
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
