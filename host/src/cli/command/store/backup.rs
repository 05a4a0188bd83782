//! `kora store backup`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{MADE_BY, failure, watched::watched};
use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        offline, view,
    },
    domain::{Clock as _, SystemClock, Timestamp},
    service::store_place,
    store::transfer::{BackupOptions, MadeBackup, backup},
};

/// Write everything that the store holds to one file
///
/// All of one moment, whether a daemon runs or not: events, tenants and who acts in them, identities, documents and plugins' values. Every
/// chain is checked on the way, and the file is read again before it has its name; of a store that is broken there is no backup. The file
/// is its reader's to keep safe: it holds what agents did, and is made for its owner alone (0600).
///
/// Not in it: the key that signs checkpoints and the checkpoints (`keys/`, `audit/`), the configuration, plugins, and what waits in
/// `data/spool.jsonl`.
///
/// Exit codes: 0 done; 1 refused or failed; 2 used wrongly, or the store cannot be reached.
#[derive(Debug, Args)]
pub(in crate::cli) struct BackupArguments {
    /// The file to write, or a directory in which it gets a name with the time. Without it, the current directory
    #[arg(long, short, value_name = "FILE|DIR")]
    out: Option<PathBuf>,
    /// Overwrite a file that is there
    #[arg(long)]
    force: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Backup {
    pub file: String,
    pub made_at: String,
    #[serde(flatten)]
    pub made: MadeBackup,
}

pub(super) fn run(arguments: &BackupArguments, context: &mut Context<'_>) -> Outcome {
    let config = context.config()?;
    // Says best what is missing, where something is.
    drop(context.store(&config)?);
    let place = store_place(&config, context.environment)?;
    let now = SystemClock::new().now();
    let out = arguments.out.as_deref().unwrap_or(Path::new(""));
    let options = BackupOptions {
        path: file_at(&context.path(out), now),
        overwrite: arguments.force,
        made_by: MADE_BY.to_owned(),
        now,
    };
    let made = watched(context, |progress| backup(&place, &options, progress))?;
    let made = made.map_err(|error| failure(&error))?;
    let answer = Backup {
        file: options.path.display().to_string(),
        made_at: now.to_rfc3339(),
        made,
    };
    context.ui.show(&answer, view::store::backup)?;
    note_spool(context)?;
    Ok(Exit::OK)
}

fn file_at(out: &Path, now: Timestamp) -> PathBuf {
    if !out.is_dir() {
        return out.to_owned();
    }
    let time = now.to_rfc3339_seconds().replace(':', "-");
    out.join(format!("kora-store-{time}.jsonl.zst"))
}

/// What waits is not in the store yet, so it is not in the backup.
fn note_spool(context: &mut Context<'_>) -> Result<(), Failure> {
    if !offline::home::has_spooled(&context.home) {
        return Ok(());
    }
    let spool = context.home.spool();
    context.ui.note(&format!(
        "events wait in `{}` and are not in the backup: copy that file too, or make another backup once they are appended",
        spool.display()
    ))
}
