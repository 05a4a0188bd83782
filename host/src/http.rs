//! HTTP: the protocol's endpoint, the interface for dashboards and scripts, health and metrics, on the admin port; and the way in for
//! webhooks, on a port of its own.
//!
//! A rim: it finds out who asks (`guard`), translates, and nothing else. What strangers reach first is at the front:
//!
//! ```text
//!  connection ─▶ limits (time, size, number) ─▶ Host and Origin ─▶ token ─▶ rate ─▶ route ─▶ service
//!                                                   └───────────────┴────── refused: audited before it is answered
//! ```

mod answers;
mod api;
mod body;
mod cors;
mod guard;
mod health;
mod mcp;
mod names;
mod openapi;
mod router;
mod server;
mod stalls;
mod stream;
mod surface;
mod watched;
mod webhooks;

pub use openapi::openapi;
pub use router::router;
pub use server::{HttpServer, ServerOptions, Serving};
pub use surface::{Surface, SurfaceParts};
pub use webhooks::{Peer, WebhookDoor, webhook_router};
