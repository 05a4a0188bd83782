//! What is read for callers: events, heads, tenants, identity generations, plugins' values.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};

use super::{
    change,
    open::store_error,
    rows::{self, event_columns},
    scan,
};
use crate::{
    domain::{Event, EventId, Generation, Hash, TenantId, TenantRecord, Timestamp},
    store::{EventFilter, GenerationRecord, Head, KvScope, Order, StoreError},
};

type Read<T> = Result<T, StoreError>;

fn failed(error: rusqlite::Error) -> StoreError {
    store_error(&error)
}

/// Events of a tenant that pass the filter.
pub(super) fn events(connection: &Connection, tenant: &TenantId, filter: &EventFilter) -> Read<Vec<Event>> {
    let (query, values) = events_query(tenant, filter);
    let mut statement = connection.prepare_cached(&query).map_err(failed)?;
    let mut found = statement.query(params_from_iter(values)).map_err(failed)?;
    let mut events = Vec::new();
    while let Some(row) = found.next().map_err(failed)? {
        events.push(rows::event(row)?);
    }
    Ok(events)
}

fn events_query(tenant: &TenantId, filter: &EventFilter) -> (String, Vec<Value>) {
    let after = filter.after_seq.map_or(0, scan::position);
    let before = filter.before_seq.map_or(i64::MAX, scan::position);
    let mut query = concat!(
        "SELECT ",
        event_columns!(),
        " FROM events WHERE tenant = ? AND seq > ? AND seq < ?"
    )
    .to_owned();
    let mut values = vec![
        Value::from(tenant.as_str().to_owned()),
        after.into(),
        before.into(),
    ];
    if let Some(before) = filter.before {
        query += " AND occurred_at < ?";
        values.push(before.as_micros().into());
    }
    if !filter.prefixes.is_empty() {
        // `/` is the character after the dot: between the two lies what begins with the prefix and a dot.
        let one_of =
            ["(event_type = ? OR (event_type >= ? AND event_type < ?))"].repeat(filter.prefixes.len());
        query += &format!(" AND ({})", one_of.join(" OR "));
        for prefix in &filter.prefixes {
            values.extend([prefix.clone(), format!("{prefix}."), format!("{prefix}/")].map(Value::from));
        }
    }
    query += match filter.order {
        Order::NewestFirst => " ORDER BY seq DESC LIMIT ?",
        Order::OldestFirst => " ORDER BY seq LIMIT ?",
    };
    values.push(i64::from(filter.limit).into());
    (query, values)
}

/// One event.
pub(super) fn event(connection: &Connection, id: EventId) -> Read<Option<Event>> {
    const QUERY: &str = concat!("SELECT ", event_columns!(), " FROM events WHERE event_id = ?1");
    let mut statement = connection.prepare_cached(QUERY).map_err(failed)?;
    let mut found = statement.query([id.as_bytes()]).map_err(failed)?;
    found.next().map_err(failed)?.map(rows::event).transpose()
}

/// Where each chain that has records ends.
pub(super) fn heads(connection: &Connection) -> Read<Vec<Head>> {
    let head = |row: &Row<'_>| {
        Ok(Head {
            tenant: rows::tenant_of(row, 0)?,
            seq: rows::unsigned(row, 1)?,
            hash: Hash::from_bytes(row.get(2)?),
        })
    };
    let mut statement = connection
        .prepare_cached("SELECT tenant, seq, hash FROM heads WHERE seq > 0 ORDER BY tenant")
        .map_err(failed)?;
    let heads = statement.query_map([], head).map_err(failed)?;
    heads.collect::<Result<_, _>>().map_err(failed)
}

/// Every tenant with its actors, sorted by id.
pub(super) fn tenants(connection: &Connection) -> Read<Vec<TenantRecord>> {
    let tenants = connection
        .unchecked_transaction() // one moment for both queries
        .and_then(|transaction| {
            let mut tenants = bare_tenants(&transaction)?;
            add_actors(&transaction, &mut tenants)?;
            Ok(tenants)
        })
        .map_err(failed)?;
    Ok(tenants.into_values().collect())
}

