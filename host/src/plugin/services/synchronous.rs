//! Services that answer from memory: log, clock, configuration, tenants, metrics, identity control.

use std::collections::BTreeMap;

use kora_plugin_abi::{
    AbiResult, Bytes, OwnedBytes,
    abi_stable::std_types::RResult::{RErr, ROk},
    clock1, config1, identity_control1, log1, metrics1, tenants1,
};
use serde_json::{Map, Value, json};

use super::{
    super::{
        call::one_line,
        context::{MetricKind, PluginContext, PortError, Service, not_utf8},
    },
    caller, guarded, panicked, to_abi, unknown_handle,
};

/// Fields of one log record, as JSON.
const LOG_FIELDS_BYTES: usize = 16 << 10;
/// Labels of one metric, as JSON.
const LABELS_BYTES: usize = 4 << 10;

pub static LOG: log1::Log = log1::Log { max_level, emit };
pub static CLOCK: clock1::Clock = clock1::Clock { now_us, monotonic_us };
#[cfg(feature = "next")]
pub static CLOCK_2: kora_plugin_abi::clock2::Clock = kora_plugin_abi::clock2::Clock { now_us, boot_us };
pub static CONFIG: config1::Config = config1::Config {
    get: config_get,
    host: config_host,
};
pub static TENANTS: tenants1::Tenants = tenants1::Tenants { served };
pub static METRICS: metrics1::Metrics = metrics1::Metrics { add, set, observe };
pub static IDENTITY_CONTROL: identity_control1::IdentityControl =
    identity_control1::IdentityControl { announce };

/// Answers a call of a plugin, if the service is given to it now.
pub fn answer<T>(
    handle: u64,
    service: Service,
    work: impl FnOnce(&PluginContext) -> Result<T, PortError>,
) -> AbiResult<T> {
    let answered = guarded(|| {
        let context = caller(handle).ok_or_else(unknown_handle)?;
        context.allows(service)?;
        work(&context)
    });
    match answered {
        Some(Ok(value)) => ROk(value),
        Some(Err(error)) => RErr(to_abi(error)),
        None => RErr(panicked()),
    }
}

pub fn json_bytes(value: &Value) -> OwnedBytes {
    value.to_string().into_bytes().into()
}

extern "C" fn max_level(handle: u64) -> u32 {
    guarded(|| caller(handle).map_or(0, |context| context.port.log_level(&context.identity.name)))
        .unwrap_or(0)
}

extern "C" fn emit(handle: u64, level: u32, target: Bytes<'_>, message: Bytes<'_>, fields: Bytes<'_>) {
    let emitted = guarded(|| {
        let Some(context) = caller(handle) else { return };
        let fields = match fields.as_slice() {
            bytes if bytes.len() > LOG_FIELDS_BYTES => Map::new(),
            bytes => serde_json::from_slice(bytes).unwrap_or_default(),
        };
        let (target, message) = (one_line(&target), message_line(&message));
        context
            .port
            .log(&context.identity.name, level, &target, &message, &fields);
    });
    // The panic hook has logged a panic; a log call has nobody to tell.
    let () = emitted.unwrap_or(());
}

/// Longer than an error's line, since a message may be a report.
fn message_line(bytes: &[u8]) -> String {
    const MESSAGE_BYTES: usize = 8 << 10;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MESSAGE_BYTES)]);
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

extern "C" fn now_us(handle: u64) -> i64 {
    guarded(|| caller(handle).map_or(0, |context| context.port.clock().now().as_micros())).unwrap_or(0)
}

extern "C" fn monotonic_us(handle: u64) -> u64 {
    guarded(|| caller(handle).map_or(0, |context| context.port.clock().monotonic().as_micros()))
        .map_or(0, |us| u64::try_from(us).unwrap_or(u64::MAX))
}

#[cfg(feature = "next")]
extern "C" fn boot_us(handle: u64) -> i64 {
    guarded(|| caller(handle).map_or(0, |context| context.port.boot_us())).unwrap_or(0)
}

extern "C" fn config_get(handle: u64, tenant: Bytes<'_>) -> AbiResult<OwnedBytes> {
    answer(handle, Service::Config, |context| {
        let tenant = context.tenant_or_none(&tenant)?;
        let config = context.port.config(&context.identity.name, tenant.as_ref());
        Ok(json_bytes(&Value::Object(config)))
    })
}

extern "C" fn config_host(handle: u64) -> AbiResult<OwnedBytes> {
    answer(handle, Service::Config, |context| {
        Ok(json_bytes(&context.port.host_info(&context.identity.name)))
    })
}

extern "C" fn served(handle: u64) -> AbiResult<OwnedBytes> {
    answer(handle, Service::Tenants, |context| {
        let served = context.port.served(&context.identity.name);
        let served = served
            .into_iter()
            .map(|(tenant, speaks)| json!({"tenant": tenant, "speaks": speaks}));
        Ok(json_bytes(&served.collect()))
    })
}

extern "C" fn add(handle: u64, name: Bytes<'_>, labels: Bytes<'_>, value: f64) -> AbiResult<()> {
    metric(handle, MetricKind::Counter, &name, &labels, value)
}

extern "C" fn set(handle: u64, name: Bytes<'_>, labels: Bytes<'_>, value: f64) -> AbiResult<()> {
    metric(handle, MetricKind::Gauge, &name, &labels, value)
}

extern "C" fn observe(handle: u64, name: Bytes<'_>, labels: Bytes<'_>, value: f64) -> AbiResult<()> {
    metric(handle, MetricKind::Histogram, &name, &labels, value)
}

fn metric(handle: u64, kind: MetricKind, name: &[u8], labels: &[u8], value: f64) -> AbiResult<()> {
    answer(handle, Service::Metrics, |context| {
        let name = std::str::from_utf8(name).map_err(|_| not_utf8("metric name"))?;
        let labels = match labels {
            [] => BTreeMap::new(),
            bytes if bytes.len() > LABELS_BYTES => {
                return Err(PortError::Invalid(format!(
                    "the labels have more than {LABELS_BYTES} bytes"
                )));
            }
            bytes => serde_json::from_slice(bytes)
                .map_err(|e| PortError::Invalid(format!("the labels are no JSON object of texts: {e}")))?,
        };
        context
            .port
            .metric(&context.identity.name, kind, name, &labels, value)
    })
}

extern "C" fn announce(handle: u64, provider: Bytes<'_>, tenant: Bytes<'_>) -> AbiResult<()> {
    answer(handle, Service::IdentityControl, |context| {
        let provider = std::str::from_utf8(&provider).map_err(|_| not_utf8("provider"))?;
        let tenant = context.tenant_or_none(&tenant)?;
        context
            .port
            .announce_identity(&context.identity.name, provider, tenant)
    })
}
