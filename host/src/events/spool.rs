//! What waits for the store: entries of events, in order for each tenant, in memory and in a durable file.
//!
//! An entry is what has to be appended together. It leaves once it was appended; if the host dies before the file says so, it is
//! appended again, which the event ids make once. When to try is decided in [`waiting`](super::waiting).
//!
//! Everything here blocks: it is called on threads for blocking work, but for [`Spool::waiting`] and its like, which look only
//! at memory.

mod file;
mod line;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use file::SpoolFile;

use crate::domain::{NewEvent, TenantId};

const MIB: u64 = 1024 * 1024;

/// How much may wait, in the file and in memory.
#[derive(Debug)]
pub(super) struct Room {
    entries: usize,
    /// Of their lines in the file; in memory they take about as much.
    bytes: u64,
}

impl Room {
    /// Hours of a restless host, and a file that is read and written within moments. Entries alone would be no bound: one event may have 64 KiB.
    const ALL: Self = Self {
        entries: 65_536,
        bytes: 64 * MIB,
    };
    /// How full others than the host may make it: the rest of the room is for its own account.
    pub(super) const OF_OTHERS: Self = Self {
        entries: Self::ALL.entries / 4 * 3,
        bytes: Self::ALL.bytes / 4 * 3,
    };
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries or {} MiB", self.entries, self.bytes / MIB)
    }
}

/// The most entries that wait in memory alone, while even the file cannot be written. They are lost if the host ends, so
/// there is no use in gathering many.
const IN_MEMORY_ALONE_MAX: usize = 1024;

/// How well what could not be appended is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In the file: it outlives the host.
    Durably,
    /// In memory alone, because the file cannot be written either: it is lost if the host ends.
    InMemory,
    /// Not at all: the limit is reached.
    Lost,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Durably => f.write_str("it waits in the spool"),
            Self::InMemory => {
                f.write_str("it waits in memory alone, because the spool cannot be written either")
            }
            Self::Lost => write!(
                f,
                "it is LOST: as much waits already as may, {}, or {IN_MEMORY_ALONE_MAX} entries while the spool cannot be written",
                Room::ALL
            ),
        }
    }
}

/// What became of an event that may wait durably or not at all.
#[derive(Debug)]
pub(super) enum Pushed {
    /// It waits.
    Durably,
    /// Nothing: this one with the same key waits, durably.
    KeyWaits(Box<NewEvent>),
    /// Nothing: there is no room for it.
    Full,
    /// Nothing: the file cannot be written.
    NotWritten,
}

/// Why the spool cannot be used. It holds events that happened, so the host must not go on without it.
#[derive(Debug, thiserror::Error)]
#[error(
    "the spool `{}` cannot be read: {cause}. It holds events that wait for the store: make it readable, or move it away to give them up",
    .path.display()
)]
pub struct SpoolError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub cause: std::io::Error,
}

/// What is appended together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: u64,
    /// Shared with whoever writes or appends them: together they may be large.
    pub(super) events: Arc<[NewEvent]>,
    /// Of its line.
    bytes: u64,
    durable: bool,
}

#[derive(Default)]
struct Queue {
    by_tenant: BTreeMap<TenantId, VecDeque<Entry>>,
    entries: usize,
    /// Of all their lines.
    bytes: u64,
    next_number: u64,
    /// Entries left since the file was last written anew.
    stale: bool,
}

pub(super) struct Spool {
    /// Taken before `queue`, and held while the file is written.
    file: Mutex<SpoolFile>,
    /// Held for moments: the append path looks at it.
    queue: Mutex<Queue>,
}

impl Spool {
    pub(super) fn open(path: PathBuf) -> Result<Self, SpoolError> {
        let mut file = SpoolFile::at(path.clone());
        let lines = file.read().map_err(|cause| SpoolError { path, cause })?;
        let mut queue = Queue::default();
        // However many there are: they were promised.
        for line in lines {
            queue.add(&line.tenant, line.events, line.bytes, true);
        }
        Ok(Self {
            file: Mutex::new(file),
            queue: Mutex::new(queue),
        })
    }

    /// Adds events of one tenant that belong together.
    pub(super) fn push(&self, tenant: &TenantId, events: Vec<NewEvent>) -> Kept {
        let bytes = line::bytes(&events);
        let mut file = self.file();
        let number = {
            let mut queue = self.queue();
            if !queue.fits(bytes, &Room::ALL) {
                return Kept::Lost;
            }
            queue.add(tenant, events.into(), bytes, false)
        };
        self.write_down(&mut file, tenant, number, IN_MEMORY_ALONE_MAX)
    }

    /// Adds an event, or nothing if it would not outlive the host or its key waits already. To look for the key and to add the event is one step:
    /// of two requests with one key the second finds the first, durable.
    pub(super) fn push_durably(&self, event: NewEvent) -> Pushed {
        let bytes = line::bytes(std::slice::from_ref(&event));
        let mut file = self.file();
        let tenant = event.tenant.clone();
        let number = {
            let mut queue = self.queue();
            if let Some(first) = queue.with_its_key(&event) {
                return Pushed::KeyWaits(Box::new(first.clone()));
            }
            if !queue.fits(bytes, &Room::OF_OTHERS) {
                return Pushed::Full;
            }
            queue.add(&tenant, [event].into(), bytes, false)
        };
        match self.write_down(&mut file, &tenant, number, 0) {
            Kept::Durably => Pushed::Durably,
            Kept::InMemory | Kept::Lost => Pushed::NotWritten,
        }
    }

