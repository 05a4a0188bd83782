//! Reading chains: the newest with a summary of each, or pages whole.

use serde::Serialize;

use super::EventLog;
use crate::{
    domain::{Event, EventId, EventType, TenantId, Timestamp},
    store::{EventFilter, Order, StoreError},
};

/// The types that are shown unless others are asked for. `kora_control` is not under `kora`, hence the second.
pub const DEFAULT_PREFIXES: [&str; 2] = ["kora", "kora_control"];
/// How many recent events are shown unless said.
pub const RECENT_DEFAULT: u32 = 50;
/// The most recent events that are shown at once: a few screens.
pub const RECENT_MAX: u32 = 200;
/// The most whole events of one page: at 64 KiB each the largest answer stays within what a socket and a reader can take.
pub const PAGE_MAX: u32 = 1000;
/// The most characters of a payload in a summary; one more and the rest becomes `…`.
pub const PAYLOAD_SUMMARY_CHARS: usize = 300;

/// Which recent events of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentQuery {
    /// Only types that are this or begin with it and a dot; absent: [`DEFAULT_PREFIXES`].
    pub prefix: Option<String>,
    /// At most so many: 1 to [`RECENT_MAX`], brought into that range; absent: [`RECENT_DEFAULT`].
    pub limit: Option<u32>,
}

/// A recent event, its payload shortened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecentEvent {
    /// Its id.
    pub event_id: EventId,
    /// Its place in the chain.
    pub seq: u64,
    /// Its type.
    pub event_type: String,
    /// When it happened.
    #[serde(rename = "occurred_at_us")]
    pub occurred_at: Timestamp,
    /// What kind of actor caused it.
    pub actor_kind: Option<String>,
    /// Which actor.
    pub actor_id: Option<String>,
    /// The payload, or its first [`PAYLOAD_SUMMARY_CHARS`] characters and `…`.
    pub payload_summary: String,
}

/// Why nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The prefix cannot begin any type.
    #[error(
        "`{found}` cannot begin an event type: expected words of lower-case letters, digits and `_`, joined by dots"
    )]
    Prefix {
        /// What was given, cut to a sensible length.
        found: String,
    },
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far behind the place of a time the chain is looked through as well. The clocks of hosts on one store differ a little, and a clock is
/// corrected by a little: what that puts out of order stands near.
const BEHIND_THE_PLACE: u64 = 256;

impl EventLog {
    /// The newest events of a tenant, newest first. The prefix is part of the query: the limit counts what passes it.
    ///
    /// # Errors
    /// If the prefix cannot begin any type, or the store could not answer.
    pub async fn recent(&self, tenant: &TenantId, query: RecentQuery) -> Result<Vec<RecentEvent>, ReadError> {
        let filter = EventFilter {
            prefixes: match query.prefix {
                Some(prefix) => vec![checked_prefix(&prefix)?],
                None => DEFAULT_PREFIXES.map(str::to_owned).to_vec(),
            },
            limit: query.limit.unwrap_or(RECENT_DEFAULT).clamp(1, RECENT_MAX),
            order: Order::NewestFirst,
            ..EventFilter::default()
        };
        let events = self.store.events(tenant, filter).await?;
        Ok(events.into_iter().map(RecentEvent::from).collect())
    }

    /// A page of whole events of a tenant; the limit is brought into 1 to [`PAGE_MAX`]. Go on after the last sequence number.
    ///
    /// # Errors
    /// If a prefix cannot begin any type, or the store could not answer.
    pub async fn page(&self, tenant: &TenantId, mut filter: EventFilter) -> Result<Vec<Event>, ReadError> {
        filter.limit = filter.limit.clamp(1, PAGE_MAX);
        filter.prefixes = filter
            .prefixes
            .iter()
            .map(|prefix| checked_prefix(prefix))
            .collect::<Result<_, _>>()?;
        if let Some(time) = filter.before
            && filter.order == Order::NewestFirst
        {
            filter.before_seq = self.place_of(tenant, time, filter.before_seq).await?;
        }
        Ok(self.store.events(tenant, filter).await?)
    }

