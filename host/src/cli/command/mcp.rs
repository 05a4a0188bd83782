//! `kora mcp`.

use std::{
    io::{self, BufRead as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use clap::{Args, Subcommand};

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
    },
    service::{Problem, ProblemKind, api::ServeMcp},
    socket::open_mcp,
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum McpCommand {
    Serve(ServeArguments),
}

/// Speak MCP on standard input and output, for clients that start a command
///
/// The running host answers, with the tools, prompts and resources that it has over HTTP. No token is asked for, since only the operator
/// can open the control socket. What a caller may is looked up with each request: one that is revoked meanwhile may nothing more.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  standard input has ended
  2  the daemon cannot be reached, knows no such caller, or has ended")]
pub(in crate::cli) struct ServeArguments {
    /// On behalf of this caller; without one, tools that need a capability are refused
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
}

pub(in crate::cli) fn run(command: McpCommand, context: &mut Context<'_>) -> Outcome {
    match command {
        McpCommand::Serve(arguments) => serve(arguments, context),
    }
}

fn serve(arguments: ServeArguments, context: &mut Context<'_>) -> Outcome {
    let serve = ServeMcp {
        caller: arguments.caller,
    };
    let (mut from_host, to_host) = open_mcp(&context.home.socket(), serve)
        .map_err(|problem| Failure::unreachable(context.with_home_hint(problem)))?;
    let has_ended = pass_input_on(to_host);
    loop {
        let said = from_host.fill_buf().unwrap_or_default();
        if said.is_empty() {
            break;
        }
        let count = said.len();
        context.ui.out.write_all(said)?;
        context.ui.out.flush()?;
        from_host.consume(count);
    }
    if has_ended.load(Ordering::Acquire) {
        return Ok(Exit::OK);
    }
    let message = "the daemon ended the conversation: it stops, or the caller is no longer in force";
    Err(Failure::unreachable(Problem::new(
        ProblemKind::Unavailable,
        "daemon.stream_ended",
        message,
    )))
}

/// On a thread that is left behind: nothing can take it out of waiting for input when the host is the one who ends. Answers whether the
/// input has ended.
fn pass_input_on(mut to_host: UnixStream) -> Arc<AtomicBool> {
    let has_ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&has_ended);
    thread::spawn(move || {
        // Whether the input has ended or the host has gone, there is nothing more to pass on; the reader knows which.
        if io::copy(&mut io::stdin().lock(), &mut to_host).is_ok() {
            told.store(true, Ordering::Release);
        }
        drop(to_host.flush());
        drop(to_host.shutdown(Shutdown::Write));
    });
    has_ended
}