    fn write_down(
        &self,
        file: &mut SpoolFile,
        tenant: &TenantId,
        number: u64,
        in_memory_alone_max: usize,
    ) -> Kept {
        let groups = self.queue().not_durable();
        let written = file.append(&groups);
        let mut queue = self.queue();
        let Err(error) = written else {
            queue.all_are_durable(number);
            return Kept::Durably;
        };
        tracing::error!("the spool cannot be written, events wait in memory alone: {error}");
        if groups.len() <= in_memory_alone_max {
            return Kept::InMemory;
        }
        queue.take(tenant, |entries| {
            entries.pop_back_if(|newest| newest.number == number)
        });
        Kept::Lost
    }

    /// Keeps an entry beside the spool for people to look at. Answers whether it is there.
    pub(super) fn set_aside(&self, entry: &Entry) -> bool {
        let written = self.file().set_aside_refused(&entry.events);
        if let Err(error) = &written {
            tracing::error!("what was refused cannot be set aside: {error}");
        }
        written.is_ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue().entries == 0
    }

    /// How many entries of a tenant wait.
    pub(super) fn waiting(&self, tenant: &TenantId) -> usize {
        self.queue().by_tenant.get(tenant).map_or(0, VecDeque::len)
    }

    /// How many entries wait.
    pub(super) fn len(&self) -> usize {
        self.queue().entries
    }

    /// The tenants that something waits for, sorted.
    pub(super) fn tenants(&self) -> Vec<TenantId> {
        self.queue().by_tenant.keys().cloned().collect()
    }

    /// All events of a tenant that wait, in order.
    pub(super) fn events_of(&self, tenant: &TenantId) -> Vec<NewEvent> {
        let queue = self.queue();
        let entries = queue.by_tenant.get(tenant).into_iter().flatten();
        entries.flat_map(|entry| entry.events.to_vec()).collect()
    }

    /// The oldest entries of a tenant, in order: as many as have so many events and bytes together, and at least one if there is one.
    pub(super) fn first_ones(&self, tenant: &TenantId, events_max: usize, bytes_max: u64) -> Vec<Entry> {
        let queue = self.queue();
        let entries = queue.by_tenant.get(tenant).into_iter().flatten();
        let (mut events, mut bytes) = (0, 0);
        entries
            .enumerate()
            .take_while(|(index, entry)| {
                events += entry.events.len();
                bytes += entry.bytes;
                *index == 0 || events <= events_max && bytes <= bytes_max
            })
            .map(|(_, entry)| entry.clone())
            .collect()
    }

    /// Forgets the oldest entry of a tenant: it was appended.
    pub(super) fn appended(&self, tenant: &TenantId, number: u64) {
        self.queue().take(tenant, |entries| {
            entries.pop_front_if(|oldest| oldest.number == number)
        });
    }

    /// Makes the file say what waits, if it says something else.
    pub(super) fn tidy(&self) {
        let mut file = self.file();
        let (groups, last) = {
            let queue = self.queue();
            if !queue.stale && queue.not_durable().is_empty() {
                return;
            }
            (queue.groups(|_| true), queue.next_number)
        };
        match file.write_anew(&groups) {
            Ok(()) => {
                let mut queue = self.queue();
                queue.all_are_durable(last);
                queue.stale = false;
            }
            // What it says too much is appended again at the next start, which changes nothing.
            Err(error) => tracing::warn!("the spool cannot be written anew: {error}"),
        }
    }

    fn file(&self) -> MutexGuard<'_, SpoolFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn fits(&self, bytes: u64, room: &Room) -> bool {
        self.entries < room.entries && self.bytes + bytes <= room.bytes
    }

    fn add(&mut self, tenant: &TenantId, events: Arc<[NewEvent]>, bytes: u64, durable: bool) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.entries += 1;
        self.bytes += bytes;
        self.by_tenant
            .entry(tenant.clone())
            .or_default()
            .push_back(Entry {
                number,
                events,
                bytes,
                durable,
            });
        number
    }

    fn with_its_key(&self, event: &NewEvent) -> Option<&NewEvent> {
        event.idempotency_key.as_ref()?;
        let entries = self.by_tenant.get(&event.tenant).into_iter().flatten();
        let mut waiting = entries.flat_map(|entry| entry.events.iter());
        waiting.find(|waiting| waiting.idempotency_key == event.idempotency_key)
    }

    fn take(&mut self, tenant: &TenantId, take: impl FnOnce(&mut VecDeque<Entry>) -> Option<Entry>) {
        let Some(entries) = self.by_tenant.get_mut(tenant) else {
            return;
        };
        if let Some(taken) = take(entries) {
            self.entries -= 1;
            self.bytes -= taken.bytes;
            self.stale = true;
        }
        if entries.is_empty() {
            self.by_tenant.remove(tenant);
        }
    }

    fn all_are_durable(&mut self, up_to: u64) {
        for entry in self
            .by_tenant
            .values_mut()
            .flatten()
            .filter(|entry| entry.number <= up_to)
        {
            entry.durable = true;
        }
    }

    fn not_durable(&self) -> Vec<Arc<[NewEvent]>> {
        self.groups(|entry| !entry.durable)
    }

    /// In the order in which they came, over all tenants.
    fn groups(&self, which: impl Fn(&Entry) -> bool) -> Vec<Arc<[NewEvent]>> {
        let mut entries: Vec<_> = self
            .by_tenant
            .values()
            .flatten()
            .filter(|entry| which(entry))
            .collect();
        entries.sort_unstable_by_key(|entry| entry.number);
        entries
            .into_iter()
            .map(|entry| Arc::clone(&entry.events))
            .collect()
    }
}
