//! What the host calls. Each function catches every panic before it returns.

use std::time::Duration;

use kora_plugin_abi::{
    self as abi, AbiError, AbiFuture, AbiResult, Bytes, Extension, HostRef, Maybe, OwnedBytes,
    abi_stable::std_types::{
        ROption::{RNone, RSome},
        RResult::RErr,
    },
    daemon1, identity1, listener1, prompt1, resource1, tool1, webhook1,
};
use serde::de::DeserializeOwned;

use super::{
    HOST,
    entries::{DaemonEntry, ListenerEntry, entries, keep, no_such_entry},
    guard::{guard, guard_entry},
    log, offers, runtime,
};
use crate::{Config, Host, Plugin, PluginError, Registrar, plugin::Staged};

static H: Host = Host::new();

pub extern "C" fn register<P: Plugin>(host: HostRef) -> AbiResult<OwnedBytes> {
    guard(|| {
        HOST.set(host)
            .map_err(|_| AbiError::new(abi::FAILED, "this library registered before"))?;
        log::install();
        let mut staged = Staged::default();
        P::default()
            .register(&mut Registrar {
                staged: &mut staged,
                host: H,
            })
            .map_err(PluginError::into_abi)?;
        Ok(keep(staged)?.to_string().into_bytes().into())
    })
}

pub extern "C" fn deinit(limit_us: u64) -> AbiResult<()> {
    guard(|| runtime::stop(Duration::from_micros(limit_us)))
}

pub extern "C" fn get_extension(id: Bytes<'_>) -> Maybe<Extension> {
    static IDENTITY: identity1::Identity = identity1::Identity { snapshot };
    static DAEMON: daemon1::Daemon = daemon1::Daemon {
        startup,
        tick,
        shutdown,
        probe,
    };
    static LISTENER: listener1::Listener = listener1::Listener { on_event, on_state };
    #[cfg(feature = "next")]
    static IDENTITY_2: abi::identity2::Identity = abi::identity2::Identity { snapshot: snapshot2 };
    match std::str::from_utf8(id.as_slice()) {
        Ok(identity1::ID) => RSome(Extension::of(&IDENTITY)),
        Ok(daemon1::ID) => RSome(Extension::of(&DAEMON)),
        Ok(listener1::ID) => RSome(Extension::of(&LISTENER)),
        Ok(tool1::ID) => RSome(Extension::of(&offers::TOOL)),
        Ok(prompt1::ID) => RSome(Extension::of(&offers::PROMPT)),
        Ok(resource1::ID) => RSome(Extension::of(&offers::RESOURCE)),
        Ok(webhook1::ID) => RSome(Extension::of(&offers::WEBHOOK)),
        #[cfg(feature = "next")]
        Ok(abi::identity2::ID) => RSome(Extension::of(&IDENTITY_2)),
        _ => RNone,
    }
}

extern "C" fn snapshot(provider: u64, tenant: Bytes<'_>, config: Bytes<'_>) -> AbiResult<OwnedBytes> {
    let Some(entry) = entries().and_then(|e| e.providers.get(&provider)) else {
        return RErr(no_such_entry());
    };
    guard_entry(&entry.poisoned, || {
        let tenant = text(&tenant)?;
        let config = Config::from_json(&config).map_err(PluginError::into_abi)?;
        let snapshot = entry
            .provider
            .snapshot(tenant, &config)
            .map_err(PluginError::into_abi)?;
        Ok(serde_json::to_vec(&snapshot).map_err(invalid)?.into())
    })
}

#[cfg(feature = "next")]
extern "C" fn snapshot2(
    provider: u64,
    tenant: Bytes<'_>,
    config: Bytes<'_>,
    generation: u64,
) -> AbiResult<OwnedBytes> {
    tracing::info!(generation, "asked through identity/2");
    snapshot(provider, tenant, config)
}

extern "C" fn startup(handle: u64) -> AbiFuture<()> {
    on_daemon(handle, "startup", |entry| async move {
        // The factory is the author's code too: it runs here, on the plugin's thread, not on the host's.
        entry.make().startup(&H).await.map_err(PluginError::into_abi)
    })
}

