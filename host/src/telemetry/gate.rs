//! Which records are written, and in which form. Both change while the host runs.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU8, Ordering},
};

use arc_swap::ArcSwap;
use tracing::{Metadata, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    filter::Targets,
    layer::{Context, Filter},
};

use super::plugin_log::PLUGIN_TARGET;
use crate::domain::{LogFormat, LogLevel, LogSettings};

/// The library of MCP. It has three INFO lines for each request, its warnings repeat what a caller sent, headers and the text of errors, in
/// which there may be a token, and a client that goes away is an ERROR to it. None of that is the operator's trouble: what was refused is in
/// the audit, and what goes wrong with a stream is told by who reads and writes it.
const RMCP: &str = "rmcp";

/// Targets that say more than may be written, or is worth it.
const QUIET: [(&str, LogLevel); 1] = [(RMCP, LogLevel::Off)];

/// Whether a record is the host's own affair, at whatever level: one of a target that is never written is not.
pub(super) fn is_heard(metadata: &Metadata<'_>) -> bool {
    let of_rmcp = metadata.target().strip_prefix(RMCP);
    !of_rmcp.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What passes now.
#[derive(Debug)]
pub(super) struct Gate {
    targets: ArcSwap<Targets>,
    format: AtomicU8,
    /// Two changes at once could leave tracing with the greatest level of the first and the targets of the second.
    changing: Mutex<()>,
}

impl Gate {
    pub fn new(settings: &LogSettings) -> Self {
        Self {
            targets: ArcSwap::from_pointee(targets(settings)),
            format: AtomicU8::new(settings.format as u8),
            changing: Mutex::new(()),
        }
    }

    /// From here on these are kept and written so. A span that is open keeps the form it was opened under.
    pub fn set(&self, settings: &LogSettings) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.targets.store(Arc::new(targets(settings)));
        self.format.store(settings.format as u8, Ordering::Relaxed);
        // This is how tracing comes to ask for the greatest level again.
        tracing::callsite::rebuild_interest_cache();
    }

    fn passes(&self, metadata: &Metadata<'_>, format: Option<LogFormat>) -> bool {
        format.is_none_or(|format| self.format.load(Ordering::Relaxed) == format as u8)
            && self
                .targets
                .load()
                .would_enable(metadata.target(), metadata.level())
    }
}

fn targets(settings: &LogSettings) -> Targets {
    let quiet = QUIET.map(|(target, most)| (target, filter(settings.level.min(most))));
    // What a plugin says was held against the plugin's own level before it got here.
    let of_plugins = settings
        .plugins
        .values()
        .copied()
        .max()
        .unwrap_or(settings.level)
        .max(settings.level);
    Targets::new()
        .with_default(filter(settings.level))
        .with_targets(quiet)
        .with_target(PLUGIN_TARGET, filter(of_plugins))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// The gate before the writer of one form, or before what takes records whatever their form.
pub(super) struct FormatFilter {
    pub gate: Arc<Gate>,
    pub format: Option<LogFormat>,
}

impl<S> Filter<S> for FormatFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.gate.passes(metadata, self.format)
    }

    /// What a call site remembers, tracing cannot change without a race against call sites that are met for the first
    /// time. So none remembers anything; the greatest level, below, spares most of them the question.
    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // Layers hint by what they may let pass: this, whatever the form is now.
        Filter::<S>::max_level_hint(&**self.gate.targets.load())
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Registry;

    use super::*;

    #[test]
    fn the_greatest_level_follows_the_host_and_the_most_verbose_plugin() {
        let hint = |settings: &LogSettings| {
            let filter = FormatFilter {
                gate: Arc::new(Gate::new(settings)),
                format: Some(LogFormat::Text),
            };
            Filter::<Registry>::max_level_hint(&filter)
        };
        let mut settings = LogSettings::default();
        assert_eq!(hint(&settings), Some(LevelFilter::INFO));
        settings
            .plugins
            .insert("marvin".parse().unwrap(), LogLevel::Debug);
        assert_eq!(hint(&settings), Some(LevelFilter::DEBUG));
        settings.plugins.clear();
        settings.level = LogLevel::Off;
        assert_eq!(hint(&settings), Some(LevelFilter::OFF));
    }
}
