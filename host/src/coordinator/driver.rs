//! The loop: waits for the next event, lets the model decide, and does what it says. It decides nothing itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

use crate::domain::{Clock, SystemClock, Timestamp};

use super::{
    actor::{Actor, Key, ORDERS_QUEUED, Order, Report},
    chance::{Chance, SplitMix64},
    ending::{Ending, HostState, ShutdownReason},
    entry::{Entry, EntryId},
    entry_state::EntryState,
    handle::CoordinatorHandle,
    journal,
    model::{Action, Answer, Event, Model, Request, RequestId},
    plan::EntryPlan,
};

/// Reports that may wait for the loop. A turn takes microseconds; when this many wait, actors wait too, and nothing is lost.
const REPORTS_QUEUED: usize = 256;

/// Requests that may wait for the loop. They come from operators and from the plugin directory, a few at a time.
const REQUESTS_QUEUED: usize = 32;

/// A turn of the loop that takes longer is logged: somebody blocks it, most likely an observer.
const SLOW_TURN: Duration = Duration::from_millis(50);

/// Hears what happens to entries, in order, on the loop's own task: an implementation returns at once and never blocks.
pub trait Observer: Send + Sync {
    /// An entry changed its state; why, in one line, where there is something to say.
    fn entry_changed(&self, id: &EntryId, from: EntryState, to: EntryState, detail: Option<&str>);

    /// The thread of `plugin` does not come back: all of its entries are [`EntryState::Wedged`]. Told once for each time it is
    /// found out, before the changes of the entries.
    fn wedged(&self, plugin: &str, detail: &str);
}

/// How the coordinator runs.
#[derive(Clone)]
pub struct Options {
    /// Whether an entry's `fatal_on_startup_failure` counts. If not, every entry is treated as if it were not fatal.
    pub honour_fatal: bool,
    /// For `boot_at` and the uptime. Deadlines and intervals go by tokio's clock.
    pub clock: Arc<dyn Clock>,
    /// For jitter.
    pub chance: Arc<dyn Chance>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            honour_fatal: true,
            clock: Arc::new(SystemClock::new()),
            chance: Arc::new(SplitMix64::from_entropy()),
        }
    }
}

/// What the loop and the handles share.
pub(super) struct Shared {
    pub model: Mutex<Model>,
    pub reason: Arc<OnceLock<ShutdownReason>>,
    pub shutdown_asked: Notify,
    pub requests: mpsc::Sender<Asked>,
    pub host_state: watch::Sender<HostState>,
    pub clock: Arc<dyn Clock>,
    pub daemon_session_id: String,
    pub boot_at: Timestamp,
    pub began: Duration,
}

/// A request and where its answer goes.
pub(super) type Asked = (Request, oneshot::Sender<Answer>);

impl Shared {
    /// The model stays sound even if a turn panicked: it is the loop that has gone then.
    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs daemon entries. Made with its handle; [`run`](Self::run) is its life.
pub struct Coordinator {
    shared: Arc<Shared>,
    observer: Arc<dyn Observer>,
    chance: Arc<dyn Chance>,
    requests: mpsc::Receiver<Asked>,
    reports: mpsc::Receiver<Report>,
    report_to: mpsc::Sender<Report>,
    orders: HashMap<Key, mpsc::Sender<Order>>,
    actors: TaskTracker,
    answers: HashMap<RequestId, oneshot::Sender<Answer>>,
    next_request: u64,
    shutdown_deadline: Option<Instant>,
}

impl Coordinator {
    /// One that has nothing to run yet, and the handle through which it is told.
    pub fn new(options: Options, observer: Arc<dyn Observer>) -> (Self, CoordinatorHandle) {
        let (request_to, requests) = mpsc::channel(REQUESTS_QUEUED);
        let (report_to, reports) = mpsc::channel(REPORTS_QUEUED);
        let reason = Arc::new(OnceLock::new());
        let model = Model::new(
            Arc::clone(&reason),
            Arc::clone(&options.chance),
            options.honour_fatal,
        );
        let shared = Arc::new(Shared {
            model: Mutex::new(model),
            reason,
            shutdown_asked: Notify::new(),
            requests: request_to,
            host_state: watch::Sender::new(HostState::Booting),
            daemon_session_id: Uuid::new_v4().simple().to_string(),
            boot_at: options.clock.now(),
            began: options.clock.monotonic(),
            clock: options.clock,
        });
        let handle = CoordinatorHandle::new(Arc::clone(&shared));
        let coordinator = Self {
            shared,
            observer,
            chance: options.chance,
            requests,
            reports,
            report_to,
            orders: HashMap::new(),
            actors: TaskTracker::new(),
            answers: HashMap::new(),
            next_request: 0,
            shutdown_deadline: None,
        };
        (coordinator, handle)
    }

