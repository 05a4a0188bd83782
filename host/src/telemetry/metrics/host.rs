//! What the host measures of itself. Nothing is labelled by tenant: there may be a hundred thousand.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

type Labels<const N: usize> = [(&'static str, String); N];

/// The host's own counters and gauges. Every function may be called from any thread and never blocks for long.
#[derive(Debug, Clone, Default)]
pub struct HostMetrics {
    appends: Counter,
    appended_bytes: Counter,
    append_failures: Counter,
    spool_depth: Gauge,
    plugin_loads: Family<Labels<1>, Counter>,
    plugin_refusals: Family<Labels<1>, Counter>,
    ticks: Family<Labels<2>, Counter>,
    tick_failures: Family<Labels<2>, Counter>,
    daemon_restarts: Family<Labels<2>, Counter>,
    identity_swaps: Counter,
    identity_swap_refusals: Counter,
    tool_calls: Family<Labels<2>, Counter>,
    http_requests: Family<Labels<2>, Counter>,
    audit_lines_lost: Counter,
    event_streams: Gauge,
}

impl HostMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        // Taken apart without `..`, so that none is forgotten.
        let Self {
            appends,
            appended_bytes,
            append_failures,
            spool_depth,
            plugin_loads,
            plugin_refusals,
            ticks,
            tick_failures,
            daemon_restarts,
            identity_swaps,
            identity_swap_refusals,
            tool_calls,
            http_requests,
            audit_lines_lost,
            event_streams,
        } = new.clone();
        registry.register("appends", "Events appended", appends);
        registry.register_with_unit(
            "appended",
            "Payloads of appended events",
            Unit::Bytes,
            appended_bytes,
        );
        registry.register("append_failures", "Appends that failed", append_failures);
        registry.register("spool_depth", "Events that wait in the spool", spool_depth);
        registry.register("plugin_loads", "Plugins loaded", plugin_loads);
        registry.register("plugin_refusals", "Plugins refused, by cause", plugin_refusals);
        registry.register("ticks", "Runs of periodic tasks", ticks);
        registry.register(
            "tick_failures",
            "Runs of periodic tasks that failed",
            tick_failures,
        );
        registry.register("daemon_restarts", "Restarts of daemons", daemon_restarts);
        registry.register(
            "identity_swaps",
            "Identities swapped or rolled back",
            identity_swaps,
        );
        registry.register(
            "identity_swap_refusals",
            "Swaps that were refused",
            identity_swap_refusals,
        );
        registry.register("tool_calls", "Calls of tools, by tool and result", tool_calls);
        registry.register(
            "http_requests",
            "Requests over HTTP, by route and status",
            http_requests,
        );
        registry.register(
            "audit_lines_lost",
            "Lines of the audit that could not be written",
            audit_lines_lost,
        );
        registry.register("event_streams", "Streams of events that are open", event_streams);
        new
    }

    /// An event was appended, with a payload of so many bytes.
    pub fn appended(&self, payload_bytes: u64) {
        self.appends.inc();
        self.appended_bytes.inc_by(payload_bytes);
    }

    /// An append failed.
    pub fn append_failed(&self) {
        self.append_failures.inc();
    }

    /// So many events wait in the spool now.
    pub fn set_spool_depth(&self, events: u64) {
        self.spool_depth.set(i64::try_from(events).unwrap_or(i64::MAX));
    }

    /// A plugin was loaded.
    pub fn plugin_loaded(&self, plugin: &str) {
        self.plugin_loads
            .get_or_create(&[("plugin", plugin.to_owned())])
            .inc();
    }

    /// A plugin was refused. `cause` is one of a closed list: the name of an error, never its text.
    pub fn plugin_refused(&self, cause: &'static str) {
        self.plugin_refusals
            .get_or_create(&[("cause", cause.to_owned())])
            .inc();
    }

    /// A periodic task of a daemon ran, well or not.
    pub fn ticked(&self, plugin: &str, daemon: &str) {
        self.ticks.get_or_create(&entry(plugin, daemon)).inc();
    }

    /// That run failed: count it beside [`ticked`](Self::ticked).
    pub fn tick_failed(&self, plugin: &str, daemon: &str) {
        self.tick_failures.get_or_create(&entry(plugin, daemon)).inc();
    }

    /// A daemon was started again.
    pub fn daemon_restarted(&self, plugin: &str, daemon: &str) {
        self.daemon_restarts.get_or_create(&entry(plugin, daemon)).inc();
    }

    /// An identity was swapped or rolled back.
    pub fn identity_swapped(&self) {
        self.identity_swaps.inc();
    }

    /// A tool was called, or was to be. Both come from closed lists: a tool that there is or `unknown`, and the word of a result.
    pub fn tool_called(&self, tool: &str, result: &'static str) {
        self.tool_calls
            .get_or_create(&[("tool", tool.to_owned()), ("result", result.to_owned())])
            .inc();
    }

    /// A request was answered. `route` is the template of one that there is, or `unmatched`.
    pub fn http_answered(&self, route: &str, status: u16) {
        self.http_requests
            .get_or_create(&[("route", route.to_owned()), ("status", status.to_string())])
            .inc();
    }

    /// So many lines of the audit were lost since the host started.
    pub fn set_audit_lines_lost(&self, lines: u64) {
        self.audit_lines_lost
            .inner()
            .store(lines, std::sync::atomic::Ordering::Relaxed);
    }

    /// So many streams of events are open now.
    pub fn set_event_streams(&self, open: usize) {
        self.event_streams.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// A swap was refused.
    pub fn identity_swap_refused(&self) {
        self.identity_swap_refusals.inc();
    }
}

fn entry(plugin: &str, daemon: &str) -> Labels<2> {
    [("plugin", plugin.to_owned()), ("daemon", daemon.to_owned())]
}
