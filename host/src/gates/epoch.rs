//! The store's epoch: which life of the store this is. It is written once when a store is first used, and anew when one is restored;
//! a home remembers the one it knows. Where they differ, what the host remembers outside the store (what was sent, paid, promised)
//! may be ahead of what the store knows, so an operator looks first.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::Arc,
};

use arc_swap::ArcSwapOption;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    domain::TenantId,
    store::{Batch, Change, Collection, CommitError, Document, DocumentKey, Store, StoreError},
};

/// The name of the one document of a store that says which epoch it is in.
const DOCUMENT: &str = "store";
const PREFIX: &str = "epoch_";
/// How often a change of the document is tried again because somebody else was quicker. More than once is rare already.
const ATTEMPTS: usize = 4;

/// An epoch: `epoch_` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Epoch(String);

impl Epoch {
    /// One that there never was.
    fn random() -> Self {
        Self(format!("{PREFIX}{}", Uuid::new_v4().simple()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where a store keeps its own.
    pub fn place() -> DocumentKey {
        DocumentKey {
            collection: Collection::Epochs,
            tenant: TenantId::host(),
            id: DOCUMENT.to_owned(),
        }
    }

    /// The document of an epoch that there never was, for a store whose document is `before`, if it has one. Put it in the store in one
    /// step with what makes it another life of the store.
    ///
    /// ```text
    /// restored from a backup   another life: what was done since the backup may not be known to it
    /// moved to another place   the same life: nothing is missing
    /// ```
    pub fn renewed(before: Option<&Document>) -> Document {
        let revision = before.map_or(1, |document| document.revision.saturating_add(1));
        Self::random().document(revision)
    }

    fn document(&self, revision: u64) -> Document {
        let body = Body { epoch: self.clone() };
        Document {
            key: Self::place(),
            revision,
            status: "current".to_owned(),
            rank: 0,
            due_at: None,
            body: serde_json::to_string(&body).expect("a text can always be written"),
        }
    }

    /// The one that a store's document names.
    ///
    /// # Errors
    /// If the document is none that this release wrote.
    pub fn of(document: &Document) -> Result<Self, EpochError> {
        let body: Body = serde_json::from_str(&document.body)
            .map_err(|error| EpochError::Unreadable(format!("its document cannot be read: {error}")))?;
        Ok(body.epoch)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Epoch {
    type Error = EpochError;

    fn try_from(text: String) -> Result<Self, EpochError> {
        let digits = text.strip_prefix(PREFIX).unwrap_or_default();
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() == 32 && digits.as_bytes().iter().all(is_digit) {
            return Ok(Self(text));
        }
        Err(EpochError::Unreadable(format!(
            "expected `{PREFIX}` and 32 hexadecimal digits, found {} characters",
            text.chars().count()
        )))
    }
}

impl From<Epoch> for String {
    fn from(epoch: Epoch) -> Self {
        epoch.0
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    epoch: Epoch,
}

/// Why an epoch could not be read or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// The store could not answer.
    #[error("the epoch of the store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// It was not kept.
    #[error("the epoch of the store cannot be kept: {0}")]
    Commit(CommitError),
    /// What is there is none.
    #[error("the epoch is not one: {0}")]
    Unreadable(String),
    /// The home's file could not be read or written.
    #[error("the file of the known epoch, `{path}`: {cause}")]
    File {
        /// Which.
        path: String,
        /// Why.
        cause: String,
    },
}

/// The epoch that a store carries.
#[derive(Clone)]
pub struct StoreEpoch(Arc<dyn Store>);

impl StoreEpoch {
    /// Of this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// The epoch; a store that has none yet is given one. Cancel safe.
    ///
    /// # Errors
    /// If the store cannot answer, or what is there is no epoch.
    pub async fn read_or_make(&self) -> Result<Epoch, EpochError> {
        for _ in 0..ATTEMPTS {
            if let Some(document) = self.0.document(&Epoch::place()).await? {
                return Epoch::of(&document);
            }
            match self.put(1, Epoch::random()).await {
                // Another host on this store was quicker.
                Err(EpochError::Commit(CommitError::RevisionConflict { .. })) => {}
                made => return made,
            }
        }
        Err(kept_changing())
    }

    async fn put(&self, revision: u64, epoch: Epoch) -> Result<Epoch, EpochError> {
        let batch = Batch {
            changes: vec![Change::PutDocument(epoch.document(revision))],
            ..Batch::default()
        };
        self.0.commit(batch).await.map_err(EpochError::Commit)?;
        Ok(epoch)
    }
}

fn kept_changing() -> EpochError {
    EpochError::Unreadable("it changed each time it was looked at".to_owned())
}

/// The file in which a home remembers the epoch that it knows.
#[derive(Debug, Clone)]
pub struct KnownEpoch(PathBuf);

impl KnownEpoch {
    /// The file at `path`.
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The known epoch, if one is known. Blocks.
    ///
    /// # Errors
    /// If the file cannot be read, or is not what was written.
    pub fn read(&self) -> Result<Option<Epoch>, EpochError> {
        match fs::read_to_string(&self.0) {
            Ok(text) => Epoch::try_from(text.trim_end().to_owned())
                .map(Some)
                .map_err(|error| self.failed(&error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Remembers an epoch, whole or not at all. Blocks.
    ///
    /// # Errors
    /// If the file cannot be written; the one from before is then still there.
    pub fn write(&self, epoch: &Epoch) -> Result<(), EpochError> {
        let mut name = self.0.as_os_str().to_owned();
        name.push(".new");
        let new = PathBuf::from(name);
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            writeln!(file, "{epoch}")?;
            file.sync_all()?;
            fs::rename(&new, &self.0)
        };
        write().map_err(|error: std::io::Error| self.failed(&error))
    }

    fn failed(&self, cause: &dyn fmt::Display) -> EpochError {
        EpochError::File {
            path: self.0.display().to_string(),
            cause: cause.to_string(),
        }
    }
}

/// A store that is not the one that was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The epoch that the store carries.
    pub observed: Epoch,
    /// The one that the home knows; absent if its file cannot be read.
    pub known: Option<Epoch>,
}

impl Mismatch {
    /// What an operator reads: what was expected, what was found, what to do.
    pub fn detail(&self) -> String {
        let observed = &self.observed;
        let known = self.known.as_ref().map_or("none that can be read", Epoch::as_str);
        format!(
            "the store is in epoch `{observed}`, this home knows `{known}`: it was restored or is another one. Compare what was done since \
             with what it says, then `kora boot accept-epoch {observed}` and resume the tenants"
        )
    }
}

/// What the two epochs say together.
pub fn judge(observed: &Epoch, known: Result<Option<Epoch>, EpochError>) -> Result<Option<Epoch>, Mismatch> {
    match known {
        Ok(Some(known)) if known == *observed => Ok(Some(known)),
        Ok(None) => Ok(None),
        Ok(known @ Some(_)) => Err(Mismatch {
            observed: observed.clone(),
            known,
        }),
        Err(error) => {
            tracing::warn!(%error, "the known epoch cannot be read");
            Err(Mismatch {
                observed: observed.clone(),
                known: None,
            })
        }
    }
}

/// Whether an epoch that was not accepted yet holds the tenants of this host. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct EpochHold(Arc<ArcSwapOption<Mismatch>>);

impl EpochHold {
    /// What holds them, if anything does.
    pub fn mismatch(&self) -> Option<Arc<Mismatch>> {
        self.0.load_full()
    }

    /// From here on this holds them.
    pub fn set(&self, mismatch: Mismatch) {
        self.0.store(Some(Arc::new(mismatch)));
    }

    /// Nothing holds them any more.
    pub fn clear(&self) {
        self.0.store(None);
    }
}
