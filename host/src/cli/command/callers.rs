//! `kora callers`.

mod add;

use clap::{Args, Subcommand};
use serde_json::json;

pub(in crate::cli) use self::add::AddArguments;
use crate::{
    access::{CallersDocument, CallersFileError, Token},
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        offline::callers::{Callers, survey},
        view,
    },
    service::{Problem, ProblemKind},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CallersCommand {
    Add(AddArguments),
    /// List who may call, whose entries are left out and why, and whose tokens a stop command revoked
    List,
    /// Take a caller's token and entry away: whoever presents the token is refused from the next request on
    Revoke(Which),
    /// Give a caller a new token in the place of its old one, which is refused from then on
    ///
    /// The token is shown this once and kept nowhere. This is also how a caller is let in again whose token a stop command revoked.
    Rotate(Which),
    /// Show what one caller may do, and for whom
    Show(Which),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Which {
    /// The caller
    #[arg(value_name = "NAME")]
    name: String,
}

pub(in crate::cli) fn run(command: CallersCommand, context: &mut Context<'_>) -> Outcome {
    context.require_home()?;
    match command {
        CallersCommand::Add(arguments) => add::run(arguments, context),
        CallersCommand::List => list(context),
        CallersCommand::Revoke(which) => revoke(&which.name, context),
        CallersCommand::Rotate(which) => rotate(&which.name, context),
        CallersCommand::Show(which) => show(&which.name, context),
    }
}

fn list(context: &mut Context<'_>) -> Outcome {
    let callers = known(context)?;
    for left_out in &callers.left_out {
        let note = format!("warning: `{}` is left out: {}", left_out.name, left_out.why);
        context.ui.note(&note)?;
    }
    for name in &callers.revoked {
        let note = format!(
            "warning: the token of `{name}` was revoked by a stop command: `kora callers rotate {name}` makes another"
        );
        context.ui.note(&note)?;
    }
    context.ui.show(&callers, view::callers::callers)?;
    Ok(Exit::OK)
}

fn show(name: &str, context: &mut Context<'_>) -> Outcome {
    let callers = known(context)?;
    if let Some(caller) = callers.callers.iter().find(|caller| caller.name == name) {
        context.ui.show(caller, view::callers::caller)?;
        return Ok(Exit::OK);
    }
    let problem = if callers.revoked.iter().any(|revoked| revoked == name) {
        let message = format!("the token of `{name}` was revoked by a stop command");
        Problem::new(ProblemKind::WrongState, "caller.revoked", message)
            .hint(format!("`kora callers rotate {name}` makes another"))
    } else if let Some(left_out) = callers.left_out.iter().find(|left_out| left_out.name == name) {
        let message = format!("the entry of `{name}` is left out: {}", left_out.why);
        Problem::new(ProblemKind::BadInput, "caller.left_out", message)
            .hint(format!("mend it in `{}`", context.home.callers_file().display()))
    } else {
        problem(CallersFileError::Missing(name.to_owned()))
    };
    Err(problem.into())
}

fn known(context: &Context<'_>) -> Result<Callers, Failure> {
    let document = CallersDocument::read(&context.home.callers_file()).map_err(problem)?;
    Ok(survey(&document))
}

fn revoke(name: &str, context: &mut Context<'_>) -> Outcome {
    let file = context.home.callers_file();
    CallersDocument::change(&file, |document| document.revoke(name)).map_err(problem)?;
    let revoked = json!({ "revoked": name });
    context.ui.show(&revoked, |_| {
        format!("`{name}` is removed; its token is refused from now on\n")
    })?;
    Ok(Exit::OK)
}

fn rotate(name: &str, context: &mut Context<'_>) -> Outcome {
    let file = context.home.callers_file();
    let token = CallersDocument::change(&file, |document| document.rotate(name)).map_err(problem)?;
    show_token(name, &token, &[], context)
}

/// The one time that a token is shown: alone on standard output, so that it can be piped to where it is kept.
fn show_token(name: &str, token: &Token, warnings: &[String], context: &mut Context<'_>) -> Outcome {
    for warning in warnings {
        context.ui.note(&format!("warning: {warning}"))?;
    }
    context.ui.note(&format!(
        "The token of `{name}` is shown only now. Keep it: only its hash is stored."
    ))?;
    let shown = json!({ "name": name, "token": token.expose(), "warnings": warnings });
    context.ui.show(&shown, |_| format!("{}\n", token.expose()))?;
    Ok(Exit::OK)
}

fn problem(error: CallersFileError) -> Problem {
    let (kind, code) = match &error {
        CallersFileError::Io { .. } | CallersFileError::NoToken(_) => {
            (ProblemKind::Unavailable, "callers.unreadable")
        }
        CallersFileError::Unsafe { .. } => (ProblemKind::Denied, "callers.unsafe"),
        CallersFileError::Form { .. } => (ProblemKind::BadInput, "callers.form"),
        CallersFileError::Name => (ProblemKind::BadInput, "caller.name"),
        CallersFileError::Exists(_) => (ProblemKind::Conflict, "caller.exists"),
        CallersFileError::Missing(_) => (ProblemKind::NotFound, "caller.unknown"),
    };
    Problem::new(kind, code, error.to_string())
}
