//! The account of one tenant for one billing period: a value, changed by making the next one.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Comparison, Ladder, Rung, Usage};
use crate::{
    domain::{BillingPeriod, Money, Timestamp},
    engine::ramp::SlowStart,
};

/// Pairs of route and model that are counted apart. Names come from outside: beyond so many, the rest is counted under [`OTHER`].
const MAX_LINES: usize = 64;
const OTHER: &str = "other";
const DAY: Duration = Duration::from_hours(24);

/// What was spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// When the period began for which the pool was granted.
    pub billing_period_start: Timestamp,
    /// What counts as spent in it: what was recorded, and what reconciling added.
    pub spent_to_date_usd: Money,
    /// What was recorded in it.
    pub recorded_usd: Money,
    /// What was recorded ever, whatever the period: what was recorded in a span of time is the difference of two of these.
    pub lifetime_usd: Money,
    /// When the last usage was recorded. No two are recorded at the same moment, and none before an earlier one.
    pub last_recorded_at: Option<Timestamp>,
    /// When the first of what was spent since the last reconcile was recorded.
    pub unreconciled_since: Option<Timestamp>,
    /// When the provider's figure was last compared.
    pub last_reconciled_at: Option<Timestamp>,
    /// The provider's figure then.
    pub last_reconciled_usd: Option<Money>,
    /// The rung that was last told of.
    pub rung: Rung,
    /// The hard stop held: once the tenant takes work again, it begins slowly.
    pub ramp_due: bool,
    /// When it last began slowly.
    pub ramp_began_at: Option<Timestamp>,
    /// What was recorded in the period, by route and model.
    pub lines: BTreeMap<String, BTreeMap<String, Line>>,
}

/// What one route used of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Usages.
    pub usages: u64,
    /// Tokens that the model read.
    pub input_tokens: u64,
    /// Tokens that the model wrote.
    pub output_tokens: u64,
    /// What it cost.
    pub cost_usd: Money,
}

