//! The audit: one line of JSON for each outcome of a call, in a file for each tenant. A sink and nothing else: no part of the host
//! reads it.
//!
//! Lines are written in groups by one thread; a denial is on its way to the disk before its answer is sent. Nothing of it holds a
//! token, a body, a subject or a reason: keys of arguments are named only where the tool's schema knows them.

mod entry;
mod file;
mod follow;
mod log;
mod read;

pub use entry::{AuditEntry, AuditResult, Details, Seam, Source};
pub use follow::AuditFollower;
pub use log::{AuditEnd, AuditLog, AuditOptions, AuditUnwritten};
pub use read::{AuditFilter, read_audit};

use std::path::{Path, PathBuf};

use crate::domain::TenantId;

/// The file of a tenant's audit, or of the host's own (tenant `host`), below the directory `audit`.
pub fn audit_file(audit: &Path, tenant: &TenantId) -> PathBuf {
    audit.join(tenant.as_str()).join("kora_audit_log.jsonl")
}

#[cfg(test)]
mod tests;
