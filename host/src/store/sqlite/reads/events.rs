//! Events of a tenant: in the order of the chain, or of some types. What a read takes depends on what it answers and on how many
//! types pass the filter, never on how long the chain is: a type that is rare is found by an index, type by type.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Read, event_columns, failed, rows, scan};
use crate::{
    domain::{Event, TenantId},
    store::{EventFilter, Order, StoreError},
};

/// Events of a tenant that pass the filter.
pub(in crate::store::sqlite) fn events(
    connection: &Connection,
    tenant: &TenantId,
    filter: &EventFilter,
) -> Read<Vec<Event>> {
    let tenant = tenant.as_str();
    if filter.prefixes.is_empty() {
        return in_order(connection, tenant, filter);
    }
    let transaction = connection.unchecked_transaction().map_err(failed)?; // one moment for all queries
    let mut places = Places::within(filter);
    for event_type in types(&transaction, tenant, &filter.prefixes).map_err(failed)? {
        places.add(&transaction, tenant, &event_type).map_err(failed)?;
    }
    places.events(&transaction)
}

fn in_order(connection: &Connection, tenant: &str, filter: &EventFilter) -> Read<Vec<Event>> {
    const NEWEST_FIRST: &str = concat!(
        "SELECT ",
        event_columns!(),
        " FROM events WHERE tenant = ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq DESC LIMIT ?4"
    );
    const OLDEST_FIRST: &str = concat!(
        "SELECT ",
        event_columns!(),
        " FROM events WHERE tenant = ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq LIMIT ?4"
    );
    let query = match filter.order {
        Order::NewestFirst => NEWEST_FIRST,
        Order::OldestFirst => OLDEST_FIRST,
    };
    let (after, before) = bounds(filter);
    let mut statement = connection.prepare_cached(query).map_err(failed)?;
    let mut found = statement
        .query(params![tenant, after, before, filter.limit])
        .map_err(failed)?;
    let mut events = Vec::new();
    while let Some(row) = found.next().map_err(failed)? {
        events.push(rows::event(row)?);
    }
    Ok(events)
}

/// The sequence numbers between which a filter looks.
fn bounds(filter: &EventFilter) -> (i64, i64) {
    (
        filter.after_seq.map_or(0, scan::position),
        filter.before_seq.map_or(i64::MAX, scan::position),
    )
}

/// The types in a tenant's chain that are one of the prefixes, or begin with one and a dot; each once. Steps from one to the next.
fn types(connection: &Connection, tenant: &str, prefixes: &[String]) -> rusqlite::Result<BTreeSet<String>> {
    let mut next = connection.prepare_cached(
        "SELECT event_type FROM events INDEXED BY events_tenant_type \
         WHERE tenant = ?1 AND event_type >= ?2 AND event_type < ?3 ORDER BY event_type LIMIT 1",
    )?;
    let mut types = BTreeSet::new();
    for prefix in prefixes {
        types.insert(prefix.clone());
        // `/` is the character after the dot: between the two lies what begins with the prefix and a dot.
        let (mut from, end) = (format!("{prefix}."), format!("{prefix}/"));
        while let Some(found) = next
            .query_row(params![tenant, from, end], |row| row.get::<_, String>(0))
            .optional()?
        {
            from = format!("{found}\0"); // nothing lies between the two
            types.insert(found);
        }
    }
    Ok(types)
}

/// Where the events stand that are to be answered: as many as the filter's limit, the first of its order.
struct Places {
    after: i64,
    before: i64,
    limit: u32,
    order: Order,
    /// Sequence numbers, and the rows that have them.
    found: BTreeSet<(i64, i64)>,
}

impl Places {
    fn within(filter: &EventFilter) -> Self {
        let (after, before) = bounds(filter);
        Self {
            after,
            before,
            limit: filter.limit,
            order: filter.order,
            found: BTreeSet::new(),
        }
    }

    /// Looks at the events of one more type.
    fn add(&mut self, connection: &Connection, tenant: &str, event_type: &str) -> rusqlite::Result<()> {
        const NEWEST_FIRST: &str = "SELECT seq, pos FROM events INDEXED BY events_tenant_type \
             WHERE tenant = ?1 AND event_type = ?2 AND seq > ?3 AND seq < ?4 ORDER BY seq DESC LIMIT ?5";
        const OLDEST_FIRST: &str = "SELECT seq, pos FROM events INDEXED BY events_tenant_type \
             WHERE tenant = ?1 AND event_type = ?2 AND seq > ?3 AND seq < ?4 ORDER BY seq LIMIT ?5";
        let query = match self.order {
            Order::NewestFirst => NEWEST_FIRST,
            Order::OldestFirst => OLDEST_FIRST,
        };
        let mut statement = connection.prepare_cached(query)?;
        let mut places = statement.query(params![tenant, event_type, self.after, self.before, self.limit])?;
        while let Some(row) = places.next()? {
            self.found.insert((row.get(0)?, row.get(1)?));
        }
        self.narrow();
        Ok(())
    }

    /// Once there are enough, only what comes before the last of them is of interest.
    fn narrow(&mut self) {
        let limit = self.limit as usize;
        while self.found.len() > limit {
            match self.order {
                Order::NewestFirst => self.found.pop_first(),
                Order::OldestFirst => self.found.pop_last(),
            };
        }
        if self.found.len() < limit {
            return;
        }
        match self.order {
            Order::NewestFirst => self.after = self.found.first().map_or(self.after, |(seq, _)| *seq),
            Order::OldestFirst => self.before = self.found.last().map_or(self.before, |(seq, _)| *seq),
        }
    }

    fn events(&self, connection: &Connection) -> Read<Vec<Event>> {
        const AT: &str = concat!("SELECT ", event_columns!(), " FROM events WHERE pos = ?1");
        let mut at = connection.prepare_cached(AT).map_err(failed)?;
        let mut event = |(_, pos): &(i64, i64)| {
            let mut found = at.query([pos]).map_err(failed)?;
            let row = found.next().map_err(failed)?;
            let gone =
                || StoreError::Damaged(format!("the record at {pos} is in an index and not in its table"));
            rows::event(row.ok_or_else(gone)?)
        };
        match self.order {
            Order::NewestFirst => self.found.iter().rev().map(&mut event).collect(),
            Order::OldestFirst => self.found.iter().map(&mut event).collect(),
        }
    }
}
