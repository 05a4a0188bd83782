//! Export from the file: one read transaction, so that all chains are of one moment, streamed row by row.

use std::io::{BufWriter, Write};

use rusqlite::{Connection, params};

use super::{open::store_error, rows, scan};
use crate::{
    domain::{TenantId, Timestamp},
    store::{
        Scope,
        export::{ChainExport, ExportError, Exported},
    },
};

/// Writes the chains that `scope` names to `out`. The log cannot be emptied as long as this reads.
pub(super) fn export(
    connection: &Connection,
    scope: &Scope,
    exported_at: Timestamp,
    out: impl Write,
) -> Result<Exported, ExportError> {
    let mut out = BufWriter::new(out);
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    let mut exported = Exported::default();
    for (tenant, from, to) in chains(&transaction, scope)? {
        exported.chains += 1;
        exported.events += chain(&transaction, &tenant, (from, to), exported_at, &mut out)?;
    }
    out.flush()?;
    Ok(exported)
}

fn chains(connection: &Connection, scope: &Scope) -> Result<Vec<(TenantId, u64, u64)>, ExportError> {
    let (tenant, from, to) = match scope {
        Scope::All => {
            let mut statement = connection
                .prepare("SELECT tenant FROM heads ORDER BY tenant")
                .map_err(failed)?;
            let tenants = statement
                .query_map([], |row| rows::tenant_of(row, 0))
                .map_err(failed)?;
            return tenants
                .map(|tenant| Ok((tenant.map_err(failed)?, 1, u64::MAX)))
                .collect();
        }
        Scope::Chain(tenant) => (tenant, 1, u64::MAX),
        Scope::Range { tenant, from, to } => (tenant, *from, *to),
    };
    let known = connection
        .prepare("SELECT 1 FROM heads WHERE tenant = ?1")
        .and_then(|mut statement| statement.exists([tenant.as_str()]))
        .map_err(failed)?;
    if known {
        Ok(vec![(tenant.clone(), from, to)])
    } else {
        Err(ExportError::TenantUnknown {
            tenant: tenant.clone(),
        })
    }
}

fn chain(
    connection: &Connection,
    tenant: &TenantId,
    (from, to): (u64, u64),
    exported_at: Timestamp,
    out: impl Write,
) -> Result<u64, ExportError> {
    let mut export = ChainExport::begin(out, tenant, exported_at)?;
    let mut statement = connection.prepare_cached(scan::BY_CHAIN).map_err(failed)?;
    let mut found = statement
        .query(params![tenant.as_str(), scan::position(from), scan::position(to)])
        .map_err(failed)?;
    while let Some(row) = found.next().map_err(failed)? {
        export.event(&rows::event(row)?)?;
    }
    Ok(export.end()?)
}

fn failed(error: rusqlite::Error) -> ExportError {
    ExportError::Store(store_error(&error))
}
