//! The log: what was said lately, what is said from now on, and how much of it is kept.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Principal, Problem, ProblemKind, Service, api};
use crate::{
    domain::LogLevel,
    telemetry::{LogHeard, LogListener, LogRecord, RECENT_RECORDS_MAX},
};

/// How many records are shown unless said.
const TAIL_DEFAULT: usize = 50;
/// What is read ahead of a slow reader.
const FOLLOW_QUEUE: usize = 256;
/// What says that records were left out.
const LEFT_OUT_TARGET: &str = "kora::logs";

impl Service {
    /// The newest records, the oldest first.
    ///
    /// # Errors
    /// If the limit is out of range, or there is no such plugin and nothing is kept of one that there was.
    pub fn logs(&self, input: &api::TailLogs) -> Result<Vec<api::LogRecord>, Problem> {
        self.logs_so_far(input).map(|(records, _)| records)
    }

    /// The records that `logs` would show, then those that are logged from now on. Whoever reads too slowly is told how many he missed. The
    /// channel closes when the host stops.
    ///
    /// # Errors
    /// As [`logs`](Self::logs).
    pub fn follow_logs(&self, input: api::TailLogs) -> Result<mpsc::Receiver<api::LogRecord>, Problem> {
        let (first, mut listener) = self.logs_so_far(&input)?;
        let (sender, receiver) = mpsc::channel(FOLLOW_QUEUE);
        let (closing, clock) = (self.surface_token(), self.clock.clone());
        self.tasks.spawn(async move {
            let telling = async {
                for record in first {
                    sender.send(record).await.ok()?;
                }
                while let Some(heard) = listener.next().await {
                    let record = match heard {
                        LogHeard::Record(record) if is_wanted(&record, &input) => shown(&record),
                        LogHeard::Record(_) if sender.is_closed() => return None,
                        LogHeard::Record(_) => continue,
                        LogHeard::Missed(count) => left_out(count, clock.now().to_rfc3339()),
                    };
                    sender.send(record).await.ok()?;
                }
                Some(())
            };
            tokio::select! {
                () = closing.cancelled() => {}
                () = sender.closed() => {}
                _ = telling => {}
            }
        });
        Ok(receiver)
    }

    fn logs_so_far(&self, input: &api::TailLogs) -> Result<(Vec<api::LogRecord>, LogListener), Problem> {
        let limit = input
            .limit
            .map_or(TAIL_DEFAULT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        if !(1..=RECENT_RECORDS_MAX).contains(&limit) {
            let message = format!("the limit is {limit}, expected 1 to {RECENT_RECORDS_MAX}");
            return Err(Problem::new(ProblemKind::BadInput, "logs.limit", message));
        }
        let (kept, listener) = self.logging.listen();
        // Of one that is gone there may be records still.
        if let Some(plugin) = &input.plugin
            && !kept.iter().any(|record| record.plugin.as_ref() == Some(plugin))
        {
            self.plugin_name(plugin)?;
        }
        let wanted = kept.iter().rev().filter(|record| is_wanted(record, input));
        let mut records: Vec<_> = wanted.take(limit).map(|record| shown(record)).collect();
        records.reverse();
        Ok((records, listener))
    }

    /// The levels in force.
    pub fn log_levels(&self) -> api::LogLevels {
        let config = self.config.load();
        let plugins = config.log.plugins.iter();
        api::LogLevels {
            level: config.log.level,
            plugins: plugins
                .map(|(plugin, level)| (plugin.to_string(), *level))
                .collect(),
        }
    }

    /// Keeps more of the log, or less, until the host is restarted or reads its configuration again.
    ///
    /// # Errors
    /// If there is no such plugin.
    pub fn set_log_level(&self, by: &Principal, input: &api::SetLogLevel) -> Result<api::LogLevels, Problem> {
        let plugin = input.plugin.as_deref().map(|name| self.plugin_name(name));
        let plugin = plugin.transpose()?;
        let change =
            |config: &Arc<crate::config::Config>| config.with_log_level(plugin.as_ref(), input.level);
        self.config.rcu(change);
        self.logging.apply(&self.config.load().log);
        let of = input.plugin.as_deref().unwrap_or("the host");
        tracing::info!(level = %input.level, of, %by, "[kora.logs.level] another level of the log, until a reload or restart");
        Ok(self.log_levels())
    }
}

fn is_wanted(record: &LogRecord, input: &api::TailLogs) -> bool {
    let is_grave = record.level <= input.level.unwrap_or(LogLevel::Trace);
    is_grave && (input.plugin.is_none() || record.plugin == input.plugin)
}

fn shown(record: &LogRecord) -> api::LogRecord {
    api::LogRecord {
        at: record.at.to_rfc3339(),
        level: record.level,
        target: record.target.clone(),
        plugin: record.plugin.clone(),
        message: record.message.clone(),
        fields: record.fields.clone(),
    }
}

fn left_out(count: u64, at: String) -> api::LogRecord {
    api::LogRecord {
        at,
        level: LogLevel::Warn,
        target: LEFT_OUT_TARGET.to_owned(),
        plugin: None,
        message: format!("{count} records came faster than they were read, and are left out here"),
        fields: serde_json::Map::new(),
    }
}
