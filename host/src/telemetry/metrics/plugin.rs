//! What plugins measure. All of it is checked as hostile input and bounded in number: a series costs memory for as long as the
//! host runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

use super::measurement::{MetricError, check_labels, check_metric_name, countable, finite};

/// A plugin with more distinct label sets than this labels by something that it should not, such as ids.
pub const MAX_SERIES_PER_PLUGIN: usize = 1_000;
/// Seconds, from a millisecond to a minute: what a plugin that talks to services measures most.
const BUCKETS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

type Labels = Vec<(String, String)>;

/// The metrics of all plugins, under `kora_plugin_<plugin>_<name>`.
#[derive(Debug, Default)]
pub struct PluginMetrics {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By whole name: two plugins' names and metrics can join to the same.
    instruments: BTreeMap<String, Instrument>,
    plugins: BTreeMap<String, Usage>,
}

#[derive(Debug, Default)]
struct Usage {
    series: usize,
    dropped: u64,
}

#[derive(Debug)]
struct Instrument {
    plugin: String,
    series: BTreeSet<Labels>,
    family: InstrumentFamily,
}

enum InstrumentFamily {
    Counter(Family<Labels, Counter<f64, AtomicU64>>),
    Gauge(Family<Labels, Gauge<f64, AtomicU64>>),
    Histogram(Family<Labels, Histogram, fn() -> Histogram>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "a counter",
            Self::Gauge => "a gauge",
            Self::Histogram => "a histogram",
        }
    }
}

impl PluginMetrics {
    /// Adds to a counter. A series beyond [`MAX_SERIES_PER_PLUGIN`] is dropped and counted, here and below.
    ///
    /// # Errors
    /// If a name, a label or the value is not valid, or the name is taken; the value must be finite and not negative.
    pub fn add(
        &self,
        plugin: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
        value: f64,
    ) -> Result<(), MetricError> {
        // The text format adds the ending by itself.
        let name = name.strip_suffix("_total").unwrap_or(name);
        self.record(plugin, name, labels, Kind::Counter, countable(value)?)
    }

    /// Sets a gauge.
    ///
    /// # Errors
    /// If a name, a label or the value is not valid, or the name is taken; the value must be finite.
    pub fn set(
        &self,
        plugin: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
        value: f64,
    ) -> Result<(), MetricError> {
        self.record(plugin, name, labels, Kind::Gauge, finite(value)?)
    }

    /// Adds a sample to a histogram, whose buckets are in seconds from a millisecond to a minute.
    ///
    /// # Errors
    /// If a name, a label or the value is not valid, or the name is taken; the value must be finite.
    pub fn observe(
        &self,
        plugin: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
        value: f64,
    ) -> Result<(), MetricError> {
        self.record(plugin, name, labels, Kind::Histogram, finite(value)?)
    }

    /// Forgets all that a plugin measured: it was retired.
    pub fn forget(&self, plugin: &str) {
        let mut inner = self.lock();
        inner
            .instruments
            .retain(|_, instrument| instrument.plugin != plugin);
        inner.plugins.remove(plugin);
    }

    fn record(
        &self,
        plugin: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
        kind: Kind,
        value: f64,
    ) -> Result<(), MetricError> {
        check_metric_name(name)?;
        check_labels(labels)?;
        let labels: Labels = labels
            .iter()
            .map(|(label, value)| (label.clone(), value.clone()))
            .collect();
        self.lock().record(
            plugin,
            format!("kora_plugin_{plugin}_{name}"),
            labels,
            kind,
            value,
        )
    }

    /// Each record is whole before the next begins, so a panic elsewhere leaves nothing half-done.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn record(
        &mut self,
        plugin: &str,
        name: String,
        labels: Labels,
        kind: Kind,
        value: f64,
    ) -> Result<(), MetricError> {
        let usage = self.plugins.entry(plugin.to_owned()).or_default();
        let known = self.instruments.get(&name);
        if let Some(known) = known {
            known.check_same(plugin, &name, kind)?;
        }
        if !known.is_some_and(|known| known.series.contains(&labels)) {
            if usage.series >= MAX_SERIES_PER_PLUGIN {
                usage.dropped += 1;
                return Ok(());
            }
            usage.series += 1;
        }
        let instrument = self
            .instruments
            .entry(name)
            .or_insert_with(|| Instrument::new(plugin, kind));
        instrument.record(&labels, value);
        instrument.series.insert(labels);
        Ok(())
    }
}

impl Instrument {
    fn new(plugin: &str, kind: Kind) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let family = match kind {
            Kind::Counter => InstrumentFamily::Counter(Family::default()),
            Kind::Gauge => InstrumentFamily::Gauge(Family::default()),
            Kind::Histogram => InstrumentFamily::Histogram(Family::new_with_constructor(histogram)),
        };
        Self {
            plugin: plugin.to_owned(),
            series: BTreeSet::new(),
            family,
        }
    }

    fn check_same(&self, plugin: &str, name: &str, kind: Kind) -> Result<(), MetricError> {
        let taken = |found, expected| {
            Err(MetricError::Taken {
                name: name.to_owned(),
                found,
                expected,
            })
        };
        if self.plugin != plugin {
            return taken("another plugin's", "a name that no other plugin has");
        }
        if self.kind() != kind {
            return taken(self.kind().name(), kind.name());
        }
        Ok(())
    }

    fn kind(&self) -> Kind {
        match &self.family {
            InstrumentFamily::Counter(_) => Kind::Counter,
            InstrumentFamily::Gauge(_) => Kind::Gauge,
            InstrumentFamily::Histogram(_) => Kind::Histogram,
        }
    }

    fn record(&self, labels: &Labels, value: f64) {
        match &self.family {
            InstrumentFamily::Counter(family) => {
                family.get_or_create(labels).inc_by(value);
            }
            InstrumentFamily::Gauge(family) => {
                family.get_or_create(labels).set(value);
            }
            InstrumentFamily::Histogram(family) => family.get_or_create(labels).observe(value),
        }
    }
}

impl EncodeMetric for InstrumentFamily {
    fn encode(&self, encoder: prometheus_client::encoding::MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter(family) => family.encode(encoder),
            Self::Gauge(family) => family.encode(encoder),
            Self::Histogram(family) => family.encode(encoder),
        }
    }

    fn metric_type(&self) -> MetricType {
        match self {
            Self::Counter(_) => MetricType::Counter,
            Self::Gauge(_) => MetricType::Gauge,
            Self::Histogram(_) => MetricType::Histogram,
        }
    }
}

impl fmt::Debug for InstrumentFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric_type().as_str())
    }
}

impl Collector for PluginMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let inner = self.lock();
        for (name, Instrument { plugin, family, .. }) in &inner.instruments {
            let help = format!("Measured by the plugin {plugin}");
            let metric = encoder.encode_descriptor(name, &help, None, family.metric_type())?;
            family.encode(metric)?;
        }
        let dropped = Family::<[(&str, String); 1], Counter>::default();
        for (plugin, usage) in inner.plugins.iter().filter(|(_, usage)| usage.dropped > 0) {
            dropped
                .get_or_create(&[("plugin", plugin.clone())])
                .inc_by(usage.dropped);
        }
        if !EncodeMetric::is_empty(&dropped) {
            let help =
                format!("Measurements in series beyond the {MAX_SERIES_PER_PLUGIN} that a plugin may have");
            let metric =
                encoder.encode_descriptor("kora_dropped_plugin_series", &help, None, MetricType::Counter)?;
            EncodeMetric::encode(&dropped, metric)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
