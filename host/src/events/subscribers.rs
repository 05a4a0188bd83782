//! Who hears of appended events: in the order of each chain, without ever holding up an append.
//!
//! Several appends to one chain are under way at a time and their answers may overtake each other. Whoever is about to append takes
//! a ticket; an event is told once everything that could lie before it has been told, or can no longer come.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::broadcast;

use crate::{
    domain::{Hash, NewEvent, TenantId},
    store::{Appended, ChainMoved},
};

/// How many events a subscriber may be behind before it loses the oldest: a second of a busy host, some megabytes at most.
pub const SUBSCRIBER_QUEUE: usize = 4096;

/// How many events of a tenant are held back for one that is slow to be answered. More appends than this are not under way at once.
const HELD_MAX: usize = 4096;

/// An event that was appended just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendedEvent {
    /// What was appended.
    pub event: NewEvent,
    /// Its place in the chain.
    pub seq: u64,
    /// The hash of the record.
    pub this_hash: Hash,
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An event.
    Event(Arc<AppendedEvent>),
    /// Another host appended to a chain, whose events can be read from the log. What comes from here and what from there is in no
    /// order.
    Elsewhere(ChainMoved),
    /// It was too slow and lost so many events; they can be read from the log.
    Missed(u64),
}

/// What is told to all.
#[derive(Debug, Clone)]
enum Told {
    Event(Arc<AppendedEvent>),
    Elsewhere(ChainMoved),
}

/// Hears of appended events, each chain in order.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Told>);

impl Subscription {
    /// The next, or nothing once the log is gone. May be dropped at any time without losing anything.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(Told::Event(event)) => Some(Heard::Event(event)),
            Ok(Told::Elsewhere(moved)) => Some(Heard::Elsewhere(moved)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

pub(super) struct Subscribers {
    sender: broadcast::Sender<Told>,
    tellers: Mutex<Tellers>,
}

#[derive(Default)]
struct Tellers {
    /// Over all tenants and never taken twice, so that a late ticket is nobody else's.
    next_number: u64,
    by_tenant: HashMap<TenantId, Teller>,
}

impl Subscribers {
    pub(super) fn new() -> Self {
        Self {
            sender: broadcast::Sender::new(SUBSCRIBER_QUEUE),
            tellers: Mutex::default(),
        }
    }

    pub(super) fn subscribe(&self) -> Subscription {
        Subscription(self.sender.subscribe())
    }

    /// Says that another host appended.
    pub(super) fn tell_of_elsewhere(&self, moved: ChainMoved) {
        // Nobody listening is no fault.
        let _ = self.sender.send(Told::Elsewhere(moved));
    }

    /// Says that these events are about to be appended. Nothing if nobody listens.
    pub(super) fn expect(&self, events: &[NewEvent]) -> Option<Ticket<'_>> {
        if self.sender.receiver_count() == 0 {
            self.locked().by_tenant.clear();
            return None;
        }
        let tenants: BTreeSet<_> = events.iter().map(|event| event.tenant.clone()).collect();
        let mut tellers = self.locked();
        let number = tellers.next_number;
        tellers.next_number += 1;
        for tenant in &tenants {
            tellers
                .by_tenant
                .entry(tenant.clone())
                .or_default()
                .under_way
                .insert(number);
        }
        Some(Ticket {
            number,
            tenants,
            subscribers: self,
        })
    }

    fn locked(&self) -> MutexGuard<'_, Tellers> {
        self.tellers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands for an append that is under way. Dropped, it says that nothing more will come of it.
pub(super) struct Ticket<'a> {
    number: u64,
    tenants: BTreeSet<TenantId>,
    subscribers: &'a Subscribers,
}

impl Ticket<'_> {
    /// Says what became of the events.
    pub(super) fn tell(self, events: Vec<NewEvent>, appended: &[Appended]) {
        let mut tellers = self.subscribers.locked();
        let next_number = tellers.next_number;
        for (event, appended) in events
            .into_iter()
            .zip(appended)
            .filter(|(_, appended)| !appended.repeated)
        {
            if let Some(teller) = tellers.by_tenant.get_mut(&event.tenant) {
                let event = AppendedEvent {
                    event,
                    seq: appended.seq,
                    this_hash: appended.this_hash,
                };
                teller.held.insert(event.seq, (next_number, event));
            }
        }
        drop(tellers); // What is held is released as `self` is dropped, which takes the lock again.
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut tellers = self.subscribers.locked();
        for tenant in &self.tenants {
            if let Some(teller) = tellers.by_tenant.get_mut(tenant) {
                teller.under_way.remove(&self.number);
                teller.release(&self.subscribers.sender);
            }
        }
    }
}

/// Brings the events of one chain into order.
#[derive(Default)]
struct Teller {
    under_way: BTreeSet<u64>,
    told_seq: Option<u64>,
    /// By sequence number; beside each, the first ticket that was taken after it was answered, and so cannot lie before it.
    held: BTreeMap<u64, (u64, AppendedEvent)>,
}

impl Teller {
    fn release(&mut self, sender: &broadcast::Sender<Told>) {
        while let Some(entry) = self.held.first_entry() {
            let seq = *entry.key();
            let follows = self.told_seq.is_some_and(|told| told + 1 == seq);
            let none_before = self
                .under_way
                .first()
                .is_none_or(|oldest| *oldest >= entry.get().0);
            if !(follows || none_before || self.held.len() > HELD_MAX) {
                return;
            }
            if let Some((seq, (_, event))) = self.held.pop_first() {
                self.told_seq = Some(seq);
                // Nobody listening any more is no fault.
                let _ = sender.send(Told::Event(Arc::new(event)));
            }
        }
    }
}
