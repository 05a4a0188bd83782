//! What the database lets the host do and what not.
//!
//! ```text
//!   BEGIN, an append ─▶ must work      a change, a deletion ─▶ must be refused      ROLLBACK
//!   BEGIN, as much as the largest events take, gone again      COMMIT ─▶ must be answered: it is on the disk
//! ```
//!
//! The first alone would not show a server that takes everything and keeps nothing: most of what keeps one from committing, such as a full
//! disk or a standby that never answers, shows at the commit.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, Error, error::SqlState};

use super::{
    append,
    fault::{Fault, fault, store_error, words},
    statements::Statements,
    tls::Tls,
};
use crate::{
    domain::{Actor, EventId, NewEvent, Payload, TenantId, Timestamp},
    store::{Batch, ROOM_BYTES, StoreError},
};

/// How long a commit may take: less than an attempt of the boot gate, so that it is said what did not answer.
pub(super) const COMMIT_WITHIN: Duration = Duration::from_secs(7);
/// How long the server may take to hear that nobody waits for it any more.
const CANCEL_WITHIN: Duration = Duration::from_secs(1);

const TAKES_NO_CHANGES: &str = "the database takes no changes; switch off `default_transaction_read_only` for it, its role and the server";

/// The triggers that keep events as they were written, for the owner too.
const GUARDS: [&str; 3] = [
    "events_are_never_changed",
    "events_are_never_deleted",
    "events_continue_their_chain",
];

/// The first of the triggers that is not there or is switched off, in words.
pub(super) async fn first_missing_guard(client: &Client) -> Result<Option<String>, StoreError> {
    let look = "SELECT tgname::text FROM pg_trigger WHERE tgrelid = 'kora.events'::regclass AND tgenabled IN ('O', 'A')";
    let found = client
        .query(look, &[])
        .await
        .map_err(|error| store_error(&error))?;
    let there: Vec<String> = found.iter().map(|row| row.get(0)).collect();
    let missing = GUARDS
        .into_iter()
        .find(|guard| !there.iter().any(|name| name == guard));
    Ok(missing.map(|guard| {
        format!("the trigger `{guard}` is not in the database, or is switched off: events can be changed")
    }))
}

/// Why the server takes no changes, in words, if it says so without being asked for one.
pub(super) async fn read_only_fault(client: &Client) -> Result<Option<String>, StoreError> {
    let look = "SELECT pg_is_in_recovery(), \
                (SELECT reset_val::boolean FROM pg_settings WHERE name = 'default_transaction_read_only')";
    let found = client.query_one(look, &[]).await;
    let found = found.map_err(|error| store_error(&error))?;
    Ok(match (found.get(0), found.get(1)) {
        (true, _) => Some("the server is a standby: name the one that takes commits".to_owned()),
        (false, true) => Some(TAKES_NO_CHANGES.to_owned()),
        (false, false) => None,
    })
}

/// The first thing that is not as it must be, in words. Leaves nothing behind: the connection, which must be the writer's, is to be dropped
/// afterwards, with whatever transaction it has open.
pub(super) async fn first_fault(
    client: &Client,
    statements: &Statements,
) -> Result<Option<String>, StoreError> {
    if let Some(fault) = first_missing_guard(client).await? {
        return Ok(Some(fault));
    }
    first_wrong_right(client, statements).await
}

/// Why nothing can be committed, in words, if that is so: writes as much as the largest events take, removes it in the same transaction, so
/// that nobody ever sees it, and commits. Before [`COMMIT_WITHIN`] is over it is answered.
pub(super) async fn commit_fault(
    client: &Client,
    tls: Tls,
    within: Duration,
) -> Result<Option<String>, StoreError> {
    // Hashes do not get smaller when the server packs what is long. The plugin has a name that none can have.
    let write = format!(
        "BEGIN; INSERT INTO plugin_values (plugin, tenant, key, value) \
         SELECT 'host.store.probed', 'host', uuid_send(gen_random_uuid()), string_agg(sha256(int4send(number)), ''::bytea) \
         FROM generate_series(1, {}) AS number; \
         DELETE FROM plugin_values WHERE plugin = 'host.store.probed'",
        ROOM_BYTES / 32
    );
    let committed = timeout(within, async {
        client.batch_execute(&write).await?;
        client.batch_execute("COMMIT").await
    });
    match committed.await {
        Ok(Ok(())) => Ok(None),
        Ok(Err(error)) if is_about_now(&error) => Err(store_error(&error)),
        Ok(Err(error)) => Ok(Some(format!("nothing can be committed: {}", with_advice(&error)))),
        Err(_) => {
            // A commit that waits for a standby would wait on after the connection is gone.
            let cancelled = timeout(CANCEL_WITHIN, client.cancel_token().cancel_query(tls)).await;
            tracing::debug!(?cancelled, "the server was told that nobody waits for the commit");
            Ok(Some(format!(
                "a commit was not answered within {} s: see that the server's disk answers, and that whatever `synchronous_standby_names` \
                 names is there",
                within.as_secs_f32()
            )))
        }
    }
}

/// Whether it says nothing of what the database lets be done: the connection is gone, or somebody was in the way.
fn is_about_now(error: &Error) -> bool {
    error.as_db_error().is_none() || matches!(fault(error), Fault::Lost | Fault::InTheWay)
}

/// The server's words, and what to do where that is known.
fn with_advice(error: &Error) -> String {
    let advice = match error.code() {
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
            format!(": {TAKES_NO_CHANGES}, and name the server that takes commits if this is a standby")
        }
        Some(&SqlState::DISK_FULL) => ": free some room where the server keeps its data".to_owned(),
        _ => String::new(),
    };
    format!("{}{advice}", words(error))
}

async fn first_wrong_right(client: &Client, statements: &Statements) -> Result<Option<String>, StoreError> {
    let batch = Batch::of(probe());
    match append::rehearse(client, statements, &batch).await {
        Ok(Ok(_)) => {}
        Ok(Err(refusal)) => return Ok(Some(format!("an append was refused: {refusal}"))),
        Err(error) if is_about_now(&error.cause) => return Err(store_error(&error.cause)),
        Err(error) => {
            return Ok(Some(format!(
                "an append was refused: {}",
                with_advice(&error.cause)
            )));
        }
    }
    for (statement, fault) in [
        ("UPDATE events SET payload = '{}'", "an event could be changed"),
        ("DELETE FROM events", "an event could be deleted"),
    ] {
        let tried = client
            .batch_execute(&format!("SAVEPOINT attempt; {statement}"))
            .await;
        match tried {
            Ok(()) => return Ok(Some(format!("{fault}: the store must refuse it"))),
            Err(error) if error.as_db_error().is_none() => return Err(store_error(&error)),
            Err(_) => {}
        }
        let taken_back = client.batch_execute("ROLLBACK TO SAVEPOINT attempt").await;
        taken_back.map_err(|error| store_error(&error))?;
    }
    let ended = client.batch_execute("ROLLBACK").await;
    ended.map_err(|error| store_error(&error))?;
    Ok(None)
}

/// An event that is taken back: nobody ever sees it.
fn probe() -> NewEvent {
    NewEvent {
        tenant: TenantId::host(),
        event_id: EventId::new(),
        event_type: "host.store.probed"
            .parse()
            .expect("it has the form of an event type"),
        occurred_at: Timestamp::from_micros(0),
        actor: Actor::host(),
        source: "kora-host".to_owned(),
        identity_generation: None,
        idempotency_key: None,
        payload: Payload::from_checked("{\"probe\":true}".to_owned()),
    }
}
