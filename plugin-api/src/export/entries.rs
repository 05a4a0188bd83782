//! What was registered, by handle, and what is alive of it.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use kora_plugin_abi::{self as abi, AbiError};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    guard::{drop_guarded, poison_error},
    offers::OfferEntries,
};
use crate::{
    BackgroundDaemon, IdentityProvider, daemon::ErasedDaemon, listener::ErasedListener, plugin::Staged,
};

pub struct ProviderEntry {
    pub poisoned: AtomicBool,
    pub provider: Arc<dyn IdentityProvider>,
}

pub struct ListenerEntry {
    pub name: String,
    pub poisoned: AtomicBool,
    pub listener: Arc<dyn ErasedListener>,
}

pub struct DaemonEntry {
    pub plan: BackgroundDaemon,
    pub running: Running,
    poisoned: AtomicBool,
    live: Mutex<Option<Arc<dyn ErasedDaemon>>>,
}

impl DaemonEntry {
    /// Makes the daemon anew. What was there before is dropped.
    pub fn make(&self) -> Arc<dyn ErasedDaemon> {
        self.drop_live();
        let made = (self.plan.make)();
        *self.lock() = Some(made.clone());
        self.poisoned.store(false, Ordering::Release);
        made
    }

    /// The daemon that was started.
    pub fn live(&self) -> Result<Arc<dyn ErasedDaemon>, AbiError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(poison_error());
        }
        self.lock()
            .clone()
            .ok_or_else(|| AbiError::new(abi::FAILED, "it is not started"))
    }

    pub fn drop_live(&self) {
        let old = self.lock().take();
        drop_guarded(old);
    }

    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<dyn ErasedDaemon>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many pieces of work of an entry have not ended yet, cancelled ones included.
#[derive(Default)]
pub struct Running {
    count: AtomicUsize,
    ended: Notify,
}

impl Running {
    pub fn begin(&'static self) -> RunningGuard {
        self.count.fetch_add(1, Ordering::AcqRel);
        RunningGuard(self)
    }

    /// Waits until all of it has ended.
    pub async fn none(&self) {
        loop {
            let ended = self.ended.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }
}

pub struct RunningGuard(&'static Running);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

#[derive(Default)]
pub struct Entries {
    pub providers: HashMap<u64, ProviderEntry>,
    pub daemons: HashMap<u64, DaemonEntry>,
    pub listeners: HashMap<u64, ListenerEntry>,
    pub offers: OfferEntries,
}

static ENTRIES: OnceLock<Entries> = OnceLock::new();

pub fn entries() -> Option<&'static Entries> {
    ENTRIES.get()
}

pub fn no_such_entry() -> AbiError {
    AbiError::new(abi::NO_SUCH_HANDLE, "no entry has this handle")
}

/// Keeps what was staged, and says what it is.
pub fn keep(mut staged: Staged) -> Result<Value, AbiError> {
    let mut document = json!({});
    let mut entries = Entries {
        offers: OfferEntries::keep(&mut staged, &mut document),
        ..Entries::default()
    };
    let mut providers = Vec::new();
    let mut daemons = Vec::new();
    let mut listeners = Vec::new();
    for (name, provider) in staged.providers {
        let handle = random_handle();
        providers.push(json!({"name": name, "handle": handle}));
        entries.providers.insert(
            handle,
            ProviderEntry {
                poisoned: AtomicBool::new(false),
                provider,
            },
        );
    }
    for plan in staged.daemons {
        let handle = random_handle();
        daemons.push(describe(&plan, handle));
        entries.daemons.insert(
            handle,
            DaemonEntry {
                plan,
                running: Running::default(),
                poisoned: AtomicBool::new(false),
                live: Mutex::new(None),
            },
        );
    }
    for (name, subscription, listener) in staged.listeners {
        let handle = random_handle();
        listeners.push(json!({
            "name": name,
            "handle": handle,
            "event_prefixes": subscription.event_prefixes,
            "states": subscription.states,
        }));
        entries.listeners.insert(
            handle,
            ListenerEntry {
                name,
                poisoned: AtomicBool::new(false),
                listener,
            },
        );
    }
    ENTRIES
        .set(entries)
        .map_err(|_| AbiError::new(abi::FAILED, "this library registered before"))?;
    document["identity_providers"] = providers.into();
    document["daemons"] = daemons.into();
    document["listeners"] = listeners.into();
    Ok(document)
}

fn describe(plan: &BackgroundDaemon, handle: u64) -> Value {
    let ms = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let tasks: Vec<Value> = plan
        .tasks
        .iter()
        .map(|task| {
            json!({
                "name": task.name,
                "every_ms": ms(task.every),
                "jitter_ms": ms(task.jitter),
                "overlap": task.overlap.wire(),
            })
        })
        .collect();
    json!({
        "name": plan.name,
        "handle": handle,
        "tasks": tasks,
        "fatal_on_startup_failure": plan.fatal,
        "startup_timeout_ms": plan.startup_timeout.map(ms),
        "tick_timeout_ms": plan.tick_timeout.map(ms),
        "shutdown_timeout_ms": plan.shutdown_timeout.map(ms),
        "after": plan.after,
        "requires": plan.requires,
        "restart": {
            "max_restarts": plan.restart.max_restarts,
            "window_ms": ms(plan.restart.window),
            "backoff_min_ms": ms(plan.restart.backoff_min),
            "backoff_max_ms": ms(plan.restart.backoff_max),
        },
    })
}

/// The keys of `RandomState` come from the operating system, so a handle says nothing about any other.
pub fn random_handle() -> u64 {
    RandomState::new().hash_one(0_u64)
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    #[test]
    fn waiting_for_the_end_lasts_until_the_last_piece_of_work_has_ended() {
        static RUNNING: Running = Running {
            count: AtomicUsize::new(0),
            ended: Notify::const_new(),
        };
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(RUNNING.none()).poll(&mut context).is_ready(), "nothing runs");
        let (first, second) = (RUNNING.begin(), RUNNING.begin());
        let mut none = pin!(RUNNING.none());
        assert!(none.as_mut().poll(&mut context).is_pending());
        drop(first);
        assert!(none.as_mut().poll(&mut context).is_pending());
        drop(second);
        assert!(none.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn handles_do_not_repeat() {
        let handles: std::collections::HashSet<u64> = (0..1000).map(|_| random_handle()).collect();
        assert_eq!(handles.len(), 1000);
    }
}
