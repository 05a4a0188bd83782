//! The audit of all tenants, or of one, out of its files.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    access::{AuditFilter, AuditFollower, read_audit},
    domain::{InvalidName, TenantId},
};

/// Lines, the oldest first, and how many there were that are none.
#[derive(Debug, Default)]
pub(in crate::cli) struct Read {
    pub lines: Vec<Value>,
    pub malformed: usize,
}

impl Read {
    /// In the order of time, and no more than the newest `keep`.
    fn sorted(mut self, keep: usize) -> Self {
        self.lines
            .sort_by(|one, other| one["emitted_at"].as_str().cmp(&other["emitted_at"].as_str()));
        let too_many = self.lines.len().saturating_sub(keep);
        self.lines.drain(..too_many);
        self
    }
}

/// The newest lines that the filter lets through.
///
/// # Errors
/// If a file is there and cannot be read.
pub(in crate::cli) fn read(
    audit: &Path,
    tenant: Option<&TenantId>,
    filter: &AuditFilter,
) -> io::Result<Read> {
    let mut found = Read::default();
    for tenant in tenants(audit, tenant)? {
        let (mut lines, malformed) = read_audit(audit, &tenant, filter)?;
        // As they were written: of those of one moment, the order says more than the time.
        lines.reverse();
        found.lines.extend(lines);
        found.malformed += malformed;
    }
    Ok(found.sorted(filter.limit))
}

/// Audits as they grow; of tenants that come later too.
pub(in crate::cli) struct Following {
    audit: PathBuf,
    tenant: Option<TenantId>,
    filter: AuditFilter,
    followers: BTreeMap<TenantId, AuditFollower>,
}

impl Following {
    pub fn new(audit: &Path, tenant: Option<&TenantId>, filter: AuditFilter) -> Self {
        Self {
            audit: audit.to_owned(),
            tenant: tenant.cloned(),
            filter,
            followers: BTreeMap::new(),
        }
    }

    /// What was written since the last time, and no more than the newest `keep` lines of it.
    ///
    /// # Errors
    /// If a file is there and cannot be read.
    pub fn read(&mut self, keep: usize) -> io::Result<Read> {
        let mut found = Read::default();
        for tenant in tenants(&self.audit, self.tenant.as_ref())? {
            let new = || AuditFollower::new(&self.audit, &tenant, self.filter.clone());
            let follower = self.followers.entry(tenant.clone()).or_insert_with(new);
            let (lines, malformed) = follower.read(keep)?;
            found.lines.extend(lines);
            found.malformed += malformed;
        }
        Ok(found.sorted(keep))
    }
}

/// The tenant of this name, or the host.
///
/// # Errors
/// If it cannot be the name of a tenant.
pub(in crate::cli) fn whose(name: &str) -> Result<TenantId, InvalidName> {
    let host = TenantId::host();
    if name == host.as_str() {
        Ok(host)
    } else {
        name.parse()
    }
}

/// Of whom there may be an audit.
fn tenants(audit: &Path, only: Option<&TenantId>) -> io::Result<Vec<TenantId>> {
    if let Some(tenant) = only {
        return Ok(vec![tenant.clone()]);
    }
    let entries = match fs::read_dir(audit) {
        Ok(entries) => entries,
        // Nobody has asked for anything yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut tenants = Vec::new();
    for entry in entries {
        let entry = entry?;
        let named = entry.file_name().to_str().and_then(|name| whose(name).ok());
        if entry.file_type()?.is_dir() {
            tenants.extend(named);
        }
    }
    tenants.sort();
    Ok(tenants)
}
