//! The newest records of each chain: the quick look at every boot and after every failure. The long look is verification.

use rusqlite::{Connection, OptionalExtension, params};

use super::{open::store_error, rows, scan};
use crate::{
    domain::{Hash, TenantId},
    store::{
        StoreError,
        verify::{ChainStatus, End, Expected, Scanned, report},
    },
};

/// The first fault in the newest `records` of any chain, or between them and the heads; in words.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn first_fault(connection: &Connection, records: u64) -> Result<Option<String>, StoreError> {
    let look = || -> rusqlite::Result<_> {
        let transaction = connection.unchecked_transaction()?;
        let mut heads = transaction.prepare("SELECT tenant, seq, hash FROM heads ORDER BY tenant")?;
        let mut found = heads.query([])?;
        while let Some(row) = found.next()? {
            let tenant = rows::tenant_of(row, 0)?;
            let (seq, hash) = (rows::unsigned(row, 1)?, Hash::from_bytes(row.get(2)?));
            if let Some(fault) = of_chain(&transaction, tenant.as_str(), (seq, hash), records)? {
                return Ok(Some(fault));
            }
        }
        Ok(None)
    };
    look().map_err(|error| store_error(&error))
}

/// The fault in the newest `records` of one chain, or between them and its head; in words.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn fault_of(
    connection: &Connection,
    tenant: &TenantId,
    records: u64,
) -> Result<Option<String>, StoreError> {
    let look = || -> rusqlite::Result<_> {
        let transaction = connection.unchecked_transaction()?;
        let head = transaction
            .prepare_cached("SELECT seq, hash FROM heads WHERE tenant = ?1")?
            .query_row([tenant.as_str()], |row| {
                Ok((rows::unsigned(row, 0)?, Hash::from_bytes(row.get(1)?)))
            })
            .optional()?;
        match head {
            Some(head) => of_chain(&transaction, tenant.as_str(), head, records),
            None => Ok(Some(format!("chain of `{tenant}`: it has no head"))),
        }
    };
    look().map_err(|error| store_error(&error))
}

fn of_chain(
    connection: &Connection,
    tenant: &str,
    (seq, hash): (u64, Hash),
    records: u64,
) -> rusqlite::Result<Option<String>> {
    let from = seq.saturating_sub(records) + 1;
    let expected = Expected {
        first_seq: from,
        first_prev: scan::hash_before(connection, tenant, from)?,
        end: End::Head { seq, hash },
    };
    let mut scanned = Scanned::default();
    let mut statement = connection.prepare_cached(scan::BY_CHAIN)?;
    // To the end of what there is: a record beyond the head is a fault.
    let mut found = statement.query(params![tenant, scan::position(from), i64::MAX])?;
    scan::read(&mut scanned, &mut found)?;
    let report = report(tenant.to_owned(), scanned.take(tenant), &expected);
    Ok(match (report.status, report.first_bad) {
        (ChainStatus::Broken, Some(bad)) => Some(format!("chain of `{tenant}`: {}", bad.detail)),
        _ => None,
    })
}
