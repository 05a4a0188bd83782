//! The thread that writes the audit, and the way to it.
//!
//! ```text
//! note ─▶ Desk (what waits) ─▶ the thread ─▶ a file for each tenant
//!                                   └ what the disk did not take is tried again with the next group
//! ```

use std::{
    cell::Cell,
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
    /// Never more than there is room for: a group that could not come together would go only when it is old enough.
    batch: usize,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<AuditEntry>,
    errands: Vec<Errand>,
    is_over: bool,
}

/// What somebody waits for. If the thread goes away first, so does `done`, which says that it was not done.
struct Errand {
    /// Of whose lines; of everybody's if absent.
    tenant: Option<TenantId>,
    /// Whether there has to be room for lines to come, too.
    needs_room: bool,
    done: oneshot::Sender<Result<(), AuditUnwritten>>,
}

/// What the thread takes from the desk at once.
struct Group {
    entries: Vec<AuditEntry>,
    errands: Vec<Errand>,
    is_last: bool,
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

    async fn run(&self, tenant: Option<TenantId>, needs_room: bool) -> Result<(), AuditUnwritten> {
        let (done, wait) = oneshot::channel();
        {
            let mut waiting = self.lock();
            if waiting.is_over {
                return Err(AuditUnwritten);
            }
            waiting.errands.push(Errand {
                tenant,
                needs_room,
                done,
            });
        }
        self.more.notify_one();
        wait.await.unwrap_or(Err(AuditUnwritten))
    }

    fn end(&self) {
        self.lock().is_over = true;
        self.more.notify_one();
    }

    /// Waits for the next group: one that is full, old enough or asked for, or the last. With `retry`, one comes although nothing waits.
    fn next_group(&self, delay: Duration, retry: bool) -> Group {
        let mut waiting = self.lock();
        while !retry && waiting.entries.is_empty() && waiting.errands.is_empty() && !waiting.is_over {
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + delay;
        while waiting.entries.len() < self.batch && waiting.errands.is_empty() && !waiting.is_over {
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
        // The next group finds room that does not have to grow piece by piece.
        let room = Vec::with_capacity(waiting.entries.len());
        let group = Group {
            entries: std::mem::replace(&mut waiting.entries, room),
            errands: std::mem::take(&mut waiting.errands),
            is_last: waiting.is_over,
        };
        drop(waiting);
        self.room.notify_waiters();
        group
    }
}

/// Of the thread, for as long as it is there: however it ends, nobody waits for it any more, and what it did not write is counted.
struct Shift {
    desk: Arc<Desk>,
    lost: Arc<AtomicU64>,
    /// Lines that were taken and are not written yet.
    in_hand: Cell<usize>,
}

impl Drop for Shift {
    fn drop(&mut self) {
        let mut waiting = self.desk.lock();
        waiting.is_over = true;
        let left = waiting.entries.len() + self.in_hand.get();
        waiting.entries = Vec::new();
        let errands = std::mem::take(&mut waiting.errands);
        drop(waiting);
        drop(errands);
        self.desk.room.notify_waiters();
        lose(&self.lost, left);
        if std::thread::panicking() {
            tracing::error!(
                "[kora.audit] the thread that writes the audit panicked: what needs a line of it is refused until the host is restarted"
            );
        }
    }
}

fn lose(lost: &AtomicU64, lines: usize) {
    if lines > 0 {
        lost.fetch_add(lines as u64, Ordering::Relaxed);
        tracing::error!(lines, "[kora.audit] lines of the audit are lost");
    }
}

/// Lines are not in their file: the disk does not take them, or nobody writes any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit cannot be written: the log says why; it goes on as soon as its files can be written")]
pub struct AuditUnwritten;

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
            batch: options.batch.clamp(1, QUEUE),
        });
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            options,
            clock,
            shift: Shift {
                desk: desk.clone(),
                lost: lost.clone(),
                in_hand: Cell::new(0),
            },
            files: HashMap::new(),
            held: Vec::new(),
            has_room: true,
        };
        let thread = std::thread::Builder::new()
            .name("kora-audit".to_owned())
            .spawn(move || writer.run())?;
        let end = AuditEnd {
            desk: desk.clone(),
            thread,
        };
        Ok((Self { desk, lost }, end))
    }

    /// Notes an outcome. A denial or a panic is handed to the system before this returns, whatever else waits; where it cannot be, what was
    /// denied is denied all the same, and the line is held.
    ///
    /// Cancel safe: an outcome is noted whole or, where the desk was full, not yet.
    pub async fn note(&self, mut entry: AuditEntry) {
        let precedes_answer = entry.result.precedes_answer();
        let tenant = entry.tenant.clone();
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
            let _ = self.written(&tenant).await;
        }
    }

    /// Waits until everything that was noted is written, or could not be.
    pub async fn flush(&self) {
        // Whoever reads the files finds what is in them.
        let _ = self.desk.run(None, false).await;
    }

    /// Waits until everything that was noted of a tenant is handed to the system.
    ///
    /// Cancel safe: what was noted is written in any case.
    ///
    /// # Errors
    /// If it was not. It is held, and tried again, unless the thread is gone.
    pub async fn written(&self, tenant: &TenantId) -> Result<(), AuditUnwritten> {
        self.desk.run(Some(tenant.clone()), false).await
    }

    /// The same, and the disk has put room aside for what is to come: for whoever is about to do what must not be done without its line.
    ///
    /// # Errors
    /// If the line could not be written. Nothing should be done then.
    pub async fn make_room(&self, tenant: &TenantId) -> Result<(), AuditUnwritten> {
        self.desk.run(Some(tenant.clone()), true).await
    }

    /// Whether nobody writes any more: the host stops, or the thread panicked.
    pub fn is_over(&self) -> bool {
        self.desk.lock().is_over
    }

    /// How many lines could not be written since the host started, and will not be.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

