//! What is read for callers: events, heads, tenants, identity generations, plugins' values, documents.

mod events;

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::ToSql;
use uuid::Uuid;

pub(super) use self::events::events;
use super::{
    pool::{Readers, Sight},
    rows::{self, event_columns, position},
};
use crate::{
    domain::{Event, EventId, Generation, TenantId, TenantRecord, Timestamp},
    store::{
        Collection, Document, DocumentFilter, DocumentKey, DocumentOrder, GenerationRecord, Head, KvScope,
        StoreError,
    },
};

type Read<T> = Result<T, StoreError>;

/// A query and its parameters, which keep their places.
struct Query {
    text: String,
    parameters: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Query {
    fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            parameters: Vec::new(),
        }
    }

    /// Adds text in which `?` stands for `value`.
    fn with(mut self, text: &str, value: impl ToSql + Sync + Send + 'static) -> Self {
        self.parameters.push(Box::new(value));
        self.text += &text.replace('?', &format!("${}", self.parameters.len()));
        self
    }

    fn then(mut self, text: &str) -> Self {
        self.text += text;
        self
    }

    async fn rows(&self, readers: &Readers, sight: Sight<'_>) -> Read<Vec<tokio_postgres::Row>> {
        let parameters: Vec<_> = self
            .parameters
            .iter()
            .map(|value| &**value as &(dyn ToSql + Sync))
            .collect();
        readers.rows(sight, &self.text, &parameters).await
    }
}

/// One event.
pub(super) async fn event(readers: &Readers, id: EventId) -> Read<Option<Event>> {
    const QUERY: &str = concat!("SELECT ", event_columns!(), " FROM events WHERE event_id = $1");
    let found = readers
        .row(Sight::All, QUERY, &[&Uuid::from_bytes(*id.as_bytes())])
        .await?;
    found.as_ref().map(rows::event).transpose()
}

/// Where each chain that has records ends.
pub(super) async fn heads(readers: &Readers) -> Read<Vec<Head>> {
    const QUERY: &str = "SELECT tenant, seq, hash FROM heads WHERE seq > 0 ORDER BY tenant";
    readers
        .rows(Sight::All, QUERY, &[])
        .await?
        .iter()
        .map(rows::head)
        .collect()
}

/// Every tenant with its actors, sorted by id.
pub(super) async fn tenants(readers: &Readers) -> Read<Vec<TenantRecord>> {
    const TENANTS: &str = "SELECT tenant, active, created_at FROM tenants";
    const ACTORS: &str = "SELECT tenant, actor_id, kind, name, active, canonical FROM actors ORDER BY place";
    // In this order: actors are never there before their tenant, and those of a tenant that came in between are left out.
    let bare = readers.rows(Sight::All, TENANTS, &[]).await?;
    let actors = readers.rows(Sight::All, ACTORS, &[]).await?;
    let mut tenants = BTreeMap::new();
    for row in &bare {
        let (tenant, active, created_at) = rows::bare_tenant(row)?;
        let record = TenantRecord {
            tenant: tenant.clone(),
            active,
            created_at,
            actors: Vec::new(),
        };
        tenants.insert(tenant, record);
    }
    for row in &actors {
        let (tenant, actor) = rows::actor(row)?;
        if let Some(record) = tenants.get_mut(&tenant) {
            record.actors.push(actor);
        }
    }
    Ok(tenants.into_values().collect())
}

/// The newest identity generations of a tenant, newest first.
pub(super) async fn generations(
    readers: &Readers,
    tenant: &TenantId,
    limit: u32,
) -> Read<Vec<GenerationRecord>> {
    let query = format!(
        "SELECT {} FROM generations WHERE tenant = $1 ORDER BY generation DESC LIMIT $2",
        rows::GENERATION_COLUMNS
    );
    let found = readers
        .rows(Sight::Of(tenant), &query, &[&tenant.as_str(), &i64::from(limit)])
        .await?;
    found.iter().map(rows::generation).collect()
}

/// One identity generation of a tenant.
pub(super) async fn generation(
    readers: &Readers,
    tenant: &TenantId,
    generation: Generation,
) -> Read<Option<GenerationRecord>> {
    let query = format!(
        "SELECT {} FROM generations WHERE tenant = $1 AND generation = $2",
        rows::GENERATION_COLUMNS
    );
    let found = readers
        .row(
            Sight::Of(tenant),
            &query,
            &[&tenant.as_str(), &position(generation)],
        )
        .await?;
    found.as_ref().map(rows::generation).transpose()
}

