//! What other hosts append to chains of the same store.

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::EventLog;
use crate::store::ChainMoved;

impl EventLog {
    /// Tells subscribers of what other hosts append, until `stop` or for as long as the store tells of it.
    pub async fn keep_hearing(&self, stop: CancellationToken) {
        let Some(mut moves) = self.store.moves_elsewhere() else {
            return;
        };
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => return,
                heard = moves.recv() => heard,
            };
            match heard {
                Ok(moved) => self.subscribers.tell_of_elsewhere(moved),
                // Whichever they were: where the chains end now is no less.
                Err(RecvError::Lagged(_)) => self.tell_of_all_ends().await,
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn tell_of_all_ends(&self) {
        match self.store.heads().await {
            Ok(heads) => {
                for head in heads {
                    let (tenant, seq) = (head.tenant, head.seq);
                    self.subscribers.tell_of_elsewhere(ChainMoved { tenant, seq });
                }
            }
            Err(error) => tracing::warn!("what other hosts appended is not told: {error}"),
        }
    }
}
