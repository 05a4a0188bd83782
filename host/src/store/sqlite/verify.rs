//! Verification of the file: cuts what is to be read into pieces, lets threads read them, joins what they found.
//!
//! Rows that were written once do not change, so the threads need no common snapshot: what is to be read, and where each chain
//! ends, is settled first in one, and later appends lie beyond it. All chains are read by position, which is the order of the
//! file, not chain by chain.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use rusqlite::{Connection, OptionalExtension, params, types::ValueRef};

use super::{
    open::{is_damage, store_error},
    scan,
};
use crate::{
    domain::{Hash, TenantId},
    store::{
        StoreError,
        verify::{
            End, Expected, Found, NO_TENANT, Part, Plan, RowRange, Scanned, Scope, VerifyError,
            VerifyOptions, VerifyReport,
        },
    },
};

/// What a thread takes at a time.
enum Piece {
    Rows { first: i64, last: i64 },
    QuickCheck,
}

/// Verifies what `scope` names. `connect` opens a connection of its own for each thread.
pub(super) fn verify(
    connect: &(dyn Fn() -> Result<Connection, StoreError> + Sync),
    scope: &Scope,
    options: &VerifyOptions,
) -> Result<VerifyReport, VerifyError> {
    match read_and_join(connect, scope, options) {
        // So damaged that not even the heads can be read: that is an answer, and not the lack of one.
        Err(VerifyError::Store(StoreError::Damaged(fault))) => Ok(VerifyReport {
            chains: Vec::new(),
            file_fault: Some(fault),
            records: 0,
            bytes: 0,
        }),
        result => result,
    }
}

fn read_and_join(
    connect: &(dyn Fn() -> Result<Connection, StoreError> + Sync),
    scope: &Scope,
    options: &VerifyOptions,
) -> Result<VerifyReport, VerifyError> {
    let plan = plan(&connect()?, scope)?;
    let mut pieces = pieces(&plan.rows, options.threads.get());
    if options.quick_check {
        // First: it is the longest.
        pieces.insert(0, Piece::QuickCheck);
    }
    let found = read_pieces(connect, &plan.rows, &pieces, options.threads.get())?;
    Ok(plan.join(found))
}

fn plan(connection: &Connection, scope: &Scope) -> Result<Plan, VerifyError> {
    let failed = |error| VerifyError::Store(store_error(&error));
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    match scope {
        Scope::All => all_chains(&transaction).map_err(failed),
        Scope::Chain(tenant) => one_chain(&transaction, tenant, None),
        Scope::Range { tenant, from, to } => one_chain(&transaction, tenant, Some((*from, *to))),
    }
}

fn all_chains(connection: &Connection) -> rusqlite::Result<Plan> {
    let (first, last): (Option<i64>, Option<i64>) = connection.query_row(
        "SELECT (SELECT min(pos) FROM events), (SELECT max(pos) FROM events)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut chains = BTreeMap::new();
    // A tenant that has lost its head is not a tenant without a chain.
    for tenant in known_tenants(connection)? {
        let expected = Expected::whole(&tenant, head(connection, &tenant)?);
        chains.insert(tenant, expected);
    }
    Ok(Plan {
        rows: RowRange::Positions {
            first: first.unwrap_or(1),
            last: last.unwrap_or(0),
        },
        chains,
    })
}

fn known_tenants(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let has_tenants = connection.table_exists(None, "tenants")?;
    let query = if has_tenants {
        "SELECT tenant FROM heads UNION SELECT tenant FROM tenants"
    } else {
        "SELECT tenant FROM heads"
    };
    let mut statement = connection.prepare(query)?;
    let names = statement.query_map([], |row| Ok(shown(&row.get_ref(0)?)))?;
    names.collect()
}

fn shown(value: &ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => NO_TENANT.to_owned(),
    }
}

