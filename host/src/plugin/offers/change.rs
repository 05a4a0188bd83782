//! That what plugins offer has changed, told to whoever tells callers.

use tokio::sync::{broadcast, watch};

use super::OfferKind;
use crate::domain::PluginName;

/// Updates of resources that somebody may be behind. Who falls behind further looks at all that they subscribed to.
const UPDATES: usize = 256;

/// How often what can be listed of each kind has changed. Compare two of them to see what moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfferGenerations {
    /// Of tools.
    pub tools: u64,
    /// Of prompts.
    pub prompts: u64,
    /// Of resources and templates.
    pub resources: u64,
    /// Of webhooks.
    pub webhooks: u64,
}

impl OfferGenerations {
    fn of_kind(&mut self, kind: OfferKind) -> &mut u64 {
        match kind {
            OfferKind::Tool => &mut self.tools,
            OfferKind::Prompt => &mut self.prompts,
            OfferKind::Resource => &mut self.resources,
            OfferKind::Webhook => &mut self.webhooks,
        }
    }
}

/// A plugin says that a resource of its own has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceUpdated {
    /// Whose.
    pub plugin: PluginName,
    /// Which: a URI, never a template.
    pub uri: String,
}

/// Both ends of what is told. One for all plugins.
#[derive(Debug)]
pub struct OfferSignals {
    generations: watch::Sender<OfferGenerations>,
    updates: broadcast::Sender<ResourceUpdated>,
}

impl Default for OfferSignals {
    fn default() -> Self {
        Self {
            generations: watch::Sender::default(),
            updates: broadcast::Sender::new(UPDATES),
        }
    }
}

impl OfferSignals {
    /// What can be listed of this kind has changed.
    pub fn changed(&self, kind: OfferKind) {
        self.generations
            .send_modify(|generations| *generations.of_kind(kind) += 1);
    }

    /// A resource has changed. Nobody needs to listen.
    pub fn updated(&self, update: ResourceUpdated) {
        drop(self.updates.send(update));
    }

    pub fn generations(&self) -> watch::Receiver<OfferGenerations> {
        self.generations.subscribe()
    }

    pub fn updates(&self) -> broadcast::Receiver<ResourceUpdated> {
        self.updates.subscribe()
    }
}
