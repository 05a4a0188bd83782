//! One task for each entry: it obeys orders, one at a time, and reports. It waits for foreign code under deadlines, owns the
//! timers of the entry's tasks, and decides nothing.
//!
//! A new order drops what the last one was doing. That is the whole of cancellation: a start that is no longer wanted,
//! the ticks of an entry that is to stop, and a wait for the next try all end the same way, before the new order begins.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    chance::Chance,
    entry::{Entry, EntryError},
    fault::{Fault, Hook},
    plan::EntryPlan,
    schedule::Schedule,
};

/// How long a plugin's thread has to take a turn after one of its hooks missed a deadline. A poll that holds the thread for
/// 50 ms is already worth a warning; twenty times that is no longer slowness.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How many orders may wait for an actor. It never has more than one to start or wait, one to stop and one to end.
pub(super) const ORDERS_QUEUED: usize = 4;

/// Names an entry for as long as it is known. Never used again, so that a late report cannot reach a namesake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(pub u64);

/// What an actor is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Wait, then report [`Happening::Rested`].
    Rest(Duration),
    /// Start the entry and run its tasks.
    Start,
    /// Give up what is being done, and shut the entry down.
    Stop,
    /// Give up what is being done, call nothing, and end.
    End,
}

/// What an actor says, and of which entry.
#[derive(Debug)]
pub(super) struct Report {
    pub key: Key,
    pub what: Happening,
}

/// What happened to an entry.
#[derive(Debug)]
pub(super) enum Happening {
    /// The wait is over.
    Rested,
    /// `startup` ended well; each task is due then.
    Started { due: Vec<Instant> },
    /// `startup` did not end well. What it has left behind waits for the order to stop.
    StartFailed(Fault),
    /// A run of a task ended.
    TickEnded(TickEnd),
    /// `shutdown` has ended, or was given up.
    Stopped(Option<Fault>),
    /// The plugin's thread does not come back.
    Wedged(String),
}

/// How a run of a task ended.
#[derive(Debug)]
pub(super) struct TickEnd {
    pub task: usize,
    pub fault: Option<Fault>,
    /// Runs left out because this one went on past them.
    pub skipped: u64,
    /// When the next one is due.
    pub due: Instant,
}

/// The one that runs an entry.
pub(super) struct Actor {
    pub key: Key,
    pub plan: Arc<EntryPlan>,
    pub entry: Arc<dyn Entry>,
    pub chance: Arc<dyn Chance>,
    pub reports: mpsc::Sender<Report>,
}

impl Actor {
    /// Obeys until it is told to end, or nobody is left to tell it.
    pub(super) async fn run(self, mut orders: mpsc::Receiver<Order>) {
        let mut next = orders.recv().await;
        while let Some(order) = next {
            next = tokio::select! {
                biased;
                newer = orders.recv() => newer,
                end = self.obey(order) => match end {
                    Progress::Done => orders.recv().await,
                    Progress::Ended => None,
                },
            };
        }
    }

    async fn obey(&self, order: Order) -> Progress {
        match order {
            Order::Rest(wait) => {
                sleep(wait).await;
                self.report(Happening::Rested).await;
            }
            Order::Start => self.start().await,
            Order::Stop => self.stop().await,
            Order::End => return Progress::Ended,
        }
        Progress::Done
    }

    async fn start(&self) {
        match self
            .call(Hook::Startup, self.plan.startup_timeout, self.entry.startup())
            .await
        {
            Ok(()) => self.run_tasks().await,
            Err(Fault::Wedged(detail)) => self.report(Happening::Wedged(detail)).await,
            Err(fault) => self.report(Happening::StartFailed(fault)).await,
        }
    }

    async fn stop(&self) {
        match self
            .call(Hook::Shutdown, self.plan.shutdown_timeout, self.entry.shutdown())
            .await
        {
            Ok(()) => self.report(Happening::Stopped(None)).await,
            Err(Fault::Wedged(detail)) => self.report(Happening::Wedged(detail)).await,
            Err(fault) => self.report(Happening::Stopped(Some(fault))).await,
        }
    }

    /// Ends only when one task needs the entry to be started anew; the others are dropped with it.
    async fn run_tasks(&self) {
        let start = Instant::now();
        let schedule = |task| Schedule::new(task, start, &*self.chance);
        let schedules: Vec<_> = self.plan.tasks.iter().map(schedule).collect();
        let due = schedules.iter().map(Schedule::due).collect();
        self.report(Happening::Started { due }).await;

        let repeat = |(task, schedule)| Box::pin(self.repeat(task, schedule));
        let mut tasks: Vec<_> = schedules.into_iter().enumerate().map(repeat).collect();
        poll_fn(|context| {
            let ended = tasks
                .iter_mut()
                .any(|task| task.as_mut().poll(context).is_ready());
            if ended { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn repeat(&self, task: usize, mut schedule: Schedule) {
        let deadline = self.plan.tick_deadline(task);
        loop {
            sleep_until(schedule.due()).await;
            let fault = self.call(Hook::Tick, deadline, self.entry.tick(task)).await.err();
            if let Some(Fault::Wedged(detail)) = fault {
                return self.report(Happening::Wedged(detail)).await;
            }
            let ends = fault.as_ref().is_some_and(Fault::needs_new_start);
            let skipped = schedule.advance(Instant::now(), &*self.chance);
            let end = TickEnd {
                task,
                fault,
                skipped,
                due: schedule.due(),
            };
            self.report(Happening::TickEnded(end)).await;
            if ends {
                return;
            }
        }
    }

    /// A hook under its deadline. At the deadline its future is dropped, which asks for cancellation, and the thread is
    /// asked for a sign of life.
    async fn call(
        &self,
        hook: Hook,
        deadline: Duration,
        future: impl Future<Output = Result<(), EntryError>>,
    ) -> Result<(), Fault> {
        let outcome = timeout(deadline, guarded(future)).await;
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(EntryError::Wedged(detail))) => Err(Fault::Wedged(detail)),
            Ok(Err(error)) => Err(Fault::Answered(error)),
            Err(_) => Err(self.missed(hook, deadline).await),
        }
    }

    async fn missed(&self, hook: Hook, deadline: Duration) -> Fault {
        if self.takes_turns().await {
            return Fault::TimedOut { hook, deadline };
        }
        Fault::Wedged(format!(
            "{hook} did not end within {deadline:?}, and its thread did not answer within {PROBE_TIMEOUT:?} after that"
        ))
    }

    async fn takes_turns(&self) -> bool {
        let probe = guarded(async {
            let turns = self.entry.probe().await;
            turns.then_some(()).ok_or(EntryError::Poisoned)
        });
        matches!(timeout(PROBE_TIMEOUT, probe).await, Ok(Ok(())))
    }

    async fn report(&self, what: Happening) {
        let report = Report { key: self.key, what };
        // Nobody listens any more only when the coordinator itself has gone; then there is nobody to tell either.
        let _ = self.reports.send(report).await;
    }
}

enum Progress {
    Done,
    Ended,
}

/// A panic in the host's half of an entry is that entry's fault alone. (One in a plugin was caught on its own side.)
async fn guarded(future: impl Future<Output = Result<(), EntryError>>) -> Result<(), EntryError> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.unwrap_or_else(|payload| Poll::Ready(Err(EntryError::Panicked(message(&*payload)))))
    })
    .await
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}
