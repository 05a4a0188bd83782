//! What is observed of each subsignal, and what that means at a moment.

use std::time::Duration;

use super::{
    Reading,
    SignalStatus::{self, Degraded, Fresh, Missing, Stale},
    Subsignal,
    reading::distance,
};
use crate::domain::{Money, Timestamp};

/// Something is committed at least so often.
pub const WRITE_LIMIT: Duration = Duration::from_secs(300);
/// The probe is itself a write: where it comes less often, a write may be as old as that and so much older.
pub const PROBE_GRACE: Duration = Duration::from_secs(30);
/// How long a lease may have run out before somebody should have taken its ticket back.
pub const CLAIM_GRACE: Duration = Duration::from_secs(30);
/// Beyond so many hundredths of the pool the credit is about to end.
pub const CREDIT_LIMIT_PERCENT: u32 = 90;
/// A credential is to be renewed so long before it ends.
pub const EXPIRY_WINDOW: Duration = Duration::from_hours(30 * 24);
/// The store answers at least so often.
pub const DISPATCH_LIMIT: Duration = Duration::from_secs(60);
/// A heart beats at least so often: three times its usual pace.
pub const BEAT_LIMIT: Duration = Duration::from_secs(90);
/// The watch over stop commands looks at least so often: three times its usual pace.
pub const WATCHER_LIMIT: Duration = Duration::from_secs(15);

/// Everything that is observed of a tenant. What could not be observed is the reason why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observations {
    /// Of `last_successful_write`.
    pub writes: Writes,
    /// Of `claim_state`.
    pub claims: Result<Claims, String>,
    /// Of `credit_burn`.
    pub credit: Result<Credit, String>,
    /// Of `breaker_state`.
    pub breakers: Vec<Breaker>,
    /// Of `auth_validity_window`.
    pub credentials: Result<Vec<Credential>, String>,
    /// Of `dispatch_reachable`.
    pub dispatch: Dispatch,
    /// Of `last_heartbeat`; absent where nobody is meant to beat: the subsignal is left out then.
    pub heart: Option<Heart>,
    /// Of `escalation_watcher_liveness`; absent if it never looked.
    pub watcher: Option<Watcher>,
}

impl Observations {
    /// What they mean, in the order of [`Subsignal::ALL`].
    pub fn readings(&self, now: Timestamp) -> Vec<Reading> {
        let mut readings = vec![
            self.writes.reading(now),
            Claims::reading(&self.claims, now),
            Credit::reading(&self.credit),
            Breaker::reading(&self.breakers, now),
            Credential::reading(&self.credentials, now),
            self.dispatch.reading(now),
        ];
        readings.extend(self.heart.as_ref().map(|heart| heart.reading(now)));
        readings.push(Watcher::reading(self.watcher));
        readings
    }
}

/// What was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writes {
    /// When the newest event was committed; absent if there is none.
    pub newest_at: Result<Option<Timestamp>, String>,
    /// Why nothing can be committed now, if that is known.
    pub failing: Option<String>,
    /// How often the probe writes.
    pub probe_every: Duration,
}

impl Writes {
    /// Degraded if nothing can be committed, missing if no event is known.
    pub fn reading(&self, now: Timestamp) -> Reading {
        let says = |status, detail: String| Reading::new(Subsignal::LastSuccessfulWrite, status, detail);
        let newest = self.newest_at.as_ref().ok().copied().flatten();
        let limit = WRITE_LIMIT.max(self.probe_every.saturating_add(PROBE_GRACE));
        let reading = match (&self.failing, &self.newest_at, newest) {
            (Some(cause), ..) => says(Degraded, format!("nothing can be written: {cause}")),
            (None, Err(error), _) => says(Missing, format!("what was written cannot be read: {error}")),
            (None, Ok(_), None) => says(Missing, "nothing was ever written".to_owned()),
            (None, Ok(_), Some(at)) => {
                let status = fresh_within(limit, at, now);
                says(
                    status,
                    format!("the newest event is of {}", at.to_rfc3339_seconds()),
                )
            }
        };
        reading.at(newest)
    }
}

/// The tickets that a tenant holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// How many.
    pub held: usize,
    /// When one of them was last changed.
    pub newest_at: Option<Timestamp>,
    /// When the first of their leases ends.
    pub first_lease_ends_at: Option<Timestamp>,
    /// Why nothing may be claimed although the tenant takes work, if that is so.
    pub barred: Option<String>,
}

