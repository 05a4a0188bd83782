//! The changes of a batch beside its events. Each is applied inside the transaction of its batch.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{
    append::{BatchError, integer},
    documents, rows,
};
use crate::{
    domain::{Digest, Generation, TenantId, TenantRecord},
    engine::chain,
    store::{Change, CommitError, GenerationRecord, KvScope, tenant_defaults},
};

pub(super) fn apply(connection: &Connection, change: &Change) -> Result<(), BatchError> {
    match change {
        Change::AddTenant(record) => add_tenant(connection, record),
        Change::SetTenantActive { tenant, active } => set_tenant_active(connection, tenant, *active),
        Change::BindIdentity { expected, record } => bind_identity(connection, *expected, record),
        Change::KvPut {
            scope,
            key,
            value,
            quota,
        } => kv_put(connection, scope, key, value, *quota),
        Change::KvDelete { scope, key } => kv_delete(connection, scope, key),
        Change::PutDocument(document) => documents::put(connection, document),
    }
}

fn add_tenant(connection: &Connection, record: &TenantRecord) -> Result<(), BatchError> {
    let tenant = &record.tenant;
    let taken = connection
        .prepare_cached("SELECT tenant FROM tenants WHERE lower(tenant) = ?1")?
        .query_row([tenant.folded()], |row| rows::tenant_of(row, 0))
        .optional()?;
    let taken = if tenant.is_host() {
        Some(TenantId::host())
    } else {
        taken
    };
    if let Some(tenant) = taken {
        return Err(CommitError::TenantExists { tenant }.into());
    }
    let created_at = record.created_at.as_micros();
    connection
        .prepare_cached("INSERT INTO tenants (tenant, active, created_at) VALUES (?1, ?2, ?3)")?
        .execute(params![tenant.as_str(), record.active, created_at])?;
    connection
        .prepare_cached("INSERT INTO heads (tenant, seq, hash) VALUES (?1, 0, ?2)")?
        .execute(params![
            tenant.as_str(),
            chain::genesis(tenant.as_str()).as_bytes()
        ])?;
    for actor in &record.actors {
        connection
            .prepare_cached(
                "INSERT INTO actors (tenant, actor_id, kind, name, active, canonical) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                tenant.as_str(),
                actor.actor_id.as_bytes(),
                actor.kind,
                actor.name,
                actor.active,
                actor.canonical
            ])?;
    }
    add_defaults(connection, tenant, created_at)
}

fn add_defaults(connection: &Connection, tenant: &TenantId, created_at: i64) -> Result<(), BatchError> {
    connection
        .prepare_cached(
            "INSERT INTO charters (charter_id, tenant, schema_version, charter_version, content_md, content_hash, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            Uuid::now_v7().as_bytes(),
            tenant.as_str(),
            tenant_defaults::CHARTER_SCHEMA_VERSION,
            tenant_defaults::CHARTER_VERSION,
            tenant_defaults::CHARTER,
            Digest::of(tenant_defaults::CHARTER.as_bytes()).as_bytes(),
            created_at,
        ])?;
    for (path, value) in tenant_defaults::POLICIES {
        connection
            .prepare_cached("INSERT INTO policies (tenant, path, value, updated_at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![tenant.as_str(), path, value, created_at])?;
    }
    Ok(())
}

fn set_tenant_active(connection: &Connection, tenant: &TenantId, active: bool) -> Result<(), BatchError> {
    let changed = connection
        .prepare_cached("UPDATE tenants SET active = ?2 WHERE tenant = ?1")?
        .execute(params![tenant.as_str(), active])?;
    if changed == 0 {
        return Err(CommitError::TenantUnknown {
            tenant: tenant.clone(),
        }
        .into());
    }
    Ok(())
}

