//! Logs and metrics: the host's own and those of plugins, side by side. Nothing here decides what is worth a record, and
//! there is no global but tracing's dispatcher, which only [`Logging::install`] sets.

mod gate;
mod logging;
mod metrics;
mod plugin_log;
mod printable;
mod recent_errors;
mod recent_records;

pub use logging::{AlreadyInstalled, Logging, LoggingHandle, LoggingOptions};
pub use metrics::{
    HostMetrics, MAX_LABEL_VALUE_BYTES, MAX_SERIES_PER_PLUGIN, MetricError, Metrics, PluginMetrics,
};
pub use plugin_log::{MAX_FIELDS_BYTES, MAX_MESSAGE_BYTES, PluginLog};
pub use recent_errors::RECENT_ERRORS_WINDOW;
pub use recent_records::{LogHeard, LogListener, LogRecord, RECENT_RECORDS_MAX};
