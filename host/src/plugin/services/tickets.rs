//! `tickets/1`: every function takes a tenant and a JSON request, and answers JSON.

use kora_plugin_abi::{AbiFuture, Bytes, OwnedBytes, tickets1};
use serde::de::DeserializeOwned;

use super::{
    super::{
        context::{PortError, Service},
        ticket_call::TicketCall,
    },
    asynchronous::{spawned, text},
    synchronous::json_bytes,
};

/// A summary or an outcome is the longest that a request holds.
const REQUEST_BYTES: usize = 64 << 10;

pub static TICKETS: tickets1::Tickets = tickets1::Tickets {
    list,
    claim,
    refresh,
    release,
    resolve,
    allocate,
    step,
};

fn asked<T: DeserializeOwned>(
    handle: u64,
    tenant: Bytes<'_>,
    request: Bytes<'_>,
    call: fn(T) -> TicketCall,
) -> AbiFuture<OwnedBytes> {
    spawned(handle, Service::Tickets, |context| {
        let tenant = context.tenant(&tenant)?;
        let request = serde_json::from_str(&text("request", &request, REQUEST_BYTES)?)
            .map_err(|error| PortError::Invalid(format!("the request is not valid: {error}")))?;
        let call = call(request);
        Ok(async move {
            let answer = context.port.tickets(&context.identity, tenant, call).await?;
            Ok(json_bytes(&answer))
        })
    })
}

extern "C" fn list(handle: u64, tenant: Bytes<'_>, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    asked(handle, tenant, request, TicketCall::List)
}

extern "C" fn claim(handle: u64, tenant: Bytes<'_>, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    asked(handle, tenant, request, TicketCall::Claim)
}

extern "C" fn refresh(handle: u64, tenant: Bytes<'_>, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    asked(handle, tenant, request, TicketCall::Refresh)
}

extern "C" fn release(handle: u64, tenant: Bytes<'_>, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    asked(handle, tenant, request, TicketCall::Release)
}

extern "C" fn resolve(handle: u64, tenant: Bytes<'_>, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    asked(handle, tenant, request, TicketCall::Resolve)
}

extern "C" fn allocate(handle: u64, tenant: Bytes<'_>, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    asked(handle, tenant, request, TicketCall::Allocate)
}

extern "C" fn step(handle: u64, tenant: Bytes<'_>, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    asked(handle, tenant, request, TicketCall::Step)
}
