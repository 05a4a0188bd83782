//! The statements of the writer, prepared once for each connection.

use tokio_postgres::{Client, Error, Statement};

use super::rows::event_columns;

/// How the server is to plan what the host asks, said once for each connection that appends or answers callers.
///
/// A statement that was prepared while a table was small keeps its plan until the server counts the table again, which may be minutes
/// and thousands of events later: it would read the whole log for each group. Whatever is asked here has an index, so the server
/// may be told to take it. Nor is any of it worth compiling.
pub(super) const PLANNING: &str = "SET enable_seqscan = off; SET jit = off";

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        pub(super) struct Statements {
            $($(#[$doc])* pub(super) $name: Statement,)*
        }

        impl Statements {
            pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
                let ($($name,)*) = tokio::try_join!(biased; $(client.prepare($sql)),*)?;
                Ok(Self { $($name),* })
            }
        }
    };
}

statements! {
    lock_heads = "SELECT tenant, seq, hash FROM lock_heads($1)";
    append = "SELECT append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    by_ids = concat!("SELECT ", event_columns!(), " FROM events WHERE event_id = ANY ($1)");
    by_keys = concat!(
        "SELECT ", event_columns!(), " FROM events JOIN unnest($1::text[], $2::bytea[]) AS wanted (of, key) \
         ON tenant = wanted.of AND idempotency_key = wanted.key"
    );

    has_chain = "SELECT FROM heads WHERE tenant = $1";
    add_tenant = "INSERT INTO tenants (tenant, active, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    taken_by = "SELECT tenant FROM tenants WHERE lower(tenant) = lower($1::text)";
    add_actor = "INSERT INTO actors (tenant, actor_id, kind, name, active, canonical) VALUES ($1, $2, $3, $4, $5, $6)";
    add_charter = "INSERT INTO charters (charter_id, tenant, schema_version, charter_version, content_md, content_hash, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
    add_policies = "INSERT INTO policies (tenant, path, value, updated_at) SELECT $1, path, value, $4 \
                    FROM unnest($2::text[], $3::text[]) AS policy (path, value)";
    set_active = "UPDATE tenants SET active = $2 WHERE tenant = $1";

    newest_generation = "SELECT coalesce(max(generation), 0) FROM generations WHERE tenant = $1";
    add_generation = "INSERT INTO generations (tenant, generation, provider, plugin_version, plugin_digest, snapshot_hash, snapshot, \
                      event_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";

    /// Locks the scope, so that its bytes are counted by one at a time.
    lock_usage = "INSERT INTO plugin_usage (plugin, tenant, bytes) VALUES ($1, $2, 0) \
                  ON CONFLICT (plugin, tenant) DO UPDATE SET bytes = plugin_usage.bytes RETURNING bytes";
    set_usage = "UPDATE plugin_usage SET bytes = $3 WHERE plugin = $1 AND tenant = $2";
    size_of_value = "SELECT (octet_length(key) + octet_length(value))::int8 FROM plugin_values \
                     WHERE plugin = $1 AND tenant = $2 AND key = $3";
    put_value = "INSERT INTO plugin_values (plugin, tenant, key, value) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (plugin, tenant, key) DO UPDATE SET value = excluded.value";
    delete_value = "DELETE FROM plugin_values WHERE plugin = $1 AND tenant = $2 AND key = $3";

    revision = "SELECT revision FROM documents WHERE collection = $1 AND tenant = $2 AND id = $3";
    add_document = "INSERT INTO documents (collection, tenant, id, revision, status, rank, due_at, body) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    change_document = "UPDATE documents SET revision = $4, status = $5, rank = $6, due_at = $7, body = $8 \
                       WHERE collection = $1 AND tenant = $2 AND id = $3 AND revision = $4::int8 - 1";
}
