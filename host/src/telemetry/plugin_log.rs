//! Records of plugins on their way into the host's log: held against the plugin's own level, bounded in number and size, and
//! unable to look like anybody else's.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::{Map, Value};

use super::printable::printable;
use crate::domain::{Clock, LogLevel, LogSettings, PluginName, TokenBucket};

/// The target of all of them.
pub(super) const PLUGIN_TARGET: &str = "plugin";

/// More of a message is no message but a file.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024;
/// The same of all fields together.
pub const MAX_FIELDS_BYTES: usize = 8 * 1024;
/// A module's path.
const MAX_TARGET_BYTES: usize = 256;

/// Enough for a plugin that tells how it starts.
const BURST: u32 = 1_000;
/// More than this, all the time, fills a disk and drowns the other plugins.
const RECORDS_PER_SECOND: u32 = 200;
/// How often it is said that records were dropped.
const DROPPED_REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The logs of all plugins, by name.
pub(super) struct PluginLogs {
    clock: Arc<dyn Clock>,
    known: RwLock<Known>,
}

struct Known {
    level: LogLevel,
    levels: BTreeMap<PluginName, LogLevel>,
    logs: HashMap<String, Arc<PluginLog>>,
}

impl Known {
    fn level_of(&self, plugin: &str) -> LogLevel {
        let own = self.levels.iter().find(|(name, _)| name.as_str() == plugin);
        own.map_or(self.level, |(_, level)| *level)
    }
}

impl PluginLogs {
    pub fn new(settings: &LogSettings, clock: Arc<dyn Clock>) -> Self {
        let known = Known {
            level: settings.level,
            levels: settings.plugins.clone(),
            logs: HashMap::new(),
        };
        Self {
            clock,
            known: RwLock::new(known),
        }
    }

    /// The log of `plugin`, made when it is first asked for.
    pub fn of(&self, plugin: &str) -> Arc<PluginLog> {
        let found = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .logs
            .get(plugin)
            .cloned();
        found.unwrap_or_else(|| {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            let level = known.level_of(plugin);
            let new = || Arc::new(PluginLog::new(plugin, level, Arc::clone(&self.clock)));
            Arc::clone(known.logs.entry(plugin.to_owned()).or_insert_with(new))
        })
    }

    /// From here on these levels hold.
    pub fn set_levels(&self, settings: &LogSettings) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.level = settings.level;
        known.levels.clone_from(&settings.plugins);
        for (plugin, log) in &known.logs {
            log.max_level
                .store(known.level_of(plugin).number(), Ordering::Relaxed);
        }
    }

    pub fn report_dropped(&self) {
        let logs: Vec<_> = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .logs
            .values()
            .cloned()
            .collect();
        for log in logs {
            log.report_dropped();
        }
    }
}

/// The log of one plugin. Every function may be called from any thread and never blocks for long.
pub struct PluginLog {
    plugin: String,
    max_level: AtomicU32,
    clock: Arc<dyn Clock>,
    flow: Mutex<Flow>,
}

struct Flow {
    bucket: TokenBucket,
    dropped: u64,
    reported_at: Option<Duration>,
}

impl PluginLog {
    fn new(plugin: &str, level: LogLevel, clock: Arc<dyn Clock>) -> Self {
        let bucket = TokenBucket::new(BURST, RECORDS_PER_SECOND, clock.monotonic());
        Self {
            plugin: plugin.to_owned(),
            max_level: AtomicU32::new(level.number()),
            clock,
            flow: Mutex::new(Flow {
                bucket,
                dropped: 0,
                reported_at: None,
            }),
        }
    }

    /// The most verbose level that is kept now: 0 none, 1 error … 5 trace.
    pub fn max_level(&self) -> u32 {
        self.max_level.load(Ordering::Relaxed)
    }

    /// Writes a record of the plugin's, if its level is kept and the plugin has not said too much. A level outside 1 to 5 is
    /// taken as the nearest within. What is too long ends in `…`.
    pub fn emit(&self, level: u32, target: &str, message: &str, fields: &Map<String, Value>) {
        let level = level.clamp(LogLevel::Error.number(), LogLevel::Trace.number());
        if level > self.max_level() || !self.flows() {
            return;
        }
        let plugin = self.plugin.as_str();
        let message = printable(message, MAX_MESSAGE_BYTES);
        let origin = printable(target, MAX_TARGET_BYTES);
        let data = (!fields.is_empty()).then(|| {
            // JSON values always have a text; were one to have none, the record says why.
            let text = serde_json::to_string(fields).unwrap_or_else(|error| error.to_string());
            tracing::field::display(printable(&text, MAX_FIELDS_BYTES))
        });
        match level {
            1 => tracing::error!(target: PLUGIN_TARGET, plugin, origin, data, "{message}"),
            2 => tracing::warn!(target: PLUGIN_TARGET, plugin, origin, data, "{message}"),
            3 => tracing::info!(target: PLUGIN_TARGET, plugin, origin, data, "{message}"),
            4 => tracing::debug!(target: PLUGIN_TARGET, plugin, origin, data, "{message}"),
            _ => tracing::trace!(target: PLUGIN_TARGET, plugin, origin, data, "{message}"),
        }
    }

    /// Says how many records were dropped, if any were and it was not said lately.
    pub fn report_dropped(&self) {
        let now = self.clock.monotonic();
        let due = self
            .flow
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_report(now);
        self.say_dropped(due);
    }

    /// Whether one more record may pass. Says so, once in an interval, if records do not.
    fn flows(&self) -> bool {
        let now = self.clock.monotonic();
        let (passes, due) = {
            let mut flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner);
            let passes = flow.bucket.take(now);
            flow.dropped += u64::from(!passes);
            (passes, flow.take_report(now))
        };
        self.say_dropped(due);
        passes
    }

    fn say_dropped(&self, dropped: Option<u64>) {
        if let Some(dropped) = dropped {
            let plugin = self.plugin.as_str();
            tracing::warn!(
                plugin,
                dropped,
                "the plugin logs more than {RECORDS_PER_SECOND} records a second; some were dropped"
            );
        }
    }
}

impl Flow {
    fn take_report(&mut self, now: Duration) -> Option<u64> {
        let lately = self
            .reported_at
            .is_some_and(|at| now.saturating_sub(at) < DROPPED_REPORT_INTERVAL);
        if self.dropped == 0 || lately {
            return None;
        }
        self.reported_at = Some(now);
        Some(std::mem::take(&mut self.dropped))
    }
}

impl fmt::Debug for PluginLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginLog")
            .field("plugin", &self.plugin)
            .field("max_level", &self.max_level)
            .finish_non_exhaustive()
    }
}
