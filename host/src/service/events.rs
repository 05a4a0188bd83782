//! Chains: appending for the operator, and reading. Verifying and exporting read the store themselves and need no host.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Principal, Problem, ProblemKind, Service, api};
use crate::{
    domain::{Event, EventType, TenantId, Timestamp},
    engine::vocabulary::{NotAllowed, Owner},
    events::{
        AppendError, AppendRequest, AppendedEvent, EventLog, Heard, ReadError, RecentEvent, RecentQuery,
        Subscription, Writer,
    },
    store::{CommitError, EventFilter, Order},
};

/// How many events are shown at once unless said, and at most.
const TAIL_DEFAULT: u32 = 50;
const TAIL_MAX: u32 = 1000;
/// What is read ahead of a slow reader.
const FOLLOW_QUEUE: usize = 1024;

/// Which page of a chain, from its end backwards.
#[derive(Debug, Clone, Default)]
pub struct EventsBefore {
    /// Only types that are this or begin with it and a dot.
    pub prefix: Option<String>,
    /// Only before this sequence number.
    pub before_seq: Option<u64>,
    /// Only what happened before this time.
    pub before: Option<Timestamp>,
    /// At most so many.
    pub limit: u32,
}

impl Service {
    /// Appends an event of one of the operator's own types.
    ///
    /// # Errors
    /// If the type is not the operator's, the payload is no JSON object, or the chain ends elsewhere than was expected.
    pub async fn append_event(
        &self,
        by: &Principal,
        input: api::AppendEvent,
    ) -> Result<api::Appended, Problem> {
        let tenant = self.tenant_or_only(input.tenant.as_deref())?;
        let event_type = input
            .event_type
            .parse()
            .map_err(|e: crate::domain::InvalidEventType| bad_input("event.type", e.to_string()))?;
        let writer = self.writer_of(by, &event_type);
        let mut request = AppendRequest::new(tenant, event_type, input.payload.into_bytes(), writer);
        request.idempotency_key = input.idempotency_key;
        request.expected_seq = input.expected_seq;
        let receipt = self.log.append(request).await.map_err(|error| {
            self.metrics.host.append_failed();
            append_problem(self.told_of_types(by, error))
        })?;
        Ok(api::Appended {
            event_id: receipt.event_id.to_string(),
            seq: receipt.seq,
            pending: receipt.pending,
            this_hash: receipt.this_hash.map(|hash| hash.to_string()),
        })
    }

    /// A type of a plugin that acts for others is told as one that there is not.
    fn told_of_types(&self, by: &Principal, error: AppendError) -> AppendError {
        match error {
            AppendError::NotAllowed(NotAllowed::AnothersType {
                event_type,
                owner: Owner::Plugin(plugin),
                ..
            }) if !self.shown_to(by)(plugin.as_str()) => NotAllowed::NotInVocabulary { event_type }.into(),
            error => error,
        }
    }

    /// A caller whose `allowed_events` names a type of a session's may append it as a session does. Nothing grants those of engine,
    /// control, identity and plugins.
    fn writer_of(&self, by: &Principal, event_type: &EventType) -> Writer {
        let writer = by.writer();
        let Principal::Caller(caller) = by else {
            return writer;
        };
        let is_of_session = self.log.vocabulary().owner_of(event_type) == Some(&Owner::Session);
        if is_of_session && caller.may_append(event_type) {
            writer.through(Owner::Session)
        } else {
            writer
        }
    }

    /// The newest events of a tenant, with the beginning of each payload.
    ///
    /// # Errors
    /// If the prefix cannot begin a type, or the store cannot be read.
    pub async fn recent_events(
        &self,
        tenant: &TenantId,
        prefix: Option<String>,
        limit: u32,
    ) -> Result<Vec<RecentEvent>, Problem> {
        let query = RecentQuery {
            prefix,
            limit: Some(limit),
        };
        self.log.recent(tenant, query).await.map_err(read_problem)
    }

