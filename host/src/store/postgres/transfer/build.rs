//! A database that is filled with rows in one transaction: before its commit nobody sees anything of it, and without it nothing of it
//! ever was.
//!
//! A store that is to be replaced is not emptied, which its triggers refuse, but given another name: its schema becomes
//! `kora_before_…`, out of reach of the roles that hosts work as, and a new schema `kora` is made, all in the same transaction.
//!
//! All triggers look at what is put, but for one: a document begins at revision 1, and one of a backup is at whichever it was. That
//! trigger is switched off within the transaction and on again before its end, when all triggers of the schema must be on.

use tokio_postgres::Client;

use super::{failed, hold::DatabaseHold, put::Waiting, rows};
use crate::{
    domain::Timestamp,
    store::{
        Document, StoreError, StorePlace,
        postgres::{
            PostgresPlace,
            fault::{Fault, fault, store_error, words},
            rights, schema,
            statements::Statements,
        },
        transfer::{DocumentRow, Each, Row, Sink, Target, TransferError},
    },
};

const ROLES: &str = "kora_writer, kora_reader, kora_auditor";

/// A database that is to hold a store.
pub(in crate::store) struct DatabaseTarget {
    place: PostgresPlace,
    replace: bool,
    now: Timestamp,
    hold: DatabaseHold,
    /// From its begin on.
    statements: Option<Statements>,
    waiting: Waiting,
    aside: Option<String>,
}

impl DatabaseTarget {
    /// The database at `place`, from now on without hosts. What is there must hold nothing, unless it is to be replaced.
    pub(in crate::store) fn claim(
        place: &PostgresPlace,
        replace: bool,
        now: Timestamp,
    ) -> Result<Self, TransferError> {
        let hold = DatabaseHold::take(place)?;
        if !replace {
            let found = hold.runtime.block_on(found(&hold.session.client));
            refuse(place, found.map_err(|cause| failed(place, cause))?)?;
        }
        Ok(Self {
            place: place.clone(),
            replace,
            now,
            hold,
            statements: None,
            waiting: Waiting::default(),
            aside: None,
        })
    }

    fn failed(&self, cause: StoreError) -> TransferError {
        failed(&self.place, cause)
    }

    fn refused(&self, error: &tokio_postgres::Error) -> TransferError {
        self.failed(match fault(error) {
            Fault::Values => StoreError::Damaged(format!("the database refused a row: {}", words(error))),
            _ => store_error(error),
        })
    }

    fn flush(&mut self) -> Result<(), TransferError> {
        let waiting = std::mem::take(&mut self.waiting);
        let Some(statements) = &self.statements else {
            return Err(self.failed(StoreError::Closed));
        };
        let written = self
            .hold
            .runtime
            .block_on(waiting.write(&self.hold.session.client, statements));
        written.map_err(|error| self.refused(&error))
    }

    fn differs(&self, cause: String) -> TransferError {
        TransferError::Differs {
            place: StorePlace::Postgres(self.place.clone()).to_string(),
            cause,
        }
    }
}

impl Sink for DatabaseTarget {
    fn put(&mut self, row: &Row, line: &[u8]) -> Result<(), TransferError> {
        if self.waiting.is_before(row) {
            self.flush()?;
        }
        self.waiting.push(row, line);
        Ok(())
    }
}

impl Target for DatabaseTarget {
    fn begin(&mut self) -> Result<(), TransferError> {
        let Self {
            hold, replace, now, ..
        } = self;
        let begun = hold.runtime.block_on(async {
            schema::bring_up_to_date(&mut hold.session.client).await?;
            begin(&hold.session.client, *replace, *now).await
        });
        match begun {
            Ok(Begun::Ready { statements, aside }) => {
                self.statements = Some(statements);
                self.aside = aside;
                Ok(())
            }
            Ok(Begun::Occupied(holds)) => refuse(&self.place, Some(holds)),
            Err(cause) => Err(self.failed(cause)),
        }
    }

    fn end(&mut self, epoch: Option<&Document>) -> Result<(), TransferError> {
        if let Some(epoch) = epoch {
            let row = Row::Document(DocumentRow::from(epoch));
            let line = serde_json::to_vec(&row).map_err(|error| self.differs(error.to_string()))?;
            self.put(&row, &line)?;
        }
        self.flush()?;
        let ended = self.hold.runtime.block_on(end(&self.hold.session.client));
        match ended {
            Ok(None) => Ok(()),
            Ok(Some(fault)) => Err(self.differs(fault)),
            Err(cause) => Err(self.failed(cause)),
        }
    }

