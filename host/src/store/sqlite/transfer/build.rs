//! A file that is built of rows beside the store, and takes its place once it is whole.
//!
//! Nobody reads or writes it before, so it is written without a journal and synced once, at the end. All triggers of the schema look at
//! what is put, but for one: a document begins at revision 1, and one of a backup is at whichever it was. That trigger is taken away
//! while the file is built and put back from its own text; then the whole schema is held against the one that a new store has.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, params};

use super::{
    super::{
        open::{self, store_error},
        rows::event_columns,
        schema,
    },
    claim::Claim,
    rows,
};
use crate::{
    domain::Timestamp,
    engine::chain,
    store::{
        Document, StoreError, StorePlace,
        transfer::{
            ActorRow, CharterRow, DocumentRow, Each, EventRow, GenerationRow, PolicyRow, Row, Sink, Target,
            TenantRow, TransferError, ValueRow,
        },
    },
};

/// What is added to the store's name while the new one is built. What lies there is of a restore that was killed.
const BUILDING: &str = ".restoring";

/// The trigger that is taken away meanwhile.
const DOCUMENTS_TRIGGER: &str = "documents_begin_at_one";

/// The memory for pages, in KiB: the indexes of a large store are written to all over.
const CACHE_KIB: i64 = 64 * 1024;

/// A file that is to be a store.
pub(in crate::store) struct FileTarget {
    claim: Claim,
    building: PathBuf,
    now: Timestamp,
    build: Option<Build>,
    /// Whether what lies at `building` is this restore's own, and is not the store.
    is_left: bool,
}

struct Build {
    connection: Connection,
    /// The text of [`DOCUMENTS_TRIGGER`].
    trigger: String,
}

impl FileTarget {
    /// The place of the store at `path`, held from now on. What is there must hold nothing, unless it is to be replaced.
    pub(in crate::store) fn claim(path: &Path, replace: bool, now: Timestamp) -> Result<Self, TransferError> {
        let claim = Claim::take(path, now)?;
        if !replace {
            claim.expect_empty()?;
        }
        Ok(Self {
            building: claim.beside(BUILDING),
            claim,
            now,
            build: None,
            is_left: false,
        })
    }

    fn place(&self) -> StorePlace {
        StorePlace::Sqlite(self.claim.path().to_owned())
    }

    fn failed(&self, error: &rusqlite::Error) -> TransferError {
        TransferError::store(&self.place(), refusal(error))
    }

    fn connection(&self) -> Result<&Connection, TransferError> {
        let build = self.build.as_ref();
        build
            .map(|build| &build.connection)
            .ok_or_else(|| TransferError::store(&self.place(), StoreError::Closed))
    }

    /// The schema must be, word by word, the one of a new store.
    fn compare_schema(&self) -> Result<(), TransferError> {
        let built = self.connection()?;
        let fresh = || -> Result<_, StoreError> {
            let mut fresh = Connection::open_in_memory().map_err(|error| store_error(&error))?;
            schema::upgrade(&mut fresh, Path::new(""), 0, self.now)?;
            words(&fresh).map_err(|error| store_error(&error))
        };
        let expected = fresh().map_err(|cause| TransferError::store(&self.place(), cause))?;
        let found = words(built).map_err(|error| self.failed(&error))?;
        match expected.iter().find(|word| !found.contains(word)) {
            None if expected.len() == found.len() => Ok(()),
            missing => Err(TransferError::Differs {
                place: self.place().to_string(),
                cause: format!(
                    "its schema is not that of a new store: {}",
                    missing.map_or("something was added", |(name, _)| name)
                ),
            }),
        }
    }

    fn check_file(&self) -> Result<(), TransferError> {
        let answer: Result<String, _> = self
            .connection()?
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        match answer {
            Ok(answer) if answer == "ok" => Ok(()),
            Ok(fault) => Err(TransferError::Differs {
                place: self.place().to_string(),
                cause: fault,
            }),
            Err(error) => Err(self.failed(&error)),
        }
    }
}

impl Sink for FileTarget {
    fn put(&mut self, row: &Row, _line: &[u8]) -> Result<(), TransferError> {
        put(self.connection()?, row).map_err(|error| self.failed(&error))
    }
}

impl Target for FileTarget {
    fn begin(&mut self) -> Result<(), TransferError> {
        remove_left(&self.building)?;
        self.is_left = true;
        schema::create_private(&self.building).map_err(|cause| TransferError::file(&self.building, cause))?;
        let begun =
            begin(&self.building, self.now).map_err(|cause| TransferError::store(&self.place(), cause))?;
        self.build = Some(begun);
        Ok(())
    }

    fn end(&mut self, epoch: Option<&Document>) -> Result<(), TransferError> {
        const USAGE: &str = "INSERT INTO plugin_usage (plugin, tenant, bytes) \
                             SELECT plugin, tenant, sum(octet_length(key) + octet_length(value)) \
                             FROM plugin_values GROUP BY plugin, tenant";
        if let Some(build) = &self.build {
            let end = || {
                if let Some(epoch) = epoch {
                    put(&build.connection, &Row::Document(DocumentRow::from(epoch)))?;
                }
                build.connection.execute_batch(USAGE)?;
                build.connection.execute_batch(&build.trigger)?;
                build.connection.execute_batch("COMMIT")
            };
            end().map_err(|error| self.failed(&error))?;
        }
        self.compare_schema()?;
        self.check_file()
    }

    fn read_back(&mut self, each: Each<'_>) -> Result<(), TransferError> {
        rows::all(self.connection()?, &self.building, each)
    }