    /// Runs until everything has stopped, and joins what it spawned. Not to be dropped before: entries would end without
    /// their `shutdown`.
    pub async fn run(mut self) -> Ending {
        let ending = loop {
            let event = self.next_event().await;
            let began = Instant::now();
            for action in self.handle_event(event) {
                self.perform(action);
            }
            journal::turn_took(began.elapsed(), SLOW_TURN);
            if let Some(ending) = self.ended() {
                break ending;
            }
        };
        self.refuse_further_requests();
        self.actors.close();
        self.actors.wait().await;
        self.shared.host_state.send_replace(HostState::Stopped);
        ending
    }

    /// Only selects. A reason to stop comes before everything else, and operators before the entries' own noise.
    async fn next_event(&mut self) -> Event {
        let deadline = self.shutdown_deadline;
        // Both senders are kept by `self`, so neither channel ever ends.
        tokio::select! {
            biased;
            () = self.shared.shutdown_asked.notified() => Event::ShutdownRequested,
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => Event::ShutdownBudgetSpent,
            Some((request, answer)) = self.requests.recv() => self.numbered(request, answer),
            Some(report) = self.reports.recv() => Event::Reported(report),
        }
    }

    fn numbered(&mut self, request: Request, answer: oneshot::Sender<Answer>) -> Event {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.answers.insert(id, answer);
        Event::Asked { id, request }
    }

    fn handle_event(&mut self, event: Event) -> Vec<Action> {
        if matches!(event, Event::ShutdownBudgetSpent) {
            self.shutdown_deadline = None;
        }
        self.shared.model().handle_event(Instant::now(), event)
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Spawn { key, plan, entry } => self.spawn(key, plan, entry),
            Action::Order { key, order } => self.tell(key, order),
            Action::EntryChanged(change) => {
                journal::entry_changed(&change);
                self.observer
                    .entry_changed(&change.id, change.from, change.to, change.detail.as_deref());
            }
            Action::PluginWedged { plugin, detail } => {
                journal::plugin_wedged(&plugin, &detail);
                self.observer.wedged(&plugin, &detail);
            }
            Action::Note(note) => journal::note(&note),
            Action::Answer { id, answer } => {
                // Whoever asked may have stopped waiting; what was asked for has happened all the same.
                let _ = self.answers.remove(&id).map(|asker| asker.send(answer));
            }
            Action::HostChanged(state) => self.host_changed(state),
            Action::ArmShutdownBudget(budget) => self.shutdown_deadline = Some(Instant::now() + budget),
        }
    }

    /// The one place where the coordinator spawns: an actor for each entry, named in its span, counted and joined.
    fn spawn(&mut self, key: Key, plan: Arc<EntryPlan>, entry: Arc<dyn Entry>) {
        let (order_to, orders) = mpsc::channel(ORDERS_QUEUED);
        self.orders.insert(key, order_to);
        let span = tracing::info_span!("daemon", entry = %plan.id);
        let actor = Actor {
            key,
            plan,
            entry,
            chance: Arc::clone(&self.chance),
            reports: self.report_to.clone(),
        };
        self.actors.spawn(actor.run(orders).instrument(span));
    }

    fn tell(&mut self, key: Key, order: Order) {
        let sent = self.orders.get(&key).map(|orders| orders.try_send(order));
        if let Some(Err(error)) = sent {
            journal::order_lost(order, &error);
        }
        if order == Order::End {
            self.orders.remove(&key);
        }
    }

    /// That all has stopped is told last, by `run`: when the actors are joined.
    fn host_changed(&mut self, state: HostState) {
        journal::host_changed(state, self.shared.reason.get());
        if state != HostState::Stopped {
            self.shared.host_state.send_replace(state);
        }
    }

    fn ended(&self) -> Option<Ending> {
        let model = self.shared.model();
        let stopped = model.host_state() == HostState::Stopped;
        model.ending().filter(|_| stopped).cloned()
    }

    /// Askers that come too late see their answer's channel close.
    fn refuse_further_requests(&mut self) {
        self.requests.close();
        while self.requests.try_recv().is_ok() {}
        self.answers.clear();
        self.orders.clear();
    }
}
