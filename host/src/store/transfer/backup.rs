//! Making a backup: one moment of a store in one file, read again before it has its name.

use std::{fs, path::PathBuf};

use serde::Serialize;

use super::{
    BackupFile, Header, Progress, Summary, TransferError,
    file::{NewFile, refuse_existing},
    pipe::pour,
};
use crate::{domain::Timestamp, store::StorePlace};

/// How a backup is made.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// Where it is to be.
    pub path: PathBuf,
    /// Whether it may take the place of a file that is there.
    pub overwrite: bool,
    /// Which release makes it.
    pub made_by: String,
    /// The time.
    pub now: Timestamp,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadeBackup {
    /// What it holds.
    #[serde(flatten)]
    pub summary: Summary,
    /// How large the file is.
    pub bytes: u64,
}

/// Makes a backup of the store at `place`, of one moment; hosts may go on meanwhile. Blocks.
///
/// # Errors
/// If the store cannot be read or is not sound, or the file cannot be written. There is no file of that name then, or the one from
/// before.
pub fn backup(
    place: &StorePlace,
    options: &BackupOptions,
    progress: &Progress,
) -> Result<MadeBackup, TransferError> {
    refuse_existing(&options.path, options.overwrite)?;
    let mut source = place.source()?;
    let header = Header {
        made_at: options.now,
        made_by: options.made_by.clone(),
        origin: source.origin().clone(),
    };
    let mut file = NewFile::begin(&options.path, &header)?;
    progress.copying();
    let summary = pour(&mut *source, place, Some(&mut file), progress)?;
    // A database must not keep its moment for longer than it is read.
    drop(source);
    let partial = file.finish(&summary)?;
    let bytes = read_again(partial, &summary, progress)?;
    file.name(options.overwrite)?;
    Ok(MadeBackup { summary, bytes })
}

/// A backup that nobody ever read is a hope. Answers how large it is.
fn read_again(
    partial: &std::path::Path,
    expected: &Summary,
    progress: &Progress,
) -> Result<u64, TransferError> {
    let mut written = BackupFile::open(partial)?;
    let found = written.check(progress)?;
    if found != *expected {
        return Err(TransferError::Differs {
            place: written.to_string(),
            cause: format!(
                "expected rows of the digest {}, found {}",
                expected.sha256, found.sha256
            ),
        });
    }
    let length = fs::metadata(partial).map(|file| file.len());
    length.map_err(|cause| TransferError::file(partial, cause))
}
