//! The command line: what may be written, and what help says of it. Each command's own arguments stand with the command.

use std::path::PathBuf;

use clap::{
    Args, ColorChoice, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser as _, styling},
};

use super::command::{
    audit::AuditCommand, boot::BootArguments, callers::CallersCommand, completions::CompletionsArguments,
    config::ConfigCommand, cost::CostCommand, daemon::DaemonArguments, events::EventsCommand,
    health::HealthArguments, identity::IdentityCommand, init::InitArguments, logs::LogsArguments,
    mcp::McpCommand, operations::OperationsCommand, plugins::PluginsCommand, reference::ReferenceArguments,
    state::StateCommand, store::StoreCommand, tenants::TenantsCommand, tickets::TicketsCommand,
    tools::ToolsCommand,
};
use crate::domain::{LogFormat, LogLevel};

/// Runs identities and background daemons of AI agents from plugins, and keeps an account of it that can be proved.
///
/// A host lives in a home: a directory with its configuration, plugins and data. `kora init` makes one, `kora daemon` runs
/// it, and the other commands talk to the running daemon over a socket in it.
#[derive(Debug, Parser)]
#[command(
    name = "kora",
    version,
    after_long_help = EXIT_CODES,
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 100,
    styles = styling::Styles::plain(),
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done; a check found nothing wrong
  1    refused or failed; a check found something wrong
  2    used wrongly, or the daemon, the store or the home cannot be reached
  130  interrupted
`kora boot --check-only` and `kora daemon` say in their help what theirs mean.

Output:
  Data goes to standard output, everything else to standard error. With `--json`, data is one JSON document (with
  `--follow` one object on each line), and an error is one line `{\"error\": {\"code\", \"kind\", \"message\", \"hints\"}}` on
  standard error. A command line that cannot be read is answered in plain text always.

Environment:
  KORA_HOME, KORA_LOG_LEVEL and KORA_LOG_FORMAT stand for `--home`, `--log-level` and `--log-format`, which go first.
  NO_COLOR, if set to anything, turns colour off.";

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Globals {
    /// The home; else the variable KORA_HOME, else `.kora` in the user's directory
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,

    /// Print data and errors as JSON, with the fields of the control socket
    #[arg(long, global = true)]
    pub json: bool,

    /// The most verbose level that the daemon logs
    #[arg(long, global = true, value_name = "LEVEL", value_parser = log_levels())]
    pub log_level: Option<LogLevel>,

    /// How the daemon writes its log
    #[arg(long, global = true, value_name = "FORMAT", value_parser = log_formats())]
    pub log_format: Option<LogFormat>,

    /// Colour on standard error; `auto` means on a terminal, unless NO_COLOR is set
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true
    )]
    pub color: ColorChoice,
}

pub(super) fn log_levels() -> impl clap::builder::TypedValueParser<Value = LogLevel> {
    let names = LogLevel::ALL.iter().map(|level| level.as_str());
    PossibleValuesParser::new(names.collect::<Vec<_>>()).try_map(|name| name.parse::<LogLevel>())
}

fn log_formats() -> impl clap::builder::TypedValueParser<Value = LogFormat> {
    let names = LogFormat::ALL.iter().map(|format| format.as_str());
    PossibleValuesParser::new(names.collect::<Vec<_>>()).try_map(|name| name.parse::<LogFormat>())
}

/// The commands, in the order in which a newcomer meets them.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Init(InitArguments),
    Daemon(DaemonArguments),
    Boot(BootArguments),
    /// Show how the running host is
    Status,
    Health(HealthArguments),
    /// Explain what is wrong with a home, and what to do
    Doctor,
    /// See and change which plugins there are
    #[command(subcommand)]
    Plugins(PluginsCommand),
    /// See and change which tenants there are
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// See and change who speaks for a tenant
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// See and change the operational state of a tenant
    #[command(subcommand)]
    State(StateCommand),
    /// Make, claim and resolve tickets
    #[command(subcommand)]
    Tickets(TicketsCommand),
    /// See what was done for tickets, step by step
    #[command(subcommand)]
    Operations(OperationsCommand),
    /// See and change what a tenant spent and may spend
    #[command(subcommand)]
    Cost(CostCommand),
    /// Read, check, export and append events
    #[command(subcommand)]
    Events(EventsCommand),
    /// See and change who may call over HTTP and MCP
    #[command(subcommand)]
    Callers(CallersCommand),
    /// See and call the tools that callers have
    #[command(subcommand)]
    Tools(ToolsCommand),
    /// Speak MCP with programs
    #[command(subcommand)]
    Mcp(McpCommand),
    /// See who asked for what over the control surface, and what came of it
    #[command(subcommand)]
    Audit(AuditCommand),
    Logs(LogsArguments),
    /// Back up, restore and move the store
    #[command(subcommand)]
    Store(StoreCommand),
    /// Check, show and reload the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    Completions(CompletionsArguments),
    /// Show the versions of this command and of what it offers to plugins
    Version,
    /// Print a page of the reference
    #[command(hide = true)]
    Reference(ReferenceArguments),
}
