//! `kora boot --check-only`.

use clap::Args;

use crate::cli::{
    context::Context,
    failure::{Exit, Failure, Outcome},
    port::{BootOptions, BootOutcome},
    view,
};

/// Check whether the host would boot
///
/// Runs each boot gate once, shows how it went, and changes nothing.
///
/// Exit codes: 0 all passed; 1 a gate failed that will fail again; 2 a gate failed that may pass later, or the gates could not
/// be run; 3 the epoch gate holds the boot; 130 interrupted.
#[derive(Debug, Args)]
pub(in crate::cli) struct BootArguments {
    /// Only check: required, since the host itself is started with `kora daemon`
    #[arg(long, required = true)]
    check_only: bool,
}

pub(in crate::cli) fn run(_: &BootArguments, context: &mut Context<'_>) -> Outcome {
    context.require_home()?;
    let options = BootOptions {
        home: context.home.clone(),
        log_level: context.globals.log_level,
        log_format: context.globals.log_format,
        colour: context.ui.colour,
    };
    let report = context.app.check_boot(options).map_err(Failure::unreachable)?;
    context.ui.show(&report, view::daemon::boot)?;
    Ok(match report.outcome {
        BootOutcome::Passed => Exit::OK,
        BootOutcome::InvariantFailed => Exit::FAILED,
        BootOutcome::TransientFailed => Exit::UNREACHABLE,
        BootOutcome::EpochPause => Exit::EPOCH_PAUSE,
        BootOutcome::Interrupted => Exit::INTERRUPTED,
    })
}
