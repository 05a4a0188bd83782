//! The history of boots of a home in which no daemon runs: after one that failed, it is what there is to look at.

use std::ffi::OsString;

use super::store;
use crate::{
    config::Config,
    domain::{InvalidName, TenantId},
    gates::{BootRecord, SHOWN},
    service::{
        Problem, ProblemKind,
        api::{Boot, BootHistory},
    },
    store::{Collection, DocumentFilter},
};

/// The newest boots, newest first.
///
/// # Errors
/// If there is no store, it cannot be read, or the tenant or the limit is none.
pub(in crate::cli) fn newest(
    config: &Config,
    environment: &dyn Fn(&str) -> Option<OsString>,
    input: &BootHistory,
) -> Result<Vec<Boot>, Problem> {
    let tenant = match input.tenant.as_deref() {
        Some(text) if text != TenantId::host().as_str() => text.parse().map_err(|error: InvalidName| {
            Problem::new(ProblemKind::BadInput, "tenant.invalid", error.to_string())
        })?,
        _ => TenantId::host(),
    };
    let limit = input.limit.unwrap_or(SHOWN);
    if !(1..=SHOWN).contains(&limit) {
        let message = format!("expected a limit from 1 to {SHOWN}, found {limit}");
        return Err(Problem::new(ProblemKind::BadInput, "boot.limit", message));
    }
    let filter = DocumentFilter {
        limit,
        ..DocumentFilter::of(Collection::Boots).tenant(&tenant)
    };
    let documents = store::open(config, environment)?.documents(&filter);
    let documents = documents.map_err(|error| store::problem(&error))?;
    let boot = |document| {
        BootRecord::of(document)
            .map(|record| Boot::of(&tenant, record))
            .map_err(|error| Problem::new(ProblemKind::Unavailable, "boot.history", error.to_string()))
    };
    documents.iter().map(boot).collect()
}
