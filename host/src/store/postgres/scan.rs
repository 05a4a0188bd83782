//! Reading records for verification, and the plan of what to read, all within one transaction.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{TryStreamExt as _, pin_mut};
use tokio_postgres::{Client, Row, types::ToSql};

use super::{
    fault::store_error,
    rows::{self, event_columns, position},
};
use crate::{
    domain::{Hash, TenantId},
    engine::chain,
    store::{
        Head, Scope, StoreError,
        verify::{ChainStatus, End, Expected, Part, Plan, RowRange, Scanned, VerifyError, report},
    },
};

/// All that is read together is of one moment.
pub(super) const ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The records of all chains in the order in which they were written: `$1` to `$2` are positions.
pub(super) const BY_POSITION: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE pos BETWEEN $1 AND $2 ORDER BY pos"
);

/// The records of the chain `$1` with sequence numbers from `$2` to `$3`.
pub(super) const BY_CHAIN: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE tenant = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq"
);

/// Hands each row of a query to `each`, as they come.
pub(super) async fn stream<E: From<StoreError>>(
    client: &Client,
    query: &str,
    parameters: &[&(dyn ToSql + Sync)],
    mut each: impl FnMut(&Row) -> Result<(), E>,
) -> Result<(), E> {
    let failed = |error| E::from(store_error(&error));
    let rows = client
        .query_raw(query, parameters.iter().copied())
        .await
        .map_err(failed)?;
    pin_mut!(rows);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        each(&row)?;
    }
    Ok(())
}

