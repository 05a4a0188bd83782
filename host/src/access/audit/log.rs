//! The thread that writes the audit, and the way to it.
//!
//! ```text
//! note ─▶ Desk (what waits) ─▶ the thread ─▶ a file for each tenant
//!                                   └ what the disk did not take is tried again with the next group
//! ```

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, oneshot};

use super::{AuditEntry, audit_file, file::AuditFile};
use crate::domain::{Clock, TenantId};

/// What may wait to be written. Whoever comes when this is full waits: an outcome is not left out because the disk is slow.
const QUEUE: usize = 8192;
/// Lines that the disk did not take and that are tried again. Of more, the oldest are lost and counted.
const HELD_MAX: usize = 8192;
/// Files that are held open. Past this, all are closed and opened again as they are needed.
const OPEN_FILES_MAX: usize = 64;

/// How lines are written.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The directory `audit` of the home.
    pub directory: PathBuf,
    /// So many lines are written at once; 1: each as it comes.
    pub batch: usize,
    /// No line waits longer.
    pub delay: Duration,
    /// A file that has grown so large is put aside.
    pub max_bytes: u64,
    /// So many files of a tenant that were put aside are kept.
    pub keep: usize,
}

/// What waits for the thread. It is woken by the first line of a group and when a group is full or has to go at once, and not by each
/// line: that would cost a call more than all the rest of its audit.
struct Desk {
    waiting: Mutex<Waiting>,
    /// For the thread.
    more: Condvar,
    /// For whoever found the desk full.
    room: Notify,
    batch: usize,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<AuditEntry>,
    flushes: Vec<oneshot::Sender<()>>,
    is_over: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Err`: it is full, or nobody writes any more.
    fn put(&self, entry: AuditEntry) -> Result<(), Refused> {
        let mut waiting = self.lock();
        if waiting.is_over {
            return Err(Refused::IsOver);
        }
        if waiting.entries.len() >= QUEUE {
            return Err(Refused::IsFull(Box::new(entry)));
        }
        waiting.entries.push(entry);
        let count = waiting.entries.len();
        drop(waiting);
        if count == 1 || count == self.batch {
            self.more.notify_one();
        }
        Ok(())
    }

    fn flush(&self) -> oneshot::Receiver<()> {
        let (done, wait) = oneshot::channel();
        let mut waiting = self.lock();
        // Where it is over, the sender goes, and with it the wait.
        if !waiting.is_over {
            waiting.flushes.push(done);
        }
        drop(waiting);
        self.more.notify_one();
        wait
    }

    fn end(&self) {
        self.lock().is_over = true;
        self.more.notify_one();
    }

    /// The next group: full, old enough, or asked for. `None`: there will be none. With `retry`, one comes although nothing waits.
    fn next_group(&self, delay: Duration, retry: bool) -> (Vec<AuditEntry>, Vec<oneshot::Sender<()>>, bool) {
        let mut waiting = self.lock();
        while !retry && waiting.entries.is_empty() && waiting.flushes.is_empty() && !waiting.is_over {
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + delay;
        while waiting.entries.len() < self.batch && waiting.flushes.is_empty() && !waiting.is_over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = self
                .more
                .wait_timeout(waiting, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let is_over = waiting.is_over;
        // The next group finds room that does not have to grow piece by piece.
        let room = Vec::with_capacity(waiting.entries.len());
        let entries = std::mem::replace(&mut waiting.entries, room);
        let flushes = std::mem::take(&mut waiting.flushes);
        drop(waiting);
        self.room.notify_waiters();
        (entries, flushes, is_over)
    }
}

enum Refused {
    IsFull(Box<AuditEntry>),
    IsOver,
}

/// The way to the audit. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog {
    desk: Arc<Desk>,
    lost: Arc<AtomicU64>,
}

/// Ends the writing thread.
pub struct AuditEnd {
    desk: Arc<Desk>,
    thread: JoinHandle<()>,
}

impl AuditEnd {
    /// Waits until everything that was noted so far is written and on the disk. What is noted later is lost, and counted. Blocks.
    pub fn join(self) {
        self.desk.end();
        // A thread that panicked has written what it could.
        drop(self.thread.join());
    }
}

impl AuditLog {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub fn start(options: AuditOptions, clock: Arc<dyn Clock>) -> io::Result<(Self, AuditEnd)> {
        let desk = Arc::new(Desk {
            waiting: Mutex::default(),
            more: Condvar::new(),
            room: Notify::new(),
            batch: options.batch,
        });
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            options,
            clock,
            lost: lost.clone(),
            files: HashMap::new(),
            held: Vec::new(),
        };
        let at_desk = desk.clone();
        let thread = std::thread::Builder::new()
            .name("kora-audit".to_owned())
            .spawn(move || writer.run(&at_desk))?;
        let end = AuditEnd {
            desk: desk.clone(),
            thread,
        };
        Ok((Self { desk, lost }, end))
    }

    /// Notes an outcome. A denial or a panic is handed to the system before this returns, whatever else waits.
    ///
    /// Cancel safe: an outcome is noted whole or, where the desk was full, not yet.
    pub async fn note(&self, mut entry: AuditEntry) {
        let precedes_answer = entry.result.precedes_answer();
        loop {
            let room = self.desk.room.notified();
            tokio::pin!(room);
            // Before the desk is looked at: what becomes free in between is not missed.
            room.as_mut().enable();
            match self.desk.put(entry) {
                Ok(()) => break,
                Err(Refused::IsOver) => {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(Refused::IsFull(back)) => entry = *back,
            }
            room.await;
        }
        if precedes_answer {
            self.flush().await;
        }
    }

    /// Waits until everything that was noted is written, or could not be.
    pub async fn flush(&self) {
        // A thread that is gone has said so.
        drop(self.desk.flush().await);
    }

    /// How many lines could not be written since the host started, and will not be.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

struct Writer {
    options: AuditOptions,
    clock: Arc<dyn Clock>,
    lost: Arc<AtomicU64>,
    files: HashMap<TenantId, AuditFile>,
    /// What the disk did not take.
    held: Vec<AuditEntry>,
}

impl Writer {
    fn run(mut self, desk: &Desk) {
        loop {
            let (entries, flushes, is_over) = desk.next_group(self.options.delay, !self.held.is_empty());
            self.write(entries);
            for done in flushes {
                // Whoever asked may have gone away.
                let _ = done.send(());
            }
            if is_over {
                break;
            }
        }
        self.lose(self.held.len());
        for file in self.files.values() {
            // There is nobody left to tell.
            drop(file.sync());
        }
    }

    /// What was held from before comes first, so that a tenant's lines stay in their order.
    fn write(&mut self, entries: Vec<AuditEntry>) {
        let had_trouble = !self.held.is_empty();
        let mut of_tenants: HashMap<TenantId, Vec<AuditEntry>> = HashMap::new();
        for entry in self.held.drain(..).chain(entries) {
            of_tenants.entry(entry.tenant.clone()).or_default().push(entry);
        }
        for (tenant, entries) in of_tenants {
            let bytes: Vec<u8> = entries.iter().flat_map(AuditEntry::to_line).collect();
            if let Err(why) = self.append(&tenant, &bytes) {
                // The file may be half open, moved or full: the next line opens it anew.
                self.files.remove(&tenant);
                if !had_trouble {
                    tracing::error!(%tenant, lines = entries.len(), %why, "[kora.audit] lines of the audit cannot be written: they are held, and tried again");
                }
                self.held.extend(entries);
            }
        }
        let too_many = self.held.len().saturating_sub(HELD_MAX);
        self.held.drain(..too_many);
        self.lose(too_many);
        if had_trouble && self.held.is_empty() {
            tracing::warn!("[kora.audit] the audit can be written again, and what was held is in it");
        }
    }

    fn lose(&self, lines: usize) {
        if lines > 0 {
            self.lost.fetch_add(lines as u64, Ordering::Relaxed);
            tracing::error!(lines, "[kora.audit] lines of the audit are lost");
        }
    }

    fn append(&mut self, tenant: &TenantId, bytes: &[u8]) -> io::Result<()> {
        let path = audit_file(&self.options.directory, tenant);
        let mut file = match self.files.remove(tenant) {
            // One that was moved or removed by somebody else is nobody's audit any more.
            Some(file) if file.is_at(&path) => file,
            _ => {
                if self.files.len() >= OPEN_FILES_MAX {
                    self.files.clear();
                }
                AuditFile::open(&path)?
            }
        };
        if file.is_full(self.options.max_bytes) {
            file = file.rotate(self.clock.now(), self.options.keep)?;
        }
        file.append(bytes)?;
        self.files.insert(tenant.clone(), file);
        Ok(())
    }
}
