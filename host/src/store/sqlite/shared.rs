//! What the store's callers, its readers and its writer share: how the store is, and the connections that only read.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::open;
use crate::store::{StoreError, StoreHealth};

/// Shared by the store and its writer.
pub(super) struct Shared {
    path: PathBuf,
    /// How many may read at once. Closed when the store closes.
    places: Arc<Semaphore>,
    readers: u32,
    state: Mutex<State>,
}

struct State {
    health: StoreHealth,
    /// Connections that nobody uses now.
    idle: Vec<Connection>,
    /// Counts the failures: a connection from before one is not used again.
    epoch: u64,
    /// Why nobody may read: what lies there may be something else.
    withheld: Option<String>,
}

impl Shared {
    pub(super) fn new(path: PathBuf, readers: u32) -> Self {
        Self {
            path,
            places: Arc::new(Semaphore::new(readers as usize)),
            readers,
            state: Mutex::new(State {
                health: StoreHealth::Available,
                idle: Vec::new(),
                epoch: 0,
                withheld: None,
            }),
        }
    }

    pub(super) fn health(&self) -> StoreHealth {
        self.state().health.clone()
    }

    /// The store failed. Idle connections are closed, those in use when they are given back.
    pub(super) fn fail(&self, cause: &str) {
        let mut state = self.state();
        state.health = StoreHealth::Unavailable {
            cause: cause.to_owned(),
        };
        state.epoch += 1;
        state.idle.clear();
    }

    /// The store failed, and what lies in its place may be something else: nobody reads it either. Whoever is told that a stop command
    /// cannot be read is careful; whoever reads another store's is not.
    pub(super) fn withhold(&self, cause: &str) {
        self.fail(cause);
        self.state().withheld = Some(cause.to_owned());
    }

    pub(super) fn recover(&self) {
        let mut state = self.state();
        state.health = StoreHealth::Available;
        state.withheld = None;
    }

    pub(super) fn close(&self) {
        self.places.close();
        let mut state = self.state();
        state.health = StoreHealth::Closed;
        state.epoch += 1;
        state.idle.clear();
    }

    /// Waits until those who read have finished and lets nobody read any more.
    pub(super) async fn end_reading(&self) {
        // An error means that it is closed already.
        drop(self.places.acquire_many(self.readers).await);
        self.places.close();
        self.state().idle.clear();
    }

    /// Reads on a connection of its own, on a thread where blocking is allowed. Reading never waits for the writer.
    ///
    /// Dropping the future lets the read run to its end and forgets it.
    pub(super) async fn read<T, F>(self: &Arc<Self>, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        let shared = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let (connection, epoch) = shared.take()?;
            let result = read(&connection);
            shared.give_back(connection, epoch);
            drop(place);
            result
        });
        reading
            .await
            .unwrap_or_else(|error| Err(StoreError::Unavailable(format!("a read did not end: {error}"))))
    }

    fn take(&self) -> Result<(Connection, u64), StoreError> {
        let (idle, epoch) = {
            let mut state = self.state();
            if let Some(cause) = &state.withheld {
                return Err(StoreError::Unavailable(cause.clone()));
            }
            (state.idle.pop(), state.epoch)
        };
        match idle {
            Some(connection) => Ok((connection, epoch)),
            None => open::reader(&self.path)
                .map(|connection| (connection, epoch))
                .map_err(|error| open::store_error(&error)),
        }
    }

    fn give_back(&self, connection: Connection, epoch: u64) {
        let mut state = self.state();
        if state.epoch == epoch {
            state.idle.push(connection);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
