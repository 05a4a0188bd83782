//! `kora state stop`.

use clap::Args;

use super::{On, duration};
use crate::{
    cli::{
        context::Context,
        failure::{Failure, Outcome},
        view,
    },
    service::api::{Call, Stop},
};

/// From this level on a command ends what it is for.
const ENDS_FROM: u8 = 4;
/// No session is longer; what is, was not meant as one.
const MOST_TYPED: usize = 200;

/// Give a stop command, which holds until it is reset or its time is over, also after a restart
///
/// Levels: 1 no new claims, work that is held may be finished; 2 no new tool calls either; 3 work is broken off and given back;
/// 4 a tenant is stopped until the host boots again, a host stops in order and exits; 5 as 4, and tokens are revoked where there
/// are any. The highest command in force counts. One that cannot be carried out in its time (1: 120 s, 2: 180 s, 3: 90 s) is
/// raised by one level, to 4 at most.
///
/// On the host, and from level 4 on, it has to be confirmed with the session of the running host, which `kora status` shows; on a
/// terminal it is asked for.
#[derive(Debug, Args)]
pub(in crate::cli) struct StopArguments {
    /// How far it goes, 1 to 5
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    level: u8,
    #[command(flatten)]
    on: On,
    /// Why; kept in the events
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Let it end by itself after this time: `90s`, `15m`, `2h`, `1d`
    #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
    expires_in: Option<u64>,
    /// Say what it would do, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// The session of the running host
    #[arg(long, value_name = "SESSION")]
    confirm: Option<String>,
}

pub(super) fn run(arguments: StopArguments, context: &mut Context<'_>) -> Outcome {
    let confirm = match arguments.confirm {
        None if arguments.is_grave() && context.input_is_terminal => Some(asked(&arguments, context)?),
        given => given,
    };
    let stop = Stop {
        tenant: arguments.on.tenant,
        host: arguments.on.host,
        level: arguments.level,
        reason: arguments.reason,
        expires_in_seconds: arguments.expires_in,
        dry_run: arguments.dry_run,
        confirm,
    };
    context.ask(&Call::StateStop(stop), view::control::issued)
}

impl StopArguments {
    /// The daemon decides; here only whether there is something to ask for.
    fn is_grave(&self) -> bool {
        (self.on.host || self.level >= ENDS_FROM) && !self.dry_run
    }
}

/// What is typed, up to the end of the line.
fn asked(arguments: &StopArguments, context: &mut Context<'_>) -> Result<String, Failure> {
    let whom = match (&arguments.on.tenant, arguments.on.host) {
        (_, true) => "the host",
        (Some(tenant), false) => tenant,
        (None, false) => "the tenant",
    };
    let level = arguments.level;
    context.ui.ask(&format!(
        "This gives a stop command of level {level} to {whom}. Type the session of the host, as `kora status` shows it: "
    ))?;
    let mut typed = Vec::new();
    let mut byte = [0];
    while typed.len() < MOST_TYPED && context.input.read(&mut byte)? == 1 && byte[0] != b'\n' {
        typed.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&typed).trim().to_owned())
}
