//! What is appended to several chains, told as it comes and without a gap, from any place on.
//!
//! Nothing is kept for a reader that is slow: what it has not taken lies in the queue that all subscribers share, and once that has gone
//! past it, in the store, from where a page at a time is read.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    Problem, Service, api,
    events::{read_problem, view, view_appended},
};
use crate::{
    domain::TenantId,
    events::{AppendedEvent, EventLog, Heard, ReadError, Subscription},
    store::{EventFilter, Order},
};

/// Read at once from the store: at 64 KiB for each event, two mebibytes for a reader.
const PAGE: u32 = 32;

/// How far each chain was told: up to this sequence number, which is 0 where nothing was.
pub type Places = BTreeMap<TenantId, u64>;

/// Events of some chains, each chain in order.
pub struct EventStream {
    log: Arc<EventLog>,
    subscription: Subscription,
    prefix: Option<String>,
    told: Places,
    /// Chains of which there is more in the store, with the number up to which there surely is.
    behind: Places,
    /// Read and not told yet, all of one chain.
    ready: VecDeque<api::Event>,
}

impl Service {
    /// The events that are appended to these chains from now on; to those that `from` names, from there on. A place behind the end of
    /// a chain means its end.
    ///
    /// # Errors
    /// If the prefix cannot begin a type, or the store cannot be read.
    pub async fn event_stream(
        &self,
        tenants: &[TenantId],
        prefix: Option<&str>,
        from: &Places,
    ) -> Result<EventStream, Problem> {
        let stream = EventStream::open(self.log.clone(), tenants, prefix, from).await;
        stream.map_err(read_problem)
    }
}

impl EventStream {
    async fn open(
        log: Arc<EventLog>,
        tenants: &[TenantId],
        prefix: Option<&str>,
        from: &Places,
    ) -> Result<Self, ReadError> {
        let mut stream = Self {
            // Before the first look, so that nothing falls between.
            subscription: log.subscribe(),
            log,
            // Some like to write the dot at the end.
            prefix: prefix.map(|prefix| prefix.strip_suffix('.').unwrap_or(prefix).to_owned()),
            told: Places::new(),
            behind: Places::new(),
            ready: VecDeque::new(),
        };
        for tenant in tenants {
            let end = stream.end_of(tenant).await?;
            let place = from.get(tenant).copied().unwrap_or(end).min(end);
            stream.told.insert(tenant.clone(), place);
            if place < end {
                stream.behind.insert(tenant.clone(), end);
            }
        }
        if let Some(tenant) = tenants.first() {
            // A prefix that is none is told now and not at the first event.
            stream.page(tenant, 0).await?;
        }
        Ok(stream)
    }

    /// How far each chain was told.
    pub const fn places(&self) -> &Places {
        &self.told
    }

    /// The next event; none once the host ends. May be dropped at any time without losing anything.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<api::Event>, Problem> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                if let Ok(tenant) = event.tenant.parse() {
                    self.told.insert(tenant, event.seq);
                }
                return Ok(Some(event));
            }
            if let Some((tenant, end)) = self.behind.first_key_value() {
                let (tenant, end) = (tenant.clone(), *end);
                self.read_on(&tenant, end).await?;
                continue;
            }
            let Some(heard) = self.subscription.next().await else {
                return Ok(None);
            };
            match heard {
                Heard::Event(appended) => {
                    if let Some(event) = self.heard(&appended) {
                        return Ok(Some(event));
                    }
                }
                Heard::Elsewhere(moved) => self.note_end(&moved.tenant, moved.seq),
                Heard::Missed(_) => {
                    for (tenant, told) in &self.told {
                        self.behind.entry(tenant.clone()).or_insert(*told);
                    }
                }
            }
        }
    }

    fn heard(&mut self, appended: &AppendedEvent) -> Option<api::Event> {
        let event = &appended.event;
        let told = self.told.get_mut(&event.tenant)?;
        if appended.seq != *told + 1 {
            // It was told, or others lie between, which are read with it.
            self.note_end(&event.tenant, appended.seq);
            return None;
        }
        *told = appended.seq;
        let is_wanted = self
            .prefix
            .as_deref()
            .is_none_or(|prefix| event.event_type.is_under(prefix));
        is_wanted.then(|| view_appended(appended))
    }

    fn note_end(&mut self, tenant: &TenantId, end: u64) {
        if self.told.get(tenant).is_some_and(|told| *told < end) {
            let known = self.behind.entry(tenant.clone()).or_insert(end);
            *known = end.max(*known);
        }
    }

    async fn read_on(&mut self, tenant: &TenantId, end: u64) -> Result<(), Problem> {
        let told = self.told.get(tenant).copied().unwrap_or(end);
        let page = self.page(tenant, told).await.map_err(read_problem)?;
        if page.is_empty() {
            // Up to there, nothing more is of the types that are wanted.
            self.told.insert(tenant.clone(), told.max(end));
            self.behind.remove(tenant);
        }
        self.ready = page.into();
        Ok(())
    }

    async fn page(&self, tenant: &TenantId, after: u64) -> Result<Vec<api::Event>, ReadError> {
        let filter = EventFilter {
            after_seq: Some(after),
            prefixes: self.prefix.iter().cloned().collect(),
            limit: PAGE,
            order: Order::OldestFirst,
            ..EventFilter::default()
        };
        let page = self.log.page(tenant, filter).await?;
        Ok(page.into_iter().map(view).collect())
    }

    async fn end_of(&self, tenant: &TenantId) -> Result<u64, ReadError> {
        let newest = EventFilter {
            limit: 1,
            ..EventFilter::default()
        };
        let newest = self.log.page(tenant, newest).await?;
        Ok(newest.first().map_or(0, |event| event.seq))
    }
}

#[cfg(test)]
mod tests;
