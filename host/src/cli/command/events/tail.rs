//! `kora events tail`.

use clap::Args;
use serde_json::Value;

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        ui::Ui,
        view,
    },
    service::{
        Problem, ProblemKind,
        api::{Call, Event, TailEvents},
    },
    socket::{Client, read_answer},
};

/// The most that the daemon answers at once.
const PAGE: u32 = 1000;

/// Show the newest events of a chain, or those after a place in it
///
/// The newest comes last, with `--json` as well. With `--follow`, it ends when it is interrupted, or with exit code 2 when the daemon ends the stream.
#[derive(Debug, Args)]
pub(in crate::cli) struct TailArguments {
    /// Whose chain (`host` for the host's own); may be left out where there is exactly one tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Go on with events as they are appended, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// At most this many; with `--follow`, of the past, unless `--after` says where to begin
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE)))]
    limit: Option<u32>,
    /// Only types that are this, or begin with it and a dot
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Only events after this sequence number; with `--follow`, all of them
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
}

pub(super) fn run(arguments: TailArguments, context: &mut Context<'_>) -> Outcome {
    let daemon = context.daemon()?;
    let tail = TailEvents {
        tenant: arguments.tenant,
        prefix: arguments.prefix,
        after_seq: arguments.after,
        limit: arguments.limit,
        follow: false,
    };
    if arguments.follow {
        return daemon.run(async |client| follow(client, tail, &mut context.ui).await);
    }
    let mut answer = daemon.call(&Call::EventsTail(tail))?;
    oldest_first(&mut answer);
    if context.ui.json {
        context.ui.json(&answer)?;
        return Ok(Exit::OK);
    }
    let events: Vec<Event> = read_answer(answer)?;
    if events.is_empty() {
        context.ui.note("there are no such events")?;
    }
    let text: String = events.iter().map(view::events::event).collect();
    context.ui.data(&text)?;
    Ok(Exit::OK)
}

/// The daemon answers the newest first where it is not asked for those after one; who reads a tail looks at its end.
fn oldest_first(answer: &mut Value) {
    if let Some(events) = answer.as_array_mut() {
        events.sort_by_key(|event| event["seq"].as_u64());
    }
}

async fn follow(client: &Client, tail: TailEvents, ui: &mut Ui<'_>) -> Outcome {
    let mut last = tail.after_seq;
    let mut stream = client.follow(tail).await?;
    while let Some(item) = stream.next().await {
        let (event, value) = item?;
        last = Some(event.seq);
        if ui.json {
            ui.json_line(&value)?;
        } else {
            ui.data(&view::events::event(&event))?;
        }
    }
    let message = "the daemon ended the stream, most likely because it stops";
    let problem = Problem::new(ProblemKind::Unavailable, "daemon.stream_ended", message)
        .hint(format!("go on with `--after {}`", last.unwrap_or(0)));
    Err(Failure::unreachable(problem))
}