    /// The sequence number before which a chain is looked through for what happened before a time. A chain has no index over times, and
    /// from its end to a time long ago it is long; so the place is found by halving, which reads an event for each doubling of the
    /// chain's length.
    async fn place_of(
        &self,
        tenant: &TenantId,
        time: Timestamp,
        before_seq: Option<u64>,
    ) -> Result<Option<u64>, StoreError> {
        let newest = match self.newest_before(tenant, before_seq).await? {
            Some(newest) if newest.occurred_at >= time => newest.seq,
            _ => return Ok(before_seq),
        };
        let mut search = Halving::of(newest);
        while let Some(middle) = search.middle() {
            let event = self.newest_before(tenant, Some(middle + 1)).await?;
            search.go_on(middle, event.is_some_and(|event| event.occurred_at < time));
        }
        // The newest itself is one of those that are not before the time.
        Ok(Some(search.after.saturating_add(BEHIND_THE_PLACE).min(newest)))
    }

    async fn newest_before(
        &self,
        tenant: &TenantId,
        before_seq: Option<u64>,
    ) -> Result<Option<Event>, StoreError> {
        let filter = EventFilter {
            before_seq,
            limit: 1,
            ..EventFilter::default()
        };
        Ok(self.store.events(tenant, filter).await?.pop())
    }

    /// One event, if the store has it.
    ///
    /// # Errors
    /// If the store could not answer.
    pub async fn event(&self, id: EventId) -> Result<Option<Event>, ReadError> {
        Ok(self.store.event(id).await?)
    }
}

/// The search for the first number that is not before something. Numbers that are before lie below those that are not; where they do not,
/// one of the borders between the two is found.
struct Halving {
    /// Known to be before, or 0.
    before: u64,
    /// Known not to be.
    after: u64,
}

impl Halving {
    /// From 1 to `last`, which is known not to be before.
    const fn of(last: u64) -> Self {
        Self {
            before: 0,
            after: last,
        }
    }

    /// The number to look at; none once the place is found.
    const fn middle(&self) -> Option<u64> {
        match self.after - self.before {
            0 | 1 => None,
            distance => Some(self.before + distance / 2),
        }
    }

    /// What the look at `middle` found.
    const fn go_on(&mut self, middle: u64, is_before: bool) {
        if is_before {
            self.before = middle;
        } else {
            self.after = middle;
        }
    }
}

/// A prefix without a dot at its end, which people like to write.
fn checked_prefix(prefix: &str) -> Result<String, ReadError> {
    let prefix = prefix.strip_suffix('.').unwrap_or(prefix);
    // What begins a type is a type once a word follows.
    if format!("{prefix}.x").parse::<EventType>().is_ok() {
        return Ok(prefix.to_owned());
    }
    Err(ReadError::Prefix {
        found: prefix.chars().take(80).collect(),
    })
}

impl From<Event> for RecentEvent {
    fn from(event: Event) -> Self {
        Self {
            event_id: event.event_id,
            seq: event.seq,
            event_type: event.event_type,
            occurred_at: event.occurred_at,
            actor_kind: event.actor_kind,
            actor_id: event.actor_id,
            payload_summary: summary(event.payload),
        }
    }
}

fn summary(payload: String) -> String {
    match payload.char_indices().nth(PAYLOAD_SUMMARY_CHARS) {
        None => payload,
        Some((end, _)) => format!("{}…", &payload[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_a_chain_of_two_hundred_thousand_is_found_with_eighteen_looks() {
        for first_after in [1, 2, 99_999, 199_999, 200_000] {
            let (mut search, mut looks) = (Halving::of(200_000), 0);
            while let Some(middle) = search.middle() {
                search.go_on(middle, middle < first_after);
                looks += 1;
            }
            assert_eq!(search.after, first_after);
            assert!(looks <= 18, "{first_after}: {looks}");
        }
        assert_eq!(Halving::of(1).middle(), None);
    }
}
