//! The log of the host, and how much of it is kept.

use serde_json::Value;

use super::{table::Table, text::one_line};
use crate::service::api::{LogLevels, LogRecord};

/// A record on a line: when, how grave, whose, what, and what else it says.
pub(in crate::cli) fn record(record: &LogRecord) -> String {
    let whose = record.plugin.as_ref().map_or_else(
        || record.target.clone(),
        |plugin| format!("{plugin} {}", record.target),
    );
    let level = record.level.as_str().to_uppercase();
    let mut line = format!("{}  {level:<5}  {whose}: {}", record.at, record.message);
    for (name, value) in &record.fields {
        match value {
            Value::String(text) => line.push_str(&format!("  {name}={text}")),
            value => line.push_str(&format!("  {name}={value}")),
        }
    }
    format!("{}\n", one_line(&line))
}

/// The level of the host, and those of plugins that have their own.
pub(in crate::cli) fn levels(levels: &LogLevels) -> String {
    let host = [("the host".to_owned(), levels.level)];
    let plugins = levels
        .plugins
        .iter()
        .map(|(plugin, level)| (plugin.clone(), *level));
    Table::new(["OF", "LEVEL"])
        .rows(host.into_iter().chain(plugins), |(of, level)| {
            [of, level.to_string()]
        })
        .to_text("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::LogLevel;

    #[test]
    fn a_record_is_one_line_whatever_it_says() {
        let said = LogRecord {
            at: "2026-11-20T10:00:00.000000Z".to_owned(),
            level: LogLevel::Warn,
            target: "marvin::mood".to_owned(),
            plugin: Some("marvin".to_owned()),
            message: "brain\nthe size".to_owned(),
            fields: json!({ "count": 2, "of": "a planet" })
                .as_object()
                .unwrap()
                .clone(),
        };
        insta::assert_snapshot!(record(&said), @r"2026-11-20T10:00:00.000000Z  WARN   marvin marvin::mood: brain\nthe size  count=2  of=a planet");
    }

    #[test]
    fn levels_are_the_hosts_and_those_of_plugins() {
        let in_force = LogLevels {
            level: LogLevel::Info,
            plugins: [("marvin".to_owned(), LogLevel::Trace)].into(),
        };
        insta::assert_snapshot!(levels(&in_force), @r"
        OF        LEVEL
        the host  info
        marvin    trace
        ");
    }
}