    /// Events of a chain: the newest first, or those after a sequence number in order.
    ///
    /// # Errors
    /// If there is no such tenant, or a parameter is out of range.
    pub async fn tail_events(&self, input: &api::TailEvents) -> Result<Vec<api::Event>, Problem> {
        let tenant = self.chain(input.tenant.as_deref())?;
        let limit = input.limit.unwrap_or(TAIL_DEFAULT);
        if !(1..=TAIL_MAX).contains(&limit) {
            return Err(bad_input(
                "events.limit",
                format!("the limit is {limit}, expected 1 to {TAIL_MAX}"),
            ));
        }
        let order = if input.after_seq.is_some() {
            Order::OldestFirst
        } else {
            Order::NewestFirst
        };
        let filter = EventFilter {
            after_seq: input.after_seq,
            prefixes: input.prefix.iter().cloned().collect(),
            limit,
            order,
            ..EventFilter::default()
        };
        let events = self.log.page(&tenant, filter).await.map_err(read_problem)?;
        Ok(events.into_iter().map(view).collect())
    }

    /// A page of whole events of a chain, the newest first.
    ///
    /// # Errors
    /// If the prefix cannot begin a type, or the store cannot be read.
    pub async fn events_before(
        &self,
        tenant: &TenantId,
        wanted: EventsBefore,
    ) -> Result<Vec<api::Event>, Problem> {
        let filter = EventFilter {
            prefixes: wanted.prefix.into_iter().collect(),
            before_seq: wanted.before_seq,
            before: wanted.before,
            limit: wanted.limit,
            ..EventFilter::default()
        };
        let events = self.log.page(tenant, filter).await.map_err(read_problem)?;
        Ok(events.into_iter().map(view).collect())
    }

    /// The events that `tail_events` would show, oldest first, then those that are appended from now on, without a gap. A reader
    /// that is slow is waited for. The channel closes when the host stops.
    ///
    /// # Errors
    /// As [`tail_events`](Self::tail_events).
    pub async fn follow_events(&self, input: api::TailEvents) -> Result<mpsc::Receiver<api::Event>, Problem> {
        let tenant = self.chain(input.tenant.as_deref())?;
        // Before the first look, so that nothing falls between.
        let subscription = self.log.subscribe();
        let mut first = self.tail_events(&input).await?;
        if input.after_seq.is_none() {
            first.reverse();
        }
        let (sender, receiver) = mpsc::channel(FOLLOW_QUEUE);
        let last_seq = first
            .last()
            .map(|event| event.seq)
            .or(input.after_seq)
            .unwrap_or(0);
        let is_from_a_place = input.after_seq.is_some();
        let mut follower = Follower {
            log: self.log.clone(),
            tenant,
            prefix: input.prefix,
            last_seq,
            sender: sender.clone(),
        };
        self.tasks.spawn(async move {
            let follow = async {
                for event in first {
                    sender.send(event).await.ok()?;
                }
                if is_from_a_place {
                    // There may be more since then than one page holds.
                    follower.catch_up().await?;
                }
                follower.follow(subscription).await
            };
            tokio::select! {
                _ = follow => {}
                () = sender.closed() => {}
            }
        });
        Ok(receiver)
    }

    /// A tenant's chain or the host's own.
    pub(super) fn chain(&self, tenant: Option<&str>) -> Result<TenantId, Problem> {
        match tenant {
            Some("host") => Ok(TenantId::host()),
            other => self.known_tenant_or_only(other),
        }
    }
}

/// Hands on what is appended to one chain.
struct Follower {
    log: Arc<EventLog>,
    tenant: TenantId,
    prefix: Option<String>,
    last_seq: u64,
    sender: mpsc::Sender<api::Event>,
}

impl Follower {
    /// Ends when the log ends, or when nobody reads any more.
    async fn follow(mut self, mut subscription: Subscription) -> Option<()> {
        loop {
            match subscription.next().await? {
                Heard::Event(appended) if appended.event.tenant == self.tenant => {
                    self.heard(&appended).await?
                }
                Heard::Elsewhere(moved) if moved.tenant == self.tenant && moved.seq > self.last_seq => {
                    self.catch_up().await?;
                    self.last_seq = self.last_seq.max(moved.seq);
                }
                Heard::Event(_) | Heard::Elsewhere(_) => {}
                Heard::Missed(_) => self.catch_up().await?,
            }
        }
    }

