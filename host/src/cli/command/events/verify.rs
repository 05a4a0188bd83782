//! `kora events verify`.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        offline::{
            checkpoints::{Compared, compare},
            store,
        },
        view::{self, text::span},
    },
    service::{Problem, ProblemKind},
    store::{
        Inspector,
        verify::{ChainStatus, VerifyError, VerifyOptions, VerifyReport},
    },
};

/// Shorter checks end before anybody could read how long they take.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Check that the events are as they were written, and name the first record that is not
///
/// Recomputes every hash from the stored bytes, and holds every checkpoint that was kept against the chains, so that an end which
/// was cut off and a chain which was written anew are seen too, unless the checkpoints were changed with the key of this home.
/// Reads the store itself, whether a daemon runs or not.
///
/// With `--export` it checks a file of `kora events export` instead, and needs no home: against a checkpoint and a public key, if
/// they are given, else by itself.
///
/// Exit codes: 0 sound (or empty: there is no record); 1 broken; 2 could not check.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArguments {
    /// Only this chain (`host` for the host's own)
    #[arg(long)]
    tenant: Option<String>,
    /// Only from this sequence number
    #[arg(long, value_name = "SEQ", requires = "tenant")]
    from: Option<u64>,
    /// Only up to this sequence number
    #[arg(long, value_name = "SEQ", requires = "tenant")]
    to: Option<u64>,
    /// Check this export instead of the store
    #[arg(long, value_name = "FILE", conflicts_with = "tenant")]
    export: Option<PathBuf>,
    /// Hold the export against these signed checkpoints
    #[arg(long, value_name = "FILE", requires_all = ["export", "key"])]
    checkpoint: Option<PathBuf>,
    /// The public key that signed them, as `kora events key` showed it: `name+id+base64`
    #[arg(long, value_name = "VKEY", requires = "checkpoint")]
    key: Option<String>,
}

/// What `--json` prints: the report, led by its verdict.
#[derive(Serialize)]
struct Verdict<'a> {
    status: ChainStatus,
    #[serde(flatten)]
    report: &'a VerifyReport,
    checkpoints: &'a Compared,
}

pub(super) fn run(arguments: &VerifyArguments, context: &mut Context<'_>) -> Outcome {
    if let Some(export) = &arguments.export {
        let signed = arguments.checkpoint.as_deref().zip(arguments.key.as_deref());
        return super::verify_export::run(export, signed, context);
    }
    let scope = store::scope(arguments.tenant.as_deref(), arguments.from, arguments.to)
        .map_err(Failure::unreachable)?;
    let config = context.config().map_err(could_not_check)?;
    let reader = context.store(&config)?;
    let report =
        watched(context, &*reader, &scope)?.map_err(|error| Failure::unreachable(problem(&error)))?;
    let checkpoints = compare(&context.home, &*reader, &scope).map_err(Failure::unreachable)?;
    let status = match report.status() {
        _ if !checkpoints.faults.is_empty() => ChainStatus::Broken,
        status => status,
    };
    let verdict = Verdict {
        status,
        report: &report,
        checkpoints: &checkpoints,
    };
    context.ui.show(&verdict, |verdict| {
        view::verify::report(verdict.report, verdict.checkpoints, verdict.status)
    })?;
    Ok(match status {
        ChainStatus::Sound | ChainStatus::Empty => Exit::OK,
        ChainStatus::Broken => Exit::FAILED,
    })
}

/// Checks on a thread of its own, and says meanwhile how long it takes.
fn watched(
    context: &mut Context<'_>,
    reader: &dyn Inspector,
    scope: &crate::store::Scope,
) -> Result<Result<VerifyReport, VerifyError>, Failure> {
    let begin = Instant::now();
    let waiting = thread::current();
    thread::scope(|threads| {
        let checking = threads.spawn(move || {
            let checked = reader.verify(scope, &VerifyOptions::default());
            waiting.unpark();
            checked
        });
        while context.ui.progress && !checking.is_finished() {
            thread::park_timeout(PROGRESS_EVERY);
            if begin.elapsed() >= PROGRESS_AFTER {
                let text = format!("checking, for {}", span(begin.elapsed().as_secs()));
                context.ui.progress(&text)?;
            }
        }
        let checked = checking
            .join()
            .unwrap_or_else(|fault| std::panic::resume_unwind(fault));
        if begin.elapsed() >= PROGRESS_AFTER {
            context.ui.end_progress()?;
        }
        Ok(checked)
    })
}

/// Whatever the reason, nothing is known of the chains.
fn could_not_check(failure: Failure) -> Failure {
    match failure {
        Failure::Problem(problem, _) => Failure::unreachable(problem),
        output @ Failure::Output(_) => output,
    }
}

fn problem(error: &VerifyError) -> Problem {
    let (kind, code) = match error {
        VerifyError::TenantUnknown { .. } => (ProblemKind::NotFound, "events.no_chain"),
        VerifyError::RangeInvalid { .. } => (ProblemKind::BadInput, "events.range"),
        VerifyError::Store(error) => return store::problem(error),
    };
    Problem::new(kind, code, error.to_string())
}
