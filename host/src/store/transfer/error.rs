//! Why a store was not backed up, restored or moved. Whatever it is, what was there before is there still,
//! unless nobody can tell.

use std::{io, path::Path};

use crate::store::StoreError;

/// Why a store could not be copied whole. Nothing of the target was changed, but for
/// [`InDoubt`](Self::InDoubt).
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A store could not be read or written.
    #[error("{}", named_once(place, cause))]
    Store {
        /// Which one.
        place: String,
        /// Why.
        cause: StoreError,
    },
    /// A file could not be read or written.
    #[error("`{path}`: {cause}")]
    File {
        /// Which.
        path: String,
        /// Why.
        cause: io::Error,
    },
    /// There is a file of that name.
    #[error("`{path}` is there already and is not overwritten")]
    Exists {
        /// Which.
        path: String,
    },
    /// It is no backup of a store.
    #[error("`{path}` is no backup of a store: {cause}")]
    NoBackup {
        /// Which.
        path: String,
        /// What was expected and found.
        cause: String,
    },
    /// It is not as it was written.
    #[error("the backup `{path}` is not whole: {cause}")]
    NotWhole {
        /// Which.
        path: String,
        /// What was expected and found.
        cause: String,
    },
    /// A later release made it.
    #[error(
        "the backup `{path}` is of schema version {found}, this release knows {known}: use the release that made it, or a later one"
    )]
    BackupTooNew {
        /// Which.
        path: String,
        /// In the file.
        found: u32,
        /// Of this release.
        known: u32,
    },
    /// What was read is not as it was written: nobody should build upon it.
    #[error("{place} is broken: {fault}")]
    Broken {
        /// What was read.
        place: String,
        /// What is wrong with it.
        fault: String,
    },
    /// Something is there already.
    #[error("{place} is not empty: it holds {holds}")]
    NotEmpty {
        /// Where.
        place: String,
        /// What.
        holds: String,
    },
    /// A host runs on it.
    #[error("a host runs on {place}: stop it first")]
    InUse {
        /// Where.
        place: String,
    },
    /// What arrived is not what was sent. Nothing of it was kept.
    #[error("{place} does not hold what was put into it ({cause}): nothing of it was kept")]
    Differs {
        /// Where.
        place: String,
        /// What is other.
        cause: String,
    },
    /// All was written, and the last step may have happened or not, or not for good.
    #[error("{place}: the commit was not confirmed ({cause}): it is not known whether it happened")]
    InDoubt {
        /// Where.
        place: String,
        /// Why.
        cause: String,
    },
    /// Nobody reads or takes rows any more; the other end says why.
    #[error("the other end of the copy has stopped")]
    Stopped,
}

impl TransferError {
    /// Of a store.
    pub(in crate::store) fn store(place: &dyn std::fmt::Display, cause: StoreError) -> Self {
        Self::Store {
            place: place.to_string(),
            cause,
        }
    }

    /// Of a file.
    pub(in crate::store) fn file(path: &Path, cause: io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            cause,
        }
    }
}

/// What is wrong with a store says in some cases which one is meant.
fn named_once(place: &str, cause: &StoreError) -> String {
    let said = cause.to_string();
    match said.contains(place) {
        true => said,
        false => format!("{place}: {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_that_is_meant_is_named_and_named_once() {
        let held = StoreError::Held {
            path: "/home/kora.db".to_owned(),
            holder: "process 7".to_owned(),
        };
        let away = StoreError::Unavailable("no answer".to_owned());
        for cause in [held, away] {
            let said = TransferError::store(&"`/home/kora.db`", cause).to_string();
            assert_eq!(said.matches("`/home/kora.db`").count(), 1, "{said}");
        }
    }
}
