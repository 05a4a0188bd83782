//! The ramp after a resume: who may claim again begins slowly. What happened before the tenant's boot here is read from the chain.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Inner, Refusal, TicketError, Tickets};
use crate::{
    domain::{Event, PrimaryState, TenantId, Timestamp},
    engine::{
        ramp::{Ramp, SlowStart},
        ticket::later,
        transition::Recorded,
        vocabulary::OwnType,
    },
    store::{EventFilter, Store},
};

/// Transitions that are looked at in one go. While claims are spaced, an hour has some 240 of them.
const PAGE: u32 = 256;

#[derive(Default)]
pub(super) struct Pace(Mutex<HashMap<TenantId, Paced>>);

#[derive(Debug, Clone, Copy, Default)]
struct Paced {
    resumed_at: Option<Timestamp>,
    last_claim_at: Option<Timestamp>,
}

/// A turn to claim.
#[derive(Debug)]
pub(super) struct Place {
    taken_at: Timestamp,
    before: Option<Timestamp>,
}

impl Pace {
    fn paced(&self) -> MutexGuard<'_, HashMap<TenantId, Paced>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tenant was resumed.
    pub fn resumed(&self, tenant: &TenantId, at: Timestamp) {
        let mut paced = self.paced();
        let known = paced.entry(tenant.clone()).or_default();
        known.resumed_at = known.resumed_at.max(Some(at));
    }

    /// Takes a turn, or says until when there is none. From there on everybody else waits for the distance to it. `of_money` is how the
    /// tenant takes up work for another reason than a resume.
    fn take(
        &self,
        tenant: &TenantId,
        ramp: &Ramp,
        of_money: SlowStart,
        now: Timestamp,
    ) -> Result<Place, Timestamp> {
        let mut paced = self.paced();
        let known = paced.entry(tenant.clone()).or_default();
        let start = of_money.max(known.resumed_at.into());
        match ramp.waits_until(start, known.last_claim_at, now) {
            Some(until) => Err(until),
            None => Ok(Place {
                taken_at: now,
                before: known.last_claim_at.replace(now),
            }),
        }
    }

    /// Nothing came of a turn.
    pub fn give_back(&self, tenant: &TenantId, place: &Place) {
        let mut paced = self.paced();
        if let Some(known) = paced.get_mut(tenant)
            && known.last_claim_at == Some(place.taken_at)
        {
            known.last_claim_at = place.before;
        }
    }
}

impl Tickets {
    /// Forgets how a tenant claimed here: another host may have run it meanwhile, and the chain knows. Call it before the tenant boots.
    pub fn forget_pace(&self, tenant: &TenantId) {
        self.0.pace.paced().remove(tenant);
    }
}

impl Inner {
    /// A turn to claim, or why there is none now.
    pub(super) async fn take_place(&self, tenant: &TenantId) -> Result<Result<Place, Refusal>, TicketError> {
        let (ramp, now) = (&self.rules.ramp, self.clock.now());
        if !self.pace.paced().contains_key(tenant) {
            let known = before_the_boot(&*self.store, tenant, ramp, now).await?;
            self.pace.paced().entry(tenant.clone()).or_insert(known);
        }
        self.hear_of_resumes(tenant);
        let of_money = self.purse.slow_start(tenant).await;
        Ok(self.pace.take(tenant, ramp, of_money, now).map_err(|until| {
            Refusal::control(format!(
                "the tenant took up work a while ago and begins slowly: the next claim is possible from {until}"
            ))
        }))
    }

    /// Listeners hear of a resume a moment after it; whoever claims just then must hear of it as well.
    fn hear_of_resumes(&self, tenant: &TenantId) {
        let history = self.states.history(tenant, usize::MAX).unwrap_or_default();
        let newest = history.iter().rev().find(|record| {
            record.from_state == PrimaryState::Paused && record.to_state == PrimaryState::Ready
        });
        if let Some(resume) = newest {
            self.pace.resumed(tenant, resume.at);
        }
    }
}

async fn before_the_boot(
    store: &dyn Store,
    tenant: &TenantId,
    ramp: &Ramp,
    now: Timestamp,
) -> Result<Paced, TicketError> {
    let is_within = |event: &Event| later(event.occurred_at, ramp.lasts_seconds) > now;
    let mut filter = EventFilter {
        prefixes: vec![OwnType::OperationalStateTransitioned.as_str().to_owned()],
        limit: PAGE,
        ..EventFilter::default()
    };
    let mut known = Paced::default();
    'pages: loop {
        let page = store.events(tenant, filter.clone()).await?;
        for event in &page {
            if !is_within(event) {
                break 'pages;
            }
            if is_resume(event) {
                known.resumed_at = Some(event.occurred_at);
                break 'pages;
            }
        }
        match page.last() {
            Some(oldest) => filter.before_seq = Some(oldest.seq),
            None => break,
        }
    }
    if known.resumed_at.is_some() {
        let claims = EventFilter {
            prefixes: vec![OwnType::TicketClaimed.as_str().to_owned()],
            limit: 1,
            ..EventFilter::default()
        };
        let last = store.events(tenant, claims).await?;
        known.last_claim_at = last.first().map(|event| event.occurred_at);
    }
    Ok(known)
}

/// A record that cannot be read was not written by this host; the boot has judged it before.
fn is_resume(event: &Event) -> bool {
    Recorded::read(&event.payload).is_ok_and(|recorded| {
        recorded.from_primary_state == PrimaryState::Paused
            && recorded.to_primary_state == PrimaryState::Ready
    })
}
