//! The configuration.

use serde::Deserialize;

/// How to misbehave.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What to do wrong.
    pub mode: String,
    /// How often a fault in a hook shows; without limit if absent.
    pub times: Option<u32>,
    /// Whether a failed startup is to end the boot of the host.
    pub fatal: bool,
    /// Between two ticks.
    pub tick_seconds: f64,
    /// For startup, tick and shutdown alike.
    pub timeout_seconds: f64,
    /// The restart budget.
    pub max_restarts: u32,
    /// The wait before a restart.
    pub backoff_seconds: f64,
    /// A tenant that is not the plugin's.
    pub tenant: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: "none".to_owned(),
            times: None,
            fatal: false,
            tick_seconds: 0.2,
            timeout_seconds: 1.0,
            max_restarts: 5,
            backoff_seconds: 0.1,
            tenant: "nobody".to_owned(),
        }
    }
}