impl Claims {
    /// Degraded if the tenant takes work and may claim none, stale if a lease ran out and nobody took the ticket back, missing if
    /// they cannot be read.
    pub fn reading(seen: &Result<Self, String>, now: Timestamp) -> Reading {
        let says = |status, detail: String| Reading::new(Subsignal::ClaimState, status, detail);
        let claims = match seen {
            Ok(claims) => claims,
            Err(error) => return says(Missing, format!("the claims cannot be read: {error}")),
        };
        let ran_out = |ends_at: &Timestamp| *ends_at < now && distance(*ends_at, now) > CLAIM_GRACE;
        let reading = if let Some(why) = &claims.barred {
            says(Degraded, format!("nothing may be claimed: {why}"))
        } else if let Some(ended) = claims.first_lease_ends_at.filter(ran_out) {
            let ended = ended.to_rfc3339_seconds();
            says(
                Stale,
                format!("a lease ran out at {ended} and was not taken back"),
            )
        } else {
            says(Fresh, format!("{} held", claims.held))
        };
        reading.at(claims.newest_at)
    }
}

/// How the money stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// What counts as spent.
    pub spent: Money,
    /// What may be spent.
    pub pool: Money,
    /// Why the figure is not to be believed, if it is not.
    pub unknown: Option<String>,
    /// When the account was last changed by a usage or a provider's figure.
    pub changed_at: Option<Timestamp>,
}

impl Credit {
    /// Degraded from [`CREDIT_LIMIT_PERCENT`] of the pool on, stale if the figure was not compared for too long, missing if it cannot
    /// be read.
    pub fn reading(seen: &Result<Self, String>) -> Reading {
        let says = |status, detail: String| Reading::new(Subsignal::CreditBurn, status, detail);
        let credit = match seen {
            Ok(credit) => credit,
            Err(error) => return says(Missing, format!("what was spent cannot be read: {error}")),
        };
        let spent = format!("{} of {} USD are spent", credit.spent, credit.pool);
        let reading = match &credit.unknown {
            _ if credit
                .spent
                .is_at_least_percent_of(CREDIT_LIMIT_PERCENT, credit.pool) =>
            {
                says(Degraded, spent)
            }
            Some(why) => says(Stale, why.clone()),
            None => says(Fresh, spent),
        };
        reading.at(credit.changed_at)
    }
}

/// How far something that acts for the tenant may be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// It works, or was stopped on purpose.
    Closed,
    /// It failed and is tried again, or lacks a credential.
    HalfOpen,
    /// It is not tried again: its restarts are used up, or its thread does not come back.
    Open,
    /// It should act for the tenant, and is not there.
    Absent,
}

/// A daemon or plugin that acts for the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Which.
    pub what: String,
    /// How it is.
    pub state: BreakerState,
    /// Why, in one line.
    pub detail: String,
}

impl Breaker {
    /// Degraded if one is open, missing if one is absent, stale if one is half open. Read from what runs, so known at any moment.
    pub fn reading(seen: &[Self], now: Timestamp) -> Reading {
        let status = |breaker: &&Self| match breaker.state {
            BreakerState::Closed => Fresh,
            BreakerState::HalfOpen => Stale,
            BreakerState::Absent => Missing,
            BreakerState::Open => Degraded,
        };
        // The first of the worst.
        let worst = seen.iter().rev().max_by_key(status);
        let reading = match worst.filter(|breaker| status(breaker) != Fresh) {
            Some(worst) => {
                let detail = format!("`{}`: {}", worst.what, worst.detail);
                Reading::new(Subsignal::BreakerState, status(&worst), detail)
            }
            None => Reading::new(
                Subsignal::BreakerState,
                Fresh,
                format!("none of {} tripped", seen.len()),
            ),
        };
        reading.at(Some(now))
    }
}

/// A secret that a plugin requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// `plugin/secret`.
    pub what: String,
    /// When it ends, if that is known; or why it cannot be had.
    pub ends_at: Result<Option<Timestamp>, String>,
}

impl Credential {
    /// Degraded if one cannot be had or has ended, stale if one ends within [`EXPIRY_WINDOW`], missing if nobody could look.
    pub fn reading(seen: &Result<Vec<Self>, String>, now: Timestamp) -> Reading {
        let says = |status, detail: String| Reading::new(Subsignal::AuthValidityWindow, status, detail);
        let all = match seen {
            Ok(all) => all,
            Err(error) => return says(Missing, format!("the secrets were not looked at: {error}")),
        };
        let worst = all.iter().rev().map(|one| one.judged(now));
        let worst = worst.max_by_key(|(status, _)| *status);
        let reading = match worst {
            None => says(Fresh, "no secret is required".to_owned()),
            Some((Fresh, _)) => says(Fresh, format!("all {} required can be read", all.len())),
            Some((status, detail)) => says(status, detail),
        };
        reading.at(Some(now))
    }

