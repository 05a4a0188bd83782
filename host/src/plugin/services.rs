//! The host services: what a plugin may call. `extern "C"` functions that check everything and then ask [`HostPort`].
//!
//! Each function is guarded: a panic here would abort the process. What works for long is spawned on the host's runtime, and
//! the future that goes back only waits for the answer: a plugin polls it on its own thread, where the host's runtime has
//! no context.

mod asynchronous;
mod cost;
mod handles;
mod synchronous;
mod tickets;
mod tools;

use kora_plugin_abi::{
    self as abi, AbiError, Bytes, Extension, Maybe,
    abi_stable::std_types::ROption::{RNone, RSome},
    clock1, config1, cost1, events1, identity_control1, kv1, log1, metrics1, secrets1, state1, tenants1,
    tickets1, tools1,
};

pub(super) use handles::Handle;
use handles::caller;

use super::context::{PortError, Service};

/// The question that a plugin is given: which services are there?
pub(super) extern "C" fn get_service(handle: u64, id: Bytes<'_>) -> Maybe<Extension> {
    guarded(|| {
        let Ok(id) = std::str::from_utf8(id.as_slice()) else {
            return RNone;
        };
        let Some(context) = caller(handle) else {
            return RNone;
        };
        let Some((service, extension)) = find(id) else {
            return RNone;
        };
        match context.allows(service) {
            Ok(()) => RSome(extension),
            Err(_) => RNone,
        }
    })
    .unwrap_or(RNone)
}

fn find(id: &str) -> Option<(Service, Extension)> {
    use asynchronous::{EVENTS, KV, SECRETS, STATE};
    use synchronous::{CLOCK, CONFIG, IDENTITY_CONTROL, LOG, METRICS, TENANTS};
    Some(match id {
        log1::ID => (Service::Log, Extension::of(&LOG)),
        clock1::ID => (Service::Clock, Extension::of(&CLOCK)),
        #[cfg(feature = "next")]
        abi::clock2::ID => (Service::Clock, Extension::of(&synchronous::CLOCK_2)),
        config1::ID => (Service::Config, Extension::of(&CONFIG)),
        tenants1::ID => (Service::Tenants, Extension::of(&TENANTS)),
        events1::ID => (Service::Events, Extension::of(&EVENTS)),
        state1::ID => (Service::State, Extension::of(&STATE)),
        kv1::ID => (Service::Kv, Extension::of(&KV)),
        secrets1::ID => (Service::Secrets, Extension::of(&SECRETS)),
        metrics1::ID => (Service::Metrics, Extension::of(&METRICS)),
        cost1::ID => (Service::Cost, Extension::of(&cost::COST)),
        identity_control1::ID => (Service::IdentityControl, Extension::of(&IDENTITY_CONTROL)),
        tools1::ID => (Service::Tools, Extension::of(&tools::TOOLS)),
        tickets1::ID => (Service::Tickets, Extension::of(&tickets::TICKETS)),
        _ => return None,
    })
}

/// Runs host code that a plugin called. `None` if it panicked, which is a fault of the host's, and logged as one.
fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
        .map_err(std::mem::forget)
        .ok()
}

fn to_abi(error: PortError) -> AbiError {
    let code = match &error {
        PortError::Failed(_) => abi::FAILED,
        PortError::Invalid(_) => abi::INVALID,
        PortError::Denied(_) => abi::DENIED,
        PortError::TenantNotServed(_) => abi::TENANT_NOT_SERVED,
        PortError::Unavailable(_) => abi::UNAVAILABLE,
        PortError::Conflict(_) => abi::CONFLICT,
        PortError::MissingCredential(_) => abi::MISSING_CREDENTIAL,
        PortError::Quota(_) => abi::QUOTA,
    };
    let subject = match &error {
        PortError::MissingCredential(name) => name.clone(),
        _ => String::new(),
    };
    AbiError::new(code, error.to_string()).about(subject)
}

fn panicked() -> AbiError {
    AbiError::new(abi::PANICKED, "the host panicked; its log says where")
}

fn unknown_handle() -> PortError {
    PortError::Denied("no plugin has this handle".to_owned())
}
