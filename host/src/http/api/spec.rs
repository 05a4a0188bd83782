//! What is said of a route.

use serde_json::Value;

use super::Parameters;

/// The parameter that names a tenant.
pub(in crate::http) const TENANT: &str = "tenant";

/// Whom a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum About {
    /// The host, and of its tenants those that the caller may know of.
    Host,
    /// One tenant.
    Tenant,
    /// One tenant, or the host for a caller who may know of its affairs.
    TenantOrHost,
    /// All tenants of the caller, or one.
    Tenants,
}

/// A route.
#[derive(Debug, Clone)]
pub(in crate::http) struct Spec {
    pub path: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    pub about: About,
    pub parameters: Parameters,
    /// A JSON Schema of what is answered.
    pub answer: Value,
}