/// Reads and hashes what a query answers.
pub(super) async fn read(
    client: &Client,
    scanned: &mut Scanned,
    query: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<(), StoreError> {
    let mut id = [0; 16];
    stream(client, query, parameters, |row| {
        match rows::stored(row, &mut id) {
            Ok(stored) => scanned.push(&stored),
            Err(unreadable) => scanned.push_unreadable(rows::legible(row), unreadable),
        }
        Ok(())
    })
    .await
}

/// What `scope` names, as it is now.
pub(super) async fn plan(client: &Client, scope: &Scope) -> Result<Plan, VerifyError> {
    match scope {
        Scope::All => Ok(all_chains(client).await?),
        Scope::Chain(tenant) => one_chain(client, tenant, None).await,
        Scope::Range { tenant, from, to } => one_chain(client, tenant, Some((*from, *to))).await,
    }
}

async fn all_chains(client: &Client) -> Result<Plan, StoreError> {
    // A tenant that has lost its head is not a tenant without a chain.
    const CHAINS: &str = "SELECT tenant, seq, hash FROM heads FULL JOIN tenants USING (tenant)";
    let failed = |error| store_error(&error);
    let ends = "SELECT coalesce(min(pos), 1), coalesce(max(pos), 0) FROM events";
    let ends = client.query_one(ends, &[]).await.map_err(failed)?;
    let mut chains = BTreeMap::new();
    for row in &client.query(CHAINS, &[]).await.map_err(failed)? {
        let tenant: String = row.get(0);
        let expected = Expected::whole(&tenant, end(Some(row)));
        chains.insert(tenant, expected);
    }
    let rows = RowRange::Positions {
        first: ends.get(0),
        last: ends.get(1),
    };
    Ok(Plan { rows, chains })
}

async fn one_chain(
    client: &Client,
    tenant: &TenantId,
    range: Option<(u64, u64)>,
) -> Result<Plan, VerifyError> {
    let failed = |error| VerifyError::Store(store_error(&error));
    let name = tenant.as_str();
    let head = "SELECT tenant, seq, hash FROM heads WHERE tenant = $1";
    let head = end(client.query_opt(head, &[&name]).await.map_err(failed)?.as_ref());
    let ends = "SELECT min(seq), max(seq) FROM events WHERE tenant = $1";
    let ends = client.query_one(ends, &[&name]).await.map_err(failed)?;
    let (first, last): (Option<i64>, Option<i64>) = (ends.get(0), ends.get(1));
    if matches!(head, End::NoHead) && first.is_none() {
        let tenant = tenant.clone();
        return Err(VerifyError::TenantUnknown { tenant });
    }
    let (first, last) = (first.unwrap_or(1), last.unwrap_or(0));
    let (rows, expected) = match range {
        None => ((first, last), Expected::whole(name, head)),
        Some((from, to)) => {
            let part = Part::of(tenant, (from, to), u64::try_from(last).unwrap_or(0), head)?;
            let before = hash_before(client, name, from).await?;
            ((position(from), position(to).min(last)), part.expected(before))
        }
    };
    Ok(Plan {
        rows: RowRange::Chain {
            tenant: name.to_owned(),
            first: rows.0,
            last: rows.1,
        },
        chains: BTreeMap::from([(name.to_owned(), expected)]),
    })
}

/// What a row of `tenant, seq, hash` says of the end of its chain; the latter two are absent if there is no head.
fn end(row: Option<&Row>) -> End {
    match row.map(|row| (row.get::<_, Option<i64>>(1), rows::head(row))) {
        None | Some((None, _)) => End::NoHead,
        Some((_, Ok(head))) => End::Head {
            seq: head.seq,
            hash: head.hash,
        },
        Some((_, Err(_))) => End::UnreadableHead,
    }
}

/// The hash that the record `seq` of a chain must name. None if the record before it is missing or unreadable.
pub(super) async fn hash_before(client: &Client, tenant: &str, seq: u64) -> Result<Option<Hash>, StoreError> {
    let Some(before @ 1..) = seq.checked_sub(1) else {
        return Ok(Some(chain::genesis(tenant)));
    };
    let query = "SELECT this_hash FROM events WHERE tenant = $1 AND seq = $2";
    let found = client.query_opt(query, &[&tenant, &position(before)]).await;
    let found = found.map_err(|error| store_error(&error))?;
    Ok(found.and_then(|row| rows::hash_of(&row)))
}

/// The first fault in the newest `records` of any chain, or between them and the heads; in words.
pub(super) async fn first_fault_at_the_ends(
    client: &Client,
    records: u64,
) -> Result<Option<String>, StoreError> {
    let failed = |error| store_error(&error);
    client.batch_execute(ONE_MOMENT).await.map_err(failed)?;
    let heads = "SELECT tenant, seq, hash FROM heads ORDER BY tenant";
    for row in &client.query(heads, &[]).await.map_err(failed)? {
        let fault = fault_at_the_end(client, &rows::head(row)?, records).await?;
        if fault.is_some() {
            return Ok(fault);
        }
    }
    client.batch_execute("COMMIT").await.map_err(failed)?;
    Ok(None)
}

/// The fault in the newest `records` of one chain, or between them and its head; in words.
pub(super) async fn fault_of(
    client: &Client,
    tenant: &TenantId,
    records: u64,
) -> Result<Option<String>, StoreError> {
    let failed = |error| store_error(&error);
    client.batch_execute(ONE_MOMENT).await.map_err(failed)?;
    let head = "SELECT tenant, seq, hash FROM heads WHERE tenant = $1";
    let Some(row) = client
        .query_opt(head, &[&tenant.as_str()])
        .await
        .map_err(failed)?
    else {
        return Ok(Some(format!("chain of `{tenant}`: it has no head")));
    };
    fault_at_the_end(client, &rows::head(&row)?, records).await
}

async fn fault_at_the_end(client: &Client, head: &Head, records: u64) -> Result<Option<String>, StoreError> {
    let (tenant, from) = (head.tenant.as_str(), head.seq.saturating_sub(records) + 1);
    let expected = Expected {
        first_seq: from,
        first_prev: hash_before(client, tenant, from).await?,
        end: End::Head {
            seq: head.seq,
            hash: head.hash,
        },
    };
    let mut scanned = Scanned::default();
    // To the end of what there is: a record beyond the head is a fault.
    read(
        client,
        &mut scanned,
        BY_CHAIN,
        &[&tenant, &position(from), &i64::MAX],
    )
    .await?;
    let report = report(tenant.to_owned(), scanned.take(tenant), &expected);
    Ok(match (report.status, report.first_bad) {
        (ChainStatus::Broken, Some(bad)) => Some(format!("chain of `{tenant}`: {}", bad.detail)),
        _ => None,
    })
}

/// The tenants of the heads, in order.
pub(super) async fn chains(client: &Client) -> Result<BTreeSet<TenantId>, StoreError> {
    let heads = client.query("SELECT tenant FROM heads", &[]).await;
    let heads = heads.map_err(|error| store_error(&error))?;
    heads.iter().map(rows::tenant_id).collect()
}
