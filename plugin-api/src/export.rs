//! What [`export_plugin!`](crate::export_plugin) needs. Not for use by hand.
//!
//! All statics below are one per `cdylib`: every plugin links its own copy of this crate.

mod entries;
mod guard;
mod log;
mod offers;
mod runtime;
mod thunks;

use std::sync::OnceLock;

use kora_plugin_abi::HostRef;
pub use kora_plugin_abi::abi_stable::{
    library::{__call_root_module_loader, CheckTypeLayout, LibHeader, RootModuleResult},
    prefix_type::PrefixTypeTrait,
};

pub use guard::guard;
pub(crate) use runtime::runtime;
pub use thunks::{deinit, get_extension, register};

static HOST: OnceLock<HostRef> = OnceLock::new();

pub(crate) fn host_ref() -> Option<HostRef> {
    HOST.get().copied()
}

/// Whether `register` has said what there is. Before, most services are not given yet, whatever the manifest asks for.
pub(crate) fn has_registered() -> bool {
    entries::entries().is_some()
}

/// Exports a [`Plugin`](crate::Plugin) from a `cdylib`, with its manifest. The path is relative to the plugin's `Cargo.toml`.
///
/// ```ignore
/// kora_plugin_api::export_plugin!(Example, manifest = "plugin.toml");
/// ```
///
/// Use it once in a library. The profile must unwind: with `panic = "abort"` it does not compile.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty, manifest = $path:literal) => {
        #[cfg(not(panic = "unwind"))]
        compile_error!(
            "a kora plugin needs `panic = \"unwind\"` in its profile: its panics must be caught inside it"
        );
        const _: () = {
            use $crate::{abi, export};

            const TEXT: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path));

            // Read from the file before anything of it runs. `#[used]` keeps it through thin LTO and strip.
            #[unsafe(link_section = ".kora.plugin")]
            #[used]
            static MANIFEST: [u8; TEXT.len()] =
                *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path));

            fn root() -> abi::RootRef {
                export::PrefixTypeTrait::leak_into_prefix(abi::Root {
                    register: export::register::<$plugin>,
                    deinit: export::deinit,
                    get_extension: export::get_extension,
                })
            }

            extern "C" fn loader() -> export::RootModuleResult {
                export::__call_root_module_loader(root)
            }

            // The symbol that abi_stable 0.11's own attribute would export. Written out, because the attribute expands
            // to `::abi_stable::…` and would make every plugin depend on it.
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static HEADER: export::LibHeader =
                // SAFETY: `loader` makes the root module of exactly this type.
                unsafe {
                    export::LibHeader::from_constructor::<abi::RootRef>(loader, export::CheckTypeLayout::Yes)
                };
        };
    };
}
