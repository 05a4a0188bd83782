//! MCP: the tools, prompts and resources of the host, for any client of the protocol.
//!
//! A rim: it translates and nothing else. One stateless endpoint serves the current revision and older clients; what came before the
//! protocol, bare JSON-RPC, is answered beside it (`bare`). Who asks was found out before.

mod bare;
mod envelope;
mod fault;
mod handler;
mod lines;
mod notices;
mod params;
mod prompts;
mod resources;
mod shown;
mod stdio;
mod subscriptions;

pub use bare::{BareAnswer, answer_bare, is_bare, listed};
pub use envelope::{Envelope, Malformed};
pub use fault::{code, is_of_request, refused_version};
pub use handler::{Asker, MayStream, McpHandler, versions};
pub use stdio::{Admission, ServeStreamError, serve_stream};
