//! Tenants: which there are, where they come from, who acts in them, and whether they are served.
//!
//! The store is what counts. Tenants of the configuration are added to it when the host boots; what an operator disabled
//! stays disabled, whatever the configuration says. Who speaks for a tenant is [`identity`](crate::identity)'s.

mod journal;
mod listed;
mod register;
mod unbroken;

pub use journal::{Journal, Telling};
pub use listed::{Listed, Origin, TenantSeed};
pub use register::{TenantError, Tenants};
pub use unbroken::Interrupted;

pub(crate) use unbroken::Unbroken;

#[cfg(test)]
pub(crate) mod testing;
