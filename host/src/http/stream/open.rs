//! How many streams are open, of each caller and of all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::service::Service;

/// Counts them.
pub(in crate::http) struct Streams(Arc<Shared>);

struct Shared {
    service: Arc<Service>,
    most: usize,
    most_per_caller: usize,
    by_caller: Mutex<HashMap<String, usize>>,
}

/// One that is open, until it is dropped.
pub(super) struct Place {
    caller: String,
    shared: Arc<Shared>,
}

impl Streams {
    pub fn new(service: Arc<Service>, most: usize, most_per_caller: usize) -> Self {
        Self(Arc::new(Shared {
            service,
            most,
            most_per_caller,
            by_caller: Mutex::default(),
        }))
    }

    /// A place for one more, or how many there may be.
    pub(super) fn open(&self, caller: &str) -> Result<Place, usize> {
        let shared = &self.0;
        let mut by_caller = shared.locked();
        if by_caller.values().sum::<usize>() >= shared.most {
            return Err(shared.most);
        }
        let own = by_caller.get(caller).copied().unwrap_or_default();
        if own >= shared.most_per_caller {
            return Err(shared.most_per_caller);
        }
        by_caller.insert(caller.to_owned(), own + 1);
        shared.show(&by_caller);
        Ok(Place {
            caller: caller.to_owned(),
            shared: shared.clone(),
        })
    }
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.by_caller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, by_caller: &HashMap<String, usize>) {
        self.service
            .metrics
            .host
            .set_event_streams(by_caller.values().sum());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_caller = self.shared.locked();
        if let Some(open) = by_caller.get_mut(&self.caller) {
            *open -= 1;
            if *open == 0 {
                by_caller.remove(&self.caller);
            }
        }
        self.shared.show(&by_caller);
    }
}
