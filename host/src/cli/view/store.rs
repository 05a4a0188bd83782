//! What became of a backup, a restore, a move.

use super::text::{bytes, counted};
use crate::{
    cli::command::store::{Backup, MigratedStore, RestoredStore},
    store::transfer::Summary,
};

pub(in crate::cli) fn backup(backup: &Backup) -> String {
    format!(
        "`{}` ({}) holds {}\n",
        backup.file,
        bytes(backup.made.bytes),
        contents(&backup.made.summary)
    )
}

pub(in crate::cli) fn restored(restored: &RestoredStore, next: &[String]) -> String {
    let RestoredStore {
        store,
        made_at,
        made_by,
        ..
    } = restored;
    let holds = contents(&restored.restored.summary);
    let what = if restored.dry_run {
        format!("the backup is whole, and {store} is free for it: {holds}; made at {made_at} by {made_by}\n")
    } else {
        format!("{store} holds {holds}, as of {made_at}\n")
    };
    let aside = restored.restored.set_aside.as_ref();
    let aside = aside.map(|aside| format!("what was there is now {aside}\n"));
    format!("{what}{}{}", aside.unwrap_or_default(), steps(next))
}

pub(in crate::cli) fn migrated(migrated: &MigratedStore, next: &[String]) -> String {
    let MigratedStore { from, to, .. } = migrated;
    let holds = contents(&migrated.migrated.summary);
    let what = if migrated.dry_run {
        format!("{from} is sound, and {to} is free for it: {holds}\n")
    } else {
        format!("{to} holds what {from} holds: {holds}\n")
    };
    format!("{what}{}", steps(next))
}

fn contents(summary: &Summary) -> String {
    let counts = &summary.counts;
    [
        counted(counts.events, "event"),
        format!("in {}", counted(counts.chains, "chain")),
        counted(counts.tenants, "tenant"),
        counted(counts.generations, "identity generation"),
        counted(counts.documents, "document"),
        counted(counts.values, "plugin value"),
    ]
    .join(", ")
    .replacen(", in", " in", 1)
}

fn steps(next: &[String]) -> String {
    let steps: String = next
        .iter()
        .map(|step| format!("- {}\n", step.replace('\n', "\n  ")))
        .collect();
    format!("\nnext:\n{steps}")
}
