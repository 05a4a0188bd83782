//! Appends of anybody's that wait for a store that lets them: answered as pending once they are durable in the spool.

use super::{AppendError, EventLog, Receipt, spool::Pushed};
use crate::{domain::NewEvent, store::CommitError};

impl EventLog {
    /// Appends an event, or lets it wait durably behind what waits already. Refused if neither can be.
    pub(super) async fn append_or_wait(&self, event: NewEvent) -> Result<Receipt, AppendError> {
        let cause = match self.append_now(&event).await {
            Ok(receipt) => return Ok(receipt),
            Err(cause) if cause.is_unavailable() => cause,
            Err(refusal) => return Err(refusal),
        };
        let mine = event.clone();
        let pushed = self.off_the_runtime(move |spool| spool.push_durably(mine)).await;
        self.something_waits.notify_one();
        match pushed {
            Some(Pushed::Durably) => Ok(pending(&event, false)),
            Some(Pushed::KeyWaits(first)) => answer_of_the_first(&first, &event),
            Some(Pushed::Full) => {
                let cause = cause.of_the_store();
                Err(AppendError::SpoolFull { cause })
            }
            Some(Pushed::NotWritten) | None => Err(cause),
        }
    }

    async fn append_now(&self, event: &NewEvent) -> Result<Receipt, AppendError> {
        self.let_earlier_ones_pass(std::slice::from_ref(event)).await?;
        let mut receipts = self.try_commit(vec![event.clone()]).await?;
        Ok(receipts.remove(0))
    }
}

/// Of two requests with one key: the first one's, unless they are not the same.
fn answer_of_the_first(first: &NewEvent, event: &NewEvent) -> Result<Receipt, AppendError> {
    if (&first.event_type, &first.payload) == (&event.event_type, &event.payload) {
        Ok(pending(first, true))
    } else {
        let event_id = first.event_id;
        Err(CommitError::IdempotencyConflict { event_id }.into())
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
