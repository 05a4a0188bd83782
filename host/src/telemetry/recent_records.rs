//! The newest records of the log, kept in memory for whoever asks what was said lately, and handed to whoever listens. What is kept
//! is what the log keeps; where it is written to makes no difference.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value};
use tokio::sync::broadcast::{self, error::RecvError};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::{
    plugin_log::{MAX_FIELDS_BYTES, MAX_MESSAGE_BYTES, PLUGIN_TARGET},
    printable::printable,
};
use crate::domain::{Clock, LogLevel, Timestamp};

/// How many are kept: some hours of a quiet host, and what led to a fault on a busy one.
pub const RECENT_RECORDS_MAX: usize = 4096;
/// Long records must not make them a burden.
const KEPT_MAX_BYTES: usize = 4 * 1024 * 1024;
/// What a record takes beside its texts.
const RECORD_BYTES: usize = 256;
/// What waits for a listener that is slow; of more, it is told how much it missed.
const WAITING_MAX: usize = 1024;

/// A record as it was logged.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// When.
    pub at: Timestamp,
    /// How grave.
    pub level: LogLevel,
    /// Which part of the host said it, or of the plugin.
    pub target: String,
    /// The plugin that said it, or that it is about.
    pub plugin: Option<String>,
    /// In words.
    pub message: String,
    /// What else it says, by name.
    pub fields: Map<String, Value>,
}

/// The records, and the layer that keeps them.
#[derive(Clone)]
pub(super) struct RecentRecords(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
    listeners: broadcast::Sender<Arc<LogRecord>>,
}

#[derive(Default)]
struct Kept {
    records: VecDeque<(usize, Arc<LogRecord>)>,
    bytes: usize,
}

/// Records from when it was made on.
#[derive(Debug)]
pub struct LogListener(broadcast::Receiver<Arc<LogRecord>>);

/// What a listener hears.
#[derive(Debug, Clone)]
pub enum LogHeard {
    /// A record.
    Record(Arc<LogRecord>),
    /// So many records came faster than they were taken.
    Missed(u64),
}

impl LogListener {
    /// The next; nothing once there is no log any more. Cancel safe.
    pub async fn next(&mut self) -> Option<LogHeard> {
        match self.0.recv().await {
            Ok(record) => Some(LogHeard::Record(record)),
            Err(RecvError::Lagged(count)) => Some(LogHeard::Missed(count)),
            Err(RecvError::Closed) => None,
        }
    }
}

impl RecentRecords {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            clock,
            kept: Mutex::default(),
            listeners: broadcast::Sender::new(WAITING_MAX),
        }))
    }

    /// Those that are kept, the oldest first, and a listener for those that come after them.
    pub fn listen(&self) -> (Vec<Arc<LogRecord>>, LogListener) {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let records = kept.records.iter().map(|(_, record)| record.clone()).collect();
        (records, LogListener(self.0.listeners.subscribe()))
    }

    fn add(&self, record: LogRecord) {
        let bytes = size(&record);
        let record = Arc::new(record);
        // Told under the lock, so that nobody who begins to listen hears one twice or misses one.
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += bytes;
        kept.records.push_back((bytes, record.clone()));
        while kept.records.len() > RECENT_RECORDS_MAX || kept.bytes > KEPT_MAX_BYTES {
            let Some((bytes, _)) = kept.records.pop_front() else {
                break;
            };
            kept.bytes -= bytes;
        }
        // Where nobody listens, nobody is told.
        drop(self.0.listeners.send(record));
    }
}

fn size(record: &LogRecord) -> usize {
    let of_value = |value: &Value| match value {
        Value::String(text) => text.len(),
        Value::Object(_) | Value::Array(_) => MAX_FIELDS_BYTES,
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    };
    let fields: usize = record
        .fields
        .iter()
        .map(|(name, value)| name.len() + of_value(value))
        .sum();
    RECORD_BYTES + record.target.len() + record.message.len() + fields
}

impl<S: Subscriber> Layer<S> for RecentRecords {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let metadata = event.metadata();
        self.add(said.into_record(self.0.clock.now(), level(*metadata.level()), metadata.target()));
    }
}

impl fmt::Debug for RecentRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentRecords").finish_non_exhaustive()
    }
}

fn level(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

/// What an event says, field by field.
#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn note(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }

    fn note_text(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            self.message = printable(text, MAX_MESSAGE_BYTES);
        } else {
            self.note(field, printable(text, MAX_FIELDS_BYTES).into());
        }
    }

    fn into_record(mut self, at: Timestamp, level: LogLevel, target: &str) -> LogRecord {
        let text = |value: Value| value.as_str().map(str::to_owned);
        let plugin = self.fields.remove("plugin").and_then(text);
        let mut target = target.to_owned();
        if target == PLUGIN_TARGET {
            // A plugin's record carries what is its own in two fields.
            target = self.fields.remove("origin").and_then(text).unwrap_or(target);
            if let Some(Value::String(data)) = self.fields.remove("data") {
                match serde_json::from_str(&data) {
                    Ok(Value::Object(fields)) => self.fields.extend(fields),
                    // It was cut.
                    _ => drop(self.fields.insert("data".to_owned(), data.into())),
                }
            }
        }
        LogRecord {
            at,
            level,
            target,
            plugin,
            message: self.message,
            fields: self.fields,
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.note_text(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.note(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.note(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.note(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.note(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note_text(field, &format!("{value:?}"));
    }
}
