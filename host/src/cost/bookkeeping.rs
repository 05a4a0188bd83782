//! How accounts are changed: each change planned by the rules, committed whole, and followed by what a hard stop asks for.

use std::sync::Arc;

use super::{
    Brake, CostError, Policies,
    change::{Accounts, Plan, Seen},
    costs::{CostsParts, NewUsage, Reconciled, Recorded},
    documents::{Held, UsageRecord, first, lifetime_at, parse_usage, usage_document, usage_key},
    telling::About,
};
use crate::{
    domain::{Actor, BillingPeriod, Money, TenantId, Timestamp},
    engine::cost::{Account, Policy, Rung},
    store::DocumentKey,
};

pub(super) struct Bookkeeping {
    accounts: Accounts,
    policies: Arc<dyn Policies>,
    brake: Arc<dyn Brake>,
}

impl Bookkeeping {
    pub fn new(parts: CostsParts) -> Self {
        Self {
            accounts: Accounts::new(parts.store, parts.journal, parts.clock),
            policies: parts.policies,
            brake: parts.brake,
        }
    }

    pub fn policy(&self, tenant: &TenantId) -> Policy {
        self.policies.policy(tenant)
    }

    /// The current account, and at which moment it was looked at.
    pub async fn held(&self, tenant: &TenantId) -> Result<(Held, Timestamp), CostError> {
        let now = self.accounts.clock.now();
        Ok((Held::read(&*self.accounts.store, tenant, now).await?, now))
    }

    pub async fn last_24h(
        &self,
        tenant: &TenantId,
        account: &Account,
        now: Timestamp,
    ) -> Result<Money, CostError> {
        let since = Account::day_before(now);
        let before = match account.last_recorded_at {
            // The usual case of an idle tenant: nothing has to be looked up.
            Some(last) if last > since => lifetime_at(&*self.accounts.store, tenant, since).await?,
            _ => account.lifetime_usd,
        };
        Ok(account.lifetime_usd.checked_sub(before).unwrap_or(Money::MAX))
    }

    pub async fn record(&self, tenant: &TenantId, id: &str, new: &NewUsage) -> Result<Recorded, CostError> {
        let policy = self.policy(tenant);
        let key = usage_key(tenant, id);
        let recording = Recording {
            about: About {
                tenant,
                policy: &policy,
                actor: &new.actor,
            },
            key: &key,
            new,
        };
        let recorded = self
            .accounts
            .change(tenant, Some(&key), |seen| recording.plan(seen))
            .await?;
        self.halt_if_spent(tenant, recorded.rung).await;
        Ok(recorded)
    }

    pub async fn reconcile(
        &self,
        tenant: &TenantId,
        provider: Money,
        actor: &Actor,
    ) -> Result<Reconciled, CostError> {
        let policy = self.policy(tenant);
        let about = About {
            tenant,
            policy: &policy,
            actor,
        };
        let reconciled = self
            .accounts
            .change(tenant, None, |seen| {
                let (held, now) = (&seen.held, seen.now);
                let before = &held.account;
                let (after, comparison) = before.clone().reconciled(provider, now, &policy.ladder);
                let told = about.reconciled(provider, &after, &comparison);
                Ok(Plan {
                    documents: vec![held.becoming(tenant, &after)],
                    tellings: std::iter::once(told).chain(about.rung(before, &after)).collect(),
                    answer: Reconciled {
                        comparison,
                        rung: after.rung,
                    },
                })
            })
            .await?;
        if !reconciled.comparison.is_within_tolerance {
            let (counted, bumped_by) = (reconciled.comparison.spent, reconciled.comparison.bumped_by);
            tracing::warn!(%tenant, %provider, %counted, %bumped_by, "what was counted differs from the provider's figure");
        }
        self.halt_if_spent(tenant, reconciled.rung).await;
        Ok(reconciled)
    }

    pub async fn refresh(
        &self,
        tenant: &TenantId,
        start: Option<Timestamp>,
        actor: &Actor,
    ) -> Result<(), CostError> {
        let policy = self.policy(tenant);
        let about = About {
            tenant,
            policy: &policy,
            actor,
        };
        self.accounts
            .change(tenant, None, |seen| {
                let (held, now) = (&seen.held, seen.now);
                let before = &held.account;
                let period = next_period(before.period(), start, now)?;
                let after = before.refreshed(period, &policy.ladder);
                let closed = held.closed(tenant).into_iter();
                let told = about.refreshed(before, &after);
                Ok(Plan {
                    documents: closed.chain([first(tenant, &after)]).collect(),
                    tellings: std::iter::once(told).chain(about.rung(before, &after)).collect(),
                    answer: (),
                })
            })
            .await
    }

