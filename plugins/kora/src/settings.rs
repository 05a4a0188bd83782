//! The plugin's configuration. The host has checked it against the schema in the manifest before; the bounds are kept here
//! as well, because a duration of zero or less would be no interval.

use std::{path::PathBuf, time::Duration};

use kora_plugin_api::{Config, PluginError, Result};
use serde::Deserialize;

/// Of which type the events are that say what a model call cost, unless configured.
pub const COST_EVENT: &str = "kora.cost.recorded";

/// What is decided once, when the plugin registers.
#[derive(Debug, PartialEq)]
pub struct Settings {
    /// Between two heartbeats.
    pub heartbeat_interval: Duration,
    /// Between two snapshots.
    pub snapshot_interval: Duration,
    /// Where the snapshot goes; the default place if absent.
    pub snapshot_path: Option<PathBuf>,
    /// Between two writes of the cost counters.
    pub cost_persist_interval: Duration,
    /// Which events say what a model call cost.
    pub cost_event_prefix: String,
}

#[derive(Deserialize)]
#[serde(default)]
struct Keys {
    heartbeat_interval_seconds: f64,
    snapshot_interval_seconds: f64,
    snapshot_path: Option<PathBuf>,
    cost_persist_interval_seconds: f64,
    cost_event_prefix: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            heartbeat_interval_seconds: 30.0,
            snapshot_interval_seconds: 300.0,
            snapshot_path: None,
            cost_persist_interval_seconds: 300.0,
            cost_event_prefix: COST_EVENT.to_owned(),
        }
    }
}

impl Settings {
    /// Reads them, with the defaults for what is not set.
    ///
    /// # Errors
    /// If a value is not of its kind or out of its range; the message names the key.
    pub fn from_config(config: &Config) -> Result<Self> {
        let keys: Keys = config.parse()?;
        if let Some(path) = &keys.snapshot_path {
            absolute("snapshot_path", path)?;
        }
        Ok(Self {
            heartbeat_interval: interval("heartbeat_interval_seconds", keys.heartbeat_interval_seconds)?,
            snapshot_interval: interval("snapshot_interval_seconds", keys.snapshot_interval_seconds)?,
            snapshot_path: keys.snapshot_path,
            cost_persist_interval: interval(
                "cost_persist_interval_seconds",
                keys.cost_persist_interval_seconds,
            )?,
            cost_event_prefix: keys.cost_event_prefix,
        })
    }
}

/// A daemon's working directory says nothing to whoever wrote the configuration.
///
/// # Errors
/// If `path` is not absolute; the message names the key.
pub fn absolute(key: &str, path: &std::path::Path) -> Result {
    if path.is_absolute() {
        return Ok(());
    }
    Err(PluginError::new(format!(
        "`{key}`: expected an absolute path, found `{}`",
        path.display()
    )))
}

/// Shorter would be a busy loop, longer would be never.
const INTERVAL_SECONDS: std::ops::RangeInclusive<f64> = 0.1..=86_400.0;

fn interval(key: &str, seconds: f64) -> Result<Duration> {
    if INTERVAL_SECONDS.contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(PluginError::new(format!(
        "`{key}`: expected {} to {} seconds, found {seconds}",
        INTERVAL_SECONDS.start(),
        INTERVAL_SECONDS.end()
    )))
}

#[cfg(test)]
mod tests {
    use kora_plugin_api::serde_json::{Value, json};

    use super::*;

    fn settings(config: Value) -> Result<Settings> {
        let Value::Object(map) = config else {
            panic!("a test gives an object")
        };
        Settings::from_config(&Config::from(map))
    }

    #[test]
    fn an_empty_configuration_means_the_original_intervals() {
        let settings = settings(json!({})).expect("is valid");
        assert_eq!(settings.heartbeat_interval, Duration::from_secs(30));
        assert_eq!(settings.snapshot_interval, Duration::from_secs(300));
        assert_eq!(settings.cost_persist_interval, Duration::from_secs(300));
        assert_eq!(settings.cost_event_prefix, "kora.cost.recorded");
        assert_eq!(settings.snapshot_path, None);
    }

    #[test]
    fn an_interval_that_is_none_is_refused_by_name() {
        for bad in [json!(0), json!(-1), json!(1e300)] {
            let error = settings(json!({"snapshot_interval_seconds": bad})).expect_err("is out of range");
            assert!(error.to_string().contains("snapshot_interval_seconds"), "{error}");
        }
    }

    #[test]
    fn a_path_must_be_absolute() {
        let error = settings(json!({"snapshot_path": "snapshot.json"})).expect_err("is relative");
        assert!(error.to_string().contains("`snapshot_path`"), "{error}");
    }
}
