//! When a checkpoint is due, and signing it. A chain that contradicts the last checkpoint of it is not signed again: the signature
//! would cover up what somebody did.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{CheckpointFiles, Kept};
use crate::{
    domain::{Clock, Hash, TenantId},
    engine::checkpoint::{Checkpoint, Note, SigningKey},
    store::{EventFilter, Head, Order, Store, StoreError},
};

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
    /// The first reason why one was not signed; those before it were.
    pub async fn sign_now(&self, tenant: Option<&TenantId>) -> Result<Vec<Signed>, CheckpointError> {
        let mut last_signed = self.signed.lock().await;
        let heads = self.parts.store.heads().await?;
        let mut signed = Vec::new();
        for head in heads {
            if tenant.is_none_or(|tenant| *tenant == head.tenant) {
                let last = self.last_of(&mut last_signed, &head).await?;
                signed.push(self.sign(&mut last_signed, &head, &last).await?);
            }
        }
        Ok(signed)
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
        let mut count = 0;
        let heads = self.parts.store.heads().await?;
        if !self.looked_for_lost.swap(true, Ordering::Relaxed) {
            self.look_for_lost(&heads).await;
        }
        for head in heads {
            match self.sign_if_due(&mut last_signed, &head, every).await {
                Ok(was_due) => count += usize::from(was_due),
                Err(CheckpointError::Store(error)) => return Err(error),
                // Told already, and shown by `faults`.
                Err(CheckpointError::Contradiction { .. } | CheckpointError::Files { .. }) => {}
            }
        }
        Ok(count)
    }

    async fn sign_if_due(
        &self,
        last_signed: &mut HashMap<TenantId, LastSigned>,
        head: &Head,
        every: Every,
    ) -> Result<bool, CheckpointError> {
        let last = self.last_of(last_signed, head).await?;
        let is_due = last.is_due(head, every, self.parts.clock.monotonic());
        if is_due {
            self.sign(last_signed, head, &last).await?;
        }
        Ok(is_due)
    }

    /// The last checkpoint of a chain: as it is known, or as it is kept. One that is kept is held against the chain at once, so that
    /// what was done while no host ran is told at the start.
    async fn last_of(
        &self,
        last_signed: &mut HashMap<TenantId, LastSigned>,
        head: &Head,
    ) -> Result<LastSigned, CheckpointError> {
        let tenant = &head.tenant;
        if let Some(last) = last_signed.get(tenant) {
            return Ok(last.clone());
        }
        let kept: Kept = self
            .with_files(tenant, |files, tenant| files.read(tenant))
            .await?;
        let last = LastSigned {
            checkpoint: kept.last(self.parts.key.public()),
            at: self.parts.clock.monotonic(),
        };
        if let Some(checkpoint) = &last.checkpoint {
            self.refuse_contradiction(checkpoint, head).await?;
        }
        last_signed.insert(tenant.clone(), last.clone());
        Ok(last)
    }

    async fn sign(
        &self,
        last_signed: &mut HashMap<TenantId, LastSigned>,
        head: &Head,
        last: &LastSigned,
    ) -> Result<Signed, CheckpointError> {
        if let Some(checkpoint) = &last.checkpoint {
            self.refuse_contradiction(checkpoint, head).await?;
        }
        let checkpoint = Checkpoint {
            tenant: head.tenant.clone(),
            seq: head.seq,
            head: head.hash,
            signed_at: self.parts.clock.now(),
        };
        let note = Note::sign(&checkpoint, &self.parts.key);
        let kept = note.clone();
        self.with_files(&head.tenant, move |files, tenant| files.append(tenant, &kept))
            .await?;
        self.locked_faults().remove(&head.tenant);
        let known = LastSigned {
            checkpoint: Some(checkpoint.clone()),
            at: self.parts.clock.monotonic(),
        };
        last_signed.insert(head.tenant.clone(), known);
        tracing::debug!(tenant = %head.tenant, seq = head.seq, "[kora.checkpoint] signed");
        Ok(Signed { checkpoint, note })
    }

    async fn refuse_contradiction(&self, last: &Checkpoint, head: &Head) -> Result<(), CheckpointError> {
        let at_seq = self.hash_at(&last.tenant, last.seq).await?;
        let Some(fault) = last.contradicted_by(head.seq, at_seq) else {
            return Ok(());
        };
        let error = CheckpointError::Contradiction {
            tenant: last.tenant.clone(),
            detail: fault.detail,
        };
        self.note_fault(&last.tenant, &error);
        Err(error)
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

    async fn hash_at(&self, tenant: &TenantId, seq: u64) -> Result<Option<Hash>, StoreError> {
        let filter = EventFilter {
            after_seq: Some(seq.saturating_sub(1)),
            before_seq: Some(seq.saturating_add(1)),
            limit: 1,
            order: Order::OldestFirst,
            ..EventFilter::default()
        };
        let found = self.parts.store.events(tenant, filter).await?;
        Ok(found.first().map(|event| event.this_hash))
    }

    /// Works with the files on a thread that may wait for a disk.
    async fn with_files<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl FnOnce(&CheckpointFiles, &TenantId) -> io::Result<T> + Send + 'static,
    ) -> Result<T, CheckpointError> {
        let (parts, of) = (self.parts.clone(), tenant.clone());
        let done = tokio::task::spawn_blocking(move || work(&parts.files, &of)).await;
        let done = done.map_err(io::Error::other).and_then(|done| done);
        done.map_err(|error| {
            let error = CheckpointError::Files {
                tenant: tenant.clone(),
                error,
            };
            self.note_fault(tenant, &error);
            error
        })
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

#[cfg(test)]
mod tests;