    pub async fn settle(&self, tenant: &TenantId) -> Result<(), CostError> {
        let policy = self.policy(tenant);
        let actor = Actor::host();
        let about = About {
            tenant,
            policy: &policy,
            actor: &actor,
        };
        let rung = self
            .accounts
            .change(tenant, None, |seen| {
                let (held, now) = (&seen.held, seen.now);
                let mut after = held.account.clone().standing_on(&policy.ladder);
                if after.ramp_due && after.rung != Rung::HardStop100 && !self.brake.is_halted(tenant) {
                    after = after.slow_since(now);
                }
                if after == held.account {
                    return Ok(Plan::nothing(after.rung));
                }
                Ok(Plan {
                    documents: vec![held.becoming(tenant, &after)],
                    tellings: about.rung(&held.account, &after).into_iter().collect(),
                    answer: after.rung,
                })
            })
            .await?;
        self.halt_if_spent(tenant, rung).await;
        Ok(())
    }

    pub async fn begin_slowly(&self, tenant: &TenantId, at: Timestamp) -> Result<(), CostError> {
        self.accounts
            .change(tenant, None, |seen| {
                let held = &seen.held;
                let after = held.account.clone().slow_since(at);
                Ok(Plan {
                    documents: vec![held.becoming(tenant, &after)],
                    tellings: Vec::new(),
                    answer: (),
                })
            })
            .await
    }

    /// The money is spent whether or not the tenant can be paused: [`Costs::may_spend`] says no in any case.
    async fn halt_if_spent(&self, tenant: &TenantId, rung: Rung) {
        if rung != Rung::HardStop100 {
            return;
        }
        if let Err(error) = self.brake.halt(tenant).await {
            tracing::error!(%tenant, error, "all is spent, but the tenant could not be paused; it may not spend anything");
        }
    }
}

/// A usage on its way into the account.
struct Recording<'a> {
    about: About<'a>,
    key: &'a DocumentKey,
    new: &'a NewUsage,
}

impl Recording<'_> {
    fn plan(&self, seen: &Seen) -> Result<Plan<Recorded>, CostError> {
        let (held, new) = (&seen.held, self.new);
        let ladder = &self.about.policy.ladder;
        if let Some(known) = &seen.usage {
            if parse_usage(known)?.usage != new.usage {
                let key = new.id.clone().unwrap_or_default();
                return Err(CostError::KeyReused { key });
            }
            return Ok(Plan::nothing(self.answer(&held.account, true)));
        }
        let at = held.account.next_record_at(seen.now);
        let after = held.account.clone().recorded(&new.usage, at, ladder);
        let record = UsageRecord {
            usage: new.usage.clone(),
            recorded_at: at,
            billing_period_start: after.billing_period_start,
            lifetime_usd: after.lifetime_usd,
            source: new.source.clone(),
        };
        Ok(Plan {
            documents: vec![
                usage_document(self.key.clone(), &record),
                held.becoming(self.about.tenant, &after),
            ],
            tellings: self.about.rung(&held.account, &after).into_iter().collect(),
            answer: self.answer(&after, false),
        })
    }

    fn answer(&self, account: &Account, repeated: bool) -> Recorded {
        Recorded {
            id: self.key.id.clone(),
            repeated,
            rung: self.about.policy.ladder.rung(account.spent_to_date_usd),
            spent_to_date_usd: account.spent_to_date_usd,
        }
    }
}

fn next_period(
    current: BillingPeriod,
    start: Option<Timestamp>,
    now: Timestamp,
) -> Result<BillingPeriod, CostError> {
    let latest = current.latest_at(now);
    let follows = if latest == current { now } else { latest.start() };
    let asked = start.unwrap_or(follows);
    if asked > current.start() && asked <= now {
        Ok(BillingPeriod::starting(asked))
    } else {
        Err(CostError::Period { asked, current })
    }
}
