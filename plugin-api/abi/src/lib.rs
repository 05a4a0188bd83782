//! The frozen types that cross the boundary between the kora host and its plugins.
//!
//! This package is the contract between libraries that were built years apart, so it obeys other rules than the rest:
//!
//! - Nothing that was released here ever changes: no field, no parameter, no order, no name, no meaning. The layouts of
//!   what was released lie in `frozen/`, and a test compares them.
//! - It grows only by new extensions and services (`identity/2` beside `identity/1`), never inside one. Each is asked
//!   for by name and revision, and each is checked against the layout that the asking side compiled. abi_stable's own
//!   growth rules are not used: they let a newer plugin load on an older host, but refuse the reverse.
//! - Semantics (threads, ownership, re-entrancy) are part of it and stand on each function.
//!
//! # Conventions
//!
//! - Text and JSON cross as bytes (`RSlice<u8>` in, `RVec<u8>` out) and are checked by whoever receives them: an `RStr` over
//!   bytes that are not UTF-8 would be undefined behaviour before any check could run. Text is UTF-8; JSON is one UTF-8
//!   document. Empty bytes stand for "none" where a parameter's description says so.
//! - Each side frees what it allocated: `RVec` carries its own deallocator.
//! - Handles are random `u64`s. Nothing crosses that could not also travel over a socket.
//! - No function unwinds. Every implementation catches its panics and answers [`AbiError`] with [`PANICKED`].
//! - Numbers that travel host → plugin and may grow are plain integers with constants, never Rust enums.

mod error;
mod extension;
mod extensions;
mod root;
mod services;

pub use abi_stable;
pub use async_ffi::{FfiFuture, FutureExt};

pub use error::*;
pub use extension::{Extension, LayoutMismatch, query};
pub use extensions::*;
pub use root::{HostRef, Root, RootRef};
pub use services::*;

/// What a fallible function answers.
pub type AbiResult<T> = abi_stable::std_types::RResult<T, AbiError>;
/// What a fallible asynchronous function answers. Dropping it before it is ready asks the other side to cancel the
/// work; the work may still be winding down afterwards.
pub type AbiFuture<T> = FfiFuture<AbiResult<T>>;
/// Borrowed bytes: valid for the duration of the call only. Copy what must outlive it.
pub type Bytes<'a> = abi_stable::std_types::RSlice<'a, u8>;
/// Owned bytes.
pub type OwnedBytes = abi_stable::std_types::RVec<u8>;
/// An answer that may be absent.
pub type Maybe<T> = abi_stable::std_types::ROption<T>;
