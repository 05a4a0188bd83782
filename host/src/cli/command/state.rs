//! `kora state`.

pub(super) mod duration;
mod stop;

use clap::{Args, Subcommand};

use self::stop::StopArguments;
use crate::{
    cli::{context::Context, failure::Outcome, view},
    service::api::{Call, MaybeTenant, Reset, StateRequest, Whom},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StateCommand {
    /// Show what a tenant is doing, how it came to that, and what may follow
    Show {
        #[command(flatten)]
        whose: Whose,
    },
    /// Let a tenant take no new work until it is resumed, also after a restart
    Pause(Change),
    /// Let a paused tenant take work again, unless something else holds it
    Resume(Change),
    Stop(StopArguments),
    /// Lift every stop command on a tenant, or every one on the host; paused tenants stay so until they are resumed
    Reset {
        #[command(flatten)]
        on: On,
        /// Why; kept in the events
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// List stop commands: those in force, and the newest of all
    Commands {
        #[command(flatten)]
        on: On,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Whose {
    /// The tenant; may be left out where there is exactly one
    #[arg(long)]
    tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct On {
    /// The tenant; may be left out where there is exactly one
    #[arg(long, conflicts_with = "host")]
    tenant: Option<String>,
    /// The host instead of one tenant
    #[arg(long)]
    host: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Change {
    #[command(flatten)]
    whose: Whose,
    /// Why; kept in the event
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(in crate::cli) fn run(command: StateCommand, context: &mut Context<'_>) -> Outcome {
    match command {
        StateCommand::Show { whose } => {
            let call = Call::StateShow(MaybeTenant { tenant: whose.tenant });
            context.ask(&call, view::state::state)
        }
        StateCommand::Pause(change) => context.ask(&Call::StatePause(change.into()), view::state::changed),
        StateCommand::Resume(change) => context.ask(&Call::StateResume(change.into()), view::state::changed),
        StateCommand::Stop(arguments) => stop::run(arguments, context),
        StateCommand::Reset { on, reason } => {
            let On { tenant, host } = on;
            let reset = Reset { tenant, host, reason };
            context.ask(&Call::StateReset(reset), view::control::issued)
        }
        StateCommand::Commands { on } => {
            let On { tenant, host } = on;
            context.ask(
                &Call::StateCommands(Whom { tenant, host }),
                view::control::commands,
            )
        }
    }
}

impl From<Change> for StateRequest {
    fn from(change: Change) -> Self {
        Self {
            tenant: change.whose.tenant,
            reason: change.reason,
        }
    }
}
