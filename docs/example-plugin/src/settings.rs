//! What can be configured.

use std::time::Duration;

use kora_plugin_api::{Config, Result};
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub greeting: String,
    pub greet_every_seconds: f64,
    pub by_letter: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            greeting: "Good day".to_owned(),
            greet_every_seconds: 3600.0,
            by_letter: false,
        }
    }
}

impl Settings {
    /// Those of one tenant: the plugin's, with the tenant's own on top.
    pub fn of_tenant(config: &Config) -> Result<Self> {
        config.parse()
    }

    pub fn greet_every(&self) -> Result<Duration> {
        Ok(Duration::try_from_secs_f64(self.greet_every_seconds)?)
    }
}
