//! Who hears of changes: one after another, in the order of the changes, never in the way of them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::Transition;

/// How many changes of a tenant a listener may be behind. Past that they are not told, and the log says how many: a state
/// machine that waits for its listeners could not be stopped.
pub(super) const NOTICE_QUEUE: usize = 256;
/// How long one listener may take over one change. The next listener is not kept waiting by it for ever.
const LISTENER_DEADLINE: Duration = Duration::from_secs(5);

/// Hears of changes. It watches, and decides nothing: whatever it answers, the change stands.
#[async_trait]
pub trait Listener: Send + Sync + 'static {
    /// A tenant's state changed. Cut off after five seconds.
    ///
    /// # Errors
    /// What went wrong, for the log.
    async fn changed(&self, transition: Arc<Transition>) -> Result<(), String>;
}

pub(super) enum Notice {
    Changed(Arc<Transition>),
    /// Answered once everything before was heard.
    Flush(oneshot::Sender<()>),
}

#[derive(Clone)]
struct Named {
    name: Arc<str>,
    listener: Arc<dyn Listener>,
}

/// The listeners there are, in the order in which they came. The same for all tenants.
#[derive(Default)]
pub(super) struct Listeners {
    named: ArcSwap<Vec<Named>>,
    change: Mutex<()>,
}

impl Listeners {
    /// False, and nothing changes, if there is one of that name.
    pub(super) fn add(&self, name: &str, listener: Arc<dyn Listener>) -> bool {
        let _alone = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut named = Vec::clone(&self.named.load());
        if named.iter().any(|other| *other.name == *name) {
            return false;
        }
        named.push(Named {
            name: name.into(),
            listener,
        });
        self.named.store(Arc::new(named));
        true
    }

    /// False if there was none.
    pub(super) fn remove(&self, name: &str) -> bool {
        let _alone = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.named.load();
        let named: Vec<_> = before
            .iter()
            .filter(|other| *other.name != *name)
            .cloned()
            .collect();
        let found = named.len() < before.len();
        self.named.store(Arc::new(named));
        found
    }

    async fn tell_all(&self, transition: &Arc<Transition>) {
        for named in self.named.load_full().iter() {
            named.tell(transition).await;
        }
    }
}

/// Until every sender is gone and the queue is empty.
pub(super) async fn tell_in_order(listeners: Arc<Listeners>, mut notices: mpsc::Receiver<Notice>) {
    while let Some(notice) = notices.recv().await {
        match notice {
            Notice::Changed(transition) => listeners.tell_all(&transition).await,
            Notice::Flush(done) => drop(done.send(())),
        }
    }
}

impl Named {
    async fn tell(&self, transition: &Arc<Transition>) {
        let (listener, about) = (Arc::clone(&self.listener), Arc::clone(transition));
        // In a task of its own, so that a panic in it is an answer and one that hangs can be cut off.
        let mut task = tokio::spawn(async move { listener.changed(about).await });
        let fault = match timeout(LISTENER_DEADLINE, &mut task).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => "it panicked".to_owned(),
            Err(_) => {
                task.abort();
                format!(
                    "it took longer than {} s and was cut off",
                    LISTENER_DEADLINE.as_secs()
                )
            }
        };
        tracing::error!(tenant = %transition.tenant, listener = %self.name, "a listener of state changes failed: {fault}");
    }
}
