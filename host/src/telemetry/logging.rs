//! The host's log: text or JSON lines, on standard error when installed, with levels and form that change while it runs.

use std::{fmt, io, sync::Arc};

use serde_json::{Map, Value};
use tracing::{Dispatch, level_filters::LevelFilter};
use tracing_subscriber::{Layer as _, fmt::MakeWriter, layer::SubscriberExt as _};

use super::{
    PluginLog,
    gate::{FormatFilter, Gate},
    plugin_log::PluginLogs,
    recent_errors::RecentErrors,
    recent_records::{LogListener, LogRecord, RecentRecords},
};
use crate::domain::{Clock, LogFormat, LogSettings};

/// What a log is made of.
pub struct LoggingOptions {
    /// Levels and form to begin with.
    pub settings: LogSettings,
    /// Where intervals are measured. Times of records are the machine's.
    pub clock: Arc<dyn Clock>,
    /// Whether text is coloured: for a terminal.
    pub colour: bool,
}

/// A log that is not in place yet.
pub struct Logging {
    dispatch: Dispatch,
    handle: LoggingHandle,
}

/// The process has a log already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process has a log already: expected to be the first to install one")]
pub struct AlreadyInstalled;

impl Logging {
    /// A log that writes to `writer`.
    pub fn new<W>(options: LoggingOptions, writer: W) -> Self
    where
        W: for<'a> MakeWriter<'a> + Clone + Send + Sync + 'static,
    {
        let LoggingOptions {
            settings,
            clock,
            colour,
        } = options;
        let gate = Arc::new(Gate::new(&settings));
        let errors = RecentErrors::new(Arc::clone(&clock));
        let records = RecentRecords::new(Arc::clone(&clock));
        let filter = |format| FormatFilter {
            gate: Arc::clone(&gate),
            format,
        };
        let text = tracing_subscriber::fmt::layer()
            .with_ansi(colour)
            .with_writer(writer.clone());
        let json = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(writer);
        let subscriber = tracing_subscriber::registry()
            .with(errors.clone().with_filter(LevelFilter::ERROR))
            .with(records.clone().with_filter(filter(None)))
            .with(text.with_filter(filter(Some(LogFormat::Text))))
            .with(json.with_filter(filter(Some(LogFormat::Json))));
        let plugins = Arc::new(PluginLogs::new(&settings, clock));
        Self {
            dispatch: Dispatch::new(subscriber),
            handle: LoggingHandle {
                gate,
                plugins,
                errors,
                records,
            },
        }
    }

    /// Makes a log on standard error the log of the process.
    ///
    /// # Errors
    /// If there is one.
    pub fn install(options: LoggingOptions) -> Result<LoggingHandle, AlreadyInstalled> {
        let Self { dispatch, handle } = Self::new(options, io::stderr);
        tracing::dispatcher::set_global_default(dispatch).map_err(|_| AlreadyInstalled)?;
        Ok(handle)
    }

    /// What records go to, for who sets it for a while only.
    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// What steers it.
    pub fn handle(&self) -> &LoggingHandle {
        &self.handle
    }
}

/// Steers a log that is in place. Cheap to clone.
#[derive(Clone)]
pub struct LoggingHandle {
    gate: Arc<Gate>,
    plugins: Arc<PluginLogs>,
    errors: RecentErrors,
    records: RecentRecords,
}

impl LoggingHandle {
    /// From here on these levels and this form hold, for the host and every plugin.
    pub fn apply(&self, settings: &LogSettings) {
        self.gate.set(settings);
        self.plugins.set_levels(settings);
    }

    /// The log of a plugin: worth keeping by who writes to it often.
    pub fn plugin(&self, plugin: &str) -> Arc<PluginLog> {
        self.plugins.of(plugin)
    }

    /// Writes a record of a plugin's; see [`PluginLog::emit`].
    pub fn emit_plugin(
        &self,
        plugin: &str,
        level: u32,
        target: &str,
        message: &str,
        fields: &Map<String, Value>,
    ) {
        self.plugin(plugin).emit(level, target, message, fields);
    }

    /// The most verbose level that is kept of a plugin now: 0 none, 1 error … 5 trace.
    pub fn max_level(&self, plugin: &str) -> u32 {
        self.plugin(plugin).max_level()
    }

    /// Says of every plugin how many of its records were dropped, if it was not said lately. Records say so by themselves; this
    /// is for the end of a flood, to be called now and then.
    pub fn report_dropped(&self) {
        self.plugins.report_dropped();
    }

    /// The newest records that were kept, the oldest first, and a listener for those that come after them.
    pub fn listen(&self) -> (Vec<Arc<LogRecord>>, LogListener) {
        self.records.listen()
    }

    /// How many ERROR records there were in the last five minutes, the host's and the plugins', whatever level is kept.
    pub fn recent_errors(&self) -> u64 {
        self.errors.count()
    }
}

impl fmt::Debug for LoggingHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggingHandle")
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
