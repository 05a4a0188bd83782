//! The store of a home, read from beside, whether a host runs or not.

use std::ffi::OsString;

use crate::{
    config::Config,
    domain::{InvalidName, TenantId},
    service::{Problem, ProblemKind, store_place},
    store::{Inspector, Scope, StoreError, StorePlace},
};

/// Opens it for reading.
///
/// # Errors
/// If there is none, or it cannot be read.
pub(in crate::cli) fn open(
    config: &Config,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Box<dyn Inspector>, Problem> {
    let place = store_place(config, environment)?;
    match place.is_made() {
        Ok(true) => place.inspect().map_err(|error| not_opened(&place, &error)),
        Ok(false) => {
            let message = format!("there is no store yet: expected one in {place}");
            Err(Problem::new(ProblemKind::NotFound, "store.missing", message)
                .hint("the first `kora daemon` makes it; or name another home with `--home DIR`"))
        }
        Err(error) => Err(not_opened(&place, &error)),
    }
}

fn not_opened(place: &StorePlace, error: &StoreError) -> Problem {
    let (mut problem, shown) = (problem(error), place.to_string());
    if !problem.message.contains(&shown) {
        problem.message = format!("{shown}: {}", problem.message);
    }
    match error {
        StoreError::Unavailable(_) => problem.hints = vec![place.when_unreachable()],
        // Nothing in it can be told apart.
        StoreError::Damaged(_) => {
            let hint =
                "keep it as it is, and go on from a backup: `kora store restore FILE --force` sets it aside";
            problem.hints = vec![hint.to_owned()];
        }
        _ => {}
    }
    problem
}

/// The error for people.
pub(in crate::cli) fn problem(error: &StoreError) -> Problem {
    let (code, hint) = match error {
        StoreError::Closed => ("store.closed", None),
        StoreError::Unavailable(_) => (
            "store.unavailable",
            Some("see its owner and mode with `kora doctor`"),
        ),
        StoreError::NotWritable { .. } => (
            "store.not_writable",
            Some("see its owner and mode with `kora doctor`"),
        ),
        StoreError::Held { .. } => ("store.held", None),
        StoreError::SchemaTooNew { .. } => ("store.schema_too_new", None),
        StoreError::Damaged(_) => (
            "store.damaged",
            Some(
                "keep the file as it is, and go on from a backup; `kora events verify` says which records hold",
            ),
        ),
    };
    let problem = Problem::new(ProblemKind::Unavailable, code, error.to_string());
    hint.into_iter().fold(problem, Problem::hint)
}

/// Which records are meant; without a tenant all of them.
///
/// # Errors
/// If the tenant is none.
pub(in crate::cli) fn scope(
    tenant: Option<&str>,
    from: Option<u64>,
    to: Option<u64>,
) -> Result<Scope, Problem> {
    let Some(tenant) = tenant else {
        return Ok(Scope::All);
    };
    let tenant = if tenant == TenantId::host().as_str() {
        TenantId::host()
    } else {
        tenant.parse().map_err(|error: InvalidName| {
            Problem::new(ProblemKind::BadInput, "tenant.invalid", error.to_string())
        })?
    };
    Ok(match (from, to) {
        (None, None) => Scope::Chain(tenant),
        (from, to) => Scope::Range {
            tenant,
            from: from.unwrap_or(1),
            to: to.unwrap_or(u64::MAX),
        },
    })
}
