//! Events in their places, column by column, as one statement takes them.

use tokio_postgres::{Client, types::ToSql};
use uuid::Uuid;

use super::super::{rows::position, statements::Statements};
use crate::{domain::Hash, engine::chain::Record};

/// What one call of the append function takes, in its order.
#[derive(Default)]
pub(in super::super) struct Columns {
    tenants: Vec<String>,
    seqs: Vec<i64>,
    event_ids: Vec<Uuid>,
    event_types: Vec<String>,
    occurred_ats: Vec<i64>,
    actor_kinds: Vec<Option<String>>,
    actor_ids: Vec<Option<String>>,
    sources: Vec<String>,
    generations: Vec<Option<i64>>,
    keys: Vec<Option<Vec<u8>>>,
    payloads: Vec<String>,
    prev_hashes: Vec<Vec<u8>>,
    this_hashes: Vec<Vec<u8>>,
}

macro_rules! each_column {
    ($columns:expr, |$column:ident| $does:expr) => {{
        // Without `..`: a column that is added must be treated like the others.
        let Columns {
            tenants,
            seqs,
            event_ids,
            event_types,
            occurred_ats,
            actor_kinds,
            actor_ids,
            sources,
            generations,
            keys,
            payloads,
            prev_hashes,
            this_hashes,
        } = $columns;
        each_column!(@each |$column| $does;
            tenants seqs event_ids event_types occurred_ats actor_kinds actor_ids sources generations keys payloads prev_hashes
            this_hashes)
    }};
    (@each |$column:ident| $does:expr; $($name:ident)*) => {
        [$({ let $column = $name; $does }),*]
    };
}

impl Columns {
    pub(super) fn len(&self) -> usize {
        self.seqs.len()
    }

    /// Adds a record behind the others.
    pub(in super::super) fn push(&mut self, record: &Record<'_>, prev_hash: &Hash, this_hash: &Hash) {
        let text = |text: &str| text.to_owned();
        self.tenants.push(text(record.tenant));
        self.seqs.push(position(record.seq));
        self.event_ids.push(Uuid::from_bytes(*record.event_id));
        self.event_types.push(text(record.event_type));
        self.occurred_ats.push(record.occurred_at);
        self.actor_kinds.push(record.actor_kind.map(text));
        self.actor_ids.push(record.actor_id.map(text));
        self.sources.push(text(record.source));
        self.generations.push(record.identity_generation.map(position));
        self.keys
            .push(record.idempotency_key.map(|key| key.as_bytes().to_vec()));
        self.payloads.push(text(record.payload));
        self.prev_hashes.push(prev_hash.as_bytes().to_vec());
        self.this_hashes.push(this_hash.as_bytes().to_vec());
    }

    /// Forgets all but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        each_column!(self, |column| column.truncate(len));
    }

    /// Appends all of it. Nothing is said to the server if there is nothing.
    pub(in super::super) async fn append(
        self,
        client: &Client,
        statements: &Statements,
    ) -> Result<(), tokio_postgres::Error> {
        if self.len() == 0 {
            return Ok(());
        }
        let parameters = each_column!(&self, |column| column as &(dyn ToSql + Sync));
        client.execute(&statements.append, &parameters).await.map(drop)
    }
}
