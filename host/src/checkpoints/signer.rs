//! When a checkpoint is due, and signing it. A chain that contradicts the last checkpoint of it is not signed again: the signature
//! would cover up what somebody did.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::CheckpointFiles;
use crate::{
    domain::{Clock, Hash, TenantId},
    engine::checkpoint::{Checkpoint, Note, SigningKey},
    store::{EventFilter, Head, Order, Store, StoreError},
};

/// How many chains are signed together: enough that they share what waiting for the disk costs, few enough that a stop which cannot wait for all
/// has most of them.
const SIGNED_TOGETHER: usize = 256;
/// How many chains are read at once, to hold what was signed against them. The store has few readers, and others ask them too.
const READ_AT_ONCE: usize = 4;

/// How often a chain is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    /// After this many events.
    pub events: u64,
    /// After this long, if there were any.
    pub time: Duration,
}

/// What the signing needs.
pub struct CheckpointParts {
    /// The chains.
    pub store: Arc<dyn Store>,
    /// The time that is signed.
    pub clock: Arc<dyn Clock>,
    /// Who signs.
    pub key: SigningKey,
    /// Where it is kept.
    pub files: CheckpointFiles,
}

/// Signs chains.
pub struct Checkpoints {
    parts: Arc<CheckpointParts>,
    /// Locked while chains are signed: two would sign the same twice.
    signed: tokio::sync::Mutex<HashMap<TenantId, LastSigned>>,
    faults: Mutex<BTreeMap<TenantId, String>>,
    /// Whether chains that are gone were looked for. What is gone while this runs is not gone by way of the store.
    looked_for_lost: AtomicBool,
    /// The chains that the round of signing has not looked at yet.
    left: AtomicUsize,
}

/// A checkpoint with its note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// How it is kept.
    pub note: Note,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The chain contradicts the last checkpoint of it.
    #[error("the chain of `{tenant}` is not signed: {detail}")]
    Contradiction {
        /// Whose chain.
        tenant: TenantId,
        /// How.
        detail: String,
    },
    /// The files cannot be read or written.
    #[error("the checkpoints of `{tenant}` cannot be kept: {error}")]
    Files {
        /// Whose.
        tenant: TenantId,
        /// What the system said.
        error: io::Error,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The last checkpoint of a chain.
#[derive(Clone)]
struct LastSigned {
    /// None if there never was one.
    checkpoint: Option<Checkpoint>,
    /// When it was signed, or when this process first saw the chain; on the clock that never goes back.
    at: Duration,
}

/// What came of reading the files of chains of which nothing was known.
#[derive(Default)]
struct Learned {
    /// Those that are as they were signed.
    sound: HashSet<TenantId>,
    /// What is wrong with the others.
    faults: Vec<CheckpointError>,
}

impl LastSigned {
    fn seq(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |last| last.seq)
    }

    fn is_due(&self, head: &Head, every: Every, now: Duration) -> bool {
        let moved = self.checkpoint.as_ref().map(|last| (last.seq, last.head)) != Some((head.seq, head.hash));
        let events = head.seq.abs_diff(self.seq());
        moved && (events >= every.events || now.saturating_sub(self.at) >= every.time)
    }
}

impl Checkpoints {
    /// With this key.
    pub fn new(parts: CheckpointParts) -> Self {
        Self {
            parts: Arc::new(parts),
            signed: tokio::sync::Mutex::default(),
            faults: Mutex::default(),
            looked_for_lost: AtomicBool::new(false),
            left: AtomicUsize::new(0),
        }
    }

    /// Signs every chain that is due. What cannot be signed is logged and tried again the next time.
    ///
    /// # Errors
    /// If the store cannot be read at all. Dropped, what was signed until then stays signed.
    pub async fn sign_due(&self, every: Every) -> Result<usize, StoreError> {
        self.sign_where(Some(every)).await
    }

    /// Signs every chain that was appended to since it was last signed.
    ///
    /// # Errors
    /// As [`sign_due`](Self::sign_due).
    pub async fn sign_moved(&self) -> Result<usize, StoreError> {
        self.sign_where(None).await
    }

