//! Services that wait for the store or for files: events, state, values, secrets.

use std::future::Future;

use kora_plugin_abi::{
    AbiFuture, AbiResult, Bytes, FutureExt as _, OwnedBytes,
    abi_stable::std_types::{
        ROption,
        RResult::{RErr, ROk},
    },
    events1, kv1, secrets1, state1,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    super::context::{PluginContext, PortError, Service, not_utf8},
    caller, guarded, panicked,
    synchronous::{answer, json_bytes},
    to_abi, unknown_handle,
};

/// A payload of 64 KiB may come with white space that is taken out.
const PAYLOAD_BYTES: usize = 256 << 10;
pub(super) const KEY_BYTES: usize = 256;
const VALUE_BYTES: usize = 256 << 10;
const NOTE_CHARS: usize = 500;
const READ_LIMIT: u32 = 200;
const READ_DEFAULT: u32 = 50;

pub static EVENTS: events1::Events = events1::Events { append, read };
pub static STATE: state1::State = state1::State {
    get: state_get,
    history,
    set_degradation,
    daemon_health,
};
pub static KV: kv1::Kv = kv1::Kv {
    get: kv_get,
    put,
    delete,
    list,
};
pub static SECRETS: secrets1::Secrets = secrets1::Secrets { get: secret };

/// Checks and copies on the caller's thread, works on the host's runtime, and hands back a future that only waits.
pub(super) fn spawned<T, F>(
    handle: u64,
    service: Service,
    begin: impl FnOnce(std::sync::Arc<PluginContext>) -> Result<F, PortError>,
) -> AbiFuture<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, PortError>> + Send + 'static,
{
    let begun = guarded(|| {
        let context = caller(handle).ok_or_else(unknown_handle)?;
        context.allows(service)?;
        let (runtime, under_way) = (context.runtime.clone(), context.begin_call()?);
        let work = begin(context)?;
        Ok(runtime.spawn(async move {
            // Until the work has ended, also if nobody waits for it any more.
            let _under_way = under_way;
            work.await
        }))
    });
    async move {
        match begun {
            Some(Ok(task)) => match task.await {
                Ok(Ok(value)) => ROk(value),
                Ok(Err(error)) => RErr(to_abi(error)),
                Err(join) if join.is_panic() => RErr(panicked()),
                Err(_) => RErr(to_abi(PortError::Unavailable("the host is stopping".to_owned()))),
            },
            Some(Err(error)) => RErr(to_abi(error)),
            None => RErr(panicked()),
        }
    }
    .into_ffi()
}

pub(super) fn text(what: &str, bytes: &[u8], limit: usize) -> Result<String, PortError> {
    if bytes.len() > limit {
        return Err(PortError::Invalid(format!(
            "the {what} has {} bytes, expected at most {limit}",
            bytes.len()
        )));
    }
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| not_utf8(what))
}

fn key(bytes: &[u8]) -> Result<String, PortError> {
    let key = text("key", bytes, KEY_BYTES)?;
    if key.is_empty() {
        return Err(PortError::Invalid("the key is empty".to_owned()));
    }
    Ok(key)
}

