//! `kora audit`.

use std::{thread, time::Duration};

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use serde_json::Value;

use super::state::duration;
use crate::{
    access::{AuditFilter, Seam},
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        offline::audit::{Following, Read, read, whose},
        view,
    },
    domain::{Clock as _, SystemClock, TenantId, Timestamp},
    service::{
        Problem, ProblemKind,
        api::{Call, Nothing},
    },
};

/// How often a followed audit is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// More was not meant to be read on a terminal; `grep` finds what is older.
const LINES_MAX: u32 = 1_000_000;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AuditCommand {
    Tail(TailArguments),
    Grep(GrepArguments),
}

/// Show the newest lines of the audit: who asked for what over the control surface, and what came of it
///
/// The newest comes last. Read from the files of the home, those that were put aside too, whether a daemon runs or not; one that runs
/// writes what it still holds first. While they are followed, lines come in groups: a denial and what changed something at once, others
/// within `audit.flush_interval_seconds`. Lines that cannot be read are counted on standard error.
#[derive(Debug, Args)]
pub(in crate::cli) struct TailArguments {
    #[command(flatten)]
    which: Which,
    /// How many lines at most; with `--follow`, of the past
    #[arg(short = 'n', long = "lines", value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(0..=i64::from(LINES_MAX)))]
    lines: u32,
    /// Go on with lines as they are written, until interrupted
    #[arg(long, short)]
    follow: bool,
}

/// Show the lines of the audit that hold a text, such as a caller, a tool or a result
///
/// The newest comes last. Exit code 0 if there are any, 1 if there are none.
#[derive(Debug, Args)]
pub(in crate::cli) struct GrepArguments {
    /// What the line holds, as it stands in the file
    #[arg(value_name = "TEXT")]
    text: String,
    #[command(flatten)]
    which: Which,
    /// How many lines at most, the newest
    #[arg(short = 'n', long = "lines", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(LINES_MAX)))]
    lines: Option<u32>,
}

#[derive(Debug, Args)]
struct Which {
    /// Whose audit (`host` for what is no tenant's); without it, all
    #[arg(long, value_name = "ID", value_parser = whose)]
    tenant: Option<TenantId>,
    /// Not before this time: RFC 3339, or so long ago: `90s`, `15m`, `2h`, `1d`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only what was done or refused in this place
    #[arg(long, value_name = "SEAM", value_parser = seams())]
    seam: Option<Seam>,
}

fn seams() -> impl clap::builder::TypedValueParser<Value = Seam> {
    let names = Seam::ALL.iter().map(|seam| seam.as_str());
    PossibleValuesParser::new(names.collect::<Vec<_>>()).try_map(|name| name.parse::<Seam>())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(seconds) = duration::seconds(text) {
        let micros = i64::try_from(seconds)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000_000));
        let ago = micros.and_then(|micros| SystemClock::new().now().as_micros().checked_sub(micros));
        return ago
            .map(Timestamp::from_micros)
            .ok_or_else(|| "that is before all time".to_owned());
    }
    text.parse::<jiff::Timestamp>()
        .map(|time| Timestamp::from_micros(time.as_microsecond()))
        .map_err(|_| "expected a time such as `2026-11-20T10:00:00Z`, or `90s`, `15m`, `2h`, `1d`".to_owned())
}

impl Which {
    fn filter(&self, contains: Option<String>, lines: u32) -> AuditFilter {
        AuditFilter {
            since: self.since.map(Timestamp::to_rfc3339),
            seam: self.seam.map(|seam| seam.to_string()),
            contains,
            limit: usize::try_from(lines).unwrap_or(usize::MAX),
        }
    }
}

pub(in crate::cli) fn run(command: AuditCommand, context: &mut Context<'_>) -> Outcome {
    context.require_home()?;
    match command {
        AuditCommand::Tail(arguments) if arguments.follow => follow(&arguments, context),
        AuditCommand::Tail(arguments) => {
            let filter = arguments.which.filter(None, arguments.lines);
            let found = look(&arguments.which, &filter, context)?;
            if found.is_empty() {
                context.ui.note("there are no such lines")?;
            }
            show_all(&found, context)?;
            Ok(Exit::OK)
        }
        AuditCommand::Grep(arguments) => {
            let lines = arguments.lines.unwrap_or(LINES_MAX);
            let filter = arguments.which.filter(Some(arguments.text), lines);
            let found = look(&arguments.which, &filter, context)?;
            show_all(&found, context)?;
            Ok(if found.is_empty() { Exit::FAILED } else { Exit::OK })
        }
    }
}

fn look(which: &Which, filter: &AuditFilter, context: &mut Context<'_>) -> Result<Vec<Value>, Failure> {
    // What stands in the files can be read whether the daemon answers or not.
    if let Ok(daemon) = context.daemon() {
        drop(daemon.call(&Call::AuditFlush(Nothing {})));
    }
    let Read { lines, malformed } =
        read(&context.home.audit(), which.tenant.as_ref(), filter).map_err(unreadable)?;
    tell_malformed(malformed, context)?;
    Ok(lines)
}

fn follow(arguments: &TailArguments, context: &mut Context<'_>) -> Outcome {
    let filter = arguments.which.filter(None, arguments.lines);
    let mut keep = filter.limit;
    let mut following = Following::new(&context.home.audit(), arguments.which.tenant.as_ref(), filter);
    loop {
        let Read { lines, malformed } = following.read(keep).map_err(unreadable)?;
        tell_malformed(malformed, context)?;
        show_all(&lines, context)?;
        keep = usize::MAX;
        thread::sleep(LOOK_EVERY);
    }
}

fn show_all(lines: &[Value], context: &mut Context<'_>) -> Result<(), Failure> {
    for line in lines {
        if context.ui.json {
            context.ui.json_line(line)?;
        } else {
            context.ui.data(&view::audit::line(line))?;
        }
    }
    Ok(())
}

/// Said to programs as well: what is missing from data must not look as if it were not there.
fn tell_malformed(count: usize, context: &mut Context<'_>) -> Result<(), Failure> {
    if count > 0 {
        let lines = view::text::counted(u64::try_from(count).unwrap_or(u64::MAX), "line");
        writeln!(
            context.ui.err,
            "warning: {lines} of the audit cannot be read and are left out"
        )?;
    }
    Ok(())
}

fn unreadable(error: std::io::Error) -> Failure {
    let message = format!("the audit cannot be read: {error}");
    Failure::unreachable(
        Problem::new(ProblemKind::Unavailable, "audit.unreadable", message)
            .hint("run the command as the user that runs the daemon"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_so_long_ago() {
        let time = moment("2026-11-20T11:00:00+01:00").unwrap();
        assert_eq!(time.to_rfc3339(), "2026-11-20T10:00:00.000000Z");
        let now = SystemClock::new().now().as_micros();
        let ago = now - moment("1h").unwrap().as_micros();
        assert!((3_599_000_000..3_600_000_001).contains(&ago), "{ago}");
        assert!(moment("yesterday").is_err());
        assert!(moment("999999999999999d").is_err());
    }
}
