//! The thread on which the host calls a plugin's asynchronous functions, and polls and drops what they return.
//!
//! Such a function is to return at once, and so is a poll of its future. With the SDK they do, since the work goes on on the plugin's
//! own thread; a plugin that was made without it may not. Whatever does not return holds this thread and no worker of the host's
//! runtime: its plugin misses its deadlines, its probe as well, and is found wedged.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::OnceLock,
    task::Poll,
    thread,
};

use kora_plugin_abi::AbiFuture;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};

use super::call::{CallError, CallErrorKind};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Calls one plugin. The thread starts with the first call, and stays as long as the process, as the library does.
#[derive(Debug)]
pub(super) struct Caller {
    plugin: String,
    work: OnceLock<Result<mpsc::UnboundedSender<Work>, String>>,
}

impl Caller {
    /// For a library that was loaded, and so is never unloaded.
    pub fn of(plugin: &str) -> &'static Self {
        Box::leak(Box::new(Self {
            plugin: plugin.to_owned(),
            work: OnceLock::new(),
        }))
    }

    /// Calls, and waits for the answer. Give it a deadline. If the future is dropped, what was called is dropped too, which asks the
    /// plugin for cancellation; what was not called yet is not.
    ///
    /// # Errors
    /// What the plugin answered.
    pub async fn call<T: Send + 'static>(
        &self,
        begin: impl FnOnce() -> AbiFuture<T> + Send + 'static,
    ) -> Result<T, CallError> {
        let (mut answer, answered) = oneshot::channel();
        let work = async move {
            if answer.is_closed() {
                return;
            }
            let outcome = tokio::select! {
                biased;
                () = answer.closed() => return,
                outcome = guarded(begin()) => outcome,
            };
            // Whoever asked may have gone this very moment.
            drop(answer.send(outcome));
        };
        // How much waits is bounded by who asks: each task, listener and hook asks for one thing at a time,
        // and tools and their kin have a limit in common.
        if self.work()?.send(Box::pin(work)).is_err() {
            return Err(failed("the thread that calls the plugin has ended"));
        }
        answered
            .await
            .unwrap_or_else(|_| Err(failed("the call was lost")))
    }

    fn work(&self) -> Result<&mpsc::UnboundedSender<Work>, CallError> {
        let work = self.work.get_or_init(|| start(&self.plugin));
        work.as_ref().map_err(|why| failed(why))
    }
}

fn start(plugin: &str) -> Result<mpsc::UnboundedSender<Work>, String> {
    let (sender, mut work) = mpsc::unbounded_channel();
    let why = |error: std::io::Error| format!("the thread that calls the plugin did not start: {error}");
    let runtime = runtime::Builder::new_current_thread().build().map_err(why)?;
    let serve = async move {
        while let Some(work) = work.recv().await {
            tokio::spawn(work);
        }
    };
    thread::Builder::new()
        .name(format!("c:{plugin}"))
        .spawn(move || runtime.block_on(serve))
        .map_err(why)?;
    Ok(sender)
}

/// The answer of a plugin's future. async-ffi turns a panic of the plugin's own poll function into a panic of whoever polls,
/// which is the host: it ends here.
async fn guarded<T>(call: AbiFuture<T>) -> Result<T, CallError> {
    let mut call = call;
    let polled = poll_fn(|context| {
        let poll = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut call).poll(context)));
        poll.map_or_else(|_| Poll::Ready(None), |poll| poll.map(Some))
    });
    match polled.await {
        Some(answer) => answer.into_result().map_err(CallError::from_abi),
        None => Err(CallError::new(
            CallErrorKind::Panicked,
            "its future panicked outside of every guard",
        )),
    }
}

fn failed(why: &str) -> CallError {
    CallError::new(CallErrorKind::Failed, why)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use kora_plugin_abi::abi_stable::std_types::RResult::ROk;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const DEADLINE: Duration = Duration::from_secs(10);

    fn never_returns() -> ! {
        loop {
            thread::park();
        }
    }

    fn ready() -> AbiFuture<()> {
        AbiFuture::new(async { ROk(()) })
    }

    /// With one worker, whatever blocks it is noticed.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn code_that_does_not_return_holds_no_worker_of_the_runtime() {
        let in_the_call = || -> AbiFuture<()> { never_returns() };
        let in_a_poll = || AbiFuture::new(async { never_returns() });
        let ways: [Box<dyn FnOnce() -> AbiFuture<()> + Send>; 2] =
            [Box::new(in_the_call), Box::new(in_a_poll)];
        for begin in ways {
            let caller = Caller::of("blocks");
            let calls = tokio::spawn(async move {
                let first = tokio::time::timeout(SOON, caller.call(begin)).await;
                let probe = tokio::time::timeout(SOON, caller.call(ready)).await;
                (first.is_err(), probe.is_err())
            });
            let (first, probe) = tokio::time::timeout(DEADLINE, calls).await.unwrap().unwrap();
            assert!(first, "the call misses its deadline");
            assert!(probe, "and so does the probe");
        }
        Caller::of("another").call(ready).await.unwrap();
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_any_more_is_dropped() {
        struct Dropped(Arc<AtomicBool>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        let dropped = Arc::new(AtomicBool::new(false));
        let guard = Dropped(dropped.clone());
        let caller = Caller::of("cancelled");
        let call = caller.call(move || -> AbiFuture<()> {
            AbiFuture::new(async move {
                let _guard = guard;
                std::future::pending().await
            })
        });
        assert!(tokio::time::timeout(SOON, call).await.is_err());
        let seen = async {
            while !dropped.load(Ordering::Acquire) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, seen).await.unwrap();
        caller.call(ready).await.unwrap();
    }

    #[tokio::test]
    async fn a_future_that_panics_outside_of_every_guard_is_an_answer() {
        let caller = Caller::of("panics");
        let panicked = caller
            .call(|| -> AbiFuture<()> { AbiFuture::new(async { panic!("on purpose") }) })
            .await
            .unwrap_err();
        assert_eq!(panicked.kind, CallErrorKind::Panicked);
        caller.call(ready).await.unwrap();
    }
}
