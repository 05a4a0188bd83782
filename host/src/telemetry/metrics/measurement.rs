//! What a plugin may measure: the forms of names, labels and values.

use std::collections::BTreeMap;

use crate::telemetry::printable::printable;

/// A label is a word, not a text.
pub const MAX_LABEL_VALUE_BYTES: usize = 128;
/// Longer names of metrics and labels do not fit a dashboard.
const MAX_NAME_BYTES: usize = 64;
/// More labels multiply into more series than anybody reads.
const MAX_LABELS: usize = 8;
/// Endings that the text format gives a meaning, so that one metric could pass for a part of another.
const RESERVED_ENDINGS: [&str; 6] = ["_total", "_created", "_bucket", "_count", "_sum", "_info"];
/// Labels that the text format gives a meaning.
const RESERVED_LABELS: [&str; 2] = ["le", "quantile"];

/// Why a measurement was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// A name has not the form.
    #[error(
        "{what} `{found}` is not valid: expected 1 to {MAX_NAME_BYTES} lower-case letters, digits and `_`, the first a letter, and none of the names that the text format keeps"
    )]
    InvalidName {
        /// `metric` or `label`.
        what: &'static str,
        /// What was given, cut.
        found: String,
    },
    /// A label's value is too long.
    #[error("the value of label `{label}` has {bytes} bytes: expected at most {MAX_LABEL_VALUE_BYTES}")]
    LabelTooLong {
        /// The label.
        label: String,
        /// How long its value is.
        bytes: usize,
    },
    /// Too many labels.
    #[error("{found} labels: expected at most {MAX_LABELS}")]
    TooManyLabels {
        /// How many there are.
        found: usize,
    },
    /// A number that cannot be counted.
    #[error("the value {found} is not valid: expected {expected}")]
    InvalidValue {
        /// As text, since it may be no number.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The name was used for another kind of metric, or by a plugin whose name and metric join to the same.
    #[error("the metric `{name}` is {found} already: expected {expected}")]
    Taken {
        /// Its whole name.
        name: String,
        /// What it is.
        found: &'static str,
        /// What it was used as.
        expected: &'static str,
    },
}

/// `value`, if it can be shown.
pub(super) fn finite(value: f64) -> Result<f64, MetricError> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(invalid(value, "a finite number"))
    }
}

/// `value`, if it can be added to a counter.
pub(super) fn countable(value: f64) -> Result<f64, MetricError> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(invalid(value, "a finite number that is not negative"))
    }
}

fn invalid(value: f64, expected: &'static str) -> MetricError {
    MetricError::InvalidValue {
        found: value.to_string(),
        expected,
    }
}

fn invalid_name(what: &'static str, found: &str) -> MetricError {
    MetricError::InvalidName {
        what,
        found: printable(found, MAX_NAME_BYTES),
    }
}

pub(super) fn check_metric_name(name: &str) -> Result<(), MetricError> {
    check_name("metric", name)?;
    if RESERVED_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return Err(invalid_name("metric", name));
    }
    Ok(())
}

fn check_name(what: &'static str, name: &str) -> Result<(), MetricError> {
    let fits = name.len() <= MAX_NAME_BYTES
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if fits {
        Ok(())
    } else {
        Err(invalid_name(what, name))
    }
}

pub(super) fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), MetricError> {
    if labels.len() > MAX_LABELS {
        return Err(MetricError::TooManyLabels { found: labels.len() });
    }
    for (label, value) in labels {
        check_name("label", label)?;
        if RESERVED_LABELS.contains(&label.as_str()) {
            return Err(invalid_name("label", label));
        }
        if value.len() > MAX_LABEL_VALUE_BYTES {
            return Err(MetricError::LabelTooLong {
                label: label.clone(),
                bytes: value.len(),
            });
        }
    }
    Ok(())
}
