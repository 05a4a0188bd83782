//! The plugin `raw`: exports the root by hand, without the SDK, and answers what the SDK would never answer. What it does
//! wrong is the `mode` of its configuration; with `none` it is a small plugin that behaves.

mod extensions;
mod mode;
mod registration;
mod services;

use abi_stable::{
    library::{__call_root_module_loader, CheckTypeLayout, LibHeader, RootModuleResult},
    prefix_type::PrefixTypeTrait as _,
    std_types::{
        ROption,
        RResult::{RErr, ROk},
        RVec,
    },
};
use kora_plugin_abi::{
    self as abi, AbiError, AbiResult, Bytes, Extension, HostRef, Maybe, OwnedBytes, Root, RootRef,
};

use crate::mode::mode;

const TEXT: &[u8] = include_bytes!("../plugin.toml");

#[unsafe(link_section = ".kora.plugin")]
#[used]
static MANIFEST: [u8; TEXT.len()] = *include_bytes!("../plugin.toml");

/// Begins a UTF-8 sequence that never ends.
pub(crate) const NOT_UTF8: &[u8] = b"raw \xf0\x28\x8c\x28 \xff";

extern "C" fn register(host: HostRef) -> AbiResult<OwnedBytes> {
    mode::learn(host);
    services::trespass(host);
    match mode() {
        "non_utf8_error" => RErr(AbiError {
            code: abi::FAILED,
            message: RVec::from(NOT_UTF8),
            subject: RVec::from(NOT_UTF8),
        }),
        "unknown_error_code" => RErr(AbiError::new(9999, "an error of a kind that nobody has heard of")),
        mode => ROk(registration::bytes(mode).into()),
    }
}

extern "C" fn deinit(_limit_us: u64) -> AbiResult<()> {
    match mode() {
        "error_in_deinit" => RErr(AbiError::new(abi::FAILED, "does not end")),
        _ => ROk(()),
    }
}

extern "C" fn get_extension(id: Bytes<'_>) -> Maybe<Extension> {
    std::str::from_utf8(id.as_slice()).map_or(ROption::RNone, extensions::get)
}

fn root() -> RootRef {
    Root {
        register,
        deinit,
        get_extension,
    }
    .leak_into_prefix()
}

extern "C" fn loader() -> RootModuleResult {
    __call_root_module_loader(root)
}

#[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
static HEADER: LibHeader =
    // SAFETY: `loader` makes the root module of exactly this type.
    unsafe { LibHeader::from_constructor::<RootRef>(loader, CheckTypeLayout::Yes) };
