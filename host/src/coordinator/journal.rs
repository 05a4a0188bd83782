//! What the coordinator writes into the log: one line for each thing, naming `plugin/entry` and the cause, tagged as operators
//! of the original search for it.

use std::{fmt::Display, time::Duration};

use super::{
    actor::Order,
    ending::{HostState, ShutdownReason},
    entry_state::EntryState,
    model::{Change, Note},
};

/// One level for each state that is entered: what an operator must act on is an error.
pub(super) fn entry_changed(change: &Change) {
    let Change { id, from, to, detail } = change;
    let line = match detail {
        Some(detail) => format!("[kora.daemon] {id} {to}: {detail}"),
        None => format!("[kora.daemon] {id} {to}"),
    };
    match to {
        EntryState::Failed | EntryState::Wedged => tracing::error!(entry = %id, %from, %to, "{line}"),
        EntryState::BackingOff | EntryState::Degraded => tracing::warn!(entry = %id, %from, %to, "{line}"),
        EntryState::Stopping | EntryState::Stopped if detail.is_some() => {
            tracing::warn!(entry = %id, %from, %to, "{line}");
        }
        EntryState::Running | EntryState::Stopped => tracing::info!(entry = %id, %from, %to, "{line}"),
        EntryState::Waiting | EntryState::Starting | EntryState::Stopping => {
            tracing::debug!(entry = %id, %from, %to, "{line}");
        }
    }
}

pub(super) fn plugin_wedged(plugin: &str, detail: &str) {
    tracing::error!(
        plugin,
        "[kora.daemon] plugin {plugin} is wedged and disabled: {detail}; restart the host to run it again"
    );
}

pub(super) fn note(note: &Note) {
    match note {
        Note::TickFailed { id, task, cause } => {
            tracing::warn!(entry = %id, task, "[kora.daemon] {id} {task} failed: {cause}");
        }
        Note::TicksSkipped { id, task, count } => {
            tracing::info!(entry = %id, task, count, "[kora.daemon] {id} {task} left out {count} runs that overlapped");
        }
        Note::ShutdownFailed { id, cause } => {
            tracing::warn!(entry = %id, "[kora.daemon] {id} was not shut down cleanly: {cause}");
        }
        Note::CannotStart { id, cause } => {
            tracing::warn!(entry = %id, "[kora.daemon] {id} was not started: {cause}");
        }
    }
}

pub(super) fn host_changed(state: HostState, reason: Option<&ShutdownReason>) {
    match (state, reason) {
        (
            HostState::ShuttingDown | HostState::Stopped,
            Some(reason @ ShutdownReason::StartupFailure { .. }),
        ) => {
            tracing::error!(%state, "[kora.daemon] host {state}: {reason}");
        }
        (HostState::ShuttingDown | HostState::Stopped, Some(reason)) => {
            tracing::info!(%state, "[kora.daemon] host {state}: {reason}");
        }
        (state, _) => tracing::info!(%state, "[kora.daemon] host {state}"),
    }
}

pub(super) fn shutdown_requested(asked: &str, first: bool, stands: Option<&ShutdownReason>) {
    if first {
        tracing::info!("[kora.daemon] asked to stop: {asked}");
    } else if let Some(stands) = stands {
        tracing::info!("[kora.daemon] asked to stop again ({asked}); stopping already: {stands}");
    }
}

/// An actor gets few orders and takes each at once: this line would be a fault of the coordinator's own.
pub(super) fn order_lost(order: Order, error: &dyn Display) {
    tracing::error!("[kora.daemon] an order was lost ({order:?}): {error}");
}

pub(super) fn turn_took(took: Duration, slow: Duration) {
    if took > slow {
        tracing::warn!("[kora.daemon] a turn of the coordinator took {took:?}: an observer blocks it");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;
    use crate::coordinator::EntryId;

    #[derive(Clone, Default)]
    struct Pages(Arc<Mutex<Vec<u8>>>);

    impl Write for Pages {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(write: impl FnOnce()) -> String {
        let pages = Pages::default();
        let writer = pages.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .finish();
        tracing::subscriber::with_default(subscriber, write);
        String::from_utf8(pages.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_failed_entry_is_one_line_at_error_with_its_name_and_the_cause() {
        let line = written(|| {
            entry_changed(&Change {
                id: EntryId::new("kora", "engine"),
                from: EntryState::Stopping,
                to: EntryState::Failed,
                detail: Some("no network".to_owned()),
            });
        });
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.starts_with("ERROR kora_host::coordinator"), "{line}");
        assert!(
            line.contains("[kora.daemon] kora/engine failed: no network"),
            "{line}"
        );
    }

    #[test]
    fn the_first_reason_to_stop_and_a_later_one_are_both_written_down() {
        let stands = ShutdownReason::Signal("SIGTERM".to_owned());
        let first = written(|| shutdown_requested("signal SIGTERM", true, Some(&stands)));
        assert!(first.contains("asked to stop: signal SIGTERM"), "{first}");
        let again = written(|| shutdown_requested("signal SIGINT", false, Some(&stands)));
        assert!(
            again.contains("again (signal SIGINT); stopping already: signal SIGTERM"),
            "{again}"
        );
    }
}