    fn judged(&self, now: Timestamp) -> (SignalStatus, String) {
        let what = &self.what;
        match &self.ends_at {
            Err(error) => (Degraded, format!("`{what}`: {error}")),
            Ok(Some(end)) if *end <= now => (
                Degraded,
                format!("`{what}` ended at {}", end.to_rfc3339_seconds()),
            ),
            Ok(Some(end)) if distance(*end, now) <= EXPIRY_WINDOW => {
                (Stale, format!("`{what}` ends at {}", end.to_rfc3339_seconds()))
            }
            Ok(_) => (Fresh, String::new()),
        }
    }
}

/// Whether the store answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// Why it refused just now, if it did. One that does not answer at all refuses nothing.
    pub refused: Option<String>,
    /// When it last answered; absent if it never did.
    pub answered_at: Option<Timestamp>,
}

impl Dispatch {
    /// Degraded if it refuses, missing if it never answered.
    pub fn reading(&self, now: Timestamp) -> Reading {
        let says = |status, detail: String| Reading::new(Subsignal::DispatchReachable, status, detail);
        let reading = match (&self.refused, self.answered_at) {
            (Some(cause), _) => says(Degraded, cause.clone()),
            (None, None) => says(Missing, "the store never answered".to_owned()),
            (None, Some(at)) => match fresh_within(DISPATCH_LIMIT, at, now) {
                Fresh => says(Fresh, "the store answers".to_owned()),
                status => says(status, "the store does not answer".to_owned()),
            },
        };
        reading.at(self.answered_at)
    }
}

/// A daemon that gives signs of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heart {
    /// When the newest was committed; absent if there is none.
    pub newest_at: Result<Option<Timestamp>, String>,
    /// How often it should beat.
    pub every: Duration,
    /// Since when it should: until then no beat is missed.
    pub expected_since: Timestamp,
    /// Why it does not run, if it does not.
    pub failing: Option<String>,
}

impl Heart {
    /// Degraded if the daemon does not run, missing if no beat is known. One that beats slower than usual may be so much older.
    pub fn reading(&self, now: Timestamp) -> Reading {
        let says = |status, detail: String| Reading::new(Subsignal::LastHeartbeat, status, detail);
        let newest = self.newest_at.as_ref().ok().copied().flatten();
        let limit = BEAT_LIMIT.max(self.every.saturating_mul(3));
        let is_new = fresh_within(limit, self.expected_since, now) == Fresh;
        let reading = match (&self.failing, &self.newest_at, newest) {
            (Some(cause), ..) => says(Degraded, cause.clone()),
            (None, Err(error), _) => says(Missing, format!("the heartbeats cannot be read: {error}")),
            (None, Ok(_), Some(at)) if fresh_within(limit, at, now) == Fresh => {
                says(Fresh, format!("the newest is of {}", at.to_rfc3339_seconds()))
            }
            (None, Ok(_), _) if is_new => says(Fresh, "the first is due soon".to_owned()),
            (None, Ok(_), Some(at)) => says(Stale, format!("the newest is of {}", at.to_rfc3339_seconds())),
            (None, Ok(_), None) => says(Missing, "there was none yet".to_owned()),
        };
        reading.at(newest)
    }
}

/// The watch over stop commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watcher {
    /// When it last looked.
    pub looked_at: Timestamp,
    /// How long ago that is, by a clock that nobody sets.
    pub age: Duration,
    /// Whether it could read the commands.
    pub could_read: bool,
}

impl Watcher {
    /// Missing if it never looked, degraded if it looks and cannot read the commands.
    pub fn reading(seen: Option<Self>) -> Reading {
        let (status, detail) = match seen {
            None => (Missing, "it never looked"),
            Some(watcher) if watcher.age > WATCHER_LIMIT => (Stale, "it does not look any more"),
            Some(watcher) if !watcher.could_read => (Degraded, "it cannot read the commands"),
            Some(_) => (Fresh, "it looks"),
        };
        Reading::new(Subsignal::EscalationWatcherLiveness, status, detail)
            .at(seen.map(|watcher| watcher.looked_at))
    }
}

fn fresh_within(limit: Duration, moment: Timestamp, now: Timestamp) -> SignalStatus {
    if distance(moment, now) <= limit {
        Fresh
    } else {
        Stale
    }
}