    async fn heard(&mut self, appended: &AppendedEvent) -> Option<()> {
        if appended.seq > self.last_seq + 1 {
            // Another host's lie between.
            self.catch_up().await?;
        }
        if appended.seq <= self.last_seq {
            return Some(());
        }
        self.last_seq = appended.seq;
        let wanted = self
            .prefix
            .as_deref()
            .is_none_or(|prefix| appended.event.event_type.is_under(prefix));
        if wanted {
            self.sender.send(view_appended(appended)).await.ok()
        } else {
            Some(())
        }
    }

    /// Reads from the store what was appended faster than it was read.
    async fn catch_up(&mut self) -> Option<()> {
        loop {
            let filter = EventFilter {
                after_seq: Some(self.last_seq),
                prefixes: self.prefix.iter().cloned().collect(),
                limit: TAIL_MAX,
                order: Order::OldestFirst,
                ..EventFilter::default()
            };
            let page = self.log.page(&self.tenant, filter).await.ok()?;
            let Some(last) = page.last() else { return Some(()) };
            self.last_seq = last.seq;
            for event in page {
                self.sender.send(view(event)).await.ok()?;
            }
        }
    }
}

fn bad_input(code: &str, message: String) -> Problem {
    Problem::new(ProblemKind::BadInput, code, message)
}

pub(super) fn read_problem(error: ReadError) -> Problem {
    match error {
        ReadError::Prefix { .. } => bad_input("events.prefix", error.to_string()),
        ReadError::Store(_) => Problem::new(ProblemKind::Unavailable, "store.unavailable", error.to_string()),
    }
}

fn append_problem(error: AppendError) -> Problem {
    let (kind, code) = match &error {
        AppendError::NotAllowed(_) => (ProblemKind::Denied, "events.not_allowed"),
        AppendError::Payload(_) => (ProblemKind::BadInput, "events.payload"),
        AppendError::IdempotencyKey { .. } => (ProblemKind::BadInput, "events.idempotency_key"),
        AppendError::Commit(CommitError::SequenceConflict { .. }) => {
            (ProblemKind::Conflict, "events.sequence_conflict")
        }
        AppendError::Commit(CommitError::IdempotencyConflict { .. }) => {
            (ProblemKind::Conflict, "events.idempotency_conflict")
        }
        AppendError::Commit(CommitError::TenantUnknown { .. }) => (ProblemKind::NotFound, "tenant.unknown"),
        AppendError::Sealed { .. } => (ProblemKind::WrongState, "events.sealed"),
        _ => (ProblemKind::Unavailable, "store.unavailable"),
    };
    Problem::new(kind, code, error.to_string())
}

pub(super) fn view(event: Event) -> api::Event {
    api::Event {
        tenant: event.tenant.to_string(),
        seq: event.seq,
        event_id: event.event_id.to_string(),
        event_type: event.event_type,
        occurred_at_us: event.occurred_at.as_micros(),
        actor_kind: event.actor_kind,
        actor_id: event.actor_id,
        source: event.source,
        identity_generation: event.identity_generation,
        idempotency_key: event.idempotency_key,
        payload: event.payload,
        prev_hash: Some(event.prev_hash.to_string()),
        this_hash: event.this_hash.to_string(),
    }
}

pub(super) fn view_appended(appended: &AppendedEvent) -> api::Event {
    let event = &appended.event;
    api::Event {
        tenant: event.tenant.to_string(),
        seq: appended.seq,
        event_id: event.event_id.to_string(),
        event_type: event.event_type.to_string(),
        occurred_at_us: event.occurred_at.as_micros(),
        actor_kind: Some(event.actor.kind.to_string()),
        actor_id: event.actor.id.clone(),
        source: event.source.clone(),
        identity_generation: event.identity_generation,
        idempotency_key: event.idempotency_key.clone(),
        payload: event.payload.as_str().to_owned(),
        prev_hash: None,
        this_hash: appended.this_hash.to_string(),
    }
}
