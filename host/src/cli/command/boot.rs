//! `kora boot`: checking one, looking at those that were, accepting a store that is another one.

use clap::{Args, Subcommand};

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        offline,
        port::{BootOptions, BootOutcome},
        view,
    },
    service::api::{AcceptEpoch, BootHistory, Call},
};

/// Check whether the host would boot, and look at the boots that were
///
/// `--check-only` runs each boot gate once, shows how it went, and changes nothing.
///
/// Exit codes of `--check-only`: 0 all passed; 1 a gate failed that will fail again; 2 a gate failed that may pass later, or the
/// gates could not be run; 3 the epoch gate holds the boot; 130 interrupted.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(in crate::cli) struct BootArguments {
    /// Only check: the host itself is started with `kora daemon`
    #[arg(long, required = true)]
    check_only: bool,
    #[command(subcommand)]
    command: Option<BootCommand>,
}

#[derive(Debug, Subcommand)]
enum BootCommand {
    /// Show how the newest boots went, the newest first
    ///
    /// Where no daemon runs, the store is read instead. Exit codes: 0 shown; 1 the store cannot be read; 2 there is no home.
    History(HistoryArguments),
    /// Accept a store that is in another epoch than the one that this home knows
    ///
    /// A store that was restored, or put in the place of another, may not know what was done since. Tenants are paused until somebody has
    /// compared and says so. They are then resumed one by one with `kora state resume`.
    AcceptEpoch {
        /// The epoch that the store is in, as `kora status` shows it
        #[arg(value_name = "EPOCH")]
        epoch: String,
    },
}

#[derive(Debug, Args)]
struct HistoryArguments {
    /// The boots of this tenant instead of the host's
    #[arg(long)]
    tenant: Option<String>,
    /// At most this many, 1 to 50
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: u32,
}

pub(in crate::cli) fn run(arguments: BootArguments, context: &mut Context<'_>) -> Outcome {
    match arguments.command {
        None => check(context),
        Some(BootCommand::AcceptEpoch { epoch }) => {
            let call = Call::BootAcceptEpoch(AcceptEpoch { epoch });
            context.ask(&call, view::boots::accepted)
        }
        Some(BootCommand::History(HistoryArguments { tenant, limit })) => {
            let input = BootHistory {
                tenant,
                limit: Some(limit),
            };
            if context.daemon_if_running()?.is_some() {
                return context.ask(&Call::BootHistory(input), |boots: &Vec<_>| {
                    view::boots::history(boots)
                });
            }
            context.require_home()?;
            let boots = offline::boots::newest(&context.config()?, context.environment, &input)?;
            context.ui.show(&boots, |boots| view::boots::history(boots))?;
            Ok(Exit::OK)
        }
    }
}

fn check(context: &mut Context<'_>) -> Outcome {
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
