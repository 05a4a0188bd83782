//! What was logged, and how much is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::LogLevel;

/// The newest records, or those and what is logged from now on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailLogs {
    /// Only what this plugin said, or what is about it.
    #[serde(default)]
    pub plugin: Option<String>,
    /// Only this level and graver ones.
    #[serde(default)]
    pub level: Option<LogLevel>,
    /// At most so many of the past; 50 if absent, at most 4096.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Whether to go on.
    #[serde(default)]
    pub follow: bool,
}

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// When, RFC 3339 in UTC.
    pub at: String,
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

/// Another level of the log, until the host is restarted or reads its configuration again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetLogLevel {
    /// Of this plugin alone; else of the host and of every plugin that has none of its own.
    #[serde(default)]
    pub plugin: Option<String>,
    /// The most verbose level that is kept.
    pub level: LogLevel,
}

/// The levels in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLevels {
    /// Of the host, and of every plugin that has none of its own.
    pub level: LogLevel,
    /// Of single plugins.
    pub plugins: BTreeMap<String, LogLevel>,
}
