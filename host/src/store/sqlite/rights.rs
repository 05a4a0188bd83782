//! What the file lets be done and what not, tried in a transaction that is taken back: an append must work, a change and a deletion
//! of an event must be refused. That the triggers are there is not looked up but tried, so that it holds whatever keeps them.

use rusqlite::{Connection, ErrorCode, params};

use super::append::Appender;
use crate::{
    domain::{Actor, EventId, NewEvent, Payload, TenantId, Timestamp},
    store::{Batch, CommitError, StoreError},
};

/// The triggers that keep events as they were written.
const GUARDS: [&str; 3] = [
    "events_are_never_changed",
    "events_are_never_deleted",
    "events_continue_their_chain",
];

/// The first of the triggers that keep events as they were written that is not there, in words. Looks, and tries nothing.
pub(super) fn first_missing_guard(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut look = connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name = ?1")?;
    for guard in GUARDS {
        if !look.exists([guard])? {
            return Ok(Some(format!(
                "the trigger `{guard}` is not in the file: events can be changed"
            )));
        }
    }
    Ok(None)
}

/// The first thing that is not as it must be, in words. Leaves nothing behind.
///
/// # Errors
/// If the database failed otherwise: the connection must not be used again.
pub(super) fn first_fault(
    connection: &Connection,
    appender: &mut Appender<'_>,
) -> rusqlite::Result<Option<String>> {
    if let Err(error) = appender.begin() {
        return match error.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Ok(Some(format!("an append was refused: {error}")))
            }
            _ => Err(error),
        };
    }
    let found = tried(connection, appender);
    // What is known of the heads is forgotten at the next begin.
    connection.execute_batch("ROLLBACK")?;
    found
}

fn tried(connection: &Connection, appender: &mut Appender<'_>) -> rusqlite::Result<Option<String>> {
    let event = probe();
    let event_id = event.event_id;
    let mut outcomes = appender.write(&[&Batch::of(event)])?;
    if let Some(Err(refusal)) = outcomes.pop() {
        return Ok(Some(format!("an append was refused: {}", said(&refusal))));
    }
    let tries = [
        (
            "UPDATE events SET payload = '{}' WHERE event_id = ?1",
            "an event could be changed",
        ),
        (
            "DELETE FROM events WHERE event_id = ?1",
            "an event could be deleted",
        ),
    ];
    for (statement, fault) in tries {
        match connection.execute(statement, params![event_id.as_bytes()]) {
            Ok(_) => return Ok(Some(format!("{fault}: the store must refuse it"))),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {}
            Err(error) => return Err(error),
        }
    }
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

fn said(refusal: &CommitError) -> String {
    match refusal {
        CommitError::Store(StoreError::Damaged(text)) => text.clone(),
        other => other.to_string(),
    }
}
