//! Putting a backup in a store's place, and moving a store to another place.

use std::fmt;

use serde::Serialize;

use super::{
    BackupFile, Progress, Source, Summary, Target, TransferError,
    pipe::{compare, pour},
};
use crate::{
    domain::Timestamp,
    store::{Document, StorePlace},
};

/// How a backup is restored.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Whether a store that holds something is set aside. Else it is refused.
    pub replace: bool,
    /// The document of the store's new epoch.
    pub epoch: Document,
    /// The time, for the name of what is set aside.
    pub now: Timestamp,
    /// Only look whether it could be done.
    pub only_check: bool,
}

/// A backup that was restored, or could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// What it holds.
    #[serde(flatten)]
    pub summary: Summary,
    /// Where the store from before is now, if there was one.
    pub set_aside: Option<String>,
    /// What the store holds that would be set aside, where it was only looked whether it could be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_set_aside: Option<String>,
}

/// A store that was moved, or could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// What it holds.
    #[serde(flatten)]
    pub summary: Summary,
}

/// Makes the store at `place` one that holds what `backup` holds, in another epoch. The backup is checked whole before anything is
/// written, the store before it takes the place of what is there. Blocks.
///
/// # Errors
/// If the backup is not whole or not sound, a host runs there, something is there and is not to be replaced or is read by somebody, or it
/// cannot be written. What was there is there still, but for [`TransferError::InDoubt`].
pub fn restore(
    backup: &mut BackupFile,
    place: &StorePlace,
    options: &RestoreOptions,
    progress: &Progress,
) -> Result<Restored, TransferError> {
    let (mut target, would_set_aside) = claim(place, options)?;
    let summary = backup.check(progress)?;
    if options.only_check {
        return Ok(Restored {
            summary,
            set_aside: None,
            would_set_aside,
        });
    }
    let shown = backup.to_string();
    let copied = fill(backup, &shown, &mut *target, progress)?;
    // It was whole when it was checked, and may have been written to since.
    backup.holds(&copied)?;
    let set_aside = settle(target, place, &copied, Some(&options.epoch), progress)?;
    Ok(Restored {
        summary: copied,
        set_aside,
        would_set_aside: None,
    })
}

/// The place, held, and what is there that would be set aside, if that is to be found out.
fn claim(
    place: &StorePlace,
    options: &RestoreOptions,
) -> Result<(Box<dyn Target>, Option<String>), TransferError> {
    if !(options.only_check && options.replace) {
        return Ok((place.target(options.replace, options.now)?, None));
    }
    let there = match place.target(false, options.now) {
        Ok(free) => return Ok((free, None)),
        Err(TransferError::NotEmpty { holds, .. }) => holds,
        // What cannot be read is replaced as well.
        Err(other) => other.to_string(),
    };
    Ok((place.target(true, options.now)?, Some(there)))
}

/// Makes the store at `to`, which must hold nothing yet, one that holds what the store at `from` holds, epoch included: it is the same
/// life of the store, in another place. The one at `from` stays as it was. Blocks.
///
/// # Errors
/// If the store at `from` cannot be read or is not sound, a host runs on either, or the other is not empty or cannot be written. Then
/// nothing is kept there, but for [`TransferError::InDoubt`].
pub fn migrate(
    from: &StorePlace,
    to: &StorePlace,
    only_check: bool,
    now: Timestamp,
    progress: &Progress,
) -> Result<Migrated, TransferError> {
    // Appended while it is read, an event would be in the old store alone.
    let _held = from.hold(now)?;
    let mut target = to.target(false, now)?;
    let mut source = from.source()?;
    if only_check {
        progress.checking();
        let summary = pour(&mut *source, from, None, progress)?;
        return Ok(Migrated { summary });
    }
    let epoch = source.origin().epoch.clone();
    let summary = fill(&mut *source, from, &mut *target, progress)?;
    settle(target, to, &summary, epoch.as_ref(), progress)?;
    Ok(Migrated { summary })
}

/// Copies all rows of `source` into what is to be a store.
fn fill(
    source: &mut dyn Source,
    shown: &dyn fmt::Display,
    target: &mut dyn Target,
    progress: &Progress,
) -> Result<Summary, TransferError> {
    target.begin()?;
    progress.copying();
    pour(source, shown, Some(target), progress)
}

/// Makes it the store at `place`, if it holds what was put. Answers where the one from before is.
fn settle(
    mut target: Box<dyn Target>,
    place: &StorePlace,
    summary: &Summary,
    epoch: Option<&Document>,
    progress: &Progress,
) -> Result<Option<String>, TransferError> {
    target.end(epoch)?;
    compare(&mut *target, place, summary, progress)?;
    target.keep()
}
