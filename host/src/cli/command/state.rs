//! `kora state`.

use clap::{Args, Subcommand};

use crate::{
    cli::{context::Context, failure::Outcome, view},
    service::api::{Call, MaybeTenant, StateRequest},
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
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Whose {
    /// The tenant; may be left out where there is exactly one
    #[arg(long)]
    tenant: Option<String>,
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
