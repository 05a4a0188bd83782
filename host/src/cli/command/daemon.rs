//! `kora daemon`.

use clap::Args;

use crate::cli::{
    context::Context,
    failure::{Exit, Failure, Outcome},
    port::{DaemonEnd, DaemonOptions},
};

/// Run the host in the foreground
///
/// Until SIGTERM or SIGINT, or until the boot fails. Standard output stays empty; the log goes to standard error. SIGHUP applies what has changed in `kora.toml`.
///
/// Exit codes: 0 stopped in order; 1 the boot failed; 2 it could not begin (there is no home, the configuration is not valid,
/// another host has the home or the store); 130 interrupted from the keyboard.
#[derive(Debug, Args)]
pub(in crate::cli) struct DaemonArguments {
    /// Run only this daemon entry, as `NAME` or `PLUGIN/NAME`; may be given several times
    #[arg(long, value_name = "DAEMON")]
    only: Vec<String>,
}

pub(in crate::cli) fn run(arguments: DaemonArguments, context: &mut Context<'_>) -> Outcome {
    context.require_home()?;
    let options = DaemonOptions {
        home: context.home.clone(),
        only: arguments.only,
        log_level: context.globals.log_level,
        log_format: context.globals.log_format,
        colour: context.ui.colour,
    };
    match context.app.run_daemon(options) {
        DaemonEnd::Stopped => Ok(Exit::OK),
        DaemonEnd::Interrupted => Ok(Exit::INTERRUPTED),
        DaemonEnd::StartupFailed(problem) => Err(Failure::Problem(problem, Exit::FAILED)),
        DaemonEnd::CannotStart(problem) => Err(Failure::unreachable(problem)),
    }
}
