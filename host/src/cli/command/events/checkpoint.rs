//! `kora events checkpoint`.

use clap::Args;

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        offline::checkpoints,
        view,
    },
    service::{
        Problem, ProblemKind,
        api::{Call, Checkpoint, MaybeTenant},
    },
};

/// Sign where the chains end now, and print what was signed
///
/// The running daemon signs; where none runs, the last checkpoint that was kept is printed. Keep it somewhere else than this
/// machine: with it and the key that `kora events key` shows, anybody sees whether an export is of the chain that was signed.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckpointArguments {
    /// Only this chain (`host` for the host's own)
    #[arg(long)]
    tenant: Option<String>,
}

pub(super) fn run(arguments: CheckpointArguments, context: &mut Context<'_>) -> Outcome {
    if let Some(daemon) = context.daemon_if_running()? {
        let call = Call::EventsCheckpoint(MaybeTenant {
            tenant: arguments.tenant,
        });
        let answer = daemon.call(&call)?;
        if context.ui.json {
            context.ui.json(&answer)?;
        } else {
            let signed: Vec<Checkpoint> = crate::socket::read_answer(answer)?;
            context.ui.data(&view::verify::notes(&signed))?;
        }
        return Ok(Exit::OK);
    }
    let kept = checkpoints::last(&context.home, arguments.tenant.as_deref()).map_err(Failure::unreachable)?;
    if kept.is_empty() {
        let message = "no daemon runs in this home, and no checkpoint was kept";
        let problem = Problem::new(ProblemKind::NotFound, "checkpoint.none", message);
        return Err(Failure::unreachable(
            problem.hint("start the host with `kora daemon`"),
        ));
    }
    context
        .ui
        .note("no daemon runs in this home: this is the last that was kept")?;
    context.ui.show(&kept, |kept| view::verify::notes(kept))?;
    Ok(Exit::OK)
}
