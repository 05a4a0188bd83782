//! Metrics of plugins as a scraper sees them.

use super::*;
use crate::telemetry::{MAX_LABEL_VALUE_BYTES, Metrics};

fn labels<const N: usize>(labels: [(&str, &str); N]) -> BTreeMap<String, String> {
    labels
        .into_iter()
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .collect()
}

fn lines_with(metrics: &Metrics, part: &str) -> Vec<String> {
    metrics
        .render()
        .lines()
        .filter(|line| line.contains(part))
        .map(str::to_owned)
        .collect()
}

#[test]
fn host_and_plugins_stand_in_one_text() {
    let metrics = Metrics::new();
    metrics.host.appended(512);
    metrics.host.set_spool_depth(3);
    metrics.host.tick_failed("kora", "heartbeat");
    metrics
        .plugins
        .add("kora", "beats_total", &labels([("kind", "a\"b\n")]), 2.0)
        .unwrap();
    metrics
        .plugins
        .add("kora", "beats", &labels([("kind", "a\"b\n")]), 1.0)
        .unwrap();
    metrics.plugins.set("kora", "mood", &labels([]), -0.5).unwrap();
    metrics
        .plugins
        .observe("kora", "latency_seconds", &labels([]), 0.02)
        .unwrap();
    let text = metrics.render();
    for line in [
        "kora_appends_total 1",
        "kora_appended_bytes_total 512",
        "kora_spool_depth 3",
        "kora_tick_failures_total{plugin=\"kora\",daemon=\"heartbeat\"} 1",
        "kora_plugin_kora_beats_total{kind=\"a\\\"b\\n\"} 3.0",
        "kora_plugin_kora_mood{} -0.5",
        "kora_plugin_kora_latency_seconds_bucket{le=\"0.025\"} 1",
        "kora_plugin_kora_latency_seconds_bucket{le=\"0.01\"} 0",
        "# TYPE kora_plugin_kora_beats counter",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nin\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn names_labels_and_values_are_checked() {
    let metrics = PluginMetrics::default();
    let add = |name: &str, labels: &BTreeMap<String, String>, value| metrics.add("p", name, labels, value);
    for name in [
        "",
        "Beats",
        "9x",
        "a-b",
        "a b",
        "x_sum",
        "x_bucket",
        "a\nkora_appends_total 9",
        &"a".repeat(65),
    ] {
        assert!(
            matches!(
                add(name, &labels([]), 1.0),
                Err(MetricError::InvalidName { what: "metric", .. })
            ),
            "{name}"
        );
    }
    for label in ["", "Le", "le", "quantile", "a\"b"] {
        let refused = add("x", &labels([(label, "v")]), 1.0);
        assert!(
            matches!(refused, Err(MetricError::InvalidName { what: "label", .. })),
            "{label}"
        );
    }
    let long = "v".repeat(MAX_LABEL_VALUE_BYTES + 1);
    assert!(matches!(
        add("x", &labels([("l", &long)]), 1.0),
        Err(MetricError::LabelTooLong { bytes: 129, .. })
    ));
    assert!(add("x", &labels([("l", &long[1..])]), 1.0).is_ok());
    let many = (0..9).map(|n| (format!("l{n}"), String::new())).collect();
    assert_eq!(add("x", &many, 1.0), Err(MetricError::TooManyLabels { found: 9 }));
    for value in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            add("x", &labels([]), value),
            Err(MetricError::InvalidValue { .. })
        ));
    }
    assert!(metrics.set("p", "g", &labels([]), f64::NAN).is_err());
    assert!(metrics.observe("p", "h", &labels([]), f64::NEG_INFINITY).is_err());
}

#[test]
fn a_name_is_one_kind_of_one_plugin() {
    let metrics = PluginMetrics::default();
    metrics.add("a", "b_c", &labels([]), 1.0).unwrap();
    let other_kind = metrics.set("a", "b_c", &labels([]), 1.0).unwrap_err();
    assert_eq!(
        other_kind.to_string(),
        "the metric `kora_plugin_a_b_c` is a counter already: expected a gauge"
    );
    assert!(
        metrics
            .add("a_b", "c", &labels([]), 1.0)
            .unwrap_err()
            .to_string()
            .contains("another plugin's")
    );
}

#[test]
fn series_beyond_the_limit_are_dropped_and_counted() {
    let metrics = Metrics::new();
    for plugin in ["flood", "calm"] {
        metrics
            .plugins
            .add(plugin, "x", &labels([("id", "first")]), 1.0)
            .unwrap();
    }
    for id in 0..MAX_SERIES_PER_PLUGIN + 4 {
        metrics
            .plugins
            .add("flood", "x", &labels([("id", &id.to_string())]), 1.0)
            .unwrap();
    }
    metrics
        .plugins
        .add("flood", "x", &labels([("id", "first")]), 1.0)
        .unwrap();
    assert_eq!(
        lines_with(&metrics, "kora_plugin_flood_x_total{").len(),
        MAX_SERIES_PER_PLUGIN
    );
    assert_eq!(
        lines_with(&metrics, "id=\"first\"")[1],
        "kora_plugin_flood_x_total{id=\"first\"} 2.0"
    );
    assert_eq!(
        lines_with(&metrics, "dropped_plugin_series_total"),
        ["kora_dropped_plugin_series_total{plugin=\"flood\"} 5"]
    );
    metrics.plugins.forget("flood");
    assert_eq!(lines_with(&metrics, "flood"), Vec::<String>::new());
    assert_eq!(lines_with(&metrics, "calm").len(), 3);
}