extern "C" fn append(
    handle: u64,
    tenant: Bytes<'_>,
    event_type: Bytes<'_>,
    payload: Bytes<'_>,
    idempotency_key: Bytes<'_>,
) -> AbiFuture<OwnedBytes> {
    spawned(handle, Service::Events, |context| {
        let tenant = context.tenant(&tenant)?;
        let event_type = text("event type", &event_type, KEY_BYTES)?;
        if payload.len() > PAYLOAD_BYTES {
            let message = format!("the payload has {} bytes, expected at most 65536", payload.len());
            return Err(PortError::Invalid(message));
        }
        let payload = payload.to_vec();
        let once = text("idempotency key", &idempotency_key, KEY_BYTES)?;
        let once = (!once.is_empty()).then_some(once);
        Ok(async move {
            let appended = context
                .port
                .append(&context.identity, tenant, event_type, payload, once)
                .await?;
            Ok(json_bytes(&appended))
        })
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventQuery {
    after_seq: Option<u64>,
    prefix: Option<String>,
    limit: Option<u32>,
}

extern "C" fn read(handle: u64, tenant: Bytes<'_>, query: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    spawned(handle, Service::Events, |context| {
        let tenant = context.tenant(&tenant)?;
        let query: EventQuery = serde_json::from_str(&text("query", &query, KEY_BYTES * 4)?)
            .map_err(|e| PortError::Invalid(format!("the query is not valid: {e}")))?;
        let limit = query.limit.unwrap_or(READ_DEFAULT);
        if !(1..=READ_LIMIT).contains(&limit) {
            return Err(PortError::Invalid(format!(
                "limit is {limit}, expected 1 to {READ_LIMIT}"
            )));
        }
        Ok(async move {
            let events = context
                .port
                .read_events(tenant, query.after_seq, query.prefix, limit)
                .await?;
            Ok(json_bytes(&events))
        })
    })
}

extern "C" fn state_get(handle: u64, tenant: Bytes<'_>) -> AbiResult<OwnedBytes> {
    answer(handle, Service::State, |context| {
        Ok(json_bytes(&context.port.state(&context.tenant(&tenant)?)?))
    })
}

extern "C" fn history(handle: u64, tenant: Bytes<'_>) -> AbiResult<OwnedBytes> {
    answer(handle, Service::State, |context| {
        Ok(json_bytes(
            &context.port.state_history(&context.tenant(&tenant)?)?,
        ))
    })
}

extern "C" fn daemon_health(handle: u64) -> AbiResult<OwnedBytes> {
    answer(handle, Service::State, |context| {
        Ok(json_bytes(&context.port.daemon_health()))
    })
}

extern "C" fn set_degradation(
    handle: u64,
    tenant: Bytes<'_>,
    reason: Bytes<'_>,
    present: bool,
    note: Bytes<'_>,
) -> AbiFuture<()> {
    spawned(handle, Service::State, |context| {
        let tenant = context.tenant(&tenant)?;
        let reason = text("reason", &reason, KEY_BYTES)?;
        let note = text("note", &note, NOTE_CHARS * 4)?;
        let note: String = note
            .chars()
            .filter(|c| !c.is_control())
            .take(NOTE_CHARS)
            .collect();
        Ok(async move {
            context
                .port
                .set_degradation(&context.identity, tenant, reason, present, note)
                .await
        })
    })
}

extern "C" fn kv_get(handle: u64, tenant: Bytes<'_>, name: Bytes<'_>) -> AbiFuture<ROption<OwnedBytes>> {
    spawned(handle, Service::Kv, |context| {
        let (tenant, name) = (context.tenant(&tenant)?, key(&name)?);
        Ok(async move {
            let value = context.port.kv_get(&context.identity, tenant, name).await?;
            Ok(value.map(OwnedBytes::from).into())
        })
    })
}

extern "C" fn put(handle: u64, tenant: Bytes<'_>, name: Bytes<'_>, value: Bytes<'_>) -> AbiFuture<()> {
    spawned(handle, Service::Kv, |context| {
        let (tenant, name) = (context.tenant(&tenant)?, key(&name)?);
        if value.len() > VALUE_BYTES {
            let message = format!(
                "the value has {} bytes, expected at most {VALUE_BYTES}",
                value.len()
            );
            return Err(PortError::Invalid(message));
        }
        let value = value.to_vec();
        Ok(async move { context.port.kv_put(&context.identity, tenant, name, value).await })
    })
}

extern "C" fn delete(handle: u64, tenant: Bytes<'_>, name: Bytes<'_>) -> AbiFuture<bool> {
    spawned(handle, Service::Kv, |context| {
        let (tenant, name) = (context.tenant(&tenant)?, key(&name)?);
        Ok(async move { context.port.kv_delete(&context.identity, tenant, name).await })
    })
}

extern "C" fn list(handle: u64, tenant: Bytes<'_>, prefix: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    spawned(handle, Service::Kv, |context| {
        let (tenant, prefix) = (context.tenant(&tenant)?, text("prefix", &prefix, KEY_BYTES)?);
        Ok(async move {
            let keys = context.port.kv_list(&context.identity, tenant, prefix).await?;
            Ok(json_bytes(&json!(keys)))
        })
    })
}

