//! Events of a tenant: in the order of the chain, or of some types. What a read takes depends on what it answers and on how many
//! types pass the filter, never on how long the chain is: of a type that is rare, only the blocks of the chain are read that have it.

use std::collections::BTreeSet;

use rusqlite::{Connection, params, params_from_iter, types::Value};

use super::{Read, event_columns, failed, rows, scan};
use crate::{
    domain::{Event, TenantId},
    store::{EventFilter, Order},
};

/// The binary logarithm of the length of a block, as in the schema.
const BLOCK_BITS: u32 = 8;

/// Events of a tenant that pass the filter.
pub(in crate::store::sqlite) fn events(
    connection: &Connection,
    tenant: &TenantId,
    filter: &EventFilter,
) -> Read<Vec<Event>> {
    let after = filter.after_seq.map_or(0, scan::position);
    let before = filter.before_seq.map_or(i64::MAX, scan::position);
    let mut page = Page {
        connection,
        query: query(filter),
        tenant,
        filter,
        events: Vec::new(),
    };
    if filter.prefixes.is_empty() {
        page.read(after, before)?;
        return Ok(page.events);
    }
    // One moment for all queries.
    let _transaction = connection.unchecked_transaction().map_err(failed)?;
    let mut blocks = Blocks::begin(connection, tenant, filter, (after, before)).map_err(failed)?;
    while !page.is_full()
        && let Some(block) = blocks.next().map_err(failed)?
    {
        let (first, end) = (block << BLOCK_BITS, (block + 1) << BLOCK_BITS);
        page.read(after.max(first - 1), before.min(end))?;
    }
    Ok(page.events)
}

/// What has been read of a page.
struct Page<'a> {
    connection: &'a Connection,
    query: String,
    tenant: &'a TenantId,
    filter: &'a EventFilter,
    events: Vec<Event>,
}

/// Takes the tenant, the sequence numbers between which it looks, the time before which it looks if there is one, three texts for each prefix, and the limit.
fn query(filter: &EventFilter) -> String {
    let mut query = concat!(
        "SELECT ",
        event_columns!(),
        " FROM events WHERE tenant = ? AND seq > ? AND seq < ?"
    )
    .to_owned();
    if filter.before.is_some() {
        query += " AND occurred_at < ?";
    }
    if !filter.prefixes.is_empty() {
        let one_of =
            ["(event_type = ? OR (event_type >= ? AND event_type < ?))"].repeat(filter.prefixes.len());
        query += &format!(" AND ({})", one_of.join(" OR "));
    }
    query
        + match filter.order {
            Order::NewestFirst => " ORDER BY seq DESC LIMIT ?",
            Order::OldestFirst => " ORDER BY seq LIMIT ?",
        }
}

impl Page<'_> {
    fn room(&self) -> usize {
        (self.filter.limit as usize).saturating_sub(self.events.len())
    }

    fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// Adds what lies between two sequence numbers, as far as there is room.
    fn read(&mut self, after: i64, before: i64) -> Read<()> {
        let room = i64::try_from(self.room()).unwrap_or(i64::MAX);
        let mut values: Vec<Value> = vec![
            self.tenant.as_str().to_owned().into(),
            after.into(),
            before.into(),
        ];
        values.extend(self.filter.before.map(|before| Value::from(before.as_micros())));
        for prefix in &self.filter.prefixes {
            let (first, end) = range(prefix);
            values.extend([prefix.clone(), first, end].map(Value::from));
        }
        values.push(room.into());
        let mut statement = self.connection.prepare_cached(&self.query).map_err(failed)?;
        let mut found = statement.query(params_from_iter(values)).map_err(failed)?;
        while let Some(row) = found.next().map_err(failed)? {
            self.events.push(rows::event(row)?);
        }
        Ok(())
    }
}

/// Between the two lies what begins with a prefix and a dot: `/` is the character after the dot.
fn range(prefix: &str) -> (String, String) {
    (format!("{prefix}."), format!("{prefix}/"))
}

/// The blocks of a chain that have an event of one of some types, in the order of the read, each once.
struct Blocks<'a> {
    connection: &'a Connection,
    tenant: &'a TenantId,
    types: Vec<String>,
    order: Order,
    /// Where the read ends.
    last: i64,
    /// The next block of each type, and which type that is.
    next: BTreeSet<(i64, usize)>,
}

impl<'a> Blocks<'a> {
    /// With those between two sequence numbers.
    fn begin(
        connection: &'a Connection,
        tenant: &'a TenantId,
        filter: &EventFilter,
        (after, before): (i64, i64),
    ) -> rusqlite::Result<Self> {
        let types = types(connection, tenant, &filter.prefixes)?;
        let (oldest, newest) = (after >> BLOCK_BITS, before >> BLOCK_BITS);
        let (before_the_first, last) = match filter.order {
            Order::NewestFirst => (newest + 1, oldest),
            Order::OldestFirst => (oldest - 1, newest),
        };
        let mut blocks = Self {
            connection,
            tenant,
            types: types.into_iter().collect(),
            order: filter.order,
            last,
            next: BTreeSet::new(),
        };
        for index in 0..blocks.types.len() {
            blocks.step(index, before_the_first)?;
        }
        Ok(blocks)
    }

    fn next(&mut self) -> rusqlite::Result<Option<i64>> {
        let first = match self.order {
            Order::NewestFirst => self.next.last(),
            Order::OldestFirst => self.next.first(),
        };
        let Some(&(block, _)) = first else { return Ok(None) };
        let here: Vec<_> = self
            .next
            .range((block, 0)..=(block, usize::MAX))
            .copied()
            .collect();
        for place in here {
            self.next.remove(&place);
            self.step(place.1, block)?;
        }
        Ok(Some(block))
    }

    /// Goes on from a block to the next one that has this type.
    fn step(&mut self, index: usize, from: i64) -> rusqlite::Result<()> {
        let query = match self.order {
            Order::NewestFirst => {
                "SELECT max(block) FROM event_type_blocks \
                 WHERE tenant = ?1 AND event_type = ?2 AND block < ?3 AND block >= ?4"
            }
            Order::OldestFirst => {
                "SELECT min(block) FROM event_type_blocks \
                 WHERE tenant = ?1 AND event_type = ?2 AND block > ?3 AND block <= ?4"
            }
        };
        let found: Option<i64> = self.connection.prepare_cached(query)?.query_row(
            params![self.tenant.as_str(), self.types[index], from, self.last],
            |row| row.get(0),
        )?;
        self.next.extend(found.map(|block| (block, index)));
        Ok(())
    }
}

/// The types that pass the filter: the prefixes themselves, and what the chain has of those that begin with one and a dot.
fn types(
    connection: &Connection,
    tenant: &TenantId,
    prefixes: &[String],
) -> rusqlite::Result<BTreeSet<String>> {
    let mut next = connection.prepare_cached(
        "SELECT min(event_type) FROM event_type_blocks WHERE tenant = ?1 AND event_type >= ?2 AND event_type < ?3",
    )?;
    let mut types = BTreeSet::new();
    for prefix in prefixes {
        types.insert(prefix.clone());
        let (mut from, end) = range(prefix);
        while let Some(found) = next.query_row(params![tenant.as_str(), from, end], |row| {
            row.get::<_, Option<String>>(0)
        })? {
            from = format!("{found}\0"); // nothing lies between the two
            types.insert(found);
        }
    }
    Ok(types)
}
