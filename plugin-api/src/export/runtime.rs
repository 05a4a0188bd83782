//! The plugin's own runtime: one named thread, started when something asynchronous is first used.

use std::{
    future::Future,
    sync::{Mutex, OnceLock, PoisonError, mpsc},
    thread,
    time::Duration,
};

use kora_plugin_abi::{
    self as abi, AbiError, AbiFuture, FutureExt as _,
    abi_stable::std_types::RResult::{RErr, ROk},
};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::AbortHandle,
};

use super::guard::{Guarded, panicked};
use crate::Host;

struct Started {
    handle: Handle,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    stopped: Mutex<mpsc::Receiver<()>>,
}

static RUNTIME: OnceLock<Result<Started, String>> = OnceLock::new();

/// How long work on the blocking pool may still take when the runtime ends; what is not done by then is left behind.
const BLOCKING_GRACE: Duration = Duration::from_millis(100);

pub fn runtime() -> Result<&'static Handle, AbiError> {
    match RUNTIME.get_or_init(start) {
        Ok(started) => Ok(&started.handle),
        Err(why) => Err(AbiError::new(
            abi::FAILED,
            format!("the plugin's runtime did not start: {why}"),
        )),
    }
}

fn start() -> Result<Started, String> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let handle = runtime.handle().clone();
    let (stop, stop_asked) = oneshot::channel::<()>();
    let (stopped_sender, stopped) = mpsc::channel();
    let name = Host::new()
        .info()
        .map_or_else(|_| "plugin".to_owned(), |info| info.plugin);
    thread::Builder::new()
        .name(format!("p:{name}"))
        .spawn(move || {
            // Either end of the channel will do: a dropped sender stops the thread as well.
            let _ = runtime.block_on(stop_asked);
            runtime.shutdown_timeout(BLOCKING_GRACE);
            let _ = stopped_sender.send(());
        })
        .map_err(|e| e.to_string())?;
    Ok(Started {
        handle,
        stop: Mutex::new(Some(stop)),
        stopped: Mutex::new(stopped),
    })
}

/// Ends the thread if it was started, and waits for that at most `limit`.
pub fn stop(limit: Duration) -> Result<(), AbiError> {
    let Some(Ok(started)) = RUNTIME.get() else {
        return Ok(());
    };
    let Some(stop) = started.stop.lock().unwrap_or_else(PoisonError::into_inner).take() else {
        return Ok(());
    };
    drop(stop);
    let stopped = started.stopped.lock().unwrap_or_else(PoisonError::into_inner);
    stopped
        .recv_timeout(limit)
        .map_err(|_| AbiError::new(abi::FAILED, "the plugin's thread did not end in time"))
}

/// Runs the author's future on the plugin's runtime. The future handed to the host only waits for the answer; dropping it
/// asks for cancellation.
pub fn spawn<T, F>(name: String, work: F) -> AbiFuture<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, AbiError>> + Send + 'static,
{
    let started = runtime().map(|runtime| {
        let task = runtime.spawn(Guarded::new(name, work));
        // Made here and not below, where it would not be yet if the host drops the future before it polls it once.
        let cancel = CancelOnDrop(task.abort_handle());
        (task, cancel)
    });
    async move {
        let (task, _cancel) = match started {
            Ok(started) => started,
            Err(error) => return RErr(error),
        };
        match task.await {
            Ok(Ok(value)) => ROk(value),
            Ok(Err(error)) => RErr(error),
            Err(join) if join.is_panic() => RErr(panicked(join.into_panic())),
            Err(_) => RErr(AbiError::new(abi::CANCELLED, "cancelled")),
        }
    }
    .into_ffi()
}

struct CancelOnDrop(AbortHandle);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
