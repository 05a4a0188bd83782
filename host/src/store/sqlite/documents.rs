//! Documents: kept by compare-and-set on their revision, found by status, rank and time.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};

use super::{
    append::{BatchError, integer},
    change,
    open::store_error,
    rows,
};
use crate::{
    domain::{TenantId, Timestamp},
    store::{Collection, CommitError, Document, DocumentFilter, DocumentKey, DocumentOrder, StoreError},
};

const COLUMNS: &str = "collection, tenant, id, revision, status, rank, due_at, body";

pub(super) fn put(connection: &Connection, document: &Document) -> Result<(), BatchError> {
    let key = &document.key;
    change::require_tenant(connection, &key.tenant)?;
    let found = connection
        .prepare_cached("SELECT revision FROM documents WHERE collection = ?1 AND tenant = ?2 AND id = ?3")?
        .query_row(
            params![key.collection.as_str(), key.tenant.as_str(), key.id],
            |row| rows::unsigned(row, 0),
        )
        .optional()?
        .unwrap_or(0);
    let expected = document.revision.saturating_sub(1);
    if found != expected || document.revision == 0 {
        return Err(CommitError::RevisionConflict {
            collection: key.collection,
            id: key.id.clone(),
            expected,
            found,
        }
        .into());
    }
    let query = if found == 0 {
        "INSERT INTO documents (revision, status, rank, due_at, body, collection, tenant, id) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
    } else {
        "UPDATE documents SET revision = ?1, status = ?2, rank = ?3, due_at = ?4, body = ?5 \
         WHERE collection = ?6 AND tenant = ?7 AND id = ?8"
    };
    connection.prepare_cached(query)?.execute(params![
        integer(document.revision)?,
        document.status,
        document.rank,
        document.due_at.map(Timestamp::as_micros),
        document.body,
        key.collection.as_str(),
        key.tenant.as_str(),
        key.id,
    ])?;
    Ok(())
}

pub(super) fn one(connection: &Connection, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM documents WHERE collection = ?1 AND tenant = ?2 AND id = ?3"
        ))
        .and_then(|mut statement| {
            let place = params![key.collection.as_str(), key.tenant.as_str(), key.id];
            statement.query_row(place, document).optional()
        })
        .map_err(|error| store_error(&error))
}

pub(super) fn many(connection: &Connection, filter: &DocumentFilter) -> Result<Vec<Document>, StoreError> {
    let (query, values) = query(filter);
    connection
        .prepare_cached(&query)
        .and_then(|mut statement| {
            let found = statement.query_map(params_from_iter(values), document)?;
            found.collect()
        })
        .map_err(|error| store_error(&error))
}

pub(super) fn owners(
    connection: &Connection,
    collection: Collection,
    statuses: &[&str],
) -> Result<BTreeSet<TenantId>, StoreError> {
    let query = owners_query(statuses.len());
    let values = std::iter::once(collection.as_str()).chain(statuses.iter().copied());
    connection
        .prepare_cached(&query)
        .and_then(|mut statement| {
            let found = statement.query_map(params_from_iter(values), |row| rows::tenant_of(row, 1))?;
            found.collect()
        })
        .map_err(|error| store_error(&error))
}

/// With the status in the answer, SQLite takes the index that has both, and not the one that is in the order of tenants: that would be to read
/// all documents there ever were.
fn owners_query(statuses: usize) -> String {
    let places = vec!["?"; statuses].join(", ");
    format!("SELECT DISTINCT status, tenant FROM documents WHERE collection = ? AND status IN ({places})")
}

fn query(filter: &DocumentFilter) -> (String, Vec<Value>) {
    let mut query = format!("SELECT {COLUMNS} FROM documents WHERE collection = ?");
    let mut values = vec![Value::from(filter.collection.as_str().to_owned())];
    if let Some(tenant) = &filter.tenant {
        query += " AND tenant = ?";
        values.push(tenant.as_str().to_owned().into());
    }
    if !filter.statuses.is_empty() {
        let places = vec!["?"; filter.statuses.len()].join(", ");
        query += &format!(" AND status IN ({places})");
        values.extend(filter.statuses.iter().cloned().map(Value::from));
    }
    if let Some(due_by) = filter.due_by {
        query += " AND (due_at IS NULL OR due_at <= ?)";
        values.push(due_by.as_micros().into());
    }
    if let Some(before) = &filter.before_id {
        query += " AND id < ?";
        values.push(before.clone().into());
    }
    if let Some((rank, id)) = &filter.after_rank {
        query += " AND (rank, id) > (?, ?)";
        values.extend([Value::from(*rank), Value::from(id.clone())]);
    }
    // `skip_locked` needs nothing here: one host holds the file, and its one writer commits before anybody reads.
    query += match filter.order {
        DocumentOrder::NewestFirst => " ORDER BY id DESC LIMIT ?",
        DocumentOrder::Ranked => " ORDER BY rank, id LIMIT ?",
    };
    values.push(i64::from(filter.limit).into());
    (query, values)
}

fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        key: DocumentKey {
            collection: rows::parsed(row, 0)?,
            tenant: rows::tenant_of(row, 1)?,
            id: row.get(2)?,
        },
        revision: rows::unsigned(row, 3)?,
        status: row.get(4)?,
        rank: row.get(5)?,
        due_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_micros),
        body: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema;

    #[test]
    fn whose_documents_are_of_a_status_is_found_without_reading_the_others() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate_only_to(&mut connection, 5);
        let plan = format!("EXPLAIN QUERY PLAN {}", owners_query(2));
        let step: String = connection
            .query_row(&plan, params!["tickets", "claimed", "in_progress"], |row| {
                row.get(3)
            })
            .unwrap();
        assert!(
            step.contains("COVERING INDEX documents_status (collection=? AND status=?)"),
            "{step}"
        );
    }
}
