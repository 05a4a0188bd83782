//! What a plugin says it registers, read as hostile input.

mod offers;

use std::{collections::HashSet, time::Duration};

use serde::Deserialize;

pub(super) use offers::is_mime_type;
pub use offers::{
    PromptArgument, PromptRegistration, ResourceRegistration, ToolAnnotations, ToolRegistration,
    WebhookRegistration,
};

/// A registration larger than this is not even parsed. The largest honest one has some 60 tools with schemas of a few KiB.
const REGISTRATION_BYTES: usize = 1 << 20;
/// Entries of one kind in one plugin; periodic tasks in one daemon.
const ENTRIES: usize = 64;
/// A periodic task faster than this would be a busy loop.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
/// No interval, window or deadline is longer than a year: more is a mistake in the unit.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);
/// A start or tick that may take longer than this is not one.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// One entry must not use up the time that all have to stop.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(30);
/// A restart budget above this bounds nothing.
const MOST_RESTARTS: u32 = 1000;

/// A registration that is not what it must be: why, in words that may hold some of the plugin's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRegistration(String);

/// What a plugin registers. The kinds that came later may be left out: libraries of before do not know them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Its identity providers.
    pub identity_providers: Vec<ProviderRegistration>,
    /// Its daemon entries, in the order in which they were registered.
    pub daemons: Vec<DaemonRegistration>,
    /// Its listeners.
    pub listeners: Vec<ListenerRegistration>,
    /// Its tools.
    #[serde(default)]
    pub tools: Vec<ToolRegistration>,
    /// Its prompts.
    #[serde(default)]
    pub prompts: Vec<PromptRegistration>,
    /// Its resources and resource templates.
    #[serde(default)]
    pub resources: Vec<ResourceRegistration>,
    /// Its webhooks.
    #[serde(default)]
    pub webhooks: Vec<WebhookRegistration>,
}

/// An identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderRegistration {
    /// Unique within the plugin.
    pub name: String,
    /// How the plugin knows it.
    pub handle: u64,
}

/// A daemon entry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonRegistration {
    /// Unique within the plugin.
    pub name: String,
    /// How the plugin knows it.
    pub handle: u64,
    /// Its periodic tasks.
    pub tasks: Vec<TaskRegistration>,
    /// Whether the host gives up its boot if it does not start.
    pub fatal_on_startup_failure: bool,
    /// How long a start may take; absent: the host's default.
    pub startup_timeout_ms: Option<u64>,
    /// How long a tick may take; absent: the host's default.
    pub tick_timeout_ms: Option<u64>,
    /// How long a stop may take; absent: the host's default.
    pub shutdown_timeout_ms: Option<u64>,
    /// Starts after these, if they are there.
    pub after: Vec<String>,
    /// Does not start unless these have.
    pub requires: Vec<String>,
    /// What happens after a failure.
    pub restart: RestartRegistration,
}

/// A periodic task.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRegistration {
    /// Unique within the daemon.
    pub name: String,
    /// The interval.
    pub every_ms: u64,
    /// Up to this much later, at random.
    pub jitter_ms: u64,
    /// What happens when it is due while it runs.
    pub overlap: OverlapPolicy,
}

/// What happens when a task is due while its last run still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapPolicy {
    /// This run is left out.
    Skip,
    /// One run waits.
    Queue,
}

/// What happens after an entry failed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartRegistration {
    /// How many restarts within the window.
    pub max_restarts: u32,
    /// The window.
    pub window_ms: u64,
    /// The first wait.
    pub backoff_min_ms: u64,
    /// The longest wait.
    pub backoff_max_ms: u64,
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerRegistration {
    /// Unique within the plugin.
    pub name: String,
    /// How the plugin knows it.
    pub handle: u64,
    /// Events whose type is one of these or begins with one of these and a dot.
    pub event_prefixes: Vec<String>,
    /// Whether it hears of state changes.
    pub states: bool,
}

