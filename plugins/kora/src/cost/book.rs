//! The accounts of all tenants, and how they follow the chains.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use kora_plugin_api::{Event, EventQuery, Host, Result, serde_json::Value, tracing};

use super::{account, file, record::CostRecord, windows::Windows};
use crate::moment;

/// The largest page that the host gives.
const PAGE: u32 = 200;

/// What is counted for one tenant, and up to where.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Everything up to this place in the chain is counted.
    pub cursor: u64,
    /// Events that were no record of a cost. A sum beside which this is not 0 is too small.
    pub unreadable_count: u64,
    /// The counters.
    pub windows: Windows,
}

impl Account {
    /// Nothing counted yet.
    pub fn new(started_at: Timestamp) -> Self {
        Self {
            cursor: 0,
            unreadable_count: 0,
            windows: Windows::new(started_at),
        }
    }

    /// Counts an event once: one at or before the cursor was counted before.
    fn count(&mut self, event: &Event) {
        if event.seq <= self.cursor {
            return;
        }
        self.cursor = event.seq;
        match CostRecord::parse(&event.payload) {
            Ok(call) => self
                .windows
                .record(moment::from_microseconds(event.occurred_at_us), &call),
            Err(error) => {
                self.unreadable_count += 1;
                tracing::warn!(tenant = event.tenant, seq = event.seq, %error, "this event is no record of a cost");
            }
        }
    }
}

/// The accounts, shared by the listener, the daemon and the snapshot. The lock is held for moments, never over an `await`.
pub struct Book {
    started_at: Timestamp,
    event_prefix: String,
    accounts: Mutex<Option<BTreeMap<String, Account>>>,
}

impl Book {
    /// A book for a process that began at `started_at`, closed until it is [opened](Self::open).
    pub fn new(started_at: Timestamp, event_prefix: String) -> Self {
        Self {
            started_at,
            event_prefix,
            accounts: Mutex::new(None),
        }
    }

    /// Opens it with what an earlier process wrote, if that can be used. An open book stays as it is.
    pub fn open(&self, written: Option<&[u8]>) {
        let mut accounts = self.lock();
        if accounts.is_none() {
            let restored = written
                .map(|bytes| file::parse(bytes, self.started_at))
                .transpose();
            *accounts = Some(restored.map_or_else(
                |error| {
                    tracing::warn!(%error, "the cost file cannot be used; counting anew from the event log");
                    BTreeMap::new()
                },
                Option::unwrap_or_default,
            ));
        }
    }

    /// Reads what came since into the account of each tenant that is served. It may be dropped at any time: every page counts.
    ///
    /// # Errors
    /// The first one; the other tenants are read all the same.
    pub async fn catch_up_all(&self, host: &Host) -> Result {
        let mut result = Ok(());
        for served in host.tenants()? {
            result = result.and(self.catch_up(host, &served.tenant).await);
        }
        result
    }

    /// Reads what came since into the account of `tenant`. Does nothing while the book is closed.
    ///
    /// # Errors
    /// If the host does not let it read.
    pub async fn catch_up(&self, host: &Host, tenant: &str) -> Result {
        let Some(counted_to) = self.with(tenant, |account| account.cursor) else {
            return Ok(());
        };
        // Asked before the pages: what is appended while they are read lies behind it and is left for the next time.
        let head = head(host, tenant).await?;
        if head < counted_to {
            // A restored backup. What it holds up to now is not counted again.
            tracing::warn!(
                tenant,
                counted_to,
                head,
                "the chain is shorter than it was; counting goes on at its end"
            );
            self.with(tenant, |account| account.cursor = head);
        }
        while let Some(last) = self.count_page(host, tenant).await? {
            if last >= head {
                break;
            }
        }
        self.with(tenant, |account| account.cursor = account.cursor.max(head));
        Ok(())
    }

    /// Counts one page; answers its last place in the chain, or nothing if there was none to count.
    async fn count_page(&self, host: &Host, tenant: &str) -> Result<Option<u64>> {
        let query = EventQuery {
            after_seq: self.with(tenant, |account| account.cursor),
            prefix: Some(self.event_prefix.clone()),
            limit: Some(PAGE),
        };
        let page = host.read_events(tenant, &query).await?;
        // First: what could not be recorded is not counted either, and is read again the next time.
        account::record(host, tenant, &page).await?;
        self.with(tenant, |account| {
            page.iter().for_each(|event| account.count(event))
        });
        Ok(page.last().map(|event| event.seq))
    }

