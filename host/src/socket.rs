//! The control socket: how the operator of this machine talks to the running daemon. Carries [`service::api`] calls as JSON
//! lines over a Unix socket in the home; it decides nothing but who may speak, and knows no use case by name except those
//! that stream and the one that takes the connection over (`handover`).
//!
//! ```text
//!   {"id":1,"method":"identity.swap","params":{"tenant":"acme","provider":"marvin"}}      request, one line
//!   {"id":1,"result":{…}}                                                                 its answer
//!   {"id":1,"error":{"code":"…","kind":"…","message":"…","hints":[…]}}                    or this
//!   {"id":2,"item":{…}}  {"id":2,"item":{…}}  …  {"id":2,"result":null}                   a tail that follows
//!   {"id":null,"error":{…}}                                                               a line that was no request
//! ```
//!
//! Many requests may be under way on one connection; they run at the same time and are answered in any order. Whoever needs
//! an order waits for an answer before the next request. There is no token: the peer's uid, as the kernel gives it, must be the
//! daemon's own or root's.
//!
//! ```text
//!              ┌ reads lines ─▶ a task for each request ─▶ Handler ┐
//!   connection ┤                                                   │ answers, bounded
//!              └ writes lines ◀────────────────────────────────────┘
//! ```
//!
//! [`service::api`]: crate::service::api

mod blocking;
mod client;
mod connection;
mod handover;
mod lines;
mod listener;
mod protocol;
mod server;
#[cfg(test)]
mod tests;

pub use blocking::BlockingClient;
pub use client::{Client, Follow, read_answer};
pub use handover::{Conversation, PeerReader, PeerWriter, open_mcp};
pub use listener::{BindError, ControlSocket, MAX_PATH_BYTES};
pub use server::Handler;

use std::time::Duration;

/// The longest request. An event's payload has 64 KiB at most, and escaping makes it at most six times as long.
pub const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// The longest answer that a client reads: 1000 events of 64 KiB, escaped, with room.
const MAX_ANSWER_BYTES: usize = 512 * 1024 * 1024;

/// Connections at a time. An operator has a handful of commands open; a program that leaks connections must not take the
/// daemon's file descriptors.
const MAX_CONNECTIONS: usize = 64;

/// Calls under way on one connection. Further requests are not read until one is answered.
const MAX_CALLS_IN_FLIGHT: usize = 64;

/// Streams under way on one connection. They do not end by themselves, so further ones are refused instead of kept waiting.
const MAX_FOLLOWS: usize = 8;

/// Answers that wait for the peer to read them: a peer that does not read stops its own requests and nobody else's.
const OUTBOX_LINES: usize = 64;

/// How long calls under way may take to end once the daemon stops. A swap waits for a plugin for up to a few seconds.
const DRAIN: Duration = Duration::from_secs(10);