    /// Signs the chain of a tenant, or all, as they are now, whether they were appended to or not. A chain without records has
    /// nothing to sign.
    ///
    /// # Errors
    /// A reason why one was not signed; those before it were.
    pub async fn sign_now(&self, tenant: Option<&TenantId>) -> Result<Vec<Signed>, CheckpointError> {
        let mut last_signed = self.signed.lock().await;
        let mut heads = self.parts.store.heads().await?;
        heads.retain(|head| tenant.is_none_or(|tenant| *tenant == head.tenant));
        let mut signed = Vec::new();
        for some in heads.chunks(SIGNED_TOGETHER) {
            let learned = self.learn(&mut last_signed, some).await?;
            let (done, mut faults) = (self.sign(&mut last_signed, some, &learned).await?, learned.faults);
            for one in done {
                match one {
                    Ok(one) => signed.push(one),
                    Err(error) => faults.push(error),
                }
            }
            if let Some(error) = faults.into_iter().next() {
                return Err(error);
            }
        }
        Ok(signed)
    }

    /// How many chains the round of signing that is under way, or was the last, has not looked at yet. One that is dropped half-way
    /// leaves them as they are.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Why chains are not signed, if there are such.
    pub fn faults(&self) -> Vec<String> {
        self.locked_faults().values().cloned().collect()
    }

    async fn sign_where(&self, every: Option<Every>) -> Result<usize, StoreError> {
        let mut last_signed = self.signed.lock().await;
        let every = every.unwrap_or(Every {
            events: 1,
            time: Duration::ZERO,
        });
        let mut heads = self.parts.store.heads().await?;
        if !self.looked_for_lost.swap(true, Ordering::Relaxed) {
            self.look_for_lost(&heads).await;
        }
        let now = self.parts.clock.monotonic();
        let is_due = |last_signed: &HashMap<TenantId, LastSigned>, head: &Head| {
            let last = last_signed.get(&head.tenant);
            last.map(|last| last.is_due(head, every, now))
        };
        // Of one that is not known yet the files have to be read first.
        heads.retain(|head| is_due(&last_signed, head).unwrap_or(true));
        let mut count = 0;
        self.left.store(heads.len(), Ordering::Relaxed);
        for some in heads.chunks(SIGNED_TOGETHER) {
            // What is wrong with one is told already, and shown by `faults`.
            let learned = self.learn(&mut last_signed, some).await?;
            let mut due = some.to_vec();
            due.retain(|head| is_due(&last_signed, head).unwrap_or(false));
            let signed = self.sign(&mut last_signed, &due, &learned).await?;
            count += signed.iter().filter(|one| one.is_ok()).count();
            self.left.fetch_sub(some.len(), Ordering::Relaxed);
        }
        Ok(count)
    }

    /// Reads what is kept of the chains of which nothing is known yet. It is held against the chains at once, so that what was done while
    /// no host ran is told at the start. Of those with which something is wrong nothing is known afterwards.
    async fn learn(
        &self,
        last_signed: &mut HashMap<TenantId, LastSigned>,
        heads: &[Head],
    ) -> Result<Learned, StoreError> {
        let mut learned = Learned::default();
        let mut new = heads.to_vec();
        new.retain(|head| !last_signed.contains_key(&head.tenant));
        if new.is_empty() {
            return Ok(learned);
        }
        let tenants: Vec<_> = new.iter().map(|head| head.tenant.clone()).collect();
        let read = self.with_files(&tenants, |parts, tenants| {
            let last = |tenant| Ok(parts.files.read(tenant)?.last(parts.key.public()));
            tenants.iter().map(last).collect()
        });
        let at = self.parts.clock.monotonic();
        let mut known = Vec::new();
        for (head, read) in new.into_iter().zip(read.await) {
            match read {
                Ok(checkpoint) => known.push((head, LastSigned { checkpoint, at })),
                Err(error) => learned.faults.push(error),
            }
        }
        for (head, last, contradiction) in self.held_against_chains(known, &learned.sound).await? {
            if let Some(error) = contradiction {
                learned.faults.push(error);
                continue;
            }
            learned.sound.insert(head.tenant.clone());
            last_signed.insert(head.tenant, last);
        }
        Ok(learned)
    }

