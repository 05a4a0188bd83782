//! `kora events append`.

use std::io::Read as _;

use clap::Args;

use crate::{
    cli::{
        context::Context,
        failure::{Failure, Outcome},
        view,
    },
    service::{
        Problem, ProblemKind,
        api::{AppendEvent, Call},
    },
};

/// Far more than a payload may have, so that what is too long is refused by who knows the limit.
const MAX_INPUT_BYTES: u64 = 512 * 1024;

/// Append an event of one of your own types
///
/// A type is yours if `kora.toml` lists it under `[events] types`. Who appended it, when, and from where is set by the host.
#[derive(Debug, Args)]
pub(in crate::cli) struct AppendArguments {
    /// Whose chain; may be left out where there is exactly one tenant
    #[arg(long)]
    tenant: Option<String>,
    /// The event's type
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// One JSON object; `-` reads it from standard input
    payload: String,
    /// Append it once, however often this is repeated with the same key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Refuse unless the chain ends at this sequence number now (0: it is empty)
    #[arg(long, value_name = "N")]
    expect_seq: Option<u64>,
}

pub(super) fn run(arguments: AppendArguments, context: &mut Context<'_>) -> Outcome {
    let payload = match arguments.payload.as_str() {
        "-" => read_input(context)?,
        _ => arguments.payload,
    };
    let append = AppendEvent {
        tenant: arguments.tenant,
        event_type: arguments.event_type,
        payload,
        idempotency_key: arguments.key,
        expected_seq: arguments.expect_seq,
    };
    context.ask(&Call::EventsAppend(append), view::events::appended)
}

fn read_input(context: &mut Context<'_>) -> Result<String, Failure> {
    let mut text = String::new();
    let unreadable =
        |message: String| Failure::from(Problem::new(ProblemKind::BadInput, "events.payload", message));
    let mut input = (&mut *context.input).take(MAX_INPUT_BYTES + 1);
    input
        .read_to_string(&mut text)
        .map_err(|error| unreadable(format!("expected JSON on standard input; found: {error}")))?;
    if text.len() as u64 > MAX_INPUT_BYTES {
        return Err(unreadable(format!(
            "expected at most {MAX_INPUT_BYTES} bytes on standard input; found more"
        )));
    }
    Ok(text)
}