/// An account that cannot be true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the account makes no sense: {0}")]
pub struct UnsoundAccount(&'static str);

impl Account {
    /// Nothing spent yet: a metered zero. Whoever never spent anything may begin to without a provider's figure.
    pub fn fresh(period: BillingPeriod) -> Self {
        Self {
            billing_period_start: period.start(),
            spent_to_date_usd: Money::ZERO,
            recorded_usd: Money::ZERO,
            lifetime_usd: Money::ZERO,
            last_recorded_at: None,
            unreconciled_since: None,
            last_reconciled_at: None,
            last_reconciled_usd: None,
            rung: Rung::Normal,
            ramp_due: false,
            ramp_began_at: None,
            lines: BTreeMap::new(),
        }
    }

    /// Judges what was read.
    ///
    /// # Errors
    /// If the sums cannot be those of an account.
    pub fn check(&self) -> Result<(), UnsoundAccount> {
        if self.recorded_usd.is_negative() {
            Err(UnsoundAccount("less than nothing was recorded"))
        } else if self.spent_to_date_usd < self.recorded_usd {
            Err(UnsoundAccount("less counts as spent than was recorded"))
        } else if self.lifetime_usd < self.recorded_usd {
            Err(UnsoundAccount("less was recorded ever than in this period"))
        } else {
            Ok(())
        }
    }

    /// Its period.
    pub fn period(&self) -> BillingPeriod {
        BillingPeriod::starting(self.billing_period_start)
    }

    /// When a usage that comes now is recorded: now, but after all that was recorded before, whatever the clock says.
    pub fn next_record_at(&self, now: Timestamp) -> Timestamp {
        let after_last = |last: Timestamp| Timestamp::from_micros(last.as_micros().saturating_add(1));
        self.last_recorded_at
            .map_or(now, |last| now.max(after_last(last)))
    }

    /// With one more usage. Sums that cannot be counted any more stay at the largest amount: all is spent then in any case.
    #[must_use]
    pub fn recorded(mut self, usage: &Usage, at: Timestamp, ladder: &Ladder) -> Self {
        let cost = usage.cost_usd;
        self.recorded_usd = self.recorded_usd.saturating_add(cost);
        self.lifetime_usd = self.lifetime_usd.saturating_add(cost);
        self.spent_to_date_usd = self.spent_to_date_usd.saturating_add(cost);
        self.last_recorded_at = Some(at);
        if cost > Money::ZERO {
            self.unreconciled_since.get_or_insert(at);
        }
        self.line(&usage.route, &usage.model).add(usage);
        self.standing_on(ladder)
    }

    /// After the provider's figure for the period was compared.
    #[must_use]
    pub fn reconciled(mut self, provider: Money, at: Timestamp, ladder: &Ladder) -> (Self, Comparison) {
        let comparison = Comparison::of(self.spent_to_date_usd, provider, ladder);
        self.spent_to_date_usd = comparison.spent;
        self.last_reconciled_at = Some(at);
        self.last_reconciled_usd = Some(provider);
        self.unreconciled_since = None;
        (self.standing_on(ladder), comparison)
    }

    /// The account of the next period, for which credit was granted anew.
    #[must_use]
    pub fn refreshed(&self, period: BillingPeriod, ladder: &Ladder) -> Self {
        Self {
            lifetime_usd: self.lifetime_usd,
            last_recorded_at: self.last_recorded_at,
            ramp_due: self.ramp_due,
            ramp_began_at: self.ramp_began_at,
            ..Self::fresh(period)
        }
        .standing_on(ladder)
    }

    /// With the rung on which it stands.
    #[must_use]
    pub fn standing_on(mut self, ladder: &Ladder) -> Self {
        self.rung = ladder.rung(self.spent_to_date_usd);
        self.ramp_due |= self.rung == Rung::HardStop100;
        self
    }

    /// Once the tenant takes work again.
    #[must_use]
    pub fn slow_since(mut self, at: Timestamp) -> Self {
        self.ramp_due = false;
        self.ramp_began_at = Some(at);
        self
    }

    /// How it takes up work, as far as money is concerned.
    pub fn slow_start(&self) -> SlowStart {
        match self.ramp_due {
            true => SlowStart::Due,
            false => self.ramp_began_at.into(),
        }
    }

    /// Since when the figure has not been compared, if that is longer than may be.
    pub fn stale_since(&self, limit: Duration, now: Timestamp) -> Option<Timestamp> {
        let age = |since: &Timestamp| since_to(*since, now);
        self.unreconciled_since.filter(|since| age(since) > limit)
    }

    /// What will have been spent at the end of the period, rounded up, if the next days are as the last 24 hours, in which
    /// `last_24h` was recorded. Absent once the period is over.
    pub fn projected_usd(&self, last_24h: Money, now: Timestamp) -> Option<Money> {
        let end = self.period().end();
        if now >= end {
            return None;
        }
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let to_come = last_24h.share(micros(since_to(now, end)), micros(DAY))?;
        self.spent_to_date_usd.checked_add(to_come)
    }

    /// The moment 24 hours before: what was recorded after it is what the last 24 hours cost.
    pub const fn day_before(now: Timestamp) -> Timestamp {
        Timestamp::from_micros(now.as_micros().saturating_sub(DAY.as_micros() as i64))
    }

    fn line(&mut self, route: &str, model: &str) -> &mut Line {
        let is_there = self
            .lines
            .get(route)
            .is_some_and(|models| models.contains_key(model));
        let lines: usize = self.lines.values().map(BTreeMap::len).sum();
        let (route, model) = match is_there || lines < MAX_LINES {
            true => (route, model),
            false => (OTHER, OTHER),
        };
        let models = self.lines.entry(route.to_owned()).or_default();
        models.entry(model.to_owned()).or_default()
    }
}

impl Line {
    fn add(&mut self, usage: &Usage) {
        self.usages = self.usages.saturating_add(1);
        self.input_tokens = self.input_tokens.saturating_add(usage.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(usage.output_tokens);
        self.cost_usd = self.cost_usd.saturating_add(usage.cost_usd);
    }
}

/// From one moment to a later one; no time at all if the clock went back.
fn since_to(since: Timestamp, now: Timestamp) -> Duration {
    let micros = now.as_micros().saturating_sub(since.as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
