//! Appends of anybody's that wait for a store that lets them: answered as pending once they are durable in the spool.

use super::{AppendError, EventLog, Receipt};
use crate::{domain::NewEvent, store::CommitError};

impl EventLog {
    /// Appends an event, or lets it wait durably behind what waits already. Refused if neither can be.
    pub(super) async fn append_or_wait(&self, event: NewEvent) -> Result<Receipt, AppendError> {
        let cause = match self.append_now(&event).await {
            Ok(receipt) => return Ok(receipt),
            Err(cause) if cause.is_unavailable() => cause,
            Err(refusal) => return Err(refusal),
        };
        if let Some(first) = self.waiting_with_its_key(&event) {
            return if (&first.event_type, &first.payload) == (&event.event_type, &event.payload) {
                Ok(pending(&first, true))
            } else {
                let event_id = first.event_id;
                Err(CommitError::IdempotencyConflict { event_id }.into())
            };
        }
        let receipt = pending(&event, false);
        let kept = self
            .off_the_runtime(move |spool| {
                let tenant = event.tenant.clone();
                spool.push_durably(&tenant, vec![event])
            })
            .await;
        self.something_waits.notify_one();
        if kept == Some(true) {
            Ok(receipt)
        } else {
            Err(cause)
        }
    }

    async fn append_now(&self, event: &NewEvent) -> Result<Receipt, AppendError> {
        self.let_earlier_ones_pass(std::slice::from_ref(event)).await?;
        let mut receipts = self.try_commit(vec![event.clone()]).await?;
        Ok(receipts.remove(0))
    }

    fn waiting_with_its_key(&self, event: &NewEvent) -> Option<NewEvent> {
        event.idempotency_key.as_ref()?;
        let mut waiting = self.spool.events_of(&event.tenant).into_iter();
        waiting.find(|waiting| waiting.idempotency_key == event.idempotency_key)
    }
}

fn pending(event: &NewEvent, repeated: bool) -> Receipt {
    Receipt {
        event_id: event.event_id,
        seq: None,
        pending: true,
        this_hash: None,
        repeated,
    }
}