/// A plugin's value.
pub(super) async fn kv_get(readers: &Readers, scope: &KvScope, key: &str) -> Read<Option<Vec<u8>>> {
    const QUERY: &str = "SELECT value FROM plugin_values WHERE plugin = $1 AND tenant = $2 AND key = $3";
    let (tenant, key) = (scope.tenant.as_str(), key.as_bytes());
    let found = readers
        .row(Sight::Of(&scope.tenant), QUERY, &[&scope.plugin, &tenant, &key])
        .await?;
    Ok(found.map(|row| row.get(0)))
}

/// The keys that begin with `prefix`, sorted, and the bytes that all of the scope takes.
pub(super) async fn kv_list(readers: &Readers, scope: &KvScope, prefix: &str) -> Read<(Vec<String>, u64)> {
    // The bytes come with each key, or without any: one query is one moment.
    const QUERY: &str = "SELECT key, coalesce(bytes, 0) FROM (SELECT) AS one \
         LEFT JOIN plugin_usage ON plugin_usage.plugin = $1 AND plugin_usage.tenant = $2 \
         LEFT JOIN plugin_values ON plugin_values.plugin = $1 AND plugin_values.tenant = $2 \
                   AND key >= $3 AND substring(key FOR octet_length($3::bytea)) = $3 \
         ORDER BY key";
    let (tenant, prefix) = (scope.tenant.as_str(), prefix.as_bytes());
    let found = readers
        .rows(
            Sight::Of(&scope.tenant),
            QUERY,
            &[&scope.plugin, &tenant, &prefix],
        )
        .await?;
    let bytes = found.first().map_or(Ok(0), |row| rows::count(row, 1))?;
    let keys = found
        .iter()
        .filter(|row| row.get::<_, Option<&[u8]>>(0).is_some());
    Ok((keys.map(rows::value_key).collect::<Read<_>>()?, bytes))
}

/// One document.
pub(super) async fn document(readers: &Readers, key: &DocumentKey) -> Read<Option<Document>> {
    let query = format!(
        "SELECT {} FROM documents WHERE collection = $1 AND tenant = $2 AND id = $3",
        rows::DOCUMENT_COLUMNS
    );
    let place: [&(dyn ToSql + Sync); 3] = [&key.collection.as_str(), &key.tenant.as_str(), &key.id];
    let found = readers.row(Sight::Of(&key.tenant), &query, &place).await?;
    found.as_ref().map(rows::document).transpose()
}

/// Whose documents are of one of these statuses. The index on them answers it alone.
pub(super) async fn owners(
    readers: &Readers,
    collection: Collection,
    statuses: &[&str],
) -> Read<BTreeSet<TenantId>> {
    const QUERY: &str = "SELECT DISTINCT tenant FROM documents WHERE collection = $1 AND status = ANY ($2)";
    let values: [&(dyn ToSql + Sync); 2] = [&collection.as_str(), &statuses];
    let found = readers.rows(Sight::All, QUERY, &values).await?;
    found.iter().map(rows::owner).collect()
}

/// Documents that pass the filter.
pub(super) async fn documents(readers: &Readers, filter: &DocumentFilter) -> Read<Vec<Document>> {
    let mut query = Query::new(&format!("SELECT {} FROM documents", rows::DOCUMENT_COLUMNS))
        .with(" WHERE collection = ?", filter.collection.as_str());
    if let Some(tenant) = &filter.tenant {
        query = query.with(" AND tenant = ?", tenant.as_str().to_owned());
    }
    if !filter.statuses.is_empty() {
        query = query.with(" AND status = ANY (?)", filter.statuses.clone());
    }
    if let Some(due_by) = filter.due_by.map(Timestamp::as_micros) {
        query = query.with(" AND (due_at IS NULL OR due_at <= ?)", due_by);
    }
    if let Some(before) = &filter.before_id {
        query = query.with(" AND id < ?", before.clone());
    }
    if let Some((rank, id)) = &filter.after_rank {
        query = query.with(" AND (rank, id) > (?", *rank).with(", ?)", id.clone());
    }
    let query = query.then(match filter.order {
        DocumentOrder::NewestFirst => " ORDER BY id DESC",
        DocumentOrder::Ranked => " ORDER BY rank, id",
    });
    let query = query.with(" LIMIT ?", i64::from(filter.limit));
    let (query, sight) = match (&filter.tenant, filter.skip_locked) {
        (_, true) => (query.then(" FOR UPDATE SKIP LOCKED"), Sight::Locking),
        (Some(tenant), false) => (query, Sight::Of(tenant)),
        (None, false) => (query, Sight::All),
    };
    query
        .rows(readers, sight)
        .await?
        .iter()
        .map(rows::document)
        .collect()
}
