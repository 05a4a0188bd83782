//! Counters, gauges and histograms of the host and of plugins, in one registry that belongs to who made it, rendered as
//! OpenMetrics text or in the text format before it. What they are rendered to, and who may read it, is elsewhere.

mod host;
mod measurement;
mod plugin;
mod text_format;

use std::sync::Arc;

use prometheus_client::registry::Registry;

pub use host::HostMetrics;
pub use measurement::{MAX_LABEL_VALUE_BYTES, MetricError};
pub use plugin::{MAX_SERIES_PER_PLUGIN, PluginMetrics};

/// Everything that is measured.
#[derive(Debug)]
pub struct Metrics {
    /// The host's own.
    pub host: HostMetrics,
    /// Those of plugins.
    pub plugins: Arc<PluginMetrics>,
    registry: Registry,
}

impl Metrics {
    /// Nothing measured yet.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let host = HostMetrics::register(registry.sub_registry_with_prefix("kora"));
        let plugins = Arc::new(PluginMetrics::default());
        registry.register_collector(Box::new(Arc::clone(&plugins)));
        Self {
            host,
            plugins,
            registry,
        }
    }

    /// All of it as OpenMetrics text, which ends in `# EOF`.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a `String` does not fail; were it to, a cut text must not look whole.
            Err(error) => {
                tracing::error!(%error, "the metrics could not be rendered");
                "# EOF\n".to_owned()
            }
        }
    }

    /// All of it in Prometheus' text format 0.0.4.
    pub fn render_text_format(&self) -> String {
        text_format::of_openmetrics(&self.render())
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
