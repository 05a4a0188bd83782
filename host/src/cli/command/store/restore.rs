//! `kora store restore`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;

use super::{WithNext, failure, watched::watched};
use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        offline::{self, checkpoints::compare},
        view,
    },
    config::{Config, Home},
    domain::{Clock as _, SystemClock},
    gates::{Epoch, EpochError, KnownEpoch},
    service::{Problem, ProblemKind, store_place},
    store::{
        Document, Scope, StorePlace,
        transfer::{BackupFile, RestoreOptions, Restored, TransferError, restore},
    },
};

/// Put a backup in the store's place
///
/// The backup is checked whole before anything is written, and the new store is read back before it takes its place: whatever goes wrong,
/// what was there is there still. A backup of SQLite can be restored to PostgreSQL, and the other way round. Refused while a host runs on
/// the store, and on SQLite while somebody reads what is to be set aside.
///
/// The restored store is in another epoch, since what was done after the backup is not known to it: at the next boot all tenants pause
/// until somebody has compared, and says so with `kora boot accept-epoch`.
///
/// Exit codes: 0 done, or with `--dry-run` it could be; 1 refused or failed; 2 used wrongly, or the store cannot be reached.
#[derive(Debug, Args)]
pub(in crate::cli) struct RestoreArguments {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take the place of a store that holds something. It is kept aside, under a name that is shown
    #[arg(long)]
    force: bool,
    /// Only check the backup, and say whether the place is free, or with `--force` what would be set aside
    #[arg(long)]
    dry_run: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct RestoredStore {
    pub store: String,
    pub dry_run: bool,
    /// When the backup was made.
    pub made_at: String,
    pub made_by: String,
    /// Of which life of the store.
    pub backup_epoch: Option<String>,
    /// The one that the restored store begins.
    pub epoch: Option<String>,
    /// Chains that are shorter than what was signed of them, or have other records.
    pub contradicted_chains: Vec<String>,
    #[serde(flatten)]
    pub restored: Restored,
}

pub(super) fn run(arguments: &RestoreArguments, context: &mut Context<'_>) -> Outcome {
    let config = context.config()?;
    context.require_home()?;
    let place = store_place(&config, context.environment)?;
    let mut file = BackupFile::open(&context.path(&arguments.file)).map_err(|error| failure(&error))?;
    let header = file.header().clone();
    let options = RestoreOptions {
        replace: arguments.force,
        epoch: Epoch::renewed(header.origin.epoch.as_ref()),
        now: SystemClock::new().now(),
        only_check: arguments.dry_run,
    };
    let backup_epoch = header.origin.epoch.as_ref().map(epoch_of).transpose()?;
    // Where a lock is held, whether anything comes of it or not.
    offline::home::make_data(&context.home)?;
    let first_known = match arguments.dry_run {
        true => None,
        false => FirstKnown::remember(&context.home, backup_epoch.as_ref())?,
    };
    let outcome = watched(context, |progress| restore(&mut file, &place, &options, progress));
    if let Some(first_known) = first_known.filter(|_| changed_nothing(&outcome)) {
        first_known.forget();
    }
    let restored = outcome?.map_err(|error| with_force_hint(failure(&error)))?;
    let epoch = epoch_of(&options.epoch)?;
    let answer = RestoredStore {
        store: place.to_string(),
        dry_run: arguments.dry_run,
        made_at: header.made_at.to_rfc3339(),
        made_by: header.made_by,
        backup_epoch: backup_epoch.map(String::from),
        epoch: (!arguments.dry_run).then(|| epoch.to_string()),
        contradicted_chains: contradicted(context, &place, arguments.dry_run)?,
        restored,
    };
    let next = next(&answer, &config);
    let shown = WithNext { done: &answer, next };
    context
        .ui
        .show(&shown, |shown| view::store::restored(shown.done, &shown.next))?;
    Ok(Exit::OK)
}

fn epoch_of(document: &Document) -> Result<Epoch, Problem> {
    Epoch::of(document).map_err(|error| epoch_problem(&error))
}

/// A home that knows no epoch takes the first that it meets for its own. It must meet the restored one as another, so it is told
/// beforehand of the one of the backup: a restore that is killed may pause tenants once too often, never once too seldom. Kept, unless it
/// is forgotten.
struct FirstKnown(PathBuf);

impl FirstKnown {
    /// Nothing, if the home knows one, or the backup is of a store on which no host ever ran.
    fn remember(home: &Home, backup: Option<&Epoch>) -> Result<Option<Self>, Problem> {
        let path = home.known_epoch();
        let known = KnownEpoch::at(path.clone());
        match (backup, known.read()) {
            (Some(backup), Ok(None)) => {
                let written = known.write(backup).and_then(|()| sync_name(&path));
                written.map_err(|error| epoch_problem(&error))?;
                Ok(Some(Self(path)))
            }
            // One that cannot be read is another one, too, for the next boot.
            _ => Ok(None),
        }
    }

