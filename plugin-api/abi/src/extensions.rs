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