fn bare_tenants(connection: &Connection) -> rusqlite::Result<BTreeMap<TenantId, TenantRecord>> {
    let mut statement = connection.prepare_cached("SELECT tenant, active, created_at FROM tenants")?;
    let tenants = statement.query_map([], |row| {
        let tenant = rows::tenant_of(row, 0)?;
        let record = TenantRecord {
            tenant: tenant.clone(),
            active: row.get(1)?,
            created_at: Timestamp::from_micros(row.get(2)?),
            actors: Vec::new(),
        };
        Ok((tenant, record))
    })?;
    tenants.collect()
}

/// In the order in which they were added.
fn add_actors(
    connection: &Connection,
    tenants: &mut BTreeMap<TenantId, TenantRecord>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT tenant, actor_id, kind, name, active, canonical FROM actors ORDER BY rowid",
    )?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        if let Some(tenant) = tenants.get_mut(&rows::tenant_of(row, 0)?) {
            tenant.actors.push(rows::actor(row, 1)?);
        }
    }
    Ok(())
}

/// The newest identity generations of a tenant, newest first.
pub(super) fn generations(
    connection: &Connection,
    tenant: &TenantId,
    limit: u32,
) -> Read<Vec<GenerationRecord>> {
    let query = format!(
        "SELECT {} FROM generations WHERE tenant = ?1 ORDER BY generation DESC LIMIT ?2",
        rows::GENERATION_COLUMNS
    );
    let mut statement = connection.prepare_cached(&query).map_err(failed)?;
    let mut found = statement.query(params![tenant.as_str(), limit]).map_err(failed)?;
    let mut generations = Vec::new();
    while let Some(row) = found.next().map_err(failed)? {
        generations.push(rows::generation(row)?);
    }
    Ok(generations)
}

/// One identity generation of a tenant.
pub(super) fn generation(
    connection: &Connection,
    tenant: &TenantId,
    generation: Generation,
) -> Read<Option<GenerationRecord>> {
    let query = format!(
        "SELECT {} FROM generations WHERE tenant = ?1 AND generation = ?2",
        rows::GENERATION_COLUMNS
    );
    let mut statement = connection.prepare_cached(&query).map_err(failed)?;
    let mut found = statement
        .query(params![tenant.as_str(), scan::position(generation)])
        .map_err(failed)?;
    found.next().map_err(failed)?.map(rows::generation).transpose()
}

/// A plugin's value.
pub(super) fn kv_get(connection: &Connection, scope: &KvScope, key: &str) -> Read<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM plugin_values WHERE plugin = ?1 AND tenant = ?2 AND key = ?3")
        .and_then(|mut statement| {
            statement
                .query_row(params![scope.plugin, scope.tenant.as_str(), key], |row| {
                    row.get(0)
                })
                .optional()
        })
        .map_err(failed)
}

/// The keys that begin with `prefix`, sorted, and the bytes that all of the scope takes.
pub(super) fn kv_list(connection: &Connection, scope: &KvScope, prefix: &str) -> Read<(Vec<String>, u64)> {
    let read = || -> rusqlite::Result<_> {
        let transaction = connection.unchecked_transaction()?;
        let mut statement = transaction.prepare_cached(
            "SELECT key FROM plugin_values WHERE plugin = ?1 AND tenant = ?2 AND key >= ?3 ORDER BY key",
        )?;
        let mut found = statement.query(params![scope.plugin, scope.tenant.as_str(), prefix])?;
        let mut keys = Vec::new();
        while let Some(row) = found.next()? {
            let key: String = row.get(0)?;
            // Keys that begin alike stand together.
            if !key.starts_with(prefix) {
                break;
            }
            keys.push(key);
        }
        Ok((keys, change::used(&transaction, scope)?))
    };
    read().map_err(failed)
}