    fn read_back(&mut self, each: Each<'_>) -> Result<(), TransferError> {
        let client = &self.hold.session.client;
        self.hold.runtime.block_on(rows::all(client, &self.place, each))
    }

    fn keep(self: Box<Self>) -> Result<Option<String>, TransferError> {
        let client = &self.hold.session.client;
        let committed = self.hold.runtime.block_on(client.batch_execute("COMMIT"));
        committed.map_err(|error| match fault(&error) {
            Fault::Lost => TransferError::InDoubt {
                place: StorePlace::Postgres(self.place.clone()).to_string(),
                cause: words(&error),
            },
            _ => self.failed(store_error(&error)),
        })?;
        Ok(self.aside)
    }
}

fn refuse(place: &PostgresPlace, found: Option<String>) -> Result<(), TransferError> {
    match found {
        None => Ok(()),
        Some(holds) => Err(TransferError::NotEmpty {
            place: StorePlace::Postgres(place.clone()).to_string(),
            holds,
        }),
    }
}

enum Begun {
    Ready {
        statements: Statements,
        aside: Option<String>,
    },
    Occupied(String),
}

/// Begins the transaction.
async fn begin(client: &Client, replace: bool, now: Timestamp) -> Result<Begun, StoreError> {
    let failed = |error| store_error(&error);
    let begin = "SET search_path = kora, pg_temp; BEGIN";
    client.batch_execute(begin).await.map_err(failed)?;
    let aside = match found(client).await? {
        None => None,
        Some(holds) if !replace => return Ok(Begun::Occupied(holds)),
        Some(_) => Some(set_aside(client, now).await?),
    };
    let switch_off = "ALTER TABLE documents DISABLE TRIGGER documents_count_on";
    client
        .batch_execute(switch_off)
        .await
        .map_err(|error| not_owner(&error))?;
    let statements = Box::pin(Statements::prepare(client)).await.map_err(failed)?;
    Ok(Begun::Ready { statements, aside })
}

/// Gives the schema another name, which is answered, and makes an empty one.
async fn set_aside(client: &Client, now: Timestamp) -> Result<String, StoreError> {
    let aside = format!("kora_before_{}", now.as_micros());
    let rename = format!(
        "ALTER SCHEMA kora RENAME TO {aside}; REVOKE USAGE ON SCHEMA {aside} FROM {ROLES}; CREATE SCHEMA kora"
    );
    client
        .batch_execute(&rename)
        .await
        .map_err(|error| not_owner(&error))?;
    schema::make_within_transaction(client, &aside).await?;
    Ok(format!("the schema `{aside}` of the same database"))
}

/// What the schema holds; nothing if there is none or an empty one.
async fn found(client: &Client) -> Result<Option<String>, StoreError> {
    if schema::version(client).await? == 0 {
        return Ok(None);
    }
    let failed = |error| store_error(&error);
    let events = "SELECT coalesce(sum(seq), 0)::int8 FROM kora.heads";
    let events: i64 = client.query_one(events, &[]).await.map_err(failed)?.get(0);
    let mut tenants: i64 = 0;
    if rows::has_table(client, "tenants").await? {
        let count = "SELECT count(*) FROM kora.tenants";
        tenants = client.query_one(count, &[]).await.map_err(failed)?.get(0);
    }
    Ok((events > 0 || tenants > 0).then(|| format!("{events} events, {tenants} tenants")))
}

/// Counts what plugins' values take, switches the trigger on again, and looks whether all are. Answers what is wrong, in words.
async fn end(client: &Client) -> Result<Option<String>, StoreError> {
    const END: &str = "INSERT INTO plugin_usage (plugin, tenant, bytes) \
                       SELECT plugin, tenant, sum(octet_length(key) + octet_length(value)) \
                       FROM plugin_values GROUP BY plugin, tenant; \
                       ALTER TABLE documents ENABLE TRIGGER documents_count_on";
    const SWITCHED_OFF: &str = "SELECT tgname::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid \
                                WHERE relnamespace = 'kora'::regnamespace AND tgenabled <> 'O'";
    let failed = |error| store_error(&error);
    client.batch_execute(END).await.map_err(failed)?;
    let off = client.query_opt(SWITCHED_OFF, &[]).await.map_err(failed)?;
    if let Some(off) = off {
        return Ok(Some(format!(
            "the trigger `{}` is switched off",
            off.get::<_, &str>(0)
        )));
    }
    rights::first_missing_guard(client).await
}

fn not_owner(error: &tokio_postgres::Error) -> StoreError {
    StoreError::Unavailable(format!(
        "{}: a store is put in place by the role that owns the schema `kora`, and may make schemas in the database",
        words(error)
    ))
}