fn bind_identity(
    connection: &Connection,
    expected: Generation,
    record: &GenerationRecord,
) -> Result<(), BatchError> {
    let tenant = &record.tenant;
    require_tenant(connection, tenant)?;
    let found = connection
        .prepare_cached("SELECT coalesce(max(generation), 0) FROM generations WHERE tenant = ?1")?
        .query_row([tenant.as_str()], |row| rows::unsigned(row, 0))?;
    // Both must fit: what the caller knows, and the number that it gives to the new one.
    for expected in [expected, record.generation.saturating_sub(1)] {
        if found != expected {
            let tenant = tenant.clone();
            return Err(CommitError::GenerationConflict {
                tenant,
                expected,
                found,
            }
            .into());
        }
    }
    connection
        .prepare_cached(&format!(
            "INSERT INTO generations ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            rows::GENERATION_COLUMNS
        ))?
        .execute(params![
            tenant.as_str(),
            integer(record.generation)?,
            record.provider.as_ref().map(|provider| provider.as_str()),
            record.plugin_version,
            record.plugin_digest.as_ref().map(|digest| digest.as_bytes()),
            record.snapshot_hash.as_bytes(),
            record.snapshot,
            record.event_id.as_bytes(),
            record.created_at.as_micros(),
        ])?;
    Ok(())
}

fn kv_put(
    connection: &Connection,
    scope: &KvScope,
    key: &str,
    value: &[u8],
    quota: u64,
) -> Result<(), BatchError> {
    require_tenant(connection, &scope.tenant)?;
    let used = used(connection, scope)?;
    let freed = size_of(connection, scope, key)?;
    let taken = used.saturating_sub(freed) + key.len() as u64 + value.len() as u64;
    if taken > quota {
        return Err(CommitError::QuotaExceeded { quota, used }.into());
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO plugin_values (plugin, tenant, key, value) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![scope.plugin, scope.tenant.as_str(), key, value])?;
    set_used(connection, scope, taken)
}

fn kv_delete(connection: &Connection, scope: &KvScope, key: &str) -> Result<(), BatchError> {
    let freed = size_of(connection, scope, key)?;
    let deleted = connection
        .prepare_cached("DELETE FROM plugin_values WHERE plugin = ?1 AND tenant = ?2 AND key = ?3")?
        .execute(params![scope.plugin, scope.tenant.as_str(), key])?;
    if deleted == 0 {
        return Ok(());
    }
    let used = used(connection, scope)?;
    set_used(connection, scope, used.saturating_sub(freed))
}

pub(super) fn require_tenant(connection: &Connection, tenant: &TenantId) -> Result<(), BatchError> {
    let known = connection
        .prepare_cached("SELECT 1 FROM heads WHERE tenant = ?1")?
        .exists([tenant.as_str()])?;
    if known {
        Ok(())
    } else {
        Err(CommitError::TenantUnknown {
            tenant: tenant.clone(),
        }
        .into())
    }
}

/// The bytes that the values and keys of a scope take.
pub(super) fn used(connection: &Connection, scope: &KvScope) -> rusqlite::Result<u64> {
    let used = connection
        .prepare_cached("SELECT bytes FROM plugin_usage WHERE plugin = ?1 AND tenant = ?2")?
        .query_row(params![scope.plugin, scope.tenant.as_str()], |row| {
            rows::unsigned(row, 0)
        })
        .optional()?;
    Ok(used.unwrap_or(0))
}

/// The bytes that one key and its value take.
fn size_of(connection: &Connection, scope: &KvScope, key: &str) -> rusqlite::Result<u64> {
    let size = connection
        .prepare_cached(
            "SELECT octet_length(key) + octet_length(value) FROM plugin_values \
             WHERE plugin = ?1 AND tenant = ?2 AND key = ?3",
        )?
        .query_row(params![scope.plugin, scope.tenant.as_str(), key], |row| {
            rows::unsigned(row, 0)
        })
        .optional()?;
    Ok(size.unwrap_or(0))
}

fn set_used(connection: &Connection, scope: &KvScope, bytes: u64) -> Result<(), BatchError> {
    connection
        .prepare_cached(
            "INSERT INTO plugin_usage (plugin, tenant, bytes) VALUES (?1, ?2, ?3) \
             ON CONFLICT (plugin, tenant) DO UPDATE SET bytes = excluded.bytes",
        )?
        .execute(params![scope.plugin, scope.tenant.as_str(), integer(bytes)?])?;
    Ok(())
}
