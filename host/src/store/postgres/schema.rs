//! The schema `kora` of the database: which version it has, making it and bringing it up to date, and the roles that use it.

use refinery::Report;
use tokio_postgres::Client;

use super::fault::{store_error, words};
use crate::store::StoreError;

mod embedded {
    refinery::embed_migrations!("src/store/postgres/migrations");
}

/// Hosts that start at once migrate one after another. The bytes of `kora`, as the key of a lock in the database.
const MIGRATION_LOCK: i64 = 0x6b6f_7261;

/// The roles that work with the schema, none of which can log in.
const ROLES: [&str; 3] = ["kora_writer", "kora_reader", "kora_auditor"];

/// The version that this release writes.
pub(in crate::store) fn known_version() -> u32 {
    let versions = embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max();
    versions
        .and_then(|version| u32::try_from(version).ok())
        .unwrap_or(0)
}

/// The version that the database has; 0 if there is no store in it.
///
/// # Errors
/// [`StoreError::SchemaTooNew`] if a later release wrote it, others if it cannot be read.
pub(super) async fn version(client: &Client) -> Result<u32, StoreError> {
    let failed = |error| store_error(&error);
    let there = client
        .query_one(
            "SELECT to_regclass('kora.refinery_schema_history') IS NOT NULL",
            &[],
        )
        .await
        .map_err(failed)?;
    if !there.get::<_, bool>(0) {
        return Ok(0);
    }
    let newest = client
        .query_one(
            "SELECT coalesce(max(version), 0)::int8 FROM kora.refinery_schema_history",
            &[],
        )
        .await
        .map_err(failed)?;
    let (found, known) = (
        u32::try_from(newest.get::<_, i64>(0)).unwrap_or(u32::MAX),
        known_version(),
    );
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    Ok(found)
}

/// Makes the schema or brings it up to date, as the role that the client logged in as; that role owns what is made.
/// Nothing is done if it is up to date: the role need not be the owner then.
///
/// # Errors
/// If the database is not of UTF-8, the role may not, or as [`version`].
pub(super) async fn bring_up_to_date(client: &mut Client) -> Result<(), StoreError> {
    let failed = |error| store_error(&error);
    let encoding = client
        .query_one("SHOW server_encoding", &[])
        .await
        .map_err(failed)?;
    if encoding.get::<_, &str>(0) != "UTF8" {
        let found: String = encoding.get(0);
        return Err(StoreError::Unavailable(format!(
            "expected a database with the encoding UTF8, found {found}: make one with `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE \
             template0`"
        )));
    }
    let found = version(client).await?;
    if found == known_version() {
        return Ok(());
    }
    // Given back when the connection ends.
    client
        .execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK])
        .await
        .map_err(failed)?;
    // Another host may have been quicker.
    if version(client).await? == known_version() {
        return Ok(());
    }
    ensure_roles(client).await?;
    let made = "CREATE SCHEMA IF NOT EXISTS kora; SET search_path = kora, pg_temp";
    client
        .batch_execute(made)
        .await
        .map_err(|error| not_allowed(found, &words(&error)))?;
    let report: Report = embedded::migrations::runner()
        .set_grouped(true)
        .run_async(client)
        .await
        .map_err(|error| not_allowed(found, &error.to_string()))?;
    let grant = "GRANT SELECT ON kora.refinery_schema_history TO kora_writer, kora_reader, kora_auditor";
    client.batch_execute(grant).await.map_err(failed)?;
    let applied = report.applied_migrations().len();
    tracing::info!(from = found, applied, "the store's schema is up to date");
    Ok(())
}

/// Makes the schema `kora`, which is there and empty, within the transaction of `client`. The history of its migrations is that of
/// `like`, a schema of the known version.
///
/// # Errors
/// If the database refuses.
pub(super) async fn make_within_transaction(client: &Client, like: &str) -> Result<(), StoreError> {
    let failed = |error| store_error(&error);
    let runner = embedded::migrations::runner();
    let mut migrations: Vec<_> = runner.get_migrations().iter().collect();
    migrations.sort_by_key(|migration| migration.version());
    for sql in migrations.into_iter().filter_map(|migration| migration.sql()) {
        client.batch_execute(sql).await.map_err(failed)?;
    }
    let history = format!(
        "CREATE TABLE kora.refinery_schema_history (LIKE {like}.refinery_schema_history INCLUDING ALL); \
         INSERT INTO kora.refinery_schema_history SELECT * FROM {like}.refinery_schema_history; \
         GRANT SELECT ON kora.refinery_schema_history TO kora_writer, kora_reader, kora_auditor"
    );
    client.batch_execute(&history).await.map_err(failed)
}

fn not_allowed(found: u32, cause: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "cannot bring the schema from version {found} to {}: {cause}. Start a host once as the role that owns the schema",
        known_version()
    ))
}

/// Makes the roles that are missing, and lets the one that is logged in step down to each of them.
async fn ensure_roles(client: &Client) -> Result<(), StoreError> {
    for role in ROLES {
        // Another database of the same server may make them at the same time.
        let make = format!(
            "DO $$ BEGIN \
               IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; END IF; \
               IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN EXECUTE format('GRANT {role} TO %I', current_user); END IF; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        client.batch_execute(&make).await.map_err(|error| {
            StoreError::Unavailable(format!(
                "cannot make the role `{role}`, or become a member of it: {}. As a superuser: `CREATE ROLE {role} NOLOGIN; GRANT {role} \
                 TO` the role that the host logs in as",
                words(&error)
            ))
        })?;
    }
    Ok(())
}
