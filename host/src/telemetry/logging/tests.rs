//! The log as an operator reads it.

use std::{
    io::Write,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use super::*;
use crate::domain::{LogLevel, Timestamp};

#[derive(Default)]
struct ManualClock(AtomicU64);

impl ManualClock {
    fn advance(&self, by: Duration) {
        self.0
            .fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tests of one process share tracing's greatest level, and it is whoever changed theirs last who sets it. A subscriber that wants
/// everything, for as long as the process lives, makes it the same for all of them.
fn want_everything() {
    static EVERYTHING: OnceLock<Dispatch> = OnceLock::new();
    EVERYTHING.get_or_init(|| Dispatch::new(tracing_subscriber::registry().with(LevelFilter::TRACE)));
}

struct Log {
    logging: Logging,
    written: Written,
    clock: Arc<ManualClock>,
}

impl Log {
    fn new(settings: LogSettings) -> Self {
        want_everything();
        let (written, clock) = (Written::default(), Arc::new(ManualClock::default()));
        let options = LoggingOptions {
            settings,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            colour: false,
        };
        let writer = written.clone();
        Self {
            logging: Logging::new(options, move || writer.clone()),
            written,
            clock,
        }
    }

    /// What `act` made the log write.
    fn lines(&self, act: impl FnOnce(&LoggingHandle)) -> Vec<String> {
        self.written.0.lock().unwrap().clear();
        tracing::dispatcher::with_default(self.logging.dispatch(), || act(self.logging.handle()));
        let text = String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

fn settings(level: LogLevel, format: LogFormat, plugins: &[(&str, LogLevel)]) -> LogSettings {
    let plugins = plugins
        .iter()
        .map(|(name, level)| (name.parse().unwrap(), *level))
        .collect();
    LogSettings {
        level,
        format,
        plugins,
    }
}

fn say_all() {
    tracing::error!("an error");
    tracing::info!("an info");
    tracing::debug!("a debug");
    tracing::info!(target: "rmcp::service", "chatter");
    tracing::warn!(target: "rmcp::service", "a warning of rmcp, which may repeat what a caller sent");
    tracing::error!(target: "rmcp::service", "a client that went away");
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn the_default_keeps_info_and_nothing_of_rmcp() {
    let log = Log::new(LogSettings::default());
    let lines = log.lines(|_| say_all());
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("ERROR") && lines[1].contains("an info"));
}

#[test]
fn level_and_form_change_while_it_runs() {
    let log = Log::new(LogSettings::default());
    assert_eq!(log.lines(|_| say_all()).len(), 2);
    let lines = log.lines(|handle| {
        let span = tracing::info_span!("opened_before", tenant = "acme");
        let _entered = span.enter();
        handle.apply(&settings(LogLevel::Debug, LogFormat::Json, &[]));
        say_all();
    });
    let records: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(records.len(), 3);
    assert_eq!(
        (&records[2]["message"], &records[2]["level"]),
        (&json!("a debug"), &json!("DEBUG"))
    );

    let lines = log.lines(|handle| {
        handle.apply(&settings(LogLevel::Error, LogFormat::Text, &[]));
        say_all();
    });
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].ends_with("an error"));
}

#[test]
fn a_plugins_record_names_the_plugin_and_where_in_it() {
    let log = Log::new(settings(LogLevel::Info, LogFormat::Json, &[]));
    let lines = log.lines(|handle| {
        let fields = object(json!({"level": "forged", "count": 3}));
        handle.emit_plugin("marvin", 2, "marvin::brain", "so \"depressed\"", &fields);
        handle.emit_plugin("marvin", 3, "marvin::brain", "no fields", &Map::new());
    });
    let first: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(first["level"], "WARN");
    assert_eq!(first["target"], "plugin");
    assert_eq!(first["plugin"], "marvin");
    assert_eq!(first["origin"], "marvin::brain");
    assert_eq!(first["message"], "so \"depressed\"");
    assert_eq!(first["data"], r#"{"count":3,"level":"forged"}"#);
    let second: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(second.get("data"), None);
}

#[test]
fn each_plugin_has_its_level_and_a_reload_changes_it() {
    let log = Log::new(settings(
        LogLevel::Info,
        LogFormat::Text,
        &[("marvin", LogLevel::Debug)],
    ));
    let say = |handle: &LoggingHandle| {
        for plugin in ["marvin", "kora"] {
            handle.emit_plugin(plugin, 4, "t", "a debug", &Map::new());
        }
    };
    let handle = log.logging.handle().clone();
    assert_eq!((handle.max_level("marvin"), handle.max_level("kora")), (4, 3));
    let lines = log.lines(say);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("plugin=\"marvin\""), "{}", lines[0]);

    handle.apply(&settings(
        LogLevel::Off,
        LogFormat::Text,
        &[("kora", LogLevel::Trace)],
    ));
    assert_eq!((handle.max_level("marvin"), handle.max_level("kora")), (0, 5));
    let lines = log.lines(say);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("plugin=\"kora\""), "{}", lines[0]);
}

#[test]
fn a_plugin_cannot_write_a_line_of_its_own_or_a_long_one() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let log = Log::new(settings(LogLevel::Info, format, &[]));
        let lines = log.lines(|handle| {
            let forged = "x\n2026-01-01T00:00:00Z ERROR kora_host: forged\r\u{1b}[2K";
            let fields = object(json!({"a\nb": "c\nd\u{9b}"}));
            handle.emit_plugin("marvin", 3, "t\nu", forged, &fields);
        });
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(!lines[0].contains(char::is_control), "{:?}", lines[0]);

        let lines = log.lines(|handle| {
            let long = "m".repeat(1024 * 1024);
            handle.emit_plugin("marvin", 3, &long, &long, &object(json!({ "f": long })));
        });
        assert!(
            lines[0].len() < 20 * 1024 && lines[0].matches('…').count() == 3,
            "{}",
            lines[0].len()
        );
    }
}

