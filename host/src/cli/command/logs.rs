//! `kora logs`.

use clap::{Args, Subcommand};

use super::super::arguments::log_levels;
use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        ui::Ui,
        view,
    },
    domain::LogLevel,
    service::{
        Problem, ProblemKind,
        api::{Call, LogRecord, Nothing, SetLogLevel, TailLogs},
    },
    socket::{Client, read_answer},
};

/// As many as the host keeps.
const KEPT: u32 = 4096;

/// Show what the running host logged lately, or change how much it logs
///
/// The newest comes last. The host keeps its newest 4096 records, or 4 MiB of them, in memory, whatever its log is written to; those that its
/// levels leave out are not among them. With `--follow`, it ends when it is interrupted, or with exit code 2 when the daemon ends the stream.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct LogsArguments {
    #[command(subcommand)]
    command: Option<LogsCommand>,
    /// Only what this plugin said, or what the host said about it
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Only this level and graver ones
    #[arg(long, value_name = "LEVEL", value_parser = log_levels())]
    level: Option<LogLevel>,
    /// How many records at most; with `--follow`, of the past
    #[arg(short = 'n', long = "lines", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(KEPT)))]
    lines: Option<u32>,
    /// Go on with records as they are logged, until interrupted
    #[arg(long, short)]
    follow: bool,
}

#[derive(Debug, Subcommand)]
enum LogsCommand {
    /// Show how much is logged, or change it while the host runs
    ///
    /// A level that is set so holds until the host is restarted or reads its configuration again; `kora config show` says that it came
    /// from here. What is to stay stands in `kora.toml`: `log.level`, `log.plugins.NAME`.
    Level(LevelArguments),
}

#[derive(Debug, Args)]
struct LevelArguments {
    /// The most verbose level that is kept; without it, those in force are shown
    #[arg(value_name = "LEVEL", value_parser = log_levels())]
    level: Option<LogLevel>,
    /// Of this plugin alone; else of the host, and of every plugin that has none of its own
    #[arg(long, value_name = "NAME", requires = "level")]
    plugin: Option<String>,
}

pub(in crate::cli) fn run(arguments: LogsArguments, context: &mut Context<'_>) -> Outcome {
    if let Some(LogsCommand::Level(arguments)) = arguments.command {
        return level(arguments, context);
    }
    let daemon = context.daemon()?;
    let tail = TailLogs {
        plugin: arguments.plugin,
        level: arguments.level,
        limit: arguments.lines,
        follow: false,
    };
    if arguments.follow {
        return daemon.run(async |client| follow(client, tail, &mut context.ui).await);
    }
    let answer = daemon.call(&Call::LogsTail(tail))?;
    if context.ui.json {
        context.ui.json(&answer)?;
        return Ok(Exit::OK);
    }
    let records: Vec<LogRecord> = read_answer(answer)?;
    if records.is_empty() {
        context.ui.note("there are no such records")?;
    }
    let text: String = records.iter().map(view::logs::record).collect();
    context.ui.data(&text)?;
    Ok(Exit::OK)
}

fn level(arguments: LevelArguments, context: &mut Context<'_>) -> Outcome {
    let call = match arguments.level {
        None => Call::LogsLevels(Nothing {}),
        Some(level) => Call::LogsSetLevel(SetLogLevel {
            plugin: arguments.plugin,
            level,
        }),
    };
    context.ask(&call, view::logs::levels)
}

async fn follow(client: &Client, tail: TailLogs, ui: &mut Ui<'_>) -> Outcome {
    let mut stream = client.follow_logs(tail).await?;
    while let Some(item) = stream.next().await {
        let (record, value) = item?;
        if ui.json {
            ui.json_line(&value)?;
        } else {
            ui.data(&view::logs::record(&record))?;
        }
    }
    let message = "the daemon ended the stream, most likely because it stops";
    Err(Failure::unreachable(Problem::new(
        ProblemKind::Unavailable,
        "daemon.stream_ended",
        message,
    )))
}
