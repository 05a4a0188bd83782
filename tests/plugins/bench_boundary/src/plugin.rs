//! The library that `cargo xtask bench` loads: the same work twice, behind the guard that every exported function of a plugin
//! has, and behind nothing.

use abi_stable::{
    library::{__call_root_module_loader, CheckTypeLayout, LibHeader, RootModuleResult},
    prefix_type::PrefixTypeTrait as _,
    std_types::{ROption, RResult::RErr},
};
use kora_bench_boundary::{Bench, ID};
use kora_plugin_abi::{
    self as abi, AbiError, AbiResult, Bytes, Extension, HostRef, Maybe, OwnedBytes, Root, RootRef,
};
use kora_plugin_api::export::guard;

#[unsafe(export_name = "kora_bench_bare")]
extern "C" fn bare(number: u64) -> u64 {
    number.wrapping_add(1)
}

extern "C" fn next(number: u64) -> AbiResult<u64> {
    guard(|| {
        number
            .checked_add(1)
            .ok_or_else(|| AbiError::new(abi::INVALID, "no number follows the last one"))
    })
}

extern "C" fn get_extension(id: Bytes<'_>) -> Maybe<Extension> {
    static BENCH: Bench = Bench { next };
    if id.as_slice() == ID.as_bytes() {
        ROption::RSome(Extension::of(&BENCH))
    } else {
        ROption::RNone
    }
}

extern "C" fn register(_host: HostRef) -> AbiResult<OwnedBytes> {
    RErr(AbiError::new(
        abi::FAILED,
        "it is there to be measured, not to run",
    ))
}

extern "C" fn deinit(_limit_us: u64) -> AbiResult<()> {
    RErr(AbiError::new(abi::FAILED, "it never ran"))
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
