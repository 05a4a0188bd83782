//! Events of a tenant: in the order of the chain, or of some types. What a read takes depends on what it answers and on how many
//! types pass the filter, never on how long the chain is: a type that is rare is found by an index, type by type.
//!
//! The queries are written so that no other plan than that comes cheaper by guessing: the statistics of a table that grows are old,
//! and say little of a type that is rare.

use tokio_postgres::types::ToSql;

use super::{
    super::{
        pool::{Readers, Sight},
        rows::{self, event_columns, position},
    },
    Read,
};
use crate::{
    domain::{Event, TenantId, Timestamp},
    store::{EventFilter, Order},
};

/// `$5` is the time before which it looks.
macro_rules! in_order {
    ($direction:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM events WHERE tenant = $1 AND seq > $2 AND seq < $3 AND occurred_at < $5 ORDER BY seq ",
            $direction,
            " LIMIT $4"
        )
    };
}

const NEWEST_FIRST: &str = in_order!("DESC");
const OLDEST_FIRST: &str = in_order!("ASC");

/// `$6` are types, `$7` and `$8` the ends of ranges of them. `types` steps from one type that is there to the next; `places` are the
/// first of each type. A type is compared from both sides, not for equality, so that the index over types alone has the order that is
/// asked for (to compare rows reads them all); and what stands alone under a LIMIT is looked up one by one.
macro_rules! of_types {
    ($direction:literal) => {
        concat!(
            "WITH RECURSIVE steps AS ( \
                 SELECT (SELECT event_type FROM events WHERE tenant = $1 AND event_type > low AND event_type < high \
                         ORDER BY event_type LIMIT 1) AS event_type, high \
                 FROM unnest($7::text[], $8::text[]) AS ranges (low, high) \
                 UNION ALL \
                 SELECT (SELECT event_type FROM events \
                         WHERE tenant = $1 AND event_type > steps.event_type AND event_type < steps.high \
                         ORDER BY event_type LIMIT 1), high \
                 FROM steps WHERE event_type IS NOT NULL \
             ), types AS ( \
                 SELECT event_type FROM steps WHERE event_type IS NOT NULL UNION SELECT unnest($6::text[]) \
             ), places AS ( \
                 SELECT place.seq FROM types CROSS JOIN LATERAL ( \
                     SELECT seq FROM events \
                     WHERE tenant = $1 AND event_type >= types.event_type AND event_type <= types.event_type \
                       AND seq > $2 AND seq < $3 AND occurred_at < $5 \
                     ORDER BY event_type ",
            $direction,
            ", seq ",
            $direction,
            " LIMIT $4) AS place ORDER BY place.seq ",
            $direction,
            " LIMIT $4 \
             ) SELECT event.* FROM places CROSS JOIN LATERAL (SELECT ",
            event_columns!(),
            " FROM events WHERE tenant = $1 AND seq = places.seq LIMIT 1) AS event ORDER BY event.seq ",
            $direction
        )
    };
}

const NEWEST_FIRST_OF_TYPES: &str = of_types!("DESC");
const OLDEST_FIRST_OF_TYPES: &str = of_types!("ASC");

/// Events of a tenant that pass the filter.
pub(in crate::store::postgres) async fn events(
    readers: &Readers,
    tenant: &TenantId,
    filter: &EventFilter,
) -> Read<Vec<Event>> {
    let after = filter.after_seq.map_or(0, position);
    let before = filter.before_seq.map_or(i64::MAX, position);
    let (name, limit) = (tenant.as_str(), i64::from(filter.limit));
    let prefixes = &filter.prefixes;
    // `/` is the character after the dot: between the two lies what begins with the prefix and a dot.
    let lows: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}.")).collect();
    let highs: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}/")).collect();
    let before_time = filter.before.map_or(i64::MAX, Timestamp::as_micros);
    let parameters: [&(dyn ToSql + Sync); 8] = [
        &name,
        &after,
        &before,
        &limit,
        &before_time,
        prefixes,
        &lows,
        &highs,
    ];
    let (query, parameters) = match (filter.order, prefixes.is_empty()) {
        (Order::NewestFirst, true) => (NEWEST_FIRST, &parameters[..5]),
        (Order::OldestFirst, true) => (OLDEST_FIRST, &parameters[..5]),
        (Order::NewestFirst, false) => (NEWEST_FIRST_OF_TYPES, &parameters[..]),
        (Order::OldestFirst, false) => (OLDEST_FIRST_OF_TYPES, &parameters[..]),
    };
    let found = readers.rows(Sight::Of(tenant), query, parameters).await?;
    found.iter().map(rows::event).collect()
}
