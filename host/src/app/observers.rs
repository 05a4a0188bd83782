//! What plugins and entries go through, told to those who keep account of it. Nothing here waits.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::journal::{Account, Accounts};
use crate::{
    coordinator::{EntryId, EntryState, Observer},
    events::Writer,
    plugin::{PluginChange, PluginObserver, PluginState},
    service::{AccountsPort, api},
    telemetry::Metrics,
};

/// What has to be looked into because of a change.
#[derive(Debug)]
pub enum Noticed {
    /// Entries of this plugin changed: the plugin's state follows.
    Entries { plugin: String },
    /// The coordinator found out that the plugin's thread does not come back.
    Wedged { plugin: String, cause: String },
    /// Somebody else found it out: its entries must not go on.
    PluginWedged { plugin: String },
}

/// Hears of plugins and entries.
pub struct Observers {
    accounts: Accounts,
    metrics: Arc<Metrics>,
    noticed: mpsc::UnboundedSender<Noticed>,
}

impl Observers {
    /// The observers, and what they notice. The queue is bounded by what there is to notice: a few changes for each entry.
    pub fn new(accounts: Accounts, metrics: Arc<Metrics>) -> (Arc<Self>, mpsc::UnboundedReceiver<Noticed>) {
        let (noticed, changes) = mpsc::unbounded_channel();
        (
            Arc::new(Self {
                accounts,
                metrics,
                noticed,
            }),
            changes,
        )
    }

    fn notice(&self, noticed: Noticed) {
        // At the end of the host nobody looks into anything any more.
        drop(self.noticed.send(noticed));
    }
}

impl Observer for Observers {
    fn entry_changed(&self, id: &EntryId, from: EntryState, to: EntryState, detail: Option<&str>) {
        if from == EntryState::BackingOff && to == EntryState::Starting {
            self.metrics.host.daemon_restarted(id.plugin(), id.name());
        }
        let detail = detail.map(str::to_owned);
        self.accounts.tell(Account::Daemon {
            id: id.clone(),
            from,
            to,
            detail,
        });
        self.notice(Noticed::Entries {
            plugin: id.plugin().to_owned(),
        });
    }

    fn wedged(&self, plugin: &str, detail: &str) {
        self.notice(Noticed::Wedged {
            plugin: plugin.to_owned(),
            cause: detail.to_owned(),
        });
    }
}

impl PluginObserver for Observers {
    fn plugin_changed(&self, change: PluginChange) {
        if change.to == PluginState::Refused {
            self.metrics
                .host
                .plugin_refused(change.cause_kind.unwrap_or("other"));
        }
        if change.to == PluginState::Wedged
            && let Some(plugin) = &change.plugin
        {
            self.notice(Noticed::PluginWedged {
                plugin: plugin.to_string(),
            });
        }
        self.accounts.tell(Account::Plugin(change));
    }
}

impl AccountsPort for Accounts {
    fn reloaded(&self, by: Writer, reloaded: &api::Reloaded) {
        self.tell(Account::Reloaded {
            by,
            applied: reloaded.applied.clone(),
            needs_restart: reloaded.needs_restart.clone(),
        });
    }
}
