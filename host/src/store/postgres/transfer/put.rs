//! Rows on their way into the database, many of one kind with one statement, in their order.
//!
//! Events go through the function that hosts append with, so the database computes each hash anew. What stands beside the chains goes
//! as the lines of a backup, which the database reads as JSON; but a key of a plugin's value may hold U+0000, for which its JSON has no
//! room.

use tokio_postgres::Client;

use crate::store::{
    postgres::{append::Columns, statements::Statements},
    transfer::{Row, ValueRow},
};

/// The most rows of one statement: the trigger that looks at events sorts what one statement inserts.
const MOST_ROWS: usize = 2000;

/// The most bytes of one statement, but for one row that has more by itself.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// A table that is filled from lines: the kind of the line, the columns, and what they are made of. `r` is what stands in the line.
struct Table {
    kind: &'static str,
    name: &'static str,
    columns: &'static str,
    values: &'static str,
}

const TABLES: [Table; 6] = [
    Table {
        kind: "tenant",
        name: "tenants",
        columns: "tenant, active, created_at",
        values: "r->>'tenant', (r->>'active')::boolean, (r->>'created_at_us')::bigint",
    },
    Table {
        kind: "actor",
        name: "actors",
        columns: "tenant, actor_id, kind, name, active, canonical",
        values: "r->>'tenant', (r->>'actor_id')::uuid, r->>'actor_kind', r->>'name', (r->>'active')::boolean, \
                 (r->>'canonical')::boolean",
    },
    Table {
        kind: "charter",
        name: "charters",
        columns: "tenant, charter_id, schema_version, charter_version, content_md, content_hash, created_at, superseded_at",
        values: "r->>'tenant', (r->>'charter_id')::uuid, (r->>'schema_version')::integer, (r->>'charter_version')::integer, \
                 r->>'content_md', decode(r->>'content_hash', 'hex'), (r->>'created_at_us')::bigint, \
                 (r->>'superseded_at_us')::bigint",
    },
    Table {
        kind: "policy",
        name: "policies",
        columns: "tenant, path, value, updated_at",
        values: "r->>'tenant', r->>'path', r->>'value', (r->>'updated_at_us')::bigint",
    },
    Table {
        kind: "generation",
        name: "generations",
        columns: "tenant, generation, provider, plugin_version, plugin_digest, snapshot_hash, snapshot, event_id, created_at",
        values: "r->>'tenant', (r->>'generation')::bigint, r->>'provider', r->>'plugin_version', \
                 decode(r->>'plugin_digest', 'hex'), decode(r->>'snapshot_hash', 'hex'), r->>'snapshot', \
                 (r->>'event_id')::uuid, (r->>'created_at_us')::bigint",
    },
    Table {
        kind: "document",
        name: "documents",
        columns: "collection, tenant, id, revision, status, rank, due_at, body",
        values: "r->>'collection', r->>'tenant', r->>'id', (r->>'revision')::bigint, r->>'status', (r->>'rank')::bigint, \
                 (r->>'due_at_us')::bigint, r->>'body'",
    },
];

impl Table {
    fn insert(&self) -> String {
        let Self {
            kind,
            name,
            columns,
            values,
        } = self;
        format!(
            "INSERT INTO {name} ({columns}) SELECT {values} FROM (\
               SELECT line -> '{kind}' AS r, place FROM json_array_elements($1::text::json) WITH ORDINALITY AS lines (line, place)\
             ) AS given ORDER BY place"
        )
    }
}

/// Rows of one kind that were taken and not written yet.
#[derive(Default)]
pub(super) struct Waiting {
    kind: &'static str,
    rows: usize,
    bytes: usize,
    /// Lines, as one text of JSON that has no end yet.
    lines: String,
    events: Columns,
    values: Vec<ValueRow>,
}

impl Waiting {
    /// Whether it must be written before this row.
    pub(super) fn is_before(&self, row: &Row) -> bool {
        self.rows > 0 && (self.kind != row.kind().1 || self.rows >= MOST_ROWS || self.bytes >= MOST_BYTES)
    }

    /// Adds a row of the same kind.
    pub(super) fn push(&mut self, row: &Row, line: &[u8]) {
        self.kind = row.kind().1;
        self.rows += 1;
        self.bytes += line.len();
        match row {
            Row::Event(event) => self
                .events
                .push(&event.record(), &event.prev_hash, &event.this_hash),
            Row::Value(value) => self.values.push(value.clone()),
            // The events moved it.
            Row::Head(_) => {}
            Row::Tenant(_)
            | Row::Actor(_)
            | Row::Charter(_)
            | Row::Policy(_)
            | Row::Generation(_)
            | Row::Document(_) => {
                self.lines.push(if self.lines.is_empty() { '[' } else { ',' });
                // It is JSON, so it is UTF-8.
                self.lines.push_str(&String::from_utf8_lossy(line));
            }
        }
    }

    /// Writes all of it.
    pub(super) async fn write(
        self,
        client: &Client,
        statements: &Statements,
    ) -> Result<(), tokio_postgres::Error> {
        let Self {
            kind,
            mut lines,
            events,
            values,
            ..
        } = self;
        events.append(client, statements).await?;
        write_values(client, &values).await?;
        if let Some(table) = TABLES.iter().find(|table| table.kind == kind)
            && !lines.is_empty()
        {
            lines.push(']');
            client.execute(&table.insert(), &[&lines]).await?;
        }
        Ok(())
    }
}

async fn write_values(client: &Client, values: &[ValueRow]) -> Result<(), tokio_postgres::Error> {
    const INSERT: &str = "INSERT INTO plugin_values (plugin, tenant, key, value) \
                          SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[])";
    if values.is_empty() {
        return Ok(());
    }
    let plugins: Vec<&str> = values.iter().map(|value| value.plugin.as_str()).collect();
    let tenants: Vec<&str> = values.iter().map(|value| value.tenant.as_str()).collect();
    let keys: Vec<&[u8]> = values.iter().map(|value| value.key.as_bytes()).collect();
    let bytes: Vec<&[u8]> = values.iter().map(|value| value.value.as_slice()).collect();
    client
        .execute(INSERT, &[&plugins, &tenants, &keys, &bytes])
        .await
        .map(drop)
}
