//! What runs in the background.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::{Host, Result};

/// Code that runs beside an agent. All three run on the plugin's own thread: what holds it for long belongs into
/// [`Host::spawn_blocking`].
///
/// The host may cancel any of them at its deadline by dropping the future at an `await`; the drop of what it holds is the
/// place to clean up.
pub trait Daemon: Send + Sync + 'static {
    /// Called first. An error means that it did not start; [`shutdown`](Self::shutdown) follows all the same.
    fn startup(&self, host: &Host) -> impl Future<Output = Result> + Send {
        let _ = host;
        async { Ok(()) }
    }

    /// Called whenever the periodic task `task` is due: never before `startup` has returned, never after `shutdown` began.
    fn tick(&self, host: &Host, task: &str) -> impl Future<Output = Result> + Send {
        let _ = (host, task);
        async { Ok(()) }
    }

    /// Called last, once all ticks have ended; also after a `startup` that failed half way.
    fn shutdown(&self, host: &Host) -> impl Future<Output = Result> + Send {
        let _ = host;
        async { Ok(()) }
    }
}

/// What happens when a task is due while its last run still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// This run is left out, and counted.
    #[default]
    Skip,
    /// One run waits; further ones are left out.
    Queue,
}

impl Overlap {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
        }
    }
}

/// What happens after an entry failed: it is started anew, at most `max_restarts` times within `window`, after a wait that
/// doubles from `backoff_min` to `backoff_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// How many restarts within the window; 0 means never.
    pub max_restarts: u32,
    /// The window in which restarts are counted.
    pub window: Duration,
    /// The first wait.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            max_restarts: 5,
            window: Duration::from_secs(600),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
        }
    }
}

pub(crate) type Factory = Box<dyn Fn() -> Arc<dyn ErasedDaemon> + Send + Sync>;

pub(crate) struct PeriodicTask {
    pub name: String,
    pub every: Duration,
    pub jitter: Duration,
    pub overlap: Overlap,
}

/// A daemon entry: a factory for a [`Daemon`] and how the host is to run it.
pub struct BackgroundDaemon {
    pub(crate) name: String,
    pub(crate) make: Factory,
    pub(crate) tasks: Vec<PeriodicTask>,
    pub(crate) fatal: bool,
    pub(crate) startup_timeout: Option<Duration>,
    pub(crate) tick_timeout: Option<Duration>,
    pub(crate) shutdown_timeout: Option<Duration>,
    pub(crate) after: Vec<String>,
    pub(crate) requires: Vec<String>,
    pub(crate) restart: RestartPolicy,
}

impl BackgroundDaemon {
    /// An entry without periodic tasks. `make` is called before every start, so that an entry which panicked begins anew.
    pub fn new<D: Daemon>(name: impl Into<String>, make: impl Fn() -> D + Send + Sync + 'static) -> Self {
        Self {
            name: name.into(),
            make: Box::new(move || Arc::new(make())),
            tasks: Vec::new(),
            fatal: false,
            startup_timeout: None,
            tick_timeout: None,
            shutdown_timeout: None,
            after: Vec::new(),
            requires: Vec::new(),
            restart: RestartPolicy::default(),
        }
    }

    /// Calls [`Daemon::tick`] with this name, first one interval after the start.
    #[must_use]
    pub fn periodic_task(mut self, name: impl Into<String>, every: Duration) -> Self {
        self.tasks.push(PeriodicTask {
            name: name.into(),
            every,
            jitter: Duration::ZERO,
            overlap: Overlap::default(),
        });
        self
    }

    /// The last task that was added is due up to `jitter` later each time, at random.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        if let Some(task) = self.tasks.last_mut() {
            task.jitter = jitter;
        }
        self
    }

    /// What happens when the last task that was added is due while it still runs.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        if let Some(task) = self.tasks.last_mut() {
            task.overlap = overlap;
        }
        self
    }

    /// Whether the host gives up its own start if this entry fails to start while the host boots. False unless said.
    #[must_use]
    pub fn fatal_on_startup_failure(mut self, fatal: bool) -> Self {
        self.fatal = fatal;
        self
    }

    /// How long `startup` may take. The host's default (30 s) unless said.
    #[must_use]
    pub fn startup_timeout(mut self, timeout: Duration) -> Self {
        self.startup_timeout = Some(timeout);
        self
    }

    /// How long one run of a task may take. The host's default (60 s) unless said.
    #[must_use]
    pub fn tick_timeout(mut self, timeout: Duration) -> Self {
        self.tick_timeout = Some(timeout);
        self
    }

    /// How long `shutdown` may take, 30 s at most. The host's default (5 s) unless said.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = Some(timeout);
        self
    }

    /// Starts after that entry, and stops before it, if it is there: `plugin/daemon`, or `daemon` of this plugin.
    #[must_use]
    pub fn after(mut self, entry: impl Into<String>) -> Self {
        self.after.push(entry.into());
        self
    }

    /// As [`after`](Self::after), and does not start unless that entry has.
    #[must_use]
    pub fn requires(mut self, entry: impl Into<String>) -> Self {
        self.requires.push(entry.into());
        self
    }

    /// What happens after a failure.
    #[must_use]
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.restart = policy;
        self
    }
}

pub(crate) type BoxFuture<'a> = Pin<Box<dyn Future<Output = Result> + Send + 'a>>;

/// [`Daemon`] with boxed futures, so that several kinds fit one list.
pub(crate) trait ErasedDaemon: Send + Sync {
    fn startup<'a>(&'a self, host: &'a Host) -> BoxFuture<'a>;
    fn tick<'a>(&'a self, host: &'a Host, task: &'a str) -> BoxFuture<'a>;
    fn shutdown<'a>(&'a self, host: &'a Host) -> BoxFuture<'a>;
}

impl<D: Daemon> ErasedDaemon for D {
    fn startup<'a>(&'a self, host: &'a Host) -> BoxFuture<'a> {
        Box::pin(Daemon::startup(self, host))
    }
    fn tick<'a>(&'a self, host: &'a Host, task: &'a str) -> BoxFuture<'a> {
        Box::pin(Daemon::tick(self, host, task))
    }
    fn shutdown<'a>(&'a self, host: &'a Host) -> BoxFuture<'a> {
        Box::pin(Daemon::shutdown(self, host))
    }
}
