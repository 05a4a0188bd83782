//! The callers in force: `callers.toml` read again whenever it was replaced, and the tokens that name nobody.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use subtle::{Choice, ConstantTimeEq as _};
use tokio::sync::watch;

use super::{Caller, CallersDocument, CallersFileError, EntryFault, Principal};
use crate::domain::Digest;

/// How soon it is noticed that the file was replaced although nobody asks for anything: one look at the file's inode.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Tokens that name nobody, read anew each time, so that a rotated one needs no restart.
pub trait AnonymousTokens: Send + Sync + 'static {
    /// Those there are now; none if they cannot be read.
    fn tokens(&self) -> Vec<SecretString>;
}

/// What a token came to.
#[derive(Debug, Clone)]
pub enum Authenticated {
    /// It is this one's.
    As(Principal),
    /// It is nobody's.
    Nobody,
}

/// Why callers are not known, or not all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallersFault {
    /// Why the file as a whole is not believed.
    pub file: Option<String>,
    /// Entries that were left out.
    pub entries: Vec<EntryFault>,
}

impl CallersFault {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.file.is_none() && self.entries.is_empty()
    }
}

/// What tells one content of a file from another: a replaced file has another inode, a rewritten one another time or size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Mark {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

#[derive(Debug, Default)]
struct Known {
    mark: Option<Mark>,
    was_read: bool,
    callers: Arc<[Arc<Caller>]>,
    fault: CallersFault,
}

/// Who may call.
pub struct Callers {
    path: PathBuf,
    anonymous: Arc<dyn AnonymousTokens>,
    known: Mutex<Known>,
    changed: watch::Sender<()>,
}

impl Callers {
    /// Those of this file, and the tokens that name nobody.
    pub fn new(path: PathBuf, anonymous: Arc<dyn AnonymousTokens>) -> Self {
        Self {
            path,
            anonymous,
            known: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Whose token this is. Every known token is compared, none early.
    pub fn authenticate(&self, token: &str) -> Authenticated {
        let presented = Digest::of(token.as_bytes());
        let mut found = None;
        for caller in self.current().iter() {
            if bool::from(presented.as_bytes().ct_eq(caller.token_hash.as_bytes())) {
                found = Some(caller.clone());
            }
        }
        if let Some(caller) = found {
            return Authenticated::As(Principal::Caller(caller));
        }
        let mut is_anonymous = Choice::from(0);
        for known in self.anonymous.tokens() {
            let known = Digest::of(known.expose_secret().as_bytes());
            is_anonymous |= presented.as_bytes().ct_eq(known.as_bytes());
        }
        if bool::from(is_anonymous) {
            Authenticated::As(Principal::Anonymous)
        } else {
            Authenticated::Nobody
        }
    }

    /// The caller of this name.
    pub fn named(&self, name: &str) -> Option<Arc<Caller>> {
        self.current()
            .iter()
            .find(|caller| caller.name().as_str() == name)
            .cloned()
    }

    /// All callers that are in force now.
    pub fn current(&self) -> Arc<[Arc<Caller>]> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut known);
        known.callers.clone()
    }

    /// Whether anybody at all could be admitted.
    pub fn are_none(&self) -> bool {
        self.current().is_empty() && self.anonymous.tokens().is_empty()
    }

    /// Tells whenever the callers are others than before, and somebody has looked: whoever asked for anything, or [`watch`](Self::watch).
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Looks at the file now and then, so that what goes on without being asked hears of a change as well. Ends by being dropped.
    pub async fn watch(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            drop(self.current());
        }
    }

    /// What is wrong with the file.
    pub fn fault(&self) -> CallersFault {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut known);
        known.fault.clone()
    }

    /// The file is small and local; it is read where somebody asks, so that a revoked token is refused from that moment on.
    fn refresh(&self, known: &mut Known) {
        let mark = Mark::of(&self.path);
        if known.was_read && known.mark == mark {
            return;
        }
        let (callers, fault) = match CallersDocument::read(&self.path) {
            Ok(document) => {
                let (callers, entries) = document.callers();
                (callers, CallersFault { file: None, entries })
            }
            Err(error) => (
                Vec::new(),
                CallersFault {
                    file: Some(error.to_string()),
                    entries: Vec::new(),
                },
            ),
        };
        if fault != known.fault {
            tell(&fault);
        }
        let callers: Arc<[Arc<Caller>]> = callers.into_iter().map(Arc::new).collect();
        let is_other = callers != known.callers;
        *known = Known {
            mark,
            was_read: true,
            callers,
            fault,
        };
        if is_other {
            self.changed.send_replace(());
        }
    }
}

fn tell(fault: &CallersFault) {
    if let Some(why) = &fault.file {
        tracing::warn!(%why, "[kora.access.callers] the callers are not known: nobody is admitted with a token of his own");
    }
    for EntryFault { name, why } in &fault.entries {
        tracing::warn!(caller = name, why, "[kora.access.callers] a caller is left out");
    }
}

impl From<CallersFileError> for String {
    fn from(error: CallersFileError) -> Self {
        error.to_string()
    }
}

#[cfg(test)]
mod tests;
