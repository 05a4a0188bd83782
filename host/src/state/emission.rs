//! Telling the chain of changes: one worker for each tenant, one change after another.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Emitted;
use crate::{
    domain::{EventType, NewEvent},
    events::{EmitFailure, EventLog},
};

/// How many changes of a tenant may wait for the one before to be told. A change that finds no place waits with its caller,
/// before it is decided.
pub(super) const EMISSION_QUEUE: usize = 64;

/// An event of a change that could not be appended. The change stands; the cause says how the event is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{event_type}` could not be appended: {cause}")]
pub struct OperationalStateEmitError {
    /// Which event.
    pub event_type: EventType,
    /// Why, and how it is kept.
    #[source]
    pub cause: EmitFailure,
}

pub(super) enum EmissionJob {
    /// The events of one change, appended together.
    Emit {
        events: Vec<NewEvent>,
        done: oneshot::Sender<Emitted>,
    },
    /// Answered once everything before is done.
    Flush(oneshot::Sender<()>),
}

/// Until every sender is gone and the queue is empty.
pub(super) async fn emit_in_order(log: Arc<EventLog>, mut jobs: mpsc::Receiver<EmissionJob>) {
    while let Some(job) = jobs.recv().await {
        // Whoever asked may have gone: the events are told all the same.
        match job {
            EmissionJob::Emit { events, done } => drop(done.send(emit(&log, events).await)),
            EmissionJob::Flush(done) => drop(done.send(())),
        }
    }
}

async fn emit(log: &EventLog, events: Vec<NewEvent>) -> Emitted {
    let names: Vec<_> = events
        .iter()
        .map(|event| (event.tenant.clone(), event.event_type.clone()))
        .collect();
    let failure = match log.emit(events).await {
        Ok(receipts) => {
            for ((tenant, event_type), receipt) in names.iter().zip(&receipts) {
                tracing::info!(%tenant, %event_type, seq = receipt.seq, "[kora.chain.emit] appended");
            }
            return Emitted::Appended(receipts);
        }
        Err(failure) => failure,
    };
    let mut errors: Vec<_> = names
        .into_iter()
        .map(|(tenant, event_type)| {
            let cause = failure.clone();
            let error = OperationalStateEmitError { event_type, cause };
            tracing::error!(%tenant, "[kora.chain.emit.failed] {error}");
            error
        })
        .collect();
    if errors.is_empty() {
        Emitted::Nothing
    } else {
        Emitted::Failed(errors.remove(0))
    }
}