#[test]
fn a_flood_is_dropped_and_its_size_said_once_in_a_while() {
    let log = Log::new(LogSettings::default());
    let flood = |count: usize| {
        log.lines(|handle| {
            (0..count).for_each(|_| handle.emit_plugin("marvin", 3, "t", "again", &Map::new()))
        })
    };
    let said = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.contains("dropped="))
            .cloned()
            .collect::<Vec<_>>()
    };

    let lines = flood(5_000);
    assert_eq!(lines.len(), 1_001, "a burst, and that more came");
    assert!(said(&lines)[0].contains("dropped=1"), "{lines:?}");

    log.clock.advance(Duration::from_secs(10));
    let lines = log.lines(LoggingHandle::report_dropped);
    assert!(said(&lines)[0].contains("dropped=3999"), "{lines:?}");
    assert_eq!(log.lines(LoggingHandle::report_dropped).len(), 0);

    let other = log.lines(|handle| handle.emit_plugin("kora", 3, "t", "heard", &Map::new()));
    assert_eq!(other.len(), 1, "one plugin's flood is not another's");
}

#[test]
fn errors_of_the_last_five_minutes_are_counted_whatever_is_kept() {
    let log = Log::new(settings(
        LogLevel::Off,
        LogFormat::Text,
        &[("marvin", LogLevel::Error)],
    ));
    let handle = log.logging.handle().clone();
    log.lines(|handle| {
        say_all();
        handle.emit_plugin("marvin", 1, "t", "an error", &Map::new());
        handle.emit_plugin("marvin", 2, "t", "a warning", &Map::new());
    });
    // A client that went away is no error of the host's.
    assert_eq!(handle.recent_errors(), 2);
    log.clock.advance(Duration::from_secs(299));
    log.lines(|_| tracing::error!("another"));
    assert_eq!(handle.recent_errors(), 3);
    log.clock.advance(Duration::from_secs(1));
    assert_eq!(handle.recent_errors(), 1);
    log.clock.advance(Duration::from_secs(300));
    assert_eq!(handle.recent_errors(), 0);
}

#[test]
fn what_the_log_keeps_is_kept_in_memory_too_whatever_its_form() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let log = Log::new(settings(LogLevel::Info, format, &[]));
        log.lines(|_| say_all());
        let (kept, _) = log.logging.handle().listen();
        let said: Vec<_> = kept.iter().map(|record| record.message.as_str()).collect();
        assert_eq!(said, ["an error", "an info"]);
    }
}

#[test]
fn a_record_in_memory_says_whose_it_is_and_what_else_it_says() {
    let log = Log::new(settings(LogLevel::Info, LogFormat::Text, &[]));
    log.lines(|handle| {
        tracing::warn!(plugin = "marvin", count = 2, "it is slow");
        let fields = object(json!({ "mood": "bad", "brain": { "size": 1 } }));
        handle.emit_plugin("marvin", 3, "marvin::mood", "life", &fields);
    });
    let (kept, _) = log.logging.handle().listen();
    let [of_host, of_plugin] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    assert_eq!(
        (of_host.level, of_host.plugin.as_deref()),
        (LogLevel::Warn, Some("marvin"))
    );
    assert_eq!(Value::Object(of_host.fields.clone()), json!({ "count": 2 }));
    assert_eq!(
        (of_plugin.plugin.as_deref(), of_plugin.target.as_str()),
        (Some("marvin"), "marvin::mood")
    );
    assert_eq!(of_plugin.message, "life");
    assert_eq!(
        Value::Object(of_plugin.fields.clone()),
        json!({ "mood": "bad", "brain": { "size": 1 } })
    );
}

#[test]
fn memory_holds_the_newest_records_in_bounded_room() {
    let log = Log::new(settings(LogLevel::Info, LogFormat::Text, &[]));
    let count = crate::telemetry::RECENT_RECORDS_MAX + 10;
    log.lines(|_| (0..count).for_each(|number| tracing::info!(number, "said")));
    let (kept, _) = log.logging.handle().listen();
    assert_eq!(kept.len(), crate::telemetry::RECENT_RECORDS_MAX);
    assert_eq!(kept.last().unwrap().fields["number"], count - 1);

    let long = "x".repeat(8 * 1024);
    log.lines(|_| (0..2000).for_each(|_| tracing::info!("{long}")));
    let (kept, _) = log.logging.handle().listen();
    assert!((100..600).contains(&kept.len()), "4 MiB of them: {}", kept.len());
}

#[tokio::test]
async fn a_listener_hears_what_comes_after_what_is_kept_and_how_much_it_missed() {
    use crate::telemetry::LogHeard;
    let log = Log::new(settings(LogLevel::Info, LogFormat::Text, &[]));
    log.lines(|_| tracing::info!("before"));
    let (kept, mut listener) = log.logging.handle().listen();
    assert_eq!(kept.len(), 1);
    log.lines(|_| tracing::info!("after"));
    let heard = listener.next().await.unwrap();
    assert!(matches!(heard, LogHeard::Record(record) if record.message == "after"));
    log.lines(|_| (0..2000).for_each(|_| tracing::info!("flood")));
    assert!(matches!(listener.next().await, Some(LogHeard::Missed(count)) if count > 0));
}