    /// Forgets the hours that have left the rolling window.
    pub fn forget_old_hours(&self, now: Timestamp) {
        for account in self.lock().iter_mut().flat_map(BTreeMap::values_mut) {
            account.windows.forget_old_hours(now);
        }
    }

    /// Begins a new month where it is due.
    pub fn begin_month(&self, now: Timestamp) {
        for account in self.lock().iter_mut().flat_map(BTreeMap::values_mut) {
            account.windows.begin_month(now);
        }
    }

    /// The windows of a tenant; absent if they are not known.
    pub fn report(&self, tenant: &str, now: Timestamp) -> Option<Value> {
        Some(self.lock().as_ref()?.get(tenant)?.windows.report(now))
    }

    /// What to write; absent while the book is closed.
    pub fn render(&self, now: Timestamp) -> Option<Value> {
        Some(file::render(self.lock().as_ref()?, now))
    }

    /// Works on a tenant's account, a new one if there is none; does nothing while the book is closed.
    fn with<T>(&self, tenant: &str, work: impl FnOnce(&mut Account) -> T) -> Option<T> {
        let mut accounts = self.lock();
        let account = accounts
            .as_mut()?
            .entry(tenant.to_owned())
            .or_insert_with(|| Account::new(self.started_at));
        Some(work(account))
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeMap<String, Account>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last place in the tenant's chain; 0 for an empty one.
async fn head(host: &Host, tenant: &str) -> Result<u64> {
    let query = EventQuery {
        limit: Some(1),
        ..EventQuery::default()
    };
    let newest = host.read_events(tenant, &query).await?;
    Ok(newest.first().map_or(0, |event| event.seq))
}

#[cfg(test)]
mod tests {
    use kora_plugin_api::serde_json::{from_value, json};

    use super::*;

    fn event(seq: u64, payload: &str) -> Event {
        from_value(json!({
            "tenant": "acme", "seq": seq, "event_id": "", "event_type": "kora.cost.recorded", "occurred_at_us": 0,
            "source": "", "payload": payload, "this_hash": "",
        }))
        .expect("is an event")
    }

    fn calls(account: &Account) -> Value {
        account.windows.report(Timestamp::UNIX_EPOCH)["monthly"]["routes"]["unknown"]["calls_count"].clone()
    }

    #[test]
    fn an_event_that_is_seen_twice_is_counted_once() {
        let mut account = Account::new(Timestamp::UNIX_EPOCH);
        for seq in [3, 5, 3, 5] {
            account.count(&event(seq, "{}"));
        }
        assert_eq!((account.cursor, calls(&account)), (5, json!(2)));
    }

    #[test]
    fn an_event_that_cannot_be_read_is_passed_over_and_told_of() {
        let mut account = Account::new(Timestamp::UNIX_EPOCH);
        account.count(&event(1, r#"{"cost_usd":"dear"}"#));
        account.count(&event(2, "{}"));
        assert_eq!(
            (account.unreadable_count, account.cursor, calls(&account)),
            (1, 2, json!(1))
        );
    }

    #[test]
    fn a_closed_book_reports_nothing_rather_than_zero() {
        let book = Book::new(Timestamp::UNIX_EPOCH, "kora.cost.recorded".to_owned());
        assert_eq!(book.render(Timestamp::UNIX_EPOCH), None);
        book.open(None);
        assert!(book.render(Timestamp::UNIX_EPOCH).is_some());
        assert_eq!(
            book.report("acme", Timestamp::UNIX_EPOCH),
            None,
            "nobody has read this tenant's chain yet"
        );
    }

    #[test]
    fn a_broken_file_begins_anew_and_an_open_book_is_not_opened_again() {
        let book = Book::new(Timestamp::UNIX_EPOCH, "kora.cost.recorded".to_owned());
        book.open(Some(b"not a file"));
        book.with("acme", |account| account.count(&event(4, "{}")));
        book.open(None);
        assert_eq!(book.with("acme", |account| account.cursor), Some(4));
    }
}
