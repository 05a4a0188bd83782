//! What the database lets the host do and what not, tried in a transaction that is taken back: an append must work, a change and a
//! deletion of an event must be refused.

use tokio_postgres::Client;

use super::{
    append,
    fault::{store_error, words},
    statements::Statements,
};
use crate::{
    domain::{Actor, EventId, NewEvent, Payload, TenantId, Timestamp},
    store::{Batch, StoreError},
};

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

/// The first thing that is not as it must be, in words. Leaves nothing behind: the connection, which must be the writer's, is dropped
/// with its transaction open.
pub(super) async fn first_fault(
    client: &Client,
    statements: &Statements,
) -> Result<Option<String>, StoreError> {
    if let Some(fault) = first_missing_guard(client).await? {
        return Ok(Some(fault));
    }
    let batch = Batch::of(probe());
    match append::rehearse(client, statements, &batch).await {
        Ok(Ok(_)) => {}
        Ok(Err(refusal)) => return Ok(Some(format!("an append was refused: {refusal}"))),
        Err(error) => return Ok(Some(format!("an append was refused: {}", words(&error.cause)))),
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
