//! Telling listeners: one bounded queue and one worker for each, so that a slow listener delays nobody and misses out alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::mpsc, task::AbortHandle};
use tokio_util::task::TaskTracker;

use super::{
    call::{CallError, CallErrorKind},
    extensions::Extensions,
    instance::is_alive,
    registration::ListenerRegistration,
};
use crate::domain::{PluginName, TenantId};

/// How much a listener may fall behind. At 1 KiB a notice this is a megabyte for each.
const QUEUE: usize = 1024;
/// How long a listener may take over one notice.
const DEADLINE: Duration = Duration::from_secs(10);

/// Something a listener may want to hear of. Made once, shared by all that hear it.
#[derive(Debug, Clone)]
pub enum Notice {
    /// An event was appended.
    Event {
        /// Whose.
        tenant: TenantId,
        /// Its type.
        event_type: Arc<str>,
        /// As `listener/1` gives it.
        json: Arc<[u8]>,
    },
    /// A tenant's state changed.
    State {
        /// Whose.
        tenant: TenantId,
        /// As `listener/1` gives it.
        json: Arc<[u8]>,
    },
}

impl Notice {
    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Event { tenant, .. } | Self::State { tenant, .. } => tenant,
        }
    }
}

/// The listeners of one plugin.
#[derive(Debug)]
pub struct ListenerHub {
    plugin: PluginName,
    listeners: Vec<Listening>,
    /// The plugin was stopped: what comes now, and what still waits, is not for it.
    is_quiet: Arc<AtomicBool>,
    workers: Vec<AbortHandle>,
}

#[derive(Debug)]
struct Listening {
    registration: ListenerRegistration,
    queue: mpsc::Sender<Notice>,
    missed: AtomicU64,
}

impl ListenerHub {
    /// Starts a worker for each listener. `wedged` is told if one never lets go of the plugin's thread. The workers end when the
    /// hub is dropped, each after what waits for it.
    pub fn start(
        plugin: PluginName,
        extensions: Extensions,
        registrations: &[ListenerRegistration],
        tasks: &TaskTracker,
        wedged: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Self {
        let is_quiet = Arc::new(AtomicBool::new(false));
        let start = |registration: &ListenerRegistration| {
            let (queue, notices) = mpsc::channel(QUEUE);
            let delivery = Delivery {
                plugin: plugin.clone(),
                extensions,
                registration: registration.clone(),
                is_quiet: is_quiet.clone(),
                wedged: wedged.clone(),
            };
            let worker = tasks.spawn(delivery.run(notices)).abort_handle();
            let listening = Listening {
                registration: registration.clone(),
                queue,
                missed: AtomicU64::new(0),
            };
            (listening, worker)
        };
        let (listeners, workers) = registrations.iter().map(start).unzip();
        Self {
            plugin,
            listeners,
            is_quiet,
            workers,
        }
    }

    /// Whether the listeners are to hear of anything from now on. What waits while they are not is passed over.
    pub fn set_quiet(&self, is_quiet: bool) {
        self.is_quiet.store(is_quiet, Ordering::Release);
    }

    /// Ends the workers at once: the plugin's thread does not come back, and nobody is to wait for it.
    pub fn give_up(self) {
        self.workers.iter().for_each(AbortHandle::abort);
    }

    /// Whether any listener wants events of this type now.
    pub fn wants_event(&self, event_type: &str) -> bool {
        !self.is_quiet.load(Ordering::Acquire)
            && self
                .listeners
                .iter()
                .any(|listening| listening.wants_event(event_type))
    }

    /// Queues a notice for every listener that wants it. The caller has checked that the plugin acts for the tenant. Never
    /// blocks: a listener whose queue is full misses it.
    pub fn tell(&self, notice: &Notice) {
        if self.is_quiet.load(Ordering::Acquire) {
            return;
        }
        for listening in self.listeners.iter().filter(|listening| listening.wants(notice)) {
            listening.offer(&self.plugin, notice);
        }
    }
}

impl Listening {
    fn wants(&self, notice: &Notice) -> bool {
        match notice {
            Notice::State { .. } => self.registration.states,
            Notice::Event { event_type, .. } => self.wants_event(event_type),
        }
    }

    fn wants_event(&self, event_type: &str) -> bool {
        self.registration.event_prefixes.iter().any(|prefix| {
            event_type
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    fn offer(&self, plugin: &PluginName, notice: &Notice) {
        let listener = &self.registration.name;
        if self.queue.try_send(notice.clone()).is_err() {
            // Said when it begins; how many it were is said when it ends.
            if self.missed.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!(%plugin, listener, queue = QUEUE, "a listener falls behind and misses notices");
            }
        } else if let missed @ 1.. = self.missed.swap(0, Ordering::Relaxed) {
            tracing::warn!(%plugin, listener, missed, "a listener missed notices");
        }
    }
}

/// Brings notices to one listener.
struct Delivery {
    plugin: PluginName,
    extensions: Extensions,
    registration: ListenerRegistration,
    is_quiet: Arc<AtomicBool>,
    wedged: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Delivery {
    /// One notice after another. What the plugin answers changes nothing but the log.
    async fn run(self, mut notices: mpsc::Receiver<Notice>) {
        let (plugin, listener) = (&self.plugin, &self.registration.name);
        while let Some(notice) = notices.recv().await {
            if self.is_quiet.load(Ordering::Acquire) {
                continue;
            }
            match tell_one(self.extensions, self.registration.handle, &notice).await {
                Ok(()) => {}
                Err(error) if matches!(error.kind, CallErrorKind::Panicked | CallErrorKind::Poisoned) => {
                    tracing::error!(%plugin, listener, %error, "a listener panicked and hears no more");
                    return;
                }
                Err(error) if error.kind == CallErrorKind::TimedOut && !is_alive(self.extensions).await => {
                    (self.wedged)(&format!(
                        "the listener `{listener}` holds the plugin's thread, which did not answer"
                    ));
                    return;
                }
                Err(error) => tracing::warn!(%plugin, listener, %error, "a listener failed"),
            }
        }
    }
}

async fn tell_one(extensions: Extensions, handle: u64, notice: &Notice) -> Result<(), CallError> {
    let call = async {
        match notice {
            Notice::Event { json, .. } => extensions.on_event(handle, json.clone()).await,
            Notice::State { json, .. } => extensions.on_state(handle, json.clone()).await,
        }
    };
    tokio::time::timeout(DEADLINE, call).await.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", DEADLINE.as_secs());
        Err(CallError::new(CallErrorKind::TimedOut, message))
    })
}
