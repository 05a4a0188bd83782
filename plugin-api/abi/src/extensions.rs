//! What a plugin may offer. Each module is one extension at one revision, frozen once released.

/// Who an agent is, for which tenant.
pub mod identity1 {
    use abi_stable::{
        StableAbi,
        std_types::{RSlice, RVec},
    };

    use crate::AbiResult;

    /// The id to ask for.
    pub const ID: &str = "identity/1";

    /// The functions of `identity/1`.
    #[repr(C)]
    #[derive(StableAbi, Clone, Copy)]
    pub struct Identity {
        /// `snapshot(provider, tenant, config)`: the identity of `tenant` as JSON (`agent_name`, `agent_version`,
        /// `soul_md`, `system_prompt`, `metadata`), or the JSON `null` for "no claim". `config` is the plugin's
        /// configuration for that tenant, as JSON.
        ///
        /// Synchronous and pure. Called off the hot path on a thread that may block, never on a worker of the host's
        /// runtime; calls for several tenants may overlap.
        pub snapshot: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiResult<RVec<u8>>,
    }
}

/// What runs in the background.
pub mod daemon1 {
    use abi_stable::StableAbi;

    use crate::AbiFuture;

    /// The id to ask for.
    pub const ID: &str = "daemon/1";

    /// The functions of `daemon/1`. Each starts work on the plugin's own runtime and returns at once; the future only
    /// waits for its end.
    #[repr(C)]
    #[derive(StableAbi, Clone, Copy)]
    pub struct Daemon {
        /// `startup(entry)`: makes the entry anew, poisoned or not, then starts it.
        pub startup: extern "C" fn(u64) -> AbiFuture<()>,
        /// `tick(entry, task)`: runs the periodic task with that index in what was registered.
        pub tick: extern "C" fn(u64, u32) -> AbiFuture<()>,
        /// `shutdown(entry)`: waits for the end of work that was cancelled, then shuts the entry down. Called also
        /// after a `startup` that failed half way.
        pub shutdown: extern "C" fn(u64) -> AbiFuture<()>,
        /// Ready as soon as the plugin's thread takes a turn. No answer means that the thread does not come back.
        pub probe: extern "C" fn() -> AbiFuture<()>,
    }
}

/// Who wants to hear of events and state changes.
pub mod listener1 {
    use abi_stable::{StableAbi, std_types::RSlice};

    use crate::AbiFuture;

    /// The id to ask for.
    pub const ID: &str = "listener/1";

    /// The functions of `listener/1`. The host calls them one after another for each listener, in the order in which
    /// things happened to a tenant; what they answer changes nothing but the log.
    #[repr(C)]
    #[derive(StableAbi, Clone, Copy)]
    pub struct Listener {
        /// `on_event(listener, event)`: an event was appended. JSON with the fields of an exported event.
        pub on_event: extern "C" fn(u64, RSlice<'_, u8>) -> AbiFuture<()>,
        /// `on_state(listener, change)`: a tenant's operational state changed. JSON `{tenant, from, to, trigger_kind,
        /// trigger}` with states as `state/1` gives them.
        pub on_state: extern "C" fn(u64, RSlice<'_, u8>) -> AbiFuture<()>,
    }
}

/// Tools that callers of the host may call.
pub mod tool1 {
    use abi_stable::{
        StableAbi,
        std_types::{RSlice, RVec},
    };

    use crate::AbiFuture;

    /// The id to ask for.
    pub const ID: &str = "tool/1";

    /// The functions of `tool/1`.
    #[repr(C)]
    #[derive(StableAbi, Clone, Copy)]
    pub struct Tool {
        /// `call(tool, request)`: starts the call on the plugin's own runtime and returns at once. Calls of one tool may overlap.
        ///
        /// `request` is JSON `{name, arguments, tenant, caller, call, client_capabilities?, input_responses?, request_state?}`:
        /// `arguments` fits the tool's input schema; `caller` is `{kind, name, actor_id}`, the last two null if there are none; `call`
        /// names the call to `tools/1` while it lasts; `client_capabilities` are those of an MCP client, absent if the caller is
        /// none; the last two are what MCP's multi round-trip requests bring back. Readers skip fields that they do not know.
        ///
        /// Answers JSON: the result of a tool as MCP has it (`content`, `structuredContent`, `isError`, `_meta`), or
        /// `{resultType: "input_required", inputRequests?, requestState?}`. [`INVALID`](crate::INVALID) says that the arguments,
        /// or what was brought back, are not what the tool takes.
        pub call: extern "C" fn(u64, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
    }
}

/// Prompts that callers of the host may get.
pub mod prompt1 {
    use abi_stable::{
        StableAbi,
        std_types::{RSlice, RVec},
    };

