//! How much is logged, and in which form: the words that configuration and telemetry share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PluginName, operational_state::wire_enum};

wire_enum! {
    /// The most verbose level that is kept. Ordered: a greater one keeps more.
    LogLevel, "log level" {
        /// Nothing.
        Off = "off",
        /// What needs somebody to look.
        Error = "error",
        /// What may need somebody to look.
        Warn = "warn",
        /// What happened.
        Info = "info",
        /// How it happened.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

wire_enum! {
    /// How a log record is written.
    LogFormat, "log format" {
        /// One line for humans.
        Text = "text",
        /// One JSON object on a line.
        Json = "json",
    }
}

impl LogLevel {
    /// As plugins see it: 0 nothing, 1 errors … 5 everything.
    pub const fn number(self) -> u32 {
        self as u32
    }
}

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// The level of the host, and of every plugin that has none of its own.
    pub level: LogLevel,
    /// The form of a record.
    pub format: LogFormat,
    /// The levels of single plugins.
    pub plugins: BTreeMap<PluginName, LogLevel>,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: LogFormat::Text,
            plugins: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_numbered_as_plugins_number_them() {
        let numbers: Vec<_> = LogLevel::ALL.iter().map(|level| level.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    }
}
