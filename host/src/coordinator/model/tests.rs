//! The model alone: what is ordered, in which order, and what is answered. No runtime, no time but what is told.

use std::collections::HashMap;

use async_trait::async_trait;

use super::*;
use crate::coordinator::{
    actor::{Happening, TickEnd},
    entry::EntryError,
    fault::{Fault, Hook},
    plan::{RestartPlan, TaskPlan},
};

const SECOND: Duration = Duration::from_secs(1);

mod arbitrary;
mod boot;
mod changes;
mod faults;

/// An entry that is never called: the model calls nobody.
struct Untouched;

#[async_trait]
impl Entry for Untouched {
    async fn startup(&self) -> Result<(), EntryError> {
        panic!("called by the model")
    }
    async fn tick(&self, _: usize) -> Result<(), EntryError> {
        panic!("called by the model")
    }
    async fn shutdown(&self) -> Result<(), EntryError> {
        panic!("called by the model")
    }
    async fn probe(&self) -> bool {
        panic!("called by the model")
    }
}

struct Never;

impl Chance for Never {
    fn unit(&self) -> f64 {
        0.0
    }
}

/// A model, and the names of what it has spawned. Each call answers what is to be done, one line for each action.
struct Desk {
    model: Model,
    now: Instant,
    names: HashMap<Key, String>,
    requests: u64,
}

fn id(name: &str) -> EntryId {
    EntryId::named_by("p", name)
}

fn plan(name: &str) -> EntryPlan {
    EntryPlan::new(id(name))
}

fn fatal(name: &str) -> EntryPlan {
    EntryPlan {
        fatal_on_startup_failure: true,
        ..plan(name)
    }
}

fn requiring(name: &str, other: &str) -> EntryPlan {
    EntryPlan {
        requires: vec![id(other)],
        ..plan(name)
    }
}

fn ticking(name: &str) -> EntryPlan {
    EntryPlan {
        tasks: vec![TaskPlan::new("tick", SECOND), TaskPlan::new("tock", SECOND)],
        ..plan(name)
    }
}

fn new(plans: impl IntoIterator<Item = EntryPlan>) -> Vec<NewEntry> {
    plans
        .into_iter()
        .map(|plan| (plan, Arc::new(Untouched) as Arc<dyn Entry>))
        .collect()
}

fn failed(text: &str) -> Fault {
    Fault::Answered(EntryError::Failed(text.to_owned()))
}

fn no_token() -> Fault {
    let name = "TOKEN".to_owned();
    Fault::Answered(EntryError::MissingCredential { name })
}

impl Desk {
    fn new() -> Self {
        Self::honouring(true)
    }

    fn honouring(honour_fatal: bool) -> Self {
        Self {
            model: Model::new(FirstReason::default(), Arc::new(Never), honour_fatal),
            now: Instant::now(),
            names: HashMap::new(),
            requests: 0,
        }
    }

    /// A running host with these entries.
    fn running(plans: impl IntoIterator<Item = EntryPlan>) -> Self {
        let mut desk = Self::new();
        desk.boot(plans);
        while let Some(starting) = desk.in_state(EntryState::Starting) {
            desk.started(&starting);
        }
        assert_eq!(desk.model.host_state(), HostState::Running);
        desk
    }

    fn in_state(&self, state: EntryState) -> Option<String> {
        let statuses = self.model.statuses(self.now);
        statuses
            .into_iter()
            .find(|entry| entry.state == state)
            .map(|entry| entry.id.to_string())
    }

    fn feed(&mut self, event: Event) -> Vec<String> {
        let actions = self.model.handle_event(self.now, event);
        actions
            .into_iter()
            .filter_map(|action| self.line(action))
            .collect()
    }

    fn line(&mut self, action: Action) -> Option<String> {
        Some(match action {
            Action::Spawn { key, plan, .. } => {
                self.names.insert(key, plan.id.to_string());
                return None;
            }
            Action::Order { key, order } => format!("{} {order:?}", self.names[&key]),
            Action::EntryChanged(change) => match change.detail {
                Some(detail) => format!("{} {}: {detail}", change.id, change.to),
                None => format!("{} {}", change.id, change.to),
            },
            Action::PluginWedged { plugin, .. } => format!("plugin {plugin} wedged"),
            Action::Note(note) => format!("{note:?}"),
            Action::Answer { answer: Ok(_), .. } => "answer ok".to_owned(),
            Action::Answer {
                answer: Err(error), ..
            } => format!("answer {error}"),
            Action::HostChanged(state) => format!("host {state}"),
            Action::ArmShutdownBudget(budget) => format!("arm {budget:?}"),
        })
    }

    fn ask(&mut self, request: Request) -> Vec<String> {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.feed(Event::Asked { id, request })
    }

    fn boot(&mut self, plans: impl IntoIterator<Item = EntryPlan>) -> Vec<String> {
        self.ask(Request::Boot(new(plans)))
    }

    fn add(&mut self, plans: impl IntoIterator<Item = EntryPlan>) -> Vec<String> {
        self.ask(Request::Add(new(plans)))
    }

    fn restart(&mut self) -> Vec<String> {
        self.ask(Request::Restart {
            plugin: "p".to_owned(),
        })
    }

    fn shut_down(&mut self, reason: ShutdownReason) -> Vec<String> {
        self.model.reason.get_or_init(|| reason);
        self.feed(Event::ShutdownRequested)
    }

    /// The newest entry of that name reports.
    fn says(&mut self, name: &str, what: Happening) -> Vec<String> {
        let named = self
            .names
            .iter()
            .filter(|(_, known)| **known == id(name).to_string());
        let newest = named.map(|(key, _)| *key).max();
        newest.map_or_else(Vec::new, |key| self.feed(Event::Reported(Report { key, what })))
    }

    fn started(&mut self, name: &str) -> Vec<String> {
        let due = vec![self.now + SECOND; 2];
        self.says(name, Happening::Started { due })
    }

    fn start_failed(&mut self, name: &str, fault: Fault) -> Vec<String> {
        self.says(name, Happening::StartFailed(fault))
    }

    fn stopped(&mut self, name: &str) -> Vec<String> {
        self.says(name, Happening::Stopped(None))
    }

    fn ticked(&mut self, name: &str, task: usize, fault: Option<Fault>) -> Vec<String> {
        let due = self.now + SECOND;
        let end = TickEnd {
            task,
            fault,
            skipped: 0,
            due,
        };
        self.says(name, Happening::TickEnded(end))
    }

    fn wedged(&mut self, name: &str) -> Vec<String> {
        self.says(name, Happening::Wedged("no answer".to_owned()))
    }

    fn state(&self, name: &str) -> EntryState {
        self.entry(name).state
    }

    fn entry(&self, name: &str) -> EntryStatus {
        let entries = self.model.statuses(self.now);
        entries
            .into_iter()
            .find(|entry| entry.id == id(name))
            .expect("a known entry")
    }
}

fn sigterm() -> ShutdownReason {
    ShutdownReason::Signal("SIGTERM".to_owned())
}
