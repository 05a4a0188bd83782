//! The thread that writes the audit, and the way to it.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{AuditEntry, audit_file, file::AuditFile};
use crate::domain::{Clock, TenantId};

/// What may wait to be written. Whoever comes when this is full waits: an outcome is not left out because the disk is slow.
const QUEUE: usize = 8192;
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

enum Order {
    Write(Box<AuditEntry>),
    Flush(oneshot::Sender<()>),
    End,
}

/// The way to the audit. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog {
    orders: SyncSender<Order>,
    lost: Arc<AtomicU64>,
}

/// Ends the writing thread.
pub struct AuditEnd {
    orders: SyncSender<Order>,
    thread: JoinHandle<()>,
}

impl AuditEnd {
    /// Waits until everything that was noted so far is written and on the disk. What is noted later is lost, and counted. Blocks.
    pub fn join(self) {
        // A thread that is gone, or panicked, has written what it could.
        drop(self.orders.send(Order::End));
        drop(self.thread.join());
    }
}

impl AuditLog {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub fn start(options: AuditOptions, clock: Arc<dyn Clock>) -> io::Result<(Self, AuditEnd)> {
        let (orders, queue) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            options,
            clock,
            lost: lost.clone(),
            files: HashMap::new(),
            waiting: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("kora-audit".to_owned())
            .spawn(move || writer.run(&queue))?;
        let end = AuditEnd {
            orders: orders.clone(),
            thread,
        };
        Ok((Self { orders, lost }, end))
    }

    /// Notes an outcome. A denial or a panic is handed to the system before this returns, whatever else waits.
    pub async fn note(&self, entry: AuditEntry) {
        let precedes_answer = entry.result.precedes_answer();
        self.send(Order::Write(Box::new(entry))).await;
        if precedes_answer {
            self.flush().await;
        }
    }

    /// Waits until everything that was noted is written.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        self.send(Order::Flush(done)).await;
        // A thread that is gone has said so.
        drop(wait.await);
    }

    /// How many lines could not be written since the host started.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    async fn send(&self, order: Order) {
        let full = match self.orders.try_send(order) {
            Ok(()) => return,
            Err(TrySendError::Full(order)) => order,
            Err(TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        let orders = self.orders.clone();
        // Waiting for the disk is not for a worker of the runtime.
        drop(tokio::task::spawn_blocking(move || orders.send(full)).await);
    }
}

struct Writer {
    options: AuditOptions,
    clock: Arc<dyn Clock>,
    lost: Arc<AtomicU64>,
    files: HashMap<TenantId, AuditFile>,
    waiting: Vec<AuditEntry>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Order>) {
        let mut goes_on = true;
        while goes_on {
            let Ok(order) = queue.recv() else { break };
            goes_on = self.take(order);
            let until = Instant::now() + self.options.delay;
            while goes_on && !self.waiting.is_empty() && self.waiting.len() < self.options.batch {
                match queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(order) => goes_on = self.take(order),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            self.write();
        }
        for file in self.files.values() {
            // There is nobody left to tell.
            drop(file.sync());
        }
    }

    /// Whether there may be more.
    fn take(&mut self, order: Order) -> bool {
        match order {
            Order::End => return false,
            Order::Write(entry) => self.waiting.push(*entry),
            Order::Flush(done) => {
                self.write();
                // Whoever asked may have gone away.
                let _ = done.send(());
            }
        }
        true
    }

    fn write(&mut self) {
        let mut lines: HashMap<TenantId, (u64, Vec<u8>)> = HashMap::new();
        for entry in self.waiting.drain(..) {
            let (count, bytes) = lines.entry(entry.tenant.clone()).or_default();
            *count += 1;
            bytes.extend(entry.to_line());
        }
        for (tenant, (count, bytes)) in lines {
            if let Err(why) = self.append(&tenant, &bytes) {
                // The file may be half open, moved or full: the next line opens it anew.
                self.files.remove(&tenant);
                self.lost.fetch_add(count, Ordering::Relaxed);
                tracing::error!(%tenant, lines = count, %why, "[kora.audit] lines of the audit were not written");
            }
        }
    }

    fn append(&mut self, tenant: &TenantId, bytes: &[u8]) -> io::Result<()> {
        let mut file = match self.files.remove(tenant) {
            Some(file) => file,
            None => {
                if self.files.len() >= OPEN_FILES_MAX {
                    self.files.clear();
                }
                AuditFile::open(&audit_file(&self.options.directory, tenant))?
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