impl Registration {
    /// Reads and checks what `register` answered. Schemas take as long as their authors like: not for a worker of the runtime.
    ///
    /// # Errors
    /// If it is not a registration, too large, or has a name or handle twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadRegistration> {
        if bytes.len() > REGISTRATION_BYTES {
            return bad(format!(
                "{} bytes, expected at most {REGISTRATION_BYTES}",
                bytes.len()
            ));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BadRegistration("it is not UTF-8".to_owned()))?;
        let registration: Self = serde_json::from_str(text).map_err(|e| BadRegistration(e.to_string()))?;
        registration.check()?;
        Ok(registration)
    }

    fn check(&self) -> Result<(), BadRegistration> {
        let providers = self
            .identity_providers
            .iter()
            .map(|p| (p.name.as_str(), Some(p.handle)));
        let daemons = self.daemons.iter().map(|d| (d.name.as_str(), Some(d.handle)));
        let listeners = self.listeners.iter().map(|l| (l.name.as_str(), Some(l.handle)));
        unique("identity provider", is_word, providers)?;
        unique("daemon", is_word, daemons)?;
        unique("listener", is_word, listeners)?;
        self.daemons.iter().try_for_each(DaemonRegistration::check)?;
        self.listeners.iter().try_for_each(ListenerRegistration::check)?;
        offers::check(self)
    }
}

impl DaemonRegistration {
    fn check(&self) -> Result<(), BadRegistration> {
        let what = |field: &str| format!("daemon `{}`: {field}", self.name);
        unique(
            "periodic task",
            is_task_name,
            self.tasks.iter().map(|t| (t.name.as_str(), None)),
        )?;
        for task in &self.tasks {
            let field = |name: &str| what(&format!("task `{}`: {name}", task.name));
            between(&field("every_ms"), task.every_ms, SHORTEST_INTERVAL, LONGEST)?;
            between(&field("jitter_ms"), task.jitter_ms, Duration::ZERO, LONGEST)?;
        }
        let shortest = Duration::from_millis(1);
        let (startup, tick) = (
            self.startup_timeout_ms.unwrap_or(1),
            self.tick_timeout_ms.unwrap_or(1),
        );
        between(&what("startup_timeout_ms"), startup, shortest, LONGEST_TIMEOUT)?;
        between(&what("tick_timeout_ms"), tick, shortest, LONGEST_TIMEOUT)?;
        let shutdown = self.shutdown_timeout_ms.unwrap_or(1);
        between(&what("shutdown_timeout_ms"), shutdown, shortest, LONGEST_SHUTDOWN)?;
        self.restart.check(what)?;
        let others = self.after.iter().chain(&self.requires);
        if others.clone().count() > ENTRIES || others.clone().any(|name| !is_entry_name(name)) {
            return bad(what(
                "`after` and `requires` take at most 64 names, `daemon` or `plugin/daemon`",
            ));
        }
        Ok(())
    }
}

impl RestartRegistration {
    fn check(&self, what: impl Fn(&str) -> String) -> Result<(), BadRegistration> {
        if self.max_restarts > MOST_RESTARTS {
            return bad(what(&format!(
                "restart.max_restarts is {}, expected at most {MOST_RESTARTS}",
                self.max_restarts
            )));
        }
        between(
            &what("restart.window_ms"),
            self.window_ms,
            Duration::ZERO,
            LONGEST,
        )?;
        between(
            &what("restart.backoff_max_ms"),
            self.backoff_max_ms,
            Duration::ZERO,
            LONGEST,
        )?;
        if self.backoff_min_ms > self.backoff_max_ms {
            return bad(what("restart.backoff_min_ms is greater than backoff_max_ms"));
        }
        Ok(())
    }
}

impl ListenerRegistration {
    fn check(&self) -> Result<(), BadRegistration> {
        let fits =
            self.event_prefixes.len() <= ENTRIES && self.event_prefixes.iter().all(|p| is_task_name(p));
        if fits {
            Ok(())
        } else {
            bad(format!(
                "listener `{}`: event_prefixes takes at most 64 words joined by dots",
                self.name
            ))
        }
    }
}

fn bad<T>(why: String) -> Result<T, BadRegistration> {
    Err(BadRegistration(why))
}

