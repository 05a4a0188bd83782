//! Hearing of events and of state changes.

use std::future::Future;

use serde::Deserialize;

use crate::{Host, OperationalState, Result, daemon::BoxFuture};

/// An event of a chain, as `kora events export` writes it.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The tenant whose chain it is in.
    pub tenant: String,
    /// Its place in the chain, from 1, without gaps.
    pub seq: u64,
    /// UUIDv7, hyphenated.
    pub event_id: String,
    /// For example `kora.identity.swapped`.
    pub event_type: String,
    /// Microseconds since 1970 UTC.
    pub occurred_at_us: i64,
    /// What kind of actor caused it, if any.
    pub actor_kind: Option<String>,
    /// Which actor, if any.
    pub actor_id: Option<String>,
    /// `plugin@version#digest`, or the host's own.
    pub source: String,
    /// The identity generation that spoke for the tenant then, if any.
    pub identity_generation: Option<u64>,
    /// The payload as stored: the text of a JSON object.
    pub payload: String,
    /// SHA-256 of the record, hexadecimal.
    pub this_hash: String,
}

/// A change of a tenant's operational state.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct StateChange {
    /// Whose state.
    pub tenant: String,
    /// Before.
    pub from: OperationalState,
    /// After.
    pub to: OperationalState,
    /// What kind of thing caused it; the only part that decides anything.
    pub trigger_kind: String,
    /// The words given with it, for humans.
    pub trigger: String,
}

/// What a [`Listener`] wants to hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    pub(crate) event_prefixes: Vec<String>,
    pub(crate) states: bool,
}

impl Subscription {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Events whose type is `prefix` or begins with `prefix.`. Needs the permission `events`.
    #[must_use]
    pub fn events(mut self, prefix: impl Into<String>) -> Self {
        self.event_prefixes.push(prefix.into());
        self
    }

    /// State changes. Needs the permission `state`.
    #[must_use]
    pub fn states(mut self) -> Self {
        self.states = true;
        self
    }
}

/// Hears, for each tenant the plugin acts for, of what it subscribed to: one call after another, in order. A listener that
/// falls behind by more than the host's limit misses events; the log says how many.
pub trait Listener: Send + Sync + 'static {
    /// An event was appended.
    fn on_event(&self, host: &Host, event: &Event) -> impl Future<Output = Result> + Send {
        let _ = (host, event);
        async { Ok(()) }
    }

    /// A tenant's operational state changed.
    fn on_state(&self, host: &Host, change: &StateChange) -> impl Future<Output = Result> + Send {
        let _ = (host, change);
        async { Ok(()) }
    }
}

/// [`Listener`] with boxed futures.
pub(crate) trait ErasedListener: Send + Sync {
    fn on_event<'a>(&'a self, host: &'a Host, event: &'a Event) -> BoxFuture<'a>;
    fn on_state<'a>(&'a self, host: &'a Host, change: &'a StateChange) -> BoxFuture<'a>;
}

impl<L: Listener> ErasedListener for L {
    fn on_event<'a>(&'a self, host: &'a Host, event: &'a Event) -> BoxFuture<'a> {
        Box::pin(Listener::on_event(self, host, event))
    }
    fn on_state<'a>(&'a self, host: &'a Host, change: &'a StateChange) -> BoxFuture<'a> {
        Box::pin(Listener::on_state(self, host, change))
    }
}