    /// Signs where these chains end, of which all is known that is kept, and keeps it: with few waits for the disk, however many they are.
    /// Answers in order what became of each.
    async fn sign(
        &self,
        last_signed: &mut HashMap<TenantId, LastSigned>,
        heads: &[Head],
        learned: &Learned,
    ) -> Result<Vec<Result<Signed, CheckpointError>>, StoreError> {
        let known = heads
            .iter()
            .filter_map(|head| Some((head.clone(), last_signed.get(&head.tenant)?.clone())));
        let looked = self.held_against_chains(known.collect(), &learned.sound).await?;
        let signed_at = self.parts.clock.now();
        let mut checkpoints = Vec::new();
        let mut results: Vec<Option<CheckpointError>> = Vec::new();
        for (head, _, contradiction) in looked {
            if contradiction.is_none() {
                checkpoints.push(Checkpoint {
                    tenant: head.tenant,
                    seq: head.seq,
                    head: head.hash,
                    signed_at,
                });
            }
            results.push(contradiction);
        }
        let mut kept = self.keep(checkpoints).await.into_iter();
        let at = self.parts.clock.monotonic();
        let signed = results
            .into_iter()
            .filter_map(|contradiction| match contradiction {
                Some(error) => Some(Err(error)),
                None => kept.next(),
            });
        let signed: Vec<_> = signed.collect();
        for Signed { checkpoint, .. } in signed.iter().flatten() {
            let tenant = &checkpoint.tenant;
            self.locked_faults().remove(tenant);
            let checkpoint = Some(checkpoint.clone());
            last_signed.insert(tenant.clone(), LastSigned { checkpoint, at });
        }
        Ok(signed)
    }

    /// Signs, and appends the notes to their files.
    async fn keep(&self, checkpoints: Vec<Checkpoint>) -> Vec<Result<Signed, CheckpointError>> {
        let tenants: Vec<_> = checkpoints.iter().map(|one| one.tenant.clone()).collect();
        let kept = self.with_files(&tenants, move |parts, _| {
            let sign = |checkpoint: Checkpoint| {
                let note = Note::sign(&checkpoint, &parts.key);
                Signed { checkpoint, note }
            };
            let signed: Vec<_> = checkpoints.into_iter().map(sign).collect();
            let notes: Vec<_> = signed
                .iter()
                .map(|one| (one.checkpoint.tenant.clone(), one.note.clone()))
                .collect();
            let appended = parts.files.append_all(&notes);
            let kept = signed.into_iter().zip(appended);
            kept.map(|(signed, appended)| appended.map(|()| signed)).collect()
        });
        let kept = kept.await;
        for Signed { checkpoint, .. } in kept.iter().flatten() {
            tracing::debug!(tenant = %checkpoint.tenant, seq = checkpoint.seq, "[kora.checkpoint] signed");
        }
        kept
    }

    /// Each with what in its chain contradicts the last checkpoint of it, if something does; that is told. Those of which it was `seen` a moment
    /// ago that nothing does are not read again.
    async fn held_against_chains(
        &self,
        known: Vec<(Head, LastSigned)>,
        seen: &HashSet<TenantId>,
    ) -> Result<Vec<(Head, LastSigned, Option<CheckpointError>)>, StoreError> {
        let mut looks = Vec::with_capacity(known.len());
        for (head, last) in known {
            let is_seen = seen.contains(&head.tenant);
            looks.push(contradiction(self.parts.store.clone(), head, last, is_seen));
        }
        let looked: Vec<_> = stream::iter(looks).buffered(READ_AT_ONCE).try_collect().await?;
        for (head, _, error) in &looked {
            if let Some(error) = error {
                self.note_fault(&head.tenant, error);
            }
        }
        Ok(looked)
    }

