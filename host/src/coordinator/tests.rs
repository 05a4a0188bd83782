//! The coordinator whole, over entries that do what a script says, on tokio's paused clock: no test waits in earnest.

mod faults;
mod lifecycle;
mod order;
mod ticks;

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What a hook does when it is called.
#[derive(Debug, Clone, PartialEq)]
enum Does {
    Ok,
    Take(Duration),
    Fail(&'static str),
    MissCredential(&'static str),
    /// As a plugin's SDK answers for a panic.
    Panic(&'static str),
    /// In the host's half of the entry.
    PanicHere,
    /// A future that never ends.
    Hang,
    /// A loop that never yields, so that the probe is not answered either.
    Wedge,
    /// The same, where whoever implements the entry knows it.
    WedgeKnown,
}

/// What happened on a stage, each with the seconds since it was set.
#[derive(Clone)]
struct Stage {
    began: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    fn set() -> Self {
        Self {
            began: Instant::now(),
            lines: Arc::default(),
        }
    }

    fn note(&self, line: &str) {
        let at = self.began.elapsed().as_secs_f64();
        self.lines.lock().unwrap().push(format!("{at} {line}"));
    }

    /// What has happened since this was last asked.
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }

    /// The same without the times.
    fn calls(&self) -> Vec<String> {
        let lines = self.lines();
        lines
            .iter()
            .map(|line| line.split_once(' ').unwrap().1.to_owned())
            .collect()
    }

    /// An entry whose hooks go well, until told otherwise.
    fn entry(&self, name: &str) -> Scripted {
        Scripted {
            plan: EntryPlan::new(EntryId::named_by("p", name)),
            entry: Fake {
                name: EntryId::named_by("p", name).to_string(),
                stage: self.clone(),
                startup: Script::default(),
                tick: Script::default(),
                shutdown: Script::default(),
                wedged: Mutex::default(),
            },
        }
    }

    fn host(&self) -> Host {
        self.host_with(true)
    }

    fn host_with(&self, honour_fatal: bool) -> Host {
        let observer = Arc::new(Watching(self.clone()));
        let chance = Arc::new(SplitMix64::seeded(1));
        let options = Options {
            honour_fatal,
            chance,
            ..Options::default()
        };
        let (coordinator, handle) = Coordinator::new(options, observer);
        let life = tokio::spawn(coordinator.run());
        Host { handle, life }
    }
}

/// A running coordinator.
struct Host {
    handle: CoordinatorHandle,
    life: JoinHandle<Ending>,
}

impl Host {
    async fn boot(&self, entries: impl IntoIterator<Item = Scripted>) -> BootOutcome {
        let entries = entries.into_iter().map(Scripted::new_entry).collect();
        self.handle.boot(entries).await.expect("a valid set of entries")
    }

    async fn add(
        &self,
        entries: impl IntoIterator<Item = Scripted>,
    ) -> Result<Vec<EntryStatus>, OperationError> {
        self.handle
            .add(entries.into_iter().map(Scripted::new_entry).collect())
            .await
    }

    fn entry(&self, name: &str) -> EntryStatus {
        let id = EntryId::named_by("p", name);
        let entries = self.handle.status().entries;
        entries
            .into_iter()
            .find(|entry| entry.id == id)
            .expect("a known entry")
    }

    fn terminate(&self) {
        self.handle
            .request_shutdown(ShutdownReason::Signal("SIGTERM".to_owned()));
    }

    async fn end(self) -> Ending {
        self.terminate();
        self.life.await.expect("the coordinator does not panic")
    }
}

/// Answers in turn; the last answer stands.
#[derive(Default)]
struct Script(Mutex<VecDeque<Does>>);

impl Script {
    fn next(&self) -> Does {
        let mut answers = self.0.lock().unwrap();
        if answers.len() > 1 {
            return answers.pop_front().unwrap();
        }
        answers.front().cloned().unwrap_or(Does::Ok)
    }
}

struct Fake {
    name: String,
    stage: Stage,
    startup: Script,
    tick: Script,
    shutdown: Script,
    wedged: Mutex<Option<Does>>,
}

/// An entry that is still being written.
struct Scripted {
    plan: EntryPlan,
    entry: Fake,
}

impl Scripted {
    fn plan(mut self, change: impl FnOnce(&mut EntryPlan)) -> Self {
        change(&mut self.plan);
        self
    }

    fn fatal(self) -> Self {
        self.plan(|plan| plan.fatal_on_startup_failure = true)
    }

    fn ticking(self, every_seconds: u64) -> Self {
        self.plan(|plan| {
            plan.tasks
                .push(TaskPlan::new("tick", Duration::from_secs(every_seconds)))
        })
    }

    fn startup(mut self, answers: impl IntoIterator<Item = Does>) -> Self {
        self.entry.startup.0 = Mutex::new(answers.into_iter().collect());
        self
    }

    fn tick(mut self, answers: impl IntoIterator<Item = Does>) -> Self {
        self.entry.tick.0 = Mutex::new(answers.into_iter().collect());
        self
    }

    fn shutdown(mut self, answers: impl IntoIterator<Item = Does>) -> Self {
        self.entry.shutdown.0 = Mutex::new(answers.into_iter().collect());
        self
    }

    fn new_entry(self) -> NewEntry {
        (self.plan, Arc::new(self.entry))
    }
}

/// Says so if a hook is dropped before its end.
struct Unfinished<'a>(Option<(&'a Stage, String)>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some((stage, call)) = self.0.take() {
            stage.note(&format!("{call} cancelled"));
        }
    }
}

