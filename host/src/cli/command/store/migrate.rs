//! `kora store migrate`.

use clap::Args;
use serde::Serialize;

use super::{WithNext, failure, watched::watched};
use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        view,
    },
    domain::{Clock as _, SystemClock},
    service::{Problem, ProblemKind, other_store_place, store_place},
    store::transfer::{Migrated, migrate},
};

/// Move the store to another place, for example from SQLite to PostgreSQL
///
/// Copies everything that the store of this home holds to a store that holds nothing yet, checks every chain at both ends, and shows which
/// lines of `kora.toml` to change. The store of this home stays as it is. Refused while a host runs on either.
///
/// It is the same history in another place: the epoch moves along, and the next boot pauses nobody. So do not let a host run on the old
/// store again: its chains would go on beside those of the new one.
///
/// Exit codes: 0 done, or with `--dry-run` it could be; 1 refused or failed; 2 used wrongly, or a store cannot be reached.
#[derive(Debug, Args)]
pub(in crate::cli) struct MigrateArguments {
    /// Where to: `postgres://USER@HOST/DATABASE` or `sqlite:PATH`, as in `[store] url`
    #[arg(long, value_name = "URL")]
    to: String,
    /// Where the password for it is: `env:NAME`, `file:/path` or `credential:NAME`, as in `[store] password`
    #[arg(long, value_name = "PLACE")]
    to_password: Option<String>,
    /// Only check the store, and whether the other place is free
    #[arg(long)]
    dry_run: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct MigratedStore {
    pub from: String,
    pub to: String,
    pub dry_run: bool,
    /// What `[store]` of the configuration must say from now on.
    pub config: String,
    #[serde(flatten)]
    pub migrated: Migrated,
}

pub(super) fn run(arguments: &MigrateArguments, context: &mut Context<'_>) -> Outcome {
    let config = context.config()?;
    // Says best what is missing, where something is.
    drop(context.store(&config)?);
    let from = store_place(&config, context.environment)?;
    let password = arguments.to_password.as_deref();
    let to = other_store_place(&config, &arguments.to, password, context.environment)
        .map_err(Failure::unreachable)?;
    if from.to_string() == to.to_string() {
        let message = format!("the store is at {from} already");
        let problem = Problem::new(ProblemKind::BadInput, "store.same", message);
        return Err(Failure::unreachable(
            problem.hint("name another place with `--to URL`"),
        ));
    }
    let (dry_run, now) = (arguments.dry_run, SystemClock::new().now());
    let migrated = watched(context, |progress| migrate(&from, &to, dry_run, now, progress))?;
    let answer = MigratedStore {
        from: from.to_string(),
        to: to.to_string(),
        dry_run,
        config: lines(&arguments.to, password),
        migrated: migrated.map_err(|error| failure(&error))?,
    };
    let shown = WithNext {
        next: next(&answer, context),
        done: &answer,
    };
    context
        .ui
        .show(&shown, |shown| view::store::migrated(shown.done, &shown.next))?;
    Ok(Exit::OK)
}

/// As the configuration is written; what is given is no secret but its place.
fn lines(url: &str, password: Option<&str>) -> String {
    let value = |text: &str| toml::Value::from(text).to_string();
    let password = password.map(|place| format!("\npassword = {}", value(place)));
    format!("url = {}{}", value(url), password.unwrap_or_default())
}

fn next(migrated: &MigratedStore, context: &Context<'_>) -> Vec<String> {
    if migrated.dry_run {
        return vec!["move it without `--dry-run`".to_owned()];
    }
    vec![
        format!(
            "in `{}`, under `[store]`:\n{}",
            context.home.config_file().display(),
            migrated.config
        ),
        format!(
            "start the host; let none run on {} again, and keep it until you trust the new one",
            migrated.from
        ),
    ]
}
