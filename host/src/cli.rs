//! The `kora` command. Translates a command line into calls of the running daemon, or into work on a home that needs no
//! daemon, and answers into text; it decides nothing of its own. Only here are terminal, environment and exit code met.
//!
//! `arguments` says what may be written, `command` holds one file for each command, `view` turns answers into text,
//! `offline` is the work that needs no daemon, `port` is what the composition root does for it.

mod arguments;
mod command;
mod context;
mod failure;
mod offline;
mod port;
mod reference;
#[cfg(test)]
mod tests;
mod ui;
mod view;

pub use port::{App, BootOptions, BootOutcome, BootReport, DaemonEnd, DaemonOptions};
pub use reference::reference;

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _, Write},
    process::ExitCode,
};

use clap::{ColorChoice, Parser as _};

use self::{
    arguments::{Cli, Command},
    context::{Context, Surroundings, find_home},
    failure::{Exit, Failure, Outcome},
    ui::Ui,
};

/// Runs the command that the process was started with, on hosts that `app` runs. Blocks until it is done.
pub fn main(app: &dyn App) -> ExitCode {
    let (out, err) = (io::stdout(), io::stderr());
    let surroundings = Surroundings {
        environment: &|name| std::env::var_os(name),
        user_directory: std::env::home_dir(),
        // Without one, relative paths are left to the system to refuse.
        current_directory: std::env::current_dir().unwrap_or_default(),
        input: &mut io::stdin(),
        input_is_terminal: io::stdin().is_terminal(),
        err_is_terminal: err.is_terminal(),
    };
    let arguments = std::env::args_os();
    run(arguments, app, surroundings, &mut out.lock(), &mut io::stderr()).into()
}

/// Runs one command line.
fn run(
    arguments: impl Iterator<Item = OsString>,
    app: &dyn App,
    surroundings: Surroundings<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return say_usage(&error, out, err),
    };
    let colour = is_coloured(cli.globals.color, &surroundings);
    let mut ui = Ui {
        out,
        err,
        json: cli.globals.json,
        colour,
        progress: surroundings.err_is_terminal,
    };
    let home = match find_home(&cli.globals, &surroundings) {
        Ok(home) => home,
        Err(problem) => return end(&mut ui, Err(Failure::unreachable(problem))),
    };
    let mut context = Context {
        home,
        globals: cli.globals,
        app,
        ui,
        environment: surroundings.environment,
        current_directory: &surroundings.current_directory,
        input: surroundings.input,
        input_is_terminal: surroundings.input_is_terminal,
    };
    let outcome = dispatch(cli.command, &mut context);
    end(&mut context.ui, outcome)
}

fn dispatch(command: Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Init(arguments) => command::init::run(&arguments, context),
        Command::Daemon(arguments) => command::daemon::run(arguments, context),
        Command::Boot(arguments) => command::boot::run(arguments, context),
        Command::Status => command::status::run(context),
        Command::Health(arguments) => command::health::run(arguments, context),
        Command::Doctor => command::doctor::run(context),
        Command::Plugins(command) => command::plugins::run(command, context),
        Command::Tenants(command) => command::tenants::run(command, context),
        Command::Identity(command) => command::identity::run(command, context),
        Command::State(command) => command::state::run(command, context),
        Command::Tickets(command) => command::tickets::run(command, context),
        Command::Operations(command) => command::operations::run(command, context),
        Command::Cost(command) => command::cost::run(command, context),
        Command::Events(command) => command::events::run(command, context),
        Command::Callers(command) => command::callers::run(command, context),
        Command::Tools(command) => command::tools::run(command, context),
        Command::Mcp(command) => command::mcp::run(command, context),
        Command::Audit(command) => command::audit::run(command, context),
        Command::Logs(arguments) => command::logs::run(arguments, context),
        Command::Store(command) => command::store::run(command, context),
        Command::Config(command) => command::config::run(&command, context),
        Command::Completions(arguments) => command::completions::run(&arguments, context),
        Command::Version => command::version::run(context),
        Command::Reference(arguments) => command::reference::run(&arguments, context),
    }
}

/// Says what went wrong, if somebody can hear it.
fn end(ui: &mut Ui<'_>, outcome: Outcome) -> Exit {
    match outcome {
        Ok(exit) => exit,
        Err(failure) => {
            if let Failure::Problem(problem, _) = &failure {
                // Where standard error is closed, the exit code is all that is left to say.
                let _unheard = ui.problem(problem);
            }
            failure.exit()
        }
    }
}

/// Help and version are data; everything else is the answer to a command line that was used wrongly. Both are plain text.
fn say_usage(error: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let text = error.render().to_string();
    if error.exit_code() == 0 {
        match out.write_all(text.as_bytes()) {
            Ok(()) => Exit::OK,
            Err(error) => Failure::Output(error).exit(),
        }
    } else {
        // Where standard error is closed, the exit code is all that is left to say.
        let _unheard = err.write_all(text.as_bytes());
        Exit::UNREACHABLE
    }
}

/// Whether standard error is coloured. Data never is.
fn is_coloured(choice: ColorChoice, surroundings: &Surroundings<'_>) -> bool {
    let is_set = |name| (surroundings.environment)(name).is_some_and(|value| !value.is_empty());
    let is_dumb = (surroundings.environment)("TERM").is_some_and(|terminal| terminal == "dumb");
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => surroundings.err_is_terminal && !is_dumb && !is_set("NO_COLOR"),
    }
}