    use crate::AbiFuture;

    /// The id to ask for.
    pub const ID: &str = "prompt/1";

    /// The functions of `prompt/1`. Each starts work on the plugin's own runtime and returns at once.
    #[repr(C)]
    #[derive(StableAbi, Clone, Copy)]
    pub struct Prompt {
        /// `get(prompt, request)`: `request` is that of `tool/1`, its `arguments` being texts by name. Answers JSON: MCP's result of
        /// getting a prompt (`description?`, `messages`, `_meta?`), or what `tool/1` answers if more input is required.
        pub get: extern "C" fn(u64, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `complete(prompt, request)`: `request` is JSON `{name, argument, arguments, tenant, caller}`, `argument` being `{name,
        /// value}` and `arguments` those that are known already. Answers JSON `{values, total?, hasMore?}` with at most 100 values.
        pub complete: extern "C" fn(u64, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
    }
}

/// Resources that callers of the host may read.
pub mod resource1 {
    use abi_stable::{
        StableAbi,
        std_types::{RSlice, RVec},
    };

    use crate::AbiFuture;

    /// The id to ask for.
    pub const ID: &str = "resource/1";

    /// The functions of `resource/1`. Each starts work on the plugin's own runtime and returns at once.
    #[repr(C)]
    #[derive(StableAbi, Clone, Copy)]
    pub struct Resource {
        /// `read(resource, request)`: `request` is JSON `{uri, arguments, tenant, caller, client_capabilities?, input_responses?,
        /// request_state?}`; `arguments` are the variables of a template, decoded, by name. Answers JSON: MCP's result of reading a
        /// resource (`contents`, `_meta?`), what `tool/1` answers if more input is required, or null if there is no such resource.
        pub read: extern "C" fn(u64, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
        /// `complete(resource, request)`: as in `prompt/1`, for the variables of a template; `name` is the template.
        pub complete: extern "C" fn(u64, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
    }
}

/// Requests that strangers send to the host's webhook port.
pub mod webhook1 {
    use abi_stable::{
        StableAbi,
        std_types::{RSlice, RVec},
    };

    use crate::AbiFuture;

    /// The id to ask for.
    pub const ID: &str = "webhook/1";

    /// The functions of `webhook/1`.
    #[repr(C)]
    #[derive(StableAbi, Clone, Copy)]
    pub struct Webhook {
        /// `receive(webhook, request, body)`: starts work on the plugin's own runtime and returns at once; requests may overlap.
        ///
        /// `request` is JSON `{webhook, headers, received_at_us, peer}`: `headers` is a list of `[name, value]` with names in lower
        /// case, only those that the plugin asked for, values that are no text left out; `received_at_us` is microseconds since 1970
        /// UTC; `peer` is the sender's address, its last part masked. `body` is what was sent, to the byte.
        ///
        /// Answers JSON `{status, http_status?, content_type?, body?, reason?}`: `status` is `accepted`, `challenge` (the body goes
        /// back to the sender) or `rejected`; `reason`, one word of `[a-z0-9_]`, is required for the last.
        pub receive: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiFuture<RVec<u8>>,
    }
}

/// A later revision, for trying hosts and plugins of different releases against each other.
#[cfg(feature = "next")]
pub mod identity2 {
    use abi_stable::{
        StableAbi,
        std_types::{RSlice, RVec},
    };

    use crate::AbiResult;

    /// The id to ask for.
    pub const ID: &str = "identity/2";

    /// The functions of `identity/2`.
    #[repr(C)]
    #[derive(StableAbi, Clone, Copy)]
    pub struct Identity {
        /// `snapshot(provider, tenant, config, generation)`: as in `identity/1`, told the generation it will become.
        pub snapshot: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>, u64) -> AbiResult<RVec<u8>>,
    }
}