fn one_chain(
    connection: &Connection,
    tenant: &TenantId,
    range: Option<(u64, u64)>,
) -> Result<Plan, VerifyError> {
    let failed = |error| VerifyError::Store(store_error(&error));
    let name = tenant.as_str();
    let head = head(connection, name).map_err(failed)?;
    let (first, last): (Option<i64>, Option<i64>) = connection
        .query_row(
            "SELECT (SELECT min(seq) FROM events WHERE tenant = ?1), (SELECT max(seq) FROM events WHERE tenant = ?1)",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(failed)?;
    if matches!(head, End::NoHead) && first.is_none() {
        return Err(VerifyError::TenantUnknown {
            tenant: tenant.clone(),
        });
    }
    let (first, last) = (first.unwrap_or(1), last.unwrap_or(0));
    let (rows, expected) = match range {
        None => ((first, last), Expected::whole(name, head)),
        Some((from, to)) => {
            let last = u64::try_from(last).unwrap_or(0);
            let part = Part::of(tenant, (from, to), last, head)?;
            let before = scan::hash_before(connection, name, from).map_err(failed)?;
            ((scan::position(from), scan::position(to)), part.expected(before))
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

fn head(connection: &Connection, tenant: &str) -> rusqlite::Result<End> {
    let mut statement = connection.prepare_cached("SELECT seq, hash FROM heads WHERE tenant = ?1")?;
    let mut rows = statement.query([tenant])?;
    let Some(row) = rows.next()? else {
        return Ok(End::NoHead);
    };
    let (seq, hash) = (
        row.get::<_, i64>(0).ok().and_then(|seq| u64::try_from(seq).ok()),
        row.get(1).ok(),
    );
    Ok(match (seq, hash) {
        (Some(seq), Some(hash)) => End::Head {
            seq,
            hash: Hash::from_bytes(hash),
        },
        _ => End::UnreadableHead,
    })
}

fn pieces(rows: &RowRange, threads: usize) -> Vec<Piece> {
    let pieces = rows.pieces(threads).into_iter();
    pieces.map(|(first, last)| Piece::Rows { first, last }).collect()
}

/// What was found in each piece, in their order.
fn read_pieces(
    connect: &(dyn Fn() -> Result<Connection, StoreError> + Sync),
    rows: &RowRange,
    pieces: &[Piece],
    threads: usize,
) -> Result<Vec<Found>, StoreError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Found)>, StoreError> {
        let connection = connect()?;
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = pieces.get(index) else {
                return Ok(done);
            };
            done.push((index, read_piece(&connection, rows, piece)?));
        }
    };
    let mut found = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(pieces.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let mut found = work()?;
        for other in others {
            let theirs = other
                .join()
                .map_err(|_| StoreError::Unavailable("a verifying thread failed".to_owned()))?;
            found.extend(theirs?);
        }
        Ok::<_, StoreError>(found)
    })?;
    found.sort_unstable_by_key(|(index, _)| *index);
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

fn read_piece(connection: &Connection, rows: &RowRange, piece: &Piece) -> Result<Found, StoreError> {
    let mut found = Found::default();
    let read = match piece {
        Piece::QuickCheck => check_file(connection).map(|fault| found.file_fault = fault),
        Piece::Rows { first, last } => read_rows(connection, rows, (*first, *last), &mut found.scanned),
    };
    match read {
        Ok(()) => {}
        // What SQLite cannot read is what was looked for. The chains in it will lack records too.
        Err(error) if is_damage(&error) => found.file_fault = Some(error.to_string()),
        Err(error) => return Err(store_error(&error)),
    }
    Ok(found)
}

fn read_rows(
    connection: &Connection,
    rows: &RowRange,
    (first, last): (i64, i64),
    scanned: &mut Scanned,
) -> rusqlite::Result<()> {
    match rows {
        RowRange::Positions { .. } => {
            let mut statement = connection.prepare_cached(scan::BY_POSITION)?;
            scan::read(scanned, &mut statement.query(params![first, last])?)
        }
        RowRange::Chain { tenant, .. } => {
            let mut statement = connection.prepare_cached(scan::BY_CHAIN)?;
            scan::read(scanned, &mut statement.query(params![tenant, first, last])?)
        }
    }
}

fn check_file(connection: &Connection) -> rusqlite::Result<Option<String>> {
    match quick_check(connection)? {
        None => unnoted_type(connection),
        fault => Ok(fault),
    }
}

/// Not with the file mapped into memory, which takes 40 % less: of a medium that cannot be read, or a file that is cut off
/// meanwhile, the process would learn by a signal that ends it. Nor of the log's tables alone, which leaves out the free pages
/// and the pages that belong to nothing.
fn quick_check(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let answer: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((answer != "ok").then(|| format!("quick_check: {answer}")))
}

/// An event that a read of its type would not find. The records themselves prove nothing of that.
fn unnoted_type(connection: &Connection) -> rusqlite::Result<Option<String>> {
    if !connection.table_exists(None, "event_type_blocks")? {
        return Ok(None); // of an older release
    }
    let unnoted = connection.query_row(
        "SELECT tenant, CAST(seq AS TEXT) FROM events WHERE NOT EXISTS (\
             SELECT 1 FROM event_type_blocks AS blocks \
             WHERE blocks.tenant = events.tenant AND blocks.event_type = events.event_type AND blocks.block = events.seq >> 8\
         ) LIMIT 1",
        [],
        |row| Ok((shown(&row.get_ref(0)?), shown(&row.get_ref(1)?))),
    );
    Ok(unnoted.optional()?.map(|(tenant, seq)| {
        format!("event {seq} of `{tenant}` is not in `event_type_blocks`: who reads events of its type would miss it")
    }))
}