fn unique<'a>(
    what: &str,
    fits: fn(&str) -> bool,
    entries: impl Iterator<Item = (&'a str, Option<u64>)>,
) -> Result<(), BadRegistration> {
    let (mut names, mut handles) = (HashSet::new(), HashSet::new());
    for (name, handle) in entries {
        if !fits(name) {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            return bad(format!("the {what} name `{shown}` has not the form of a name"));
        }
        if !names.insert(name) {
            return bad(format!("the {what} `{name}` is registered twice"));
        }
        if handle.is_some_and(|handle| !handles.insert(handle)) {
            return bad(format!("the handle of the {what} `{name}` is given twice"));
        }
    }
    if names.len() > ENTRIES {
        return bad(format!(
            "{} entries of the kind {what}, expected at most {ENTRIES}",
            names.len()
        ));
    }
    Ok(())
}

fn between(what: &str, ms: u64, least: Duration, most: Duration) -> Result<(), BadRegistration> {
    let value = Duration::from_millis(ms);
    if value < least || value > most {
        return bad(format!(
            "{what} is {ms}, expected {} to {}",
            least.as_millis(),
            most.as_millis()
        ));
    }
    Ok(())
}

fn is_word(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && text.len() <= 32
}

/// Words joined by dots: `kora.daemon.alive`.
fn is_task_name(text: &str) -> bool {
    text.len() <= 128 && text.split('.').all(is_word)
}

/// `daemon` or `plugin/daemon`.
fn is_entry_name(text: &str) -> bool {
    text.split('/').count() <= 2 && text.split('/').all(is_word)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn daemon() -> Value {
        json!({
            "name": "clock", "handle": 7, "fatal_on_startup_failure": false,
            "startup_timeout_ms": null, "tick_timeout_ms": 1000, "shutdown_timeout_ms": 5000,
            "after": [], "requires": ["kora/heartbeat"],
            "tasks": [{"name": "clock.tick", "every_ms": 60000, "jitter_ms": 0, "overlap": "skip"}],
            "restart": {"max_restarts": 5, "window_ms": 600000, "backoff_min_ms": 1000, "backoff_max_ms": 60000},
        })
    }

    fn parse(change: impl FnOnce(&mut Value)) -> Result<Registration, BadRegistration> {
        let mut whole = json!({"identity_providers": [], "daemons": [daemon()], "listeners": []});
        change(&mut whole);
        Registration::parse(whole.to_string().as_bytes())
    }

    #[test]
    fn an_honest_registration_is_read() {
        let registration = parse(|_| ()).unwrap();
        assert_eq!(registration.daemons[0].tasks[0].name, "clock.tick");
    }

    #[test]
    fn a_name_or_handle_given_twice_is_refused() {
        let twice = parse(|whole| whole["daemons"].as_array_mut().unwrap().push(daemon()));
        assert!(
            twice
                .unwrap_err()
                .to_string()
                .contains("`clock` is registered twice")
        );
        let same_handle = parse(|whole| {
            let mut other = daemon();
            other["name"] = "other".into();
            whole["daemons"].as_array_mut().unwrap().push(other);
        });
        assert!(same_handle.unwrap_err().to_string().contains("handle"));
    }

    #[test]
    fn values_that_would_hurt_the_host_are_refused() {
        for (pointer, value) in [
            ("/daemons/0/tasks/0/every_ms", json!(0)),
            ("/daemons/0/shutdown_timeout_ms", json!(u64::MAX)),
            ("/daemons/0/name", json!("../../etc")),
            ("/daemons/0/requires/0", json!("a/b/c")),
            ("/daemons/0/tasks/0/overlap", json!("explode")),
        ] {
            let refused = parse(|whole| *whole.pointer_mut(pointer).unwrap() = value.clone());
            assert!(refused.is_err(), "{pointer} = {value}");
        }
    }

    #[test]
    fn bytes_that_are_no_registration_are_refused() {
        assert!(Registration::parse(&[0xff, 0xfe]).is_err());
        assert!(Registration::parse(b"[]").is_err());
        assert!(Registration::parse(&vec![b' '; REGISTRATION_BYTES + 1]).is_err());
    }
}
