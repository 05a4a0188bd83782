//! The plugin's log and panic messages, on their way to the host.
//!
//! A host's subscriber does not exist inside a plugin, so the plugin has one of its own that hands records over.

use std::{cell::Cell, fmt, panic, sync::OnceLock};

use kora_plugin_abi::{self as abi, log1};
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use super::host_ref;

static LOG: OnceLock<&'static log1::Log> = OnceLock::new();

const ERROR: u32 = 1;

pub fn install() {
    let Some(host) = host_ref() else { return };
    // SAFETY: the host's tables are statics of the process's own executable, made with `Extension::of`.
    let found =
        unsafe { abi::query::<log1::Log>((host.get_service)(host.handle, log1::ID.as_bytes().into())) };
    if let Some(Ok(log)) = found {
        LOG.get_or_init(|| log);
    }
    // An author who set a subscriber of their own keeps it.
    drop(tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(Bridge),
    ));
    panic::set_hook(Box::new(report_panic));
}

fn report_panic(info: &panic::PanicHookInfo<'_>) {
    let message = info
        .payload_as_str()
        .unwrap_or("a panic without a message")
        .replace('\n', " ");
    let mut fields = Map::new();
    if let Some(place) = info.location() {
        fields.insert("at".to_owned(), place.to_string().into());
    }
    emit(ERROR, "panic", &format!("panicked: {message}"), fields);
}

fn emit(level: u32, target: &str, message: &str, fields: Map<String, Value>) {
    if let (Some(log), Some(host)) = (LOG.get(), host_ref()) {
        let fields = Value::Object(fields).to_string();
        (log.emit)(
            host.handle,
            level,
            target.as_bytes().into(),
            message.as_bytes().into(),
            fields.as_bytes().into(),
        );
    }
}

fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => ERROR,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

struct Bridge;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Bridge {
    /// The host's level changes while it runs, so no call site may remember the answer.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let (Some(log), Some(host)) = (LOG.get(), host_ref()) else {
            return false;
        };
        number(*metadata.level()) <= (log.max_level)(host.handle)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // A `Debug` of the author's that logs would come back here for ever.
        let Some(_emitting) = Emitting::begin() else {
            return;
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        emit(
            number(*event.metadata().level()),
            event.metadata().target(),
            &fields.message,
            fields.others,
        );
    }
}

thread_local! {
    static EMITTING: Cell<bool> = const { Cell::new(false) };
}

struct Emitting;

impl Emitting {
    fn begin() -> Option<Self> {
        (!EMITTING.replace(true)).then_some(Self)
    }
}

impl Drop for Emitting {
    fn drop(&mut self) {
        EMITTING.set(false);
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.insert(field, format!("{value:?}").into());
        }
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
        } else {
            self.insert(field, value.into());
        }
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }
}