    /// Chains of which there are checkpoints and no record. Files of other chains are not read here: there may be ten thousand.
    async fn look_for_lost(&self, heads: &[Head]) {
        let parts = self.parts.clone();
        let there: HashSet<_> = heads.iter().map(|head| head.tenant.clone()).collect();
        let kept = tokio::task::spawn_blocking(move || {
            let lost = parts
                .files
                .tenants()?
                .into_iter()
                .filter(|tenant| !there.contains(tenant));
            let last =
                |tenant: TenantId| Some((parts.files.read(&tenant).ok()?.last(parts.key.public())?, tenant));
            io::Result::Ok(lost.filter_map(last).collect::<Vec<_>>())
        })
        .await;
        let kept = match kept.map_err(io::Error::other).and_then(|kept| kept) {
            Ok(kept) => kept,
            Err(error) => {
                tracing::warn!(%error, "[kora.checkpoint] the kept checkpoints cannot be looked through");
                return;
            }
        };
        for (checkpoint, tenant) in kept {
            if let Some(fault) = checkpoint.contradicted_by(0, None) {
                let detail = fault.detail;
                let error = CheckpointError::Contradiction {
                    tenant: tenant.clone(),
                    detail,
                };
                self.note_fault(&tenant, &error);
            }
        }
    }

    /// Works with the files on a thread that may wait for a disk. Answers for each of `tenants`, in order; what is wrong is told.
    async fn with_files<T: Send + 'static>(
        &self,
        tenants: &[TenantId],
        work: impl FnOnce(&CheckpointParts, &[TenantId]) -> Vec<io::Result<T>> + Send + 'static,
    ) -> Vec<Result<T, CheckpointError>> {
        let (parts, of) = (self.parts.clone(), tenants.to_vec());
        let done = tokio::task::spawn_blocking(move || work(&parts, &of)).await;
        // It panicked, or the runtime ends.
        let failed = |error: &tokio::task::JoinError| io::Error::other(error.to_string());
        let done = done.unwrap_or_else(|error| tenants.iter().map(|_| Err(failed(&error))).collect());
        let told = |(tenant, done): (&TenantId, io::Result<T>)| {
            done.map_err(|error| {
                let error = CheckpointError::Files {
                    tenant: tenant.clone(),
                    error,
                };
                self.note_fault(tenant, &error);
                error
            })
        };
        tenants.iter().zip(done).map(told).collect()
    }

    /// Says it once, not every time it is found again.
    fn note_fault(&self, tenant: &TenantId, error: &CheckpointError) {
        let told = self.locked_faults().insert(tenant.clone(), error.to_string());
        if told.as_deref() != Some(&error.to_string()) {
            tracing::error!(%tenant, %error, "[kora.checkpoint] not signed");
        }
    }

    fn locked_faults(&self) -> std::sync::MutexGuard<'_, BTreeMap<TenantId, String>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A chain with what in it contradicts the last checkpoint of it.
async fn contradiction(
    store: Arc<dyn Store>,
    head: Head,
    last: LastSigned,
    is_seen: bool,
) -> Result<(Head, LastSigned, Option<CheckpointError>), StoreError> {
    let Some(checkpoint) = last.checkpoint.as_ref().filter(|_| !is_seen) else {
        return Ok((head, last, None));
    };
    let at_seq = hash_at(&*store, &checkpoint.tenant, checkpoint.seq).await?;
    let fault = checkpoint.contradicted_by(head.seq, at_seq);
    let error = fault.map(|fault| CheckpointError::Contradiction {
        tenant: head.tenant.clone(),
        detail: fault.detail,
    });
    Ok((head, last, error))
}

async fn hash_at(store: &dyn Store, tenant: &TenantId, seq: u64) -> Result<Option<Hash>, StoreError> {
    let filter = EventFilter {
        after_seq: Some(seq.saturating_sub(1)),
        before_seq: Some(seq.saturating_add(1)),
        limit: 1,
        order: Order::OldestFirst,
        ..EventFilter::default()
    };
    let found = store.events(tenant, filter).await?;
    Ok(found.first().map(|event| event.this_hash))
}

#[cfg(test)]
mod tests;
