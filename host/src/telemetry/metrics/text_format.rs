//! OpenMetrics text as the text format that Prometheus had before it, version 0.0.4, which more readers take. What the library that
//! measures writes is read here, and nothing else: there are no exemplars and no times of creation in it.

use std::fmt::Write as _;

/// The same metrics in the earlier format.
pub(super) fn of_openmetrics(text: &str) -> String {
    let mut converted = String::with_capacity(text.len());
    // Which kind a metric is of is said after the help; a counter's name is another one here.
    let mut help = None;
    for line in text.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            push_line(&mut converted, format_args!("{line}"));
            continue;
        };
        match comment.split_once(' ') {
            Some(("HELP", rest)) => help = rest.split_once(' '),
            Some(("TYPE", rest)) => {
                let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
                let (suffix, kind) = match kind {
                    "counter" => ("_total", kind),
                    "unknown" => ("", "untyped"),
                    kind => ("", kind),
                };
                if let Some((_, text)) = help.take().filter(|(named, _)| *named == name) {
                    push_line(&mut converted, format_args!("# HELP {name}{suffix} {text}"));
                }
                push_line(&mut converted, format_args!("# TYPE {name}{suffix} {kind}"));
            }
            // Units and the end have no place in it.
            _ => {}
        }
    }
    converted
}

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a `String` does not fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use prometheus_client::{
        encoding::text::encode,
        metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
        registry::{Registry, Unit},
    };

    use super::*;

    #[test]
    fn every_kind_is_said_as_prometheus_says_it() {
        let mut registry = Registry::default();
        let calls = Family::<[(&str, &str); 1], Counter>::default();
        calls.get_or_create(&[("tool", "a # \"b\"\n")]).inc();
        registry.register("calls", "Calls of tools", calls);
        let stored = Gauge::<i64>::default();
        stored.set(7);
        registry.register_with_unit("stored", "What is stored", Unit::Bytes, stored);
        let took = Histogram::new([0.5]);
        took.observe(0.25);
        registry.register("took", "How long it took", took);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert_snapshot!(of_openmetrics(&text), @r#"
        # HELP calls_total Calls of tools.
        # TYPE calls_total counter
        calls_total{tool="a # \"b\"\n"} 1
        # HELP stored_bytes What is stored.
        # TYPE stored_bytes gauge
        stored_bytes 7
        # HELP took How long it took.
        # TYPE took histogram
        took_sum 0.25
        took_count 1
        took_bucket{le="0.5"} 1
        took_bucket{le="+Inf"} 1
        "#);
    }
}
