//! What a restart must not forget: a pause that nobody lifted.
//!
//! A `stopped` ends with the process, and what happened while booting says nothing of what was before; so the last event that
//! counts is the last one that led to `ready`, `active` or `paused`.

use crate::{
    domain::{PrimaryState, TenantId},
    engine::{
        transition::{Recorded, UnreadableTransition},
        vocabulary::OwnType,
    },
    events::{EventLog, ReadError},
    store::{EventFilter, Order},
};

/// How many transitions are read at a time. The first page nearly always decides: only boots that failed lie before.
const PAGE: u32 = 64;

/// Why the last pause could not be looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The chain could not be read.
    #[error("the last transitions cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The store did not answer.
    #[error("the last transitions cannot be read: the store did not answer within {after_seconds} s")]
    TimedOut {
        /// How long was waited.
        after_seconds: u64,
    },
    /// A record cannot have happened.
    #[error("the last transitions cannot be read: {event}: {cause}")]
    Unreadable {
        /// Which event.
        event: String,
        /// What is wrong with it.
        cause: UnreadableTransition,
    },
}

/// The pause that holds since before the restart, if one does.
pub(super) async fn last_pause(log: &EventLog, tenant: &TenantId) -> Result<Option<Recorded>, RestoreError> {
    let decisive = match decisive_waiting(log, tenant)? {
        Some(recorded) => Some(recorded),
        None => decisive_in_chain(log, tenant).await?,
    };
    Ok(decisive.filter(|recorded| recorded.to_primary_state == PrimaryState::Paused))
}

/// The newest change of state in the chain, whoever appended it; none if there never was one.
pub(super) async fn last_told(log: &EventLog, tenant: &TenantId) -> Result<Option<Recorded>, RestoreError> {
    let filter = EventFilter {
        prefixes: vec![OwnType::OperationalStateTransitioned.as_str().to_owned()],
        limit: 1,
        order: Order::NewestFirst,
        ..EventFilter::default()
    };
    let page = log.page(tenant, filter).await?;
    let told = page
        .first()
        .map(|event| read(&format!("event {}", event.seq), &event.payload));
    told.transpose()
}

/// What waits for the store is newer than anything in the chain.
fn decisive_waiting(log: &EventLog, tenant: &TenantId) -> Result<Option<Recorded>, RestoreError> {
    for event in log.waiting(tenant).iter().rev() {
        if event.event_type.as_str() != OwnType::OperationalStateTransitioned.as_str() {
            continue;
        }
        if let Some(recorded) = decisive(&event.event_id.to_string(), event.payload.as_str())? {
            return Ok(Some(recorded));
        }
    }
    Ok(None)
}

async fn decisive_in_chain(log: &EventLog, tenant: &TenantId) -> Result<Option<Recorded>, RestoreError> {
    let mut before_seq = None;
    loop {
        let filter = EventFilter {
            before_seq,
            prefixes: vec![OwnType::OperationalStateTransitioned.as_str().to_owned()],
            limit: PAGE,
            order: Order::NewestFirst,
            ..EventFilter::default()
        };
        let page = log.page(tenant, filter).await?;
        for event in &page {
            if let Some(recorded) = decisive(&format!("event {}", event.seq), &event.payload)? {
                return Ok(Some(recorded));
            }
        }
        let Some(oldest) = page.last() else {
            return Ok(None);
        };
        before_seq = Some(oldest.seq);
    }
}

fn decisive(event: &str, payload: &str) -> Result<Option<Recorded>, RestoreError> {
    use PrimaryState::{Active, Paused, Ready};
    let recorded = read(event, payload)?;
    Ok(matches!(recorded.to_primary_state, Ready | Active | Paused).then_some(recorded))
}

fn read(event: &str, payload: &str) -> Result<Recorded, RestoreError> {
    Recorded::read(payload).map_err(|cause| RestoreError::Unreadable {
        event: event.to_owned(),
        cause,
    })
}