extern "C" fn tick(handle: u64, task: u32) -> AbiFuture<()> {
    on_daemon(handle, "tick", move |entry| async move {
        let index = usize::try_from(task).unwrap_or(usize::MAX);
        let name = &entry
            .plan
            .tasks
            .get(index)
            .ok_or_else(|| AbiError::new(abi::NO_SUCH_HANDLE, format!("no task has the index {task}")))?
            .name;
        entry.live()?.tick(&H, name).await.map_err(PluginError::into_abi)
    })
}

extern "C" fn shutdown(handle: u64) -> AbiFuture<()> {
    let Some(entry) = daemon(handle) else {
        return failed(no_such_entry());
    };
    runtime::spawn(format!("{}.shutdown", entry.plan.name), async move {
        entry.running.none().await;
        let ended = match entry.live() {
            Ok(live) => live.shutdown(&H).await.map_err(PluginError::into_abi),
            Err(error) => Err(error),
        };
        entry.drop_live();
        ended
    })
}

extern "C" fn probe() -> AbiFuture<()> {
    runtime::spawn("probe".to_owned(), async { Ok(()) })
}

extern "C" fn on_event(handle: u64, event: Bytes<'_>) -> AbiFuture<()> {
    on_listener(
        handle,
        "on_event",
        &event,
        |entry, event: crate::Event| async move {
            entry
                .listener
                .on_event(&H, &event)
                .await
                .map_err(PluginError::into_abi)
        },
    )
}

extern "C" fn on_state(handle: u64, change: Bytes<'_>) -> AbiFuture<()> {
    on_listener(
        handle,
        "on_state",
        &change,
        |entry, change: crate::StateChange| async move {
            entry
                .listener
                .on_state(&H, &change)
                .await
                .map_err(PluginError::into_abi)
        },
    )
}

/// Runs a hook of a daemon on the plugin's thread. A panic poisons that entry and no other.
fn on_daemon<F>(
    handle: u64,
    hook: &str,
    work: impl FnOnce(&'static DaemonEntry) -> F + Send + 'static,
) -> AbiFuture<()>
where
    F: Future<Output = Result<(), AbiError>> + Send + 'static,
{
    let Some(entry) = daemon(handle) else {
        return failed(no_such_entry());
    };
    let running = entry.running.begin();
    runtime::spawn(format!("{}.{hook}", entry.plan.name), async move {
        let _running = running;
        let _poison = PoisonOnPanic(entry);
        work(entry).await
    })
}

/// Dropped while unwinding, it marks the entry. (The panic itself is caught one level up, where the future is polled.)
struct PoisonOnPanic(&'static DaemonEntry);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison();
        }
    }
}

fn on_listener<T, F>(
    handle: u64,
    hook: &str,
    json: &Bytes<'_>,
    work: impl FnOnce(&'static ListenerEntry, T) -> F + Send + 'static,
) -> AbiFuture<()>
where
    T: DeserializeOwned + Send + 'static,
    F: Future<Output = Result<(), AbiError>> + Send + 'static,
{
    use std::sync::atomic::Ordering;

    struct Poison(&'static ListenerEntry);
    impl Drop for Poison {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.poisoned.store(true, Ordering::Release);
            }
        }
    }

    let Some(entry) = entries().and_then(|e| e.listeners.get(&handle)) else {
        return failed(no_such_entry());
    };
    if entry.poisoned.load(Ordering::Acquire) {
        return failed(super::guard::poison_error());
    }
    let parsed: T = match serde_json::from_slice(json.as_slice()) {
        Ok(parsed) => parsed,
        Err(error) => return failed(invalid(error)),
    };
    runtime::spawn(format!("{}.{hook}", entry.name), async move {
        let _poison = Poison(entry);
        work(entry, parsed).await
    })
}

fn daemon(handle: u64) -> Option<&'static DaemonEntry> {
    entries()?.daemons.get(&handle)
}

fn failed(error: AbiError) -> AbiFuture<()> {
    AbiFuture::new(async move { RErr(error) })
}

fn text<'a>(bytes: &'a Bytes<'_>) -> Result<&'a str, AbiError> {
    std::str::from_utf8(bytes.as_slice()).map_err(invalid)
}

fn invalid(error: impl std::fmt::Display) -> AbiError {
    AbiError::new(abi::INVALID, error.to_string())
}
