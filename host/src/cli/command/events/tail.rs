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
    socket::{Client, Follow, read_answer},
};

/// The most that the daemon answers at once.
const PAGE: u32 = 1000;

#[derive(Debug, Args)]
pub(in crate::cli) struct TailArguments {
    /// Whose chain (`host` for the host's own); may be left out where there is exactly one tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Go on with events as they are appended, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// At most this many of the past
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
    let answer = daemon.call(&Call::EventsTail(tail))?;
    if context.ui.json {
        context.ui.json(&answer)?;
        return Ok(Exit::OK);
    }
    let events: Vec<Event> = read_answer(answer)?;
    if events.is_empty() {
        context.ui.note("there are no such events")?;
    }
    let text: String = oldest_first(events).iter().map(view::events::event).collect();
    context.ui.data(&text)?;
    Ok(Exit::OK)
}

/// The daemon answers the newest first where it is not asked for those after one.
fn oldest_first(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| event.seq);
    events
}

async fn follow(client: &Client, mut tail: TailEvents, ui: &mut Ui<'_>) -> Outcome {
    let mut printer = Printer {
        ui,
        last: tail.after_seq,
    };
    if tail.after_seq.is_some() {
        // A long past is read page by page before the stream begins, so that the stream need not wait for it.
        tail.limit = Some(PAGE);
        loop {
            let page: Vec<Value> = client.call_as(&Call::EventsTail(tail.clone())).await?;
            let is_last = page.len() < PAGE as usize;
            printer.page(page)?;
            tail.after_seq = printer.last;
            if is_last {
                break;
            }
        }
    }
    let (past, stream) = client.tail_then_follow(tail).await?;
    printer.page(past)?;
    printer.stream(stream).await
}

/// Prints events in order, each once: a stream may begin with what the past ended with.
struct Printer<'a, 'b> {
    ui: &'a mut Ui<'b>,
    last: Option<u64>,
}

impl Printer<'_, '_> {
    fn page(&mut self, page: Vec<Value>) -> Result<(), Failure> {
        let mut events = Vec::with_capacity(page.len());
        for value in page {
            let event: Event = read_answer(value.clone())?;
            events.push((event, value));
        }
        events.sort_by_key(|(event, _)| event.seq);
        events
            .iter()
            .try_for_each(|(event, value)| self.print(event, value))
    }

    async fn stream(&mut self, mut stream: Follow) -> Outcome {
        while let Some(item) = stream.next().await {
            let (event, value) = item?;
            self.print(&event, &value)?;
        }
        let from = self.last.unwrap_or(0);
        let message = "the daemon ended the stream: it stops, or this reader was too slow";
        let problem = Problem::new(ProblemKind::Unavailable, "daemon.stream_ended", message)
            .hint(format!("go on with `--after {from}`"));
        Err(Failure::unreachable(problem))
    }

    fn print(&mut self, event: &Event, value: &Value) -> Result<(), Failure> {
        if self.last.is_some_and(|last| event.seq <= last) {
            return Ok(());
        }
        self.last = Some(event.seq);
        if self.ui.json {
            self.ui.json_line(value)
        } else {
            self.ui.data(&view::events::event(event))
        }
    }
}
