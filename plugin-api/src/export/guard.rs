//! Panics become errors here, inside the plugin: a host cannot catch them.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use kora_plugin_abi::{
    self as abi, AbiError, AbiResult,
    abi_stable::std_types::RResult::{RErr, ROk},
};

/// A poll that holds the plugin's one thread longer than this delays everything else in the plugin.
const SLOW_POLL: Duration = Duration::from_millis(50);

/// Runs the author's code and turns a panic into an error.
pub fn guard<T>(call: impl FnOnce() -> Result<T, AbiError>) -> AbiResult<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => ROk(value),
        Ok(Err(error)) => RErr(error),
        Err(payload) => RErr(panicked(payload)),
    }
}

/// As [`guard`], for an entry that a panic puts out of use.
pub fn guard_entry<T>(poisoned: &AtomicBool, call: impl FnOnce() -> Result<T, AbiError>) -> AbiResult<T> {
    if poisoned.load(Ordering::Acquire) {
        return RErr(poison_error());
    }
    let result = guard(call);
    if matches!(&result, RErr(error) if error.code == abi::PANICKED) {
        poisoned.store(true, Ordering::Release);
    }
    result
}

pub fn poison_error() -> AbiError {
    AbiError::new(
        abi::POISONED,
        "it panicked before and is out of use until it is started anew",
    )
}

/// The message of what was thrown. Dropping it may panic in turn, which would abort the host: that is caught too, and the
/// second one is forgotten.
pub fn panicked(payload: Box<dyn Any + Send>) -> AbiError {
    let text = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    drop_guarded(payload);
    AbiError::new(abi::PANICKED, format!("panicked: {text}"))
}

/// Drops a value of the author's, whose `Drop` may panic.
pub fn drop_guarded<T>(value: T) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        std::mem::forget(again);
    }
}

/// A future of the author's whose panics, also in `Drop`, end here, and whose slow polls are logged with its name.
pub struct Guarded<F> {
    inner: Option<Pin<Box<F>>>,
    name: String,
}

impl<F> Guarded<F> {
    pub fn new(name: String, future: F) -> Self {
        Self {
            inner: Some(Box::pin(future)),
            name,
        }
    }
}

impl<T, F: Future<Output = Result<T, AbiError>>> Future for Guarded<F> {
    type Output = Result<T, AbiError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(inner) = this.inner.as_mut() else {
            return Poll::Ready(Err(poison_error()));
        };
        let began = Instant::now();
        let polled = catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(context)));
        let held = began.elapsed();
        if held > SLOW_POLL {
            tracing::warn!(
                task = this.name,
                held_ms = u64::try_from(held.as_millis()).unwrap_or(u64::MAX),
                "held the plugin's thread for too long; `spawn_blocking` is for such work"
            );
        }
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => {
                drop_guarded(this.inner.take());
                Poll::Ready(result)
            }
            Err(payload) => {
                drop_guarded(this.inner.take());
                Poll::Ready(Err(panicked(payload)))
            }
        }
    }
}

impl<F> Drop for Guarded<F> {
    fn drop(&mut self) {
        drop_guarded(self.inner.take());
    }
}

#[cfg(test)]
mod tests {
    use std::{panic::panic_any, task::Waker};

    use super::*;

    /// A payload that panics when it is dropped, as does the payload of that panic.
    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                panic_any(Self(self.0 - 1));
            }
        }
    }

    fn error_of<T>(result: AbiResult<T>) -> AbiError {
        match result {
            ROk(_) => panic!("expected an error"),
            RErr(error) => error,
        }
    }

    fn message(error: &AbiError) -> &str {
        std::str::from_utf8(&error.message).expect("is UTF-8")
    }

    fn poll<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let number = 7;
        for (error, expected) in [
            (error_of(guard::<()>(|| panic!("plain"))), "panicked: plain"),
            (
                error_of(guard::<()>(|| panic!("number {number}"))),
                "panicked: number 7",
            ),
            (
                error_of(guard::<()>(|| panic_any(number))),
                "panicked: a panic without a message",
            ),
        ] {
            assert_eq!((error.code, message(&error)), (abi::PANICKED, expected));
        }
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_goes_no_further() {
        assert_eq!(error_of(guard::<()>(|| panic_any(Bomb(5)))).code, abi::PANICKED);
    }

    #[test]
    fn an_entry_is_poisoned_by_a_panic_and_by_nothing_else() {
        let poisoned = AtomicBool::new(false);
        let failed = error_of(guard_entry::<()>(&poisoned, || {
            Err(AbiError::new(abi::FAILED, "fails"))
        }));
        assert_eq!(failed.code, abi::FAILED);
        assert!(guard_entry(&poisoned, || Ok(1)).is_ok());
        assert_eq!(
            error_of(guard_entry::<()>(&poisoned, || panic!("now"))).code,
            abi::PANICKED
        );
        assert_eq!(error_of(guard_entry(&poisoned, || Ok(1))).code, abi::POISONED);
    }

    #[test]
    fn a_future_that_panics_answers_with_an_error_and_is_dropped_at_once() {
        let held = std::sync::Arc::new(());
        let holds = held.clone();
        let mut future = std::pin::pin!(Guarded::new("test".to_owned(), async move {
            let _holds = holds;
            panic!("in a poll");
            #[expect(unreachable_code, reason = "it gives the future its type")]
            Ok::<(), AbiError>(())
        }));
        let Poll::Ready(Err(error)) = poll(&mut future) else {
            panic!("expected an error");
        };
        assert_eq!(message(&error), "panicked: in a poll");
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
        assert!(matches!(poll(&mut future), Poll::Ready(Err(error)) if error.code == abi::POISONED));
    }

    #[test]
    fn what_panics_while_a_future_is_dropped_stays_inside() {
        let bomb = Bomb(3);
        let mut future = Box::pin(Guarded::new("test".to_owned(), async move {
            let _bomb = bomb;
            std::future::pending::<Result<(), AbiError>>().await
        }));
        assert!(poll(&mut future.as_mut()).is_pending());
        drop(future);
    }
}
