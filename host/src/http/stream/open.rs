//! How many streams are open, of each caller and of all: streams of events, and what MCP answers as a stream.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{body::Body, http::StatusCode, response::Response};
use futures_util::StreamExt as _;

use super::super::{answers::HttpProblem, watched::is_stream};
use crate::service::Service;

/// Counts them.
#[derive(Clone)]
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

    /// A place for one more.
    ///
    /// # Errors
    /// If there are as many as there may be: 429.
    pub(super) fn open(&self, caller: &str) -> Result<Place, HttpProblem> {
        self.place(caller).map_err(|most| {
            let mut problem = HttpProblem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "http.too_many_streams",
                format!("at most {most} streams are open at once, of events and of MCP together"),
            )
            .retry_after(1);
            problem
                .hints
                .push("close one, or raise `http.max_streams_per_caller` or `http.max_streams`".to_owned());
            problem
        })
    }

    /// A place, or how many there may be.
    fn place(&self, caller: &str) -> Result<Place, usize> {
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

/// The place of an answer that may come to be a stream, and takes it when it does.
pub(in crate::http) struct MaybeStream {
    streams: Streams,
    caller: String,
    place: Mutex<Option<Place>>,
}

impl MaybeStream {
    pub fn new(streams: &Streams, caller: String) -> Arc<Self> {
        Arc::new(Self {
            streams: streams.clone(),
            caller,
            place: Mutex::default(),
        })
    }

    /// Takes a place, unless it has one already.
    ///
    /// # Errors
    /// If there is none left.
    pub fn take(&self) -> Result<(), HttpProblem> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_none() {
            *place = Some(self.streams.open(&self.caller)?);
        }
        Ok(())
    }

    /// The answer; if it is a stream, it has its place until it ends.
    pub fn held_by(self: Arc<Self>, answer: Response) -> Response {
        if !is_stream(answer.headers()) {
            return answer;
        }
        let (parts, body) = answer.into_parts();
        let pieces = body.into_data_stream().map(move |piece| {
            let _place = &self;
            piece
        });
        Response::from_parts(parts, Body::from_stream(pieces))
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
