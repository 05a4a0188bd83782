//! The root module of a plugin and the host as a plugin sees it. Frozen for ever: growth is by extension.

use abi_stable::{
    StableAbi,
    library::RootModule,
    package_version_strings,
    sabi_types::VersionStrings,
    std_types::{ROption, RSlice, RVec},
};

use crate::{AbiResult, Extension};

/// The host, as a plugin sees it: a handle, and one question.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct HostRef {
    /// Names the plugin to the host in every service call. Random; it must not be given away.
    pub handle: u64,
    /// Asks for a host service by id (`"log/1"`). Answers at once, from any thread. During `register` only `log/1`,
    /// `clock/1` and `config/1` are given; afterwards, those that the manifest's permissions allow.
    pub get_service: extern "C" fn(u64, RSlice<'_, u8>) -> ROption<Extension>,
}

/// What every plugin exports.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = RootRef)))]
#[sabi(missing_field(panic))]
pub struct Root {
    /// Called once, on a thread of the host's that may block. Answers what the plugin registers, as one JSON document
    /// (its form stands in `kora-plugin-api`'s guide); nothing of it runs before the host has accepted the whole.
    pub register: extern "C" fn(HostRef) -> AbiResult<RVec<u8>>,
    /// Called once, after every entry was shut down, with the microseconds left until the host goes on without an
    /// answer. Ends the plugin's own threads.
    pub deinit: extern "C" fn(u64) -> AbiResult<()>,
    /// Asks for an extension by id (`"identity/1"`). Answers at once, from any thread, always the same.
    #[sabi(last_prefix_field)]
    pub get_extension: extern "C" fn(RSlice<'_, u8>) -> ROption<Extension>,
}

impl RootModule for RootRef {
    abi_stable::declare_root_module_statics! {RootRef}
    const BASE_NAME: &'static str = "kora";
    const NAME: &'static str = "kora";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}