    fn keep(mut self: Box<Self>) -> Result<Option<String>, TransferError> {
        // Closed: nothing is written to it any more.
        drop(self.build.take());
        File::open(&self.building)
            .and_then(|file| file.sync_all())
            .map_err(|cause| TransferError::file(&self.building, cause))?;
        let aside = self.claim.put(&self.building, self.now)?;
        self.is_left = false;
        Ok(aside.map(|path| path.display().to_string()))
    }
}

impl Drop for FileTarget {
    fn drop(&mut self) {
        drop(self.build.take());
        if self.is_left {
            // The next restore would remove it; why there was none was said. If it took the place after all, nothing has this name.
            let _left = fs::remove_file(&self.building);
        }
    }
}

fn remove_left(building: &Path) -> Result<(), TransferError> {
    match fs::remove_file(building) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(TransferError::file(building, cause)),
        _ => Ok(()),
    }
}

fn begin(path: &Path, now: Timestamp) -> Result<Build, StoreError> {
    let failed = |error| store_error(&error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    open::harden(&connection).map_err(failed)?;
    let set = || {
        connection.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "temp_store", "MEMORY")
    };
    set().map_err(failed)?;
    schema::upgrade(&mut connection, path, 0, now)?;
    let trigger = || {
        let text = connection.query_row(
            "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1",
            [DOCUMENTS_TRIGGER],
            |row| row.get(0),
        )?;
        connection.execute_batch(&format!("BEGIN; DROP TRIGGER {DOCUMENTS_TRIGGER}"))?;
        Ok(text)
    };
    let trigger = trigger().map_err(failed)?;
    Ok(Build { connection, trigger })
}

/// The name and the text of all that a schema holds.
fn words(connection: &Connection) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let mut statement = connection.prepare("SELECT type || ' ' || name, sql FROM sqlite_schema")?;
    let words = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    words.collect()
}

/// What the database refuses is what the rows say: they cannot be of a sound store.
fn refusal(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation | rusqlite::ErrorCode::TypeMismatch) => {
            StoreError::Damaged(format!("the database refused a row: {error}"))
        }
        _ => store_error(error),
    }
}

fn put(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    match row {
        Row::Tenant(row) => put_tenant(connection, row),
        Row::Actor(row) => put_actor(connection, row),
        Row::Charter(row) => put_charter(connection, row),
        Row::Policy(row) => put_policy(connection, row),
        Row::Generation(row) => put_generation(connection, row),
        Row::Value(row) => put_value(connection, row),
        Row::Document(row) => put_document(connection, row),
        Row::Event(row) => put_event(connection, row),
        // The events moved it.
        Row::Head(_) => Ok(()),
    }
}

fn put_tenant(connection: &Connection, row: &TenantRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO tenants (tenant, active, created_at) VALUES (?1, ?2, ?3)")?
        .execute(params![row.tenant, row.active, row.created_at_us.as_micros()])?;
    connection
        .prepare_cached("INSERT INTO heads (tenant, seq, hash) VALUES (?1, 0, ?2)")?
        .execute(params![row.tenant, chain::genesis(&row.tenant).as_bytes()])?;
    Ok(())
}

fn put_actor(connection: &Connection, row: &ActorRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO actors (tenant, actor_id, kind, name, active, canonical) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            row.tenant,
            row.actor_id.as_bytes(),
            row.kind,
            row.name,
            row.active,
            row.canonical
        ])
        .map(drop)
}

fn put_charter(connection: &Connection, row: &CharterRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO charters (charter_id, tenant, schema_version, charter_version, content_md, content_hash, created_at, \
             superseded_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            row.charter_id.as_bytes(),
            row.tenant,
            row.schema_version,
            row.charter_version,
            row.content_md,
            row.content_hash.as_bytes(),
            row.created_at_us.as_micros(),
            row.superseded_at_us.map(Timestamp::as_micros),
        ])
        .map(drop)
}

fn put_policy(connection: &Connection, row: &PolicyRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO policies (tenant, path, value, updated_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            row.tenant,
            row.path,
            row.value,
            row.updated_at_us.as_micros()
        ])
        .map(drop)
}

fn put_generation(connection: &Connection, row: &GenerationRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO generations (tenant, generation, provider, plugin_version, plugin_digest, snapshot_hash, snapshot, \
             event_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            row.tenant,
            row.generation,
            row.provider,
            row.plugin_version,
            row.plugin_digest.as_ref().map(|digest| digest.as_bytes()),
            row.snapshot_hash.as_bytes(),
            row.snapshot,
            row.event_id.as_bytes(),
            row.created_at_us.as_micros(),
        ])
        .map(drop)
}

fn put_value(connection: &Connection, row: &ValueRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO plugin_values (plugin, tenant, key, value) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![row.plugin, row.tenant, row.key, row.value])
        .map(drop)
}

fn put_document(connection: &Connection, row: &DocumentRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO documents (collection, tenant, id, revision, status, rank, due_at, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            row.collection,
            row.tenant,
            row.id,
            row.revision,
            row.status,
            row.rank,
            row.due_at_us.map(Timestamp::as_micros),
            row.body,
        ])
        .map(drop)
}

fn put_event(connection: &Connection, row: &EventRow) -> rusqlite::Result<()> {
    const INSERT: &str = concat!(
        "INSERT INTO events (",
        event_columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
    );
    // No chain is so long; where one is, the number does not fit and the database says so.
    let integer = |number: u64| i64::try_from(number).unwrap_or(-1);
    connection
        .prepare_cached(INSERT)?
        .execute(params![
            row.tenant,
            integer(row.seq),
            row.event_id.as_bytes(),
            row.event_type,
            row.occurred_at_us.as_micros(),
            row.actor_kind,
            row.actor_id,
            row.source,
            row.identity_generation.map(integer),
            row.idempotency_key,
            row.payload,
            row.prev_hash.as_bytes(),
            row.this_hash.as_bytes(),
        ])
        .map(drop)
}
