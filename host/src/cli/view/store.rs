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
    let what = match (restored.dry_run, &restored.restored.would_set_aside) {
        (true, None) => {
            format!(
                "the backup is whole, and {store} is free for it: {holds}; made at {made_at} by {made_by}\n"
            )
        }
        (true, Some(there)) => format!(
            "the backup is whole: {holds}; made at {made_at} by {made_by}\n{store} would be set aside for it, which holds {there}\n"
        ),
        (false, _) => format!("{store} holds {holds}, as of {made_at}\n"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::Digest,
        store::transfer::{Counts, Migrated, Restored},
    };

    fn summary() -> Summary {
        Summary {
            counts: Counts {
                tenants: 2,
                events: 41,
                chains: 3,
                generations: 1,
                ..Counts::default()
            },
            sha256: Digest::of(b""),
        }
    }

    #[test]
    fn a_restore_says_what_is_there_now_where_the_old_one_is_and_what_to_do() {
        let done = RestoredStore {
            store: "`data/kora.db`".to_owned(),
            dry_run: false,
            made_at: "2026-11-20T10:00:00.000000Z".to_owned(),
            made_by: "kora-host@0.1.0".to_owned(),
            backup_epoch: None,
            epoch: Some("epoch_1".to_owned()),
            contradicted_chains: vec![],
            restored: Restored {
                summary: summary(),
                set_aside: Some("`data/kora.db.before-1`".to_owned()),
                would_set_aside: None,
            },
        };
        insta::assert_snapshot!(restored(&done, &["start the host".to_owned()]), @r"
        `data/kora.db` holds 41 events in 3 chains, 2 tenants, 1 identity generation, 0 documents, 0 plugin values, as of 2026-11-20T10:00:00.000000Z
        what was there is now `data/kora.db.before-1`

        next:
        - start the host
        ");
    }

    #[test]
    fn a_move_shows_the_lines_to_change_below_each_other() {
        let done = MigratedStore {
            from: "`kora.db`".to_owned(),
            to: "the PostgreSQL database `kora`".to_owned(),
            dry_run: false,
            config: String::new(),
            migrated: Migrated { summary: summary() },
        };
        let next = ["under `[store]`:\nurl = \"x\"\npassword = \"env:P\"".to_owned()];
        insta::assert_snapshot!(migrated(&done, &next), @r#"
        the PostgreSQL database `kora` holds what `kora.db` holds: 41 events in 3 chains, 2 tenants, 1 identity generation, 0 documents, 0 plugin values

        next:
        - under `[store]`:
          url = "x"
          password = "env:P"
        "#);
    }
}
