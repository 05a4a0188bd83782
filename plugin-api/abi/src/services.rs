//! What the host offers. Each module is one service at one revision, frozen once released.
//!
//! The first parameter of every function is the plugin's [`HostRef::handle`](crate::HostRef). Synchronous functions answer
//! from memory and may be called from any thread, also from within a callback. Asynchronous ones do their work on the
//! host's runtime; the future only waits and may be polled anywhere. A tenant that the plugin does not act for is refused
//! with [`TENANT_NOT_SERVED`](crate::TENANT_NOT_SERVED), whether it exists or not.

macro_rules! service {
    ($(#[$doc:meta])* $module:ident, $id:literal, $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty,)+ }) => {
        $(#[$doc])*
        pub mod $module {
            #[allow(unused_imports, reason = "which of them a service needs differs")]
            use crate::{AbiFuture, AbiResult};
            #[allow(unused_imports, reason = "which of them a service needs differs")]
            use abi_stable::{StableAbi, std_types::{RSlice, RVec}};

            /// The id to ask for.
            pub const ID: &str = $id;

            #[doc = concat!("The functions of `", $id, "`.")]
            #[repr(C)]
            #[derive(StableAbi, Clone, Copy)]
            pub struct $name {
                $($(#[$fdoc])* pub $field: $ty,)+
            }
        }
    };
}

service! {
    /// Log records into the host's log. Always given.
    log1, "log/1", Log {
        /// `max_level(handle)`: the most verbose level that is kept now: 0 none, 1 error … 5 trace. It changes while the
        /// host runs.
        max_level: extern "C" fn(u64) -> u32,
        /// `emit(handle, level, target, message, fields)`: `fields` is a JSON object. Never blocks; long records are cut.
        emit: extern "C" fn(u64, u32, RSlice<'_, u8>, RSlice<'_, u8>, RSlice<'_, u8>),
    }
}
service! {
    /// The host's clocks. Always given.
    clock1, "clock/1", Clock {
        /// `now_us(handle)`: wall clock, microseconds since 1970 UTC.
        now_us: extern "C" fn(u64) -> i64,
        /// `monotonic_us(handle)`: microseconds since an unnamed moment; never goes back.
        monotonic_us: extern "C" fn(u64) -> u64,
    }
}
service! {
    /// The plugin's configuration. Always given.
    config1, "config/1", Config {
        /// `get(handle, tenant)`: the configuration as a JSON object, with the tenant's overrides if `tenant` is not
        /// empty.
        get: extern "C" fn(u64, RSlice<'_, u8>) -> AbiResult<RVec<u8>>,
        /// `host(handle)`: JSON `{plugin, version, cache_dir, data_dir}`: the plugin's name, the host's version, the host's cache
        /// directory, and a directory of the plugin's own.
        host: extern "C" fn(u64) -> AbiResult<RVec<u8>>,
    }
}
service! {
    /// Whom the plugin acts for. Always given.
    tenants1, "tenants/1", Tenants {
        /// `served(handle)`: JSON array of `{tenant, speaks}`, sorted; `speaks` if the tenant's identity is the plugin's.
        served: extern "C" fn(u64) -> AbiResult<RVec<u8>>,
    }
}
service! {
    /// The event log. Permission `events`.
    events1, "events/1", Events {
        /// `append(handle, tenant, event_type, payload, idempotency_key)`: `payload` is a JSON object of at most 64 KiB;
        /// an empty key means none. Answers JSON `{event_id, seq, pending}` once the event is durable; with a key that
        /// was used before, the first answer again. Actor and source are set by the host.
        append: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `read(handle, tenant, query)`: JSON array of events. `query` is JSON `{after_seq?, prefix?, limit?}`; without
        /// `after_seq` the newest, newest first; with it, those after it in order. `limit` 1–200, 50 if absent.
        read: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
    }
}
service! {
    /// Operational state. Permission `state`.
    state1, "state/1", State {
        /// `get(handle, tenant)`: JSON `{primary_state, claim_permission, degradation_reasons, entered_at_us}`.
        get: extern "C" fn(u64, RSlice<'_, u8>) -> AbiResult<RVec<u8>>,
        /// `history(handle, tenant)`: JSON array of the last transitions, oldest first.
        history: extern "C" fn(u64, RSlice<'_, u8>) -> AbiResult<RVec<u8>>,
        /// `set_degradation(handle, tenant, reason, present, note)`: adds or removes one degradation reason. The note is
        /// kept as the trigger's text and decides nothing.
        set_degradation: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>, bool, RSlice<'_, u8>) -> AbiFuture<()>,
        /// `daemon_health(handle)`: JSON `{daemon_session_id, boot_at_us, uptime_seconds, daemons: [{plugin, name,
        /// state}], recent_error_count_5min}`.
        daemon_health: extern "C" fn(u64) -> AbiResult<RVec<u8>>,
    }
}
service! {
    /// A durable store for each plugin and tenant, with a quota. Permission `kv`.
    kv1, "kv/1", Kv {
        /// `get(handle, tenant, key)`: the bytes, or nothing.
        get: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<abi_stable::std_types::ROption<RVec<u8>>>,
        /// `put(handle, tenant, key, value)`. Keys have 1–256 bytes of UTF-8, values at most 256 KiB.
        put: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<()>,
        /// `delete(handle, tenant, key)`: true if there was one.
        delete: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<bool>,
        /// `list(handle, tenant, prefix)`: JSON array of the keys, sorted.
        list: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
    }
}
service! {
    /// Secrets that the operator configured for the plugin. Permission `secrets`.
    secrets1, "secrets/1", Secrets {
        /// `get(handle, tenant, name)`: the secret's bytes, read anew each time; an empty `tenant` asks for the plugin's
        /// own. Refused unless the manifest lists the name.
        get: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
    }
}
service! {
    /// Metrics of the plugin's own, shown beside the host's. Always given.
    metrics1, "metrics/1", Metrics {
        /// `add(handle, name, labels, value)`: adds to a counter. `labels` is a JSON object of strings. Names match
        /// `[a-z][a-z0-9_]*`; new series beyond the host's limit are dropped and counted.
        add: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>, f64) -> AbiResult<()>,
        /// `set(handle, name, labels, value)`: sets a gauge.
        set: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>, f64) -> AbiResult<()>,
        /// `observe(handle, name, labels, value)`: adds a sample to a histogram.
        observe: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>, f64) -> AbiResult<()>,
    }
}
service! {
    /// Says that an identity has changed. Always given.
    identity_control1, "identity-control/1", IdentityControl {
        /// `announce(handle, provider, tenant)`: the host asks the provider again for that tenant, or for all it speaks
        /// for if `tenant` is empty, and commits what differs as a new generation. Answers once the request is queued.
        announce: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiResult<()>,
    }
}

service! {
    /// Tickets of the tenants that the plugin acts for, and the operation ledger. Permission `tickets`.
    ///
    /// Every function is given a tenant and a request, and answers JSON. A *ticket* is `{tenant, ticket_id, kind, title, body,
    /// sea_status, sea_priority, criticality, origin_actor_kind, origin_actor_id, assigned_to_actor_id, active_claim_token, claim,
    /// claim_count, work_attempt_count, failure_count, next_eligible_at, last_resolution, created_at, updated_at}`; an *operation*
    /// `{tenant, kora_operation_id, work_attempt_id, sequence_within_attempt, ticket_id, tool_name, status, dispatch_result,
    /// dispatch_error, created_at, updated_at}`. What is absent is null; readers skip fields that they do not know. Times are
    /// RFC 3339, UTC. What is asked for under a claim that is not the plugin's own, or no longer, is refused with
    /// [`CONFLICT`](crate::CONFLICT) or [`DENIED`](crate::DENIED).
    tickets1, "tickets/1", Tickets {
        /// `list(handle, tenant, {statuses?, before?, limit?})`: tickets without their bodies, the newest first; `limit` 1–200, 50
        /// if absent.
        list: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `claim(handle, tenant, {ticket?, contract_version?})`: without `ticket`, the next one that is due. Answers `{result,
        /// detail, claim_fence_token, lease_expires_at, claim_count, chain_event_id, work_attempt_id, kora_operation_id, ticket}`;
        /// `result` is null if none is due, else one of `claimed`, `already_claimed`, `not_assigned`, `assignment_cleared`,
        /// `ticket_terminal`, `blocked_by_control`, `blocked_by_cost`, `contract_version_mismatch`.
        claim: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `refresh(handle, tenant, {ticket, claim_fence_token, progress, extend_by_seconds?})`: makes the claim last longer;
        /// `progress` is `streaming_token_advanced` or `tool_call_boundary`. Answers the ticket.
        refresh: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `release(handle, tenant, {ticket, claim_fence_token, reason?})`: gives the ticket back untouched. Answers the ticket.
        release: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `resolve(handle, tenant, {ticket, claim_fence_token, resolution, resolution_summary, model_tier_used?, retry_reason?,
        /// next_eligible_offset_seconds?})`: ends the attempt; `resolution` is `completed`, `failed_terminal`, `failed_retryable`,
        /// `released`, `deferred_cost_limit` or `blocked_needs_operator`. Answers the ticket.
        resolve: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `allocate(handle, tenant, {ticket, claim_fence_token, tool_name})`: gives an operation of the attempt its place in the
        /// ledger. Answers the operation.
        allocate: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `step(handle, tenant, {ticket, claim_fence_token, operation, status, outcome?})`: takes its next step; `status` is
        /// `dispatched`, `committed` or `abandoned`. Answers the operation.
        step: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
    }
}

service! {
    /// What tenants spend. Permission `cost`. Amounts are whole millionths of a US dollar.
    cost1, "cost/1", Cost {
        /// `record(handle, tenant, usage)`: counts what a call of a model cost. `usage` is JSON `{route, model, input_tokens,
        /// output_tokens, cost_micro_usd, id?}`; the same `id` of the same plugin is counted once. Answers JSON `{repeated, rung,
        /// spent_to_date_micro_usd}` once it is durable.
        record: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `state(handle, tenant)`: JSON `{rung, unknown, credit_pool_micro_usd, spent_to_date_micro_usd, billing_period_start_us,
        /// billing_period_end_us, last_reconciled_at_us, last_reconciled_micro_usd, burn_rate_micro_usd_per_day,
        /// projected_micro_usd}`; what is not there is null.
        state: extern "C" fn(u64, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `may_spend(handle, tenant, criticality, model)`: whether money may be spent on work of this criticality
        /// (`downshift_eligible`, `frontier_only`; empty means the latter) that is meant for `model`. JSON `{decision, model, detail}`:
        /// `decision` is `allowed`, `deferred`, `halted` or `unknown`, and anything else means no; `model` is the one to take if
        /// it is `allowed`; `detail` says why not.
        may_spend: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
    }
}

service! {
    /// Tools, seen from a plugin: calling those of others, and telling of calls of its own. Always given; `call` needs the permission
    /// `tools`.
    tools1, "tools/1", Tools {
        /// `call(handle, tenant, name, arguments)`: calls a tool for a tenant through the same gate that callers pass. `arguments` is
        /// a JSON object. Answers the tool's result as MCP has it, in JSON.
        call: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `progress(handle, call, notice)`: tells whoever called one of the plugin's own tools how far it is, if the caller can hear
        /// it. `call` is what the request of the call names; one that has ended is refused with [`CONFLICT`](crate::CONFLICT).
        /// `notice` is JSON `{progress, total?, message?}`; progress that does not grow is not told. Never blocks.
        progress: extern "C" fn(u64, u64, RSlice<'_, u8>) -> AbiResult<()>,
        /// `log(handle, call, notice)`: a message for whoever called, likewise. `notice` is JSON `{level, logger?, data}`; `level` is
        /// `debug`, `info`, `notice`, `warning`, `error`, `critical`, `alert` or `emergency`, `data` is anything.
        log: extern "C" fn(u64, u64, RSlice<'_, u8>) -> AbiResult<()>,
        /// `offer(handle, kind, name, is_offered)`: shows or hides one thing that the plugin registered; all are shown at first. `kind`
        /// is `tool`, `prompt` or `resource`. What is hidden is not listed and cannot be called.
        offer: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>, bool) -> AbiResult<()>,
        /// `resource_updated(handle, uri)`: those who subscribed to the resource are told that it has changed.
        resource_updated: extern "C" fn(u64, RSlice<'_, u8>) -> AbiResult<()>,
    }
}

#[cfg(feature = "next")]
service! {
    /// A later revision, for trying hosts and plugins of different releases against each other.
    clock2, "clock/2", Clock {
        /// `now_us(handle)`: wall clock, microseconds since 1970 UTC.
        now_us: extern "C" fn(u64) -> i64,
        /// `boot_us(handle)`: when the host started, microseconds since 1970 UTC.
        boot_us: extern "C" fn(u64) -> i64,
    }
}