impl Fake {
    async fn play(&self, hook: &str, does: Does) -> Result<(), EntryError> {
        let call = format!("{} {hook}", self.name);
        self.stage.note(&call);
        let mut unfinished = Unfinished(Some((&self.stage, call)));
        let outcome = match does {
            Does::Ok => Ok(()),
            Does::Take(time) => {
                sleep(time).await;
                Ok(())
            }
            Does::Fail(text) => Err(EntryError::Failed(text.to_owned())),
            Does::MissCredential(name) => Err(EntryError::MissingCredential {
                name: name.to_owned(),
            }),
            Does::Panic(text) => Err(EntryError::Panicked(text.to_owned())),
            Does::PanicHere => {
                unfinished.0 = None;
                panic!("on purpose")
            }
            Does::Hang => pending().await,
            Does::Wedge | Does::WedgeKnown => {
                *self.wedged.lock().unwrap() = Some(does);
                pending().await
            }
        };
        unfinished.0 = None;
        outcome
    }
}

#[async_trait]
impl Entry for Fake {
    async fn startup(&self) -> Result<(), EntryError> {
        self.play("startup", self.startup.next()).await
    }

    async fn tick(&self, _: usize) -> Result<(), EntryError> {
        self.play("tick", self.tick.next()).await
    }

    async fn shutdown(&self) -> Result<(), EntryError> {
        self.play("shutdown", self.shutdown.next()).await
    }

    async fn probe(&self) -> bool {
        let wedged = self.wedged.lock().unwrap().clone();
        match wedged {
            Some(Does::Wedge) => pending().await,
            wedged => wedged.is_none(),
        }
    }
}

/// Writes onto the stage what only an observer hears; changes of state are asked for by few tests.
struct Watching(Stage);

impl Observer for Watching {
    fn entry_changed(&self, id: &EntryId, _: EntryState, to: EntryState, _: Option<&str>) {
        if matches!(to, EntryState::Failed | EntryState::Degraded | EntryState::Wedged) {
            self.0.note(&format!("{id} is {to}"));
        }
    }

    fn wedged(&self, plugin: &str, _: &str) {
        self.0.note(&format!("plugin {plugin} is wedged"));
    }
}