struct Writer {
    options: AuditOptions,
    clock: Arc<dyn Clock>,
    shift: Shift,
    files: HashMap<TenantId, AuditFile>,
    /// What the disk did not take.
    held: Vec<AuditEntry>,
    /// Whether there was room when it was asked for last: what is refused for the want of it is told once.
    has_room: bool,
}

impl Writer {
    fn run(mut self) {
        let desk = self.shift.desk.clone();
        loop {
            let group = desk.next_group(self.options.delay, !self.held.is_empty());
            self.shift.in_hand.set(self.held.len() + group.entries.len());
            self.write(group.entries);
            self.shift.in_hand.set(self.held.len());
            for errand in group.errands {
                let done = self.run_errand(errand.tenant.as_ref(), errand.needs_room);
                // Whoever asked may have gone away.
                let _ = errand.done.send(done);
            }
            if group.is_last {
                break;
            }
        }
        for file in self.files.values() {
            // There is nobody left to tell.
            drop(file.sync());
        }
    }

    fn run_errand(&mut self, tenant: Option<&TenantId>, needs_room: bool) -> Result<(), AuditUnwritten> {
        let is_asked_for = |entry: &AuditEntry| tenant.is_none_or(|tenant| entry.tenant == *tenant);
        if self.held.iter().any(is_asked_for) {
            return Err(AuditUnwritten);
        }
        let Some(tenant) = tenant.filter(|_| needs_room) else {
            return Ok(());
        };
        let made = self.make_room(tenant);
        let had_room = std::mem::replace(&mut self.has_room, made.is_ok());
        made.map_err(|why| {
            if had_room {
                tracing::error!(%tenant, %why, "[kora.audit] there is no room for lines of the audit: what needs one is refused");
            }
            AuditUnwritten
        })
    }

    fn make_room(&mut self, tenant: &TenantId) -> io::Result<()> {
        let mut file = self.open(tenant)?;
        file.make_room()?;
        self.files.insert(tenant.clone(), file);
        Ok(())
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
        lose(&self.shift.lost, too_many);
        if had_trouble && self.held.is_empty() {
            tracing::warn!("[kora.audit] the audit can be written again, and what was held is in it");
        }
    }

    fn append(&mut self, tenant: &TenantId, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.open(tenant)?;
        file.append(bytes)?;
        self.files.insert(tenant.clone(), file);
        Ok(())
    }

    /// A tenant's file, which has room for more lines by `max_bytes`. It goes back to the others once it has proved good.
    fn open(&mut self, tenant: &TenantId) -> io::Result<AuditFile> {
        let path = audit_file(&self.options.directory, tenant);
        let file = match self.files.remove(tenant) {
            // One that was moved or removed by somebody else is nobody's audit any more.
            Some(file) if file.is_at(&path) => file,
            _ => {
                if self.files.len() >= OPEN_FILES_MAX {
                    self.files.clear();
                }
                AuditFile::open(&path)?
            }
        };
        match file.is_full(self.options.max_bytes) {
            true => file.rotate(self.clock.now(), self.options.keep),
            false => Ok(file),
        }
    }
}