extern "C" fn secret(handle: u64, tenant: Bytes<'_>, name: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    spawned(handle, Service::Secrets, |context| {
        let tenant = context.tenant_or_none(&tenant)?;
        let name = text("name", &name, KEY_BYTES)?;
        if !context.grants.secret_names.contains(&name) {
            let message = format!("the manifest does not list the secret `{name}`");
            return Err(PortError::Denied(message));
        }
        Ok(async move { Ok(context.port.secret(&context.identity, tenant, name).await?.into()) })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        domain::Digest,
        plugin::{Grants, PluginIdentity, context::CALLS_UNDER_WAY, no_host::NoHost, services::Handle},
    };

    fn registered() -> (Arc<PluginContext>, u64) {
        let identity = PluginIdentity {
            name: "greedy".parse().unwrap(),
            version: "0.1.0".to_owned(),
            digest: Digest::of(b"greedy"),
        };
        let runtime = tokio::runtime::Handle::current();
        let grants = Grants {
            kv: true,
            ..Grants::default()
        };
        let context = Arc::new(PluginContext::new(
            identity,
            grants,
            Arc::new(NoHost::default()),
            Arc::default(),
            runtime,
        ));
        let handle = Handle::assign(context.clone()).number();
        context.accepted();
        (context, handle)
    }

    fn never(handle: u64) -> AbiFuture<()> {
        spawned(handle, Service::Kv, |_| Ok(std::future::pending()))
    }

    #[tokio::test]
    async fn a_plugin_that_never_waits_for_answers_comes_to_an_end() {
        let (_context, handle) = registered();
        for _ in 0..CALLS_UNDER_WAY {
            // A future that nobody awaits is a call all the same.
            drop(never(handle));
        }
        let RErr(refused) = never(handle).await else {
            panic!("one more than there is room for");
        };
        assert_eq!(refused.code, kora_plugin_abi::QUOTA);
        let (_other, other) = registered();
        let answered = spawned(other, Service::Kv, |_| Ok(async { Ok(7) })).await;
        assert_eq!(
            answered.into_result().unwrap(),
            7,
            "another plugin is not touched by it"
        );
    }

    #[tokio::test]
    async fn a_call_that_ended_makes_room() {
        let (_context, handle) = registered();
        for _ in 0..2 * CALLS_UNDER_WAY {
            let answered = spawned(handle, Service::Kv, |_| Ok(async { Ok(()) })).await;
            assert!(answered.is_ok());
        }
    }

    #[tokio::test]
    async fn without_the_permission_and_after_the_end_nothing_is_begun() {
        let (context, handle) = registered();
        let begun = |service| {
            spawned::<(), std::future::Pending<_>>(handle, service, |_| unreachable!("is not begun"))
        };
        for (service, code) in [
            (Service::Events, kora_plugin_abi::DENIED),
            (Service::Secrets, kora_plugin_abi::DENIED),
        ] {
            assert_eq!(begun(service).await.into_result().unwrap_err().code, code);
        }
        context.retired();
        let refused = begun(Service::Kv).await.into_result().unwrap_err();
        assert_eq!(refused.code, kora_plugin_abi::UNAVAILABLE);
        let guessed = spawned(handle.wrapping_add(1), Service::Kv, |_| Ok(async { Ok(()) })).await;
        assert_eq!(guessed.into_result().unwrap_err().code, kora_plugin_abi::DENIED);
    }
}
