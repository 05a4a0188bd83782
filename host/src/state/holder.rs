//! The state of one tenant: the lock under which it changes, and the two queues that its changes go through.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use super::{
    Changed, CurrentState, Emitted, HISTORY_LEN, HistoryRecord, StateChangeError, Transition,
    emission::EmissionJob, listeners::Notice,
};
use crate::{
    domain::{Clock, NewEvent, OperationalState, TenantId},
    engine::transition::{Request, apply, events_of},
    events::{EventLog, Writer},
};

/// What a holder is made of.
pub(super) struct HolderParts {
    pub(super) tenant: TenantId,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log: Arc<EventLog>,
    pub(super) emissions: mpsc::Sender<EmissionJob>,
    pub(super) notices: mpsc::Sender<Notice>,
}

pub(super) struct Holder {
    parts: HolderParts,
    current: ArcSwap<CurrentState>,
    /// Also the lock of every change. Oldest first.
    history: Mutex<VecDeque<HistoryRecord>>,
    /// Changes that listeners were too slow to hear of.
    untold: AtomicU64,
}

impl Holder {
    pub(super) fn new(parts: HolderParts) -> Self {
        let current = CurrentState {
            state: OperationalState::booting(),
            entered_at: parts.clock.now(),
        };
        Self {
            parts,
            current: ArcSwap::from_pointee(current),
            history: Mutex::default(),
            untold: AtomicU64::new(0),
        }
    }

    /// Takes no lock.
    pub(super) fn current(&self) -> Arc<CurrentState> {
        self.current.load_full()
    }

    /// The newest `limit`, oldest first.
    pub(super) fn history(&self, limit: usize) -> Vec<HistoryRecord> {
        let history = self.locked();
        history
            .iter()
            .skip(history.len().saturating_sub(limit))
            .cloned()
            .collect()
    }

    /// Changes the state as `decide` says, which sees the state that it is decided about: nothing comes between. Answers once the
    /// chain was told, or the events wait. If the future is dropped the change may have happened, and is told all the same.
    pub(super) async fn change(
        &self,
        writer: &Writer,
        decide: impl FnOnce(&CurrentState) -> Result<Request, StateChangeError>,
    ) -> Result<Changed, StateChangeError> {
        // A place in the queue comes first: under the lock there is no waiting, and the order of the queue is that of the changes.
        let place = self.parts.emissions.reserve().await.map_err(|_| self.closing())?;
        let (transition, told) = self.change_now(place, writer, decide)?;
        let emitted = match told {
            None => Emitted::Nothing,
            Some(told) => told.await.map_err(|_| self.closing())?,
        };
        Ok(Changed { transition, emitted })
    }

    fn change_now(
        &self,
        place: mpsc::Permit<'_, EmissionJob>,
        writer: &Writer,
        decide: impl FnOnce(&CurrentState) -> Result<Request, StateChangeError>,
    ) -> Result<(Arc<Transition>, Option<oneshot::Receiver<Emitted>>), StateChangeError> {
        let mut history = self.locked();
        let before = self.current.load_full();
        let request = decide(&before)?;
        let after = apply(&before.state, &request)?;
        let transition = Arc::new(self.transition(&before.state, after, &request));
        if transition.from == transition.to {
            return Ok((transition, None));
        }
        remember(&mut history, &transition);
        self.swap(&before, &transition);
        let (done, told) = oneshot::channel();
        let events = self.events(&transition, &request, writer);
        place.send(EmissionJob::Emit { events, done });
        self.notify(&transition);
        Ok((transition, Some(told)))
    }

    fn transition(&self, from: &OperationalState, to: OperationalState, request: &Request) -> Transition {
        Transition {
            tenant: self.parts.tenant.clone(),
            from: from.clone(),
            to,
            at: self.parts.clock.now(),
            trigger_kind: request.kind,
            trigger: request.text.trim().to_owned(),
        }
    }

    fn swap(&self, before: &CurrentState, transition: &Transition) {
        let stays = before.state.primary_state == transition.to.primary_state;
        self.current.store(Arc::new(CurrentState {
            state: transition.to.clone(),
            entered_at: if stays { before.entered_at } else { transition.at },
        }));
    }

    fn events(&self, transition: &Transition, request: &Request, writer: &Writer) -> Vec<NewEvent> {
        let events = events_of(&transition.from, &transition.to, request);
        let event = |(own, payload)| NewEvent {
            occurred_at: transition.at,
            ..self.parts.log.own_event(&self.parts.tenant, own, payload, writer)
        };
        events.into_iter().map(event).collect()
    }

    fn notify(&self, transition: &Arc<Transition>) {
        if self
            .parts
            .notices
            .try_send(Notice::Changed(Arc::clone(transition)))
            .is_ok()
        {
            return;
        }
        let untold = self.untold.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(tenant = %self.parts.tenant, untold, "listeners are too slow to hear of every state change");
    }

    /// Waits until everything that is queued now was told to the chain and to the listeners.
    pub(super) async fn flush(&self) {
        let (emitted, all_emitted) = oneshot::channel();
        let (heard, all_heard) = oneshot::channel();
        // A worker that is gone has nothing left to do.
        if self
            .parts
            .emissions
            .send(EmissionJob::Flush(emitted))
            .await
            .is_ok()
        {
            drop(all_emitted.await);
        }
        if self.parts.notices.send(Notice::Flush(heard)).await.is_ok() {
            drop(all_heard.await);
        }
    }

    fn closing(&self) -> StateChangeError {
        StateChangeError::Closing {
            tenant: self.parts.tenant.clone(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<HistoryRecord>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remember(history: &mut VecDeque<HistoryRecord>, transition: &Transition) {
    if history.len() == HISTORY_LEN {
        history.pop_front();
    }
    history.push_back(HistoryRecord {
        at: transition.at,
        from_state: transition.from.primary_state,
        to_state: transition.to.primary_state,
        trigger: transition.trigger.clone(),
        trigger_kind: transition.trigger_kind,
    });
}
