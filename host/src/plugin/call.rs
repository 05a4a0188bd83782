//! Calling a plugin: the error that comes back, checked, and a thread that the host can afford to lose.

use std::{thread, time::Duration};

use kora_plugin_abi as abi;
use tokio::sync::oneshot;

/// An error's message is cut at this many characters: it becomes one line of a log.
const MESSAGE_CHARS: usize = 500;

/// What kind of failure a plugin answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallErrorKind {
    /// It failed.
    Failed,
    /// Its code panicked; the entry is out of use until it is started anew.
    Panicked,
    /// It panicked before.
    Poisoned,
    /// A secret is not configured; the subject names it.
    MissingCredential,
    /// An argument is not what it takes.
    Invalid,
    /// The work was cancelled.
    Cancelled,
    /// Its answer is larger than the host takes. Made by the host.
    TooLarge,
    /// It did not answer in time. Made by the host.
    TimedOut,
}

/// A failure of a call into a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// What kind.
    pub kind: CallErrorKind,
    /// One line, valid UTF-8, without control characters.
    pub message: String,
    /// What it is about, likewise; mostly empty.
    pub subject: String,
}

impl CallError {
    /// A failure that the host noticed.
    pub fn new(kind: CallErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            subject: String::new(),
        }
    }

    pub(super) fn from_abi(error: abi::AbiError) -> Self {
        let kind = match error.code {
            abi::PANICKED => CallErrorKind::Panicked,
            abi::POISONED => CallErrorKind::Poisoned,
            abi::MISSING_CREDENTIAL => CallErrorKind::MissingCredential,
            abi::INVALID => CallErrorKind::Invalid,
            abi::CANCELLED => CallErrorKind::Cancelled,
            _ => CallErrorKind::Failed,
        };
        Self {
            kind,
            message: one_line(&error.message),
            subject: one_line(&error.subject),
        }
    }
}

/// Hostile bytes as one line that is fit for a log.
pub(super) fn one_line(bytes: &[u8]) -> String {
    // A message of megabytes is not worth decoding whole: four bytes is the most a character takes.
    let bytes = &bytes[..bytes.len().min(MESSAGE_CHARS * 4)];
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE_CHARS)
        .collect()
}

/// Runs `work`, which calls into a plugin and may never come back, on a thread of its own, and waits at most `deadline`.
///
/// A thread that does not come back is left behind for ever: it cannot be stopped, and joining it would stop the host.
///
/// # Errors
/// [`CallErrorKind::TimedOut`] at the deadline, or if no thread could be started.
pub async fn off_runtime<T: Send + 'static>(
    name: String,
    deadline: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CallError> {
    let (sender, receiver) = oneshot::channel();
    let started = thread::Builder::new().name(name).spawn(move || {
        // The receiver is gone when the deadline has passed; nobody wants the answer then.
        drop(sender.send(work()));
    });
    if let Err(error) = started {
        return Err(CallError::new(
            CallErrorKind::Failed,
            format!("no thread could be started: {error}"),
        ));
    }
    match tokio::time::timeout(deadline, receiver).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(CallError::new(
            CallErrorKind::Panicked,
            "the call ended without an answer",
        )),
        Err(_) => Err(CallError::new(
            CallErrorKind::TimedOut,
            format!("no answer within {} s", deadline.as_secs_f64()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_becomes_one_short_line() {
        assert_eq!(one_line(b"a\nb\x1b[31m"), "a b [31m");
        assert_eq!(one_line(&[0xff, b'x']), "\u{fffd}x");
        assert_eq!(one_line(&vec![b'x'; 10_000_000]).len(), MESSAGE_CHARS);
    }

    #[tokio::test]
    async fn a_call_that_never_comes_back_is_given_up() {
        let (_held, never) = std::sync::mpsc::channel::<()>();
        let answer = off_runtime("t".into(), Duration::from_millis(20), move || never.recv()).await;
        assert_eq!(answer.unwrap_err().kind, CallErrorKind::TimedOut);
    }
}
