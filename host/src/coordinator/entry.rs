//! A daemon entry as the coordinator sees it: its name, its hooks, and how a hook fails. Who implements the hooks is
//! somebody else's affair: a plugin's library, or a mount of the host.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::plan::EntryPlan;

/// An entry to be run, with how to run it.
pub type NewEntry = (EntryPlan, Arc<dyn Entry>);

/// One daemon entry.
///
/// Every future may be dropped at any `await`: that asks for cancellation. An implementation lets `shutdown` wait for the end
/// of what was cancelled. None of them may block the thread that polls it.
#[async_trait]
pub trait Entry: Send + Sync {
    /// Starts it, also anew after a failure. [`shutdown`](Self::shutdown) follows, however this ended.
    async fn startup(&self) -> Result<(), EntryError>;

    /// Runs the periodic task with that index in the plan once. Tasks of one entry may overlap, runs of one task do not.
    async fn tick(&self, task: usize) -> Result<(), EntryError>;

    /// Waits for the end of what was cancelled, then shuts it down.
    async fn shutdown(&self) -> Result<(), EntryError>;

    /// Whether the thread that runs its hooks takes a turn. Asked when a deadline has passed, to tell one slow entry from a
    /// thread that never comes back; no answer counts as no.
    async fn probe(&self) -> bool;
}

/// How a hook failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It said so.
    #[error("{0}")]
    Failed(String),
    /// It panicked; the entry must be started anew.
    #[error("panicked: {0}")]
    Panicked(String),
    /// It had panicked before; the entry must be started anew.
    #[error("refused: it panicked before and was not started anew")]
    Poisoned,
    /// A secret is not configured. Trying again would not help.
    #[error("missing credential `{name}`")]
    MissingCredential {
        /// The secret's name, never its value.
        name: String,
    },
    /// The thread that runs the plugin's hooks never comes back.
    #[error("wedged: {0}")]
    Wedged(String),
}

impl EntryError {
    /// Whether nothing can be asked of the entry until it was started anew.
    pub(super) fn needs_new_start(&self) -> bool {
        matches!(self, Self::Panicked(_) | Self::Poisoned)
    }
}

/// The name of an entry: `plugin/name`. Equal names are the same entry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    plugin: Arc<str>,
    name: Arc<str>,
}

impl EntryId {
    /// The plugin's name of the host's own mounts; no plugin can have it.
    pub const HOST: &'static str = "host";

    /// The entry `name` of `plugin`. Both were checked where they were read.
    pub fn new(plugin: &str, name: &str) -> Self {
        Self {
            plugin: plugin.into(),
            name: name.into(),
        }
    }

    /// The host's own mount `name`.
    pub fn host(name: &str) -> Self {
        Self::new(Self::HOST, name)
    }

    /// What an entry of `plugin` means when it names `text`: `plugin/name`, or `name` of its own plugin.
    pub fn named_by(plugin: &str, text: &str) -> Self {
        match text.split_once('/') {
            Some((other, name)) => Self::new(other, name),
            None => Self::new(plugin, text),
        }
    }

    /// Whose it is.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Its name within the plugin.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.plugin, self.name)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_plugin_means_the_own_plugin() {
        assert_eq!(
            EntryId::named_by("kora", "heartbeat"),
            EntryId::new("kora", "heartbeat")
        );
        assert_eq!(
            EntryId::named_by("kora", "marvin/sulk"),
            EntryId::new("marvin", "sulk")
        );
    }
}