    fn forget(self) {
        // Left behind, it pauses tenants at the next boot, which is said there.
        let _left = fs::remove_file(self.0);
    }
}

/// A power cut after the restore must not take the name of the file: the store may be on another medium, or another machine.
fn sync_name(path: &Path) -> Result<(), EpochError> {
    let parent = path.parent().unwrap_or(path);
    let synced = File::open(parent).and_then(|directory| directory.sync_all());
    synced.map_err(|cause| EpochError::File {
        path: path.display().to_string(),
        cause: cause.to_string(),
    })
}

/// Whether it is known that the store is the one from before. A terminal that took no more says nothing of the store.
fn changed_nothing<T>(outcome: &Result<Result<T, TransferError>, Failure>) -> bool {
    matches!(outcome, Ok(Err(error)) if !matches!(error, TransferError::InDoubt { .. }))
}

fn epoch_problem(error: &EpochError) -> Problem {
    Problem::new(ProblemKind::Unavailable, "boot.epoch_not_kept", error.to_string())
}

fn with_force_hint(failure: Failure) -> Failure {
    match failure {
        Failure::Problem(problem, exit) if problem.code == "store.not_empty" => Failure::Problem(
            problem.hint("restore to another home or database, or set this store aside with `--force`"),
            exit,
        ),
        other => other,
    }
}

/// The chains that are not what was signed of them; the host will sign them no more.
fn contradicted(context: &Context<'_>, place: &StorePlace, dry_run: bool) -> Result<Vec<String>, Failure> {
    if dry_run {
        return Ok(Vec::new());
    }
    let reader = place.inspect().map_err(|error| offline::store::problem(&error))?;
    let compared = compare(&context.home, &*reader, &Scope::All)?;
    let mut chains: Vec<String> = compared.faults.into_iter().map(|fault| fault.tenant).collect();
    chains.sort();
    chains.dedup();
    Ok(chains)
}

fn next(restored: &RestoredStore, config: &Config) -> Vec<String> {
    let Some(epoch) = &restored.epoch else {
        return vec!["restore it without `--dry-run`".to_owned()];
    };
    let mut next = Vec::new();
    if !restored.contradicted_chains.is_empty() {
        next.push(format!(
            "move the checkpoints of {} away from `{}` and keep them: these chains are not what was signed of them, and are not signed \
             again until then",
            restored.contradicted_chains.join(", "),
            config.home().checkpoints().display()
        ));
    }
    next.push("start the host: its tenants pause".to_owned());
    next.push(format!(
        "compare what was done since {} with what the store says, then `kora boot accept-epoch {epoch}`",
        restored.made_at
    ));
    next.push("`kora state resume` for each tenant".to_owned());
    next
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_epoch_of_the_backup_is_forgotten_only_if_the_store_is_certainly_the_one_from_before() {
        let place = || "`kora.db`".to_owned();
        let refused = TransferError::InUse { place: place() };
        let in_doubt = TransferError::InDoubt {
            place: place(),
            cause: "the directory could not be synced".to_owned(),
        };
        let terminal_gone = Failure::from(io::Error::other("gone"));
        let outcomes = [
            (Ok(Ok(())), true),
            (Ok(Err(in_doubt)), true),
            (Err(terminal_gone), true),
            (Ok(Err(refused)), false),
        ];
        for (outcome, is_known) in outcomes {
            let root = tempfile::TempDir::new().unwrap();
            let home = Home::at(root.path());
            fs::create_dir_all(home.known_epoch().parent().unwrap()).unwrap();
            let backup = Epoch::of(&Epoch::renewed(None)).unwrap();
            let first_known = FirstKnown::remember(&home, Some(&backup)).unwrap();
            if let Some(first_known) = first_known.filter(|_| changed_nothing(&outcome)) {
                first_known.forget();
            }
            let known = KnownEpoch::at(home.known_epoch()).read().unwrap();
            assert_eq!(known, is_known.then_some(backup), "{outcome:?}");
        }
    }
}
