//! The store: whether it can be read, and whether its chains end as they should.

use std::ffi::OsString;

use super::{Finding, home};
use crate::{
    cli::{offline, view::text::counted},
    config::Config,
    service::Problem,
    store::{Inspector, StoreError},
};

const CHECK: &str = "store";

/// As many as show a cut or a broken write; `kora events verify` looks at all.
const TAIL_RECORDS: u64 = 100;

pub(super) fn look(
    config: &Config,
    environment: &dyn Fn(&str) -> Option<OsString>,
    findings: &mut Vec<Finding>,
) {
    let path = config.store_path();
    let is_file = config.store.is_file();
    // One in the home was looked at with it.
    let elsewhere = path
        .parent()
        .filter(|parent| is_file && *parent != config.home().data());
    findings.extend(elsewhere.and_then(|parent| home::not_writable(CHECK, parent)));
    if is_file && !path.exists() {
        let message = format!(
            "`{}` is not there yet: the first `kora daemon` makes it",
            path.display()
        );
        return findings.push(Finding::ok(CHECK, message));
    }
    findings.push(match offline::store::open(config, environment) {
        Ok(reader) => ends(&*reader).unwrap_or_else(|error| failed(&offline::store::problem(&error))),
        Err(problem) => failed(&problem),
    });
}

fn ends(reader: &dyn Inspector) -> Result<Finding, StoreError> {
    if let Some(fault) = reader.check_tails(TAIL_RECORDS)? {
        return Ok(Finding::fail(
            CHECK,
            fault,
            "`kora events verify` names the first bad record of each chain",
        ));
    }
    let heads = reader.heads()?;
    let events: u64 = heads.iter().map(|head| head.seq).sum();
    let chains = counted(heads.len() as u64, "chain");
    Ok(Finding::ok(
        CHECK,
        format!("{chains} with {} end as they should", counted(events, "event")),
    ))
}

fn failed(problem: &Problem) -> Finding {
    let hint = problem.hints.first().cloned();
    Finding::fail(
        CHECK,
        problem.message.clone(),
        hint.unwrap_or_else(|| "nothing of it was changed".to_owned()),
    )
}
