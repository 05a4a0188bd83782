//! An extension for `cargo xtask bench` alone: one number in, one out, as cheap as a call through the boundary can be.

use abi_stable::StableAbi;
use kora_plugin_abi::AbiResult;

/// The id to ask for.
pub const ID: &str = "bench/1";

/// The symbol of the function without guard, answer and extension: what a call costs at least.
pub const BARE_SYMBOL: &[u8] = b"kora_bench_bare\0";

/// The functions of `bench/1`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Bench {
    /// `next(number)`: the number that follows, or an error if there is none.
    pub next: extern "C" fn(u64) -> AbiResult<u64>,
}
