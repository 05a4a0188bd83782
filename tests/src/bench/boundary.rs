//! A guarded call into a plugin against a bare call into the same library.
//!
//! The one bench with `unsafe`: it opens a library as `host/src/plugin/library.rs` does, which gives its extensions to nobody.

use std::{hint::black_box, path::Path, time::Duration};

use abi_stable::{
    library::{AbiHeaderRef, ROOT_MODULE_LOADER_NAME_WITH_NUL},
    std_types::RResult::{RErr, ROk},
};
use anyhow::{Context as _, Result, bail};
use kora_bench_boundary::{BARE_SYMBOL, Bench, ID};
use kora_plugin_abi::{self as abi, Bytes, RootRef};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::{
    Surroundings,
    measure::{in_turn, nanoseconds_each},
    row::{Budget, Row},
};

/// As for every library of a plugin: it stays mapped.
const RTLD_NODELETE: std::os::raw::c_int = 0x1000;

type Bare = extern "C" fn(u64) -> u64;

pub fn bench(surroundings: &Surroundings) -> Result<Vec<Row>> {
    let (bare, bench) = open(&surroundings.library("bench_boundary"))?;
    let slice = surroundings.choose(Duration::from_millis(50), Duration::from_millis(10));
    let (mut number, mut guarded_number, mut failed) = (0, 0, 0_u64);
    let [theirs, ours] = in_turn(
        surroundings.choose(21, 5),
        [
            &mut || nanoseconds_each(slice, || number = black_box(bare)(number)),
            &mut || {
                nanoseconds_each(slice, || match (black_box(bench).next)(guarded_number) {
                    ROk(next) => guarded_number = next,
                    RErr(_) => failed += 1,
                })
            },
        ],
    )?;
    black_box(number);
    if failed > 0 {
        bail!("{failed} calls failed");
    }
    let row = Row::new(
        "boundary/guarded_call",
        "ns",
        (ours, theirs),
        "a bare extern \"C\" call",
    );
    Ok(vec![row.budget(Budget::AtMost(2.0))])
}

fn open(path: &Path) -> Result<(Bare, &'static Bench)> {
    // SAFETY: the library is built by `cargo xtask bench` beside this program and has no constructors of its own.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) }
        .with_context(|| format!("cannot open `{}`", path.display()))?;
    // SAFETY: the library exports a function of this type under this name.
    let bare = unsafe { library.get::<Bare>(BARE_SYMBOL) };
    let bare = *bare.context("expected the bare function in the library, found none")?;
    // SAFETY: the symbol is a `LibHeader` static, and an `AbiHeaderRef` is the address of one.
    let header = unsafe { library.get::<AbiHeaderRef>(ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes()) };
    let header = *header.context("expected a root module in the library, found none")?;
    let root = header.upgrade()?.init_root_module::<RootRef>()?;
    std::mem::forget(library);
    let found = root.get_extension()(Bytes::from(ID.as_bytes()));
    // SAFETY: the library is never unloaded, and answers with `Extension::of`.
    let bench = unsafe { abi::query::<Bench>(found) };
    let bench = bench.context("expected the extension `bench/1` in the library, found none")?;
    Ok((bare, bench?))
}
