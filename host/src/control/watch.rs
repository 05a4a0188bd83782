//! The watch: goes on with what is not carried out yet, raises what is late, marks what has expired, holds what got loose. Each
//! round begins from what the store says and may be left out or done twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    ControlError, Controls,
    book::written,
    controls::{ATTEMPTS, Inner},
    telling::told,
};
use crate::{
    domain::{Actor, PrimaryState, TenantId, Timestamp},
    engine::control::{Command, CommandRecord, InForce, Late, Level, Lifecycle, highest, late},
    store::{Change, CommitError, StoreError},
};

/// The time between two rounds: what is late is seen to so much later at most.
pub const POLL: Duration = Duration::from_secs(5);
/// How many commands one round marks as expired, and how many it goes on with; the next takes the others.
const AT_A_TIME: u32 = 500;
/// How many commands in force one round holds tenants by, the highest first. Those beyond still refuse claims and calls.
const HELD_BY: u32 = 1000;

/// When the watch last looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRound {
    /// When the round ended.
    pub at: Timestamp,
    /// The same by the clock that nobody sets.
    pub monotonic: Duration,
    /// Whether it could read the commands.
    pub could_read: bool,
}

impl Controls {
    /// Looks every [`POLL`] until it is told to stop. May be dropped at any time.
    pub async fn watch(&self, stop: CancellationToken) {
        let mut rounds = interval(POLL);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = rounds.tick() => self.round().await,
            }
        }
    }

    /// One look at everything.
    pub async fn round(&self) {
        let outcome = self.0.round().await;
        if let Err(error) = &outcome {
            tracing::warn!(%error, "[kora.control.watch] the commands were not looked at");
        }
        let last = LastRound {
            at: self.0.clock.now(),
            monotonic: self.0.clock.monotonic(),
            could_read: outcome.is_ok(),
        };
        *self.0.last_round.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// The last round; none if there was none yet. Where it lies further back than a few times [`POLL`], nobody watches.
    pub fn last_round(&self) -> Option<LastRound> {
        *self.0.last_round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn those(which: impl Fn(Lifecycle) -> bool) -> impl Iterator<Item = Lifecycle> {
    Lifecycle::ALL.iter().copied().filter(move |point| which(*point))
}

impl Inner {
    async fn round(self: &Arc<Self>) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.mark_expired().await?;
        for command in self.book.all(those(Lifecycle::is_open), None, AT_A_TIME).await? {
            self.go_on_with(command).await;
        }
        self.hold_all().await
    }

    async fn mark_expired(&self) -> Result<(), StoreError> {
        let due = Some(self.clock.now());
        let not_lifted = those(|point| !point.is_lifted());
        for command in self.book.all(not_lifted, due, AT_A_TIME).await? {
            if command.holds_nothing() {
                continue;
            }
            let (tenant, sequence) = (&command.tenant, command.record.sequence);
            let expired = |command: Command, now| command.advanced(Lifecycle::Expired, now);
            match self.step(tenant, sequence, expired).await {
                Ok(_) => {
                    tracing::info!(%tenant, command_id = %command.record.command_id, "[kora.control.expired]")
                }
                Err(error) => tracing::warn!(%tenant, %error, "a command that has expired is not marked yet"),
            }
        }
        Ok(())
    }

    async fn go_on_with(self: &Arc<Self>, command: Command) {
        if self.is_of_another(&command) {
            return;
        }
        let mut command = self.carry_out(command).await;
        // One that is raised may be late at once only if it takes no time: four levels end it.
        while let Some(next) = self.raised_if_late(&command).await {
            command = self.carry_out(next).await;
        }
    }

    /// The one in its place, if it was late and could be raised.
    async fn raised_if_late(&self, command: &Command) -> Option<Command> {
        let (tenant, id) = (&command.tenant, command.record.command_id);
        let outcome = match late(command, self.clock.now(), &self.slas)? {
            Late::Raise(level) => self.raise(command, level).await.map(Some),
            Late::Fail => self.fail(command).await.map(|()| None),
        };
        outcome.unwrap_or_else(|error| {
            tracing::error!(%tenant, command_id = %id, %error, "a late command could not be raised yet");
            None
        })
    }

    async fn raise(&self, late: &Command, level: Level) -> Result<Command, ControlError> {
        let tenant = &late.tenant;
        for _ in 0..ATTEMPTS {
            let stored = self.book.one(tenant, late.record.sequence).await?;
            let stored = stored.ok_or_else(|| ControlError::Unknown {
                tenant: tenant.clone(),
                sequence: late.record.sequence,
            })?;
            let sequence = self.book.next_sequence(tenant).await?;
            let next = self.new_command(tenant, |record| CommandRecord {
                sequence,
                level,
                reason: late.record.reason.clone(),
                expires_at: late.record.expires_at,
                escalated_from: Some(late.record.command_id),
                ..record
            });
            let escalated = stored.command.advanced(Lifecycle::Escalated, self.clock.now())?;
            let changes = vec![
                Change::PutDocument(written(&escalated, stored.revision + 1)),
                Change::PutDocument(written(&next, 1)),
            ];
            let tellings = vec![told(&escalated, Actor::host()), told(&next, Actor::host())];
            match self.journal.commit_all(changes, tellings).await {
                Ok(_) => {
                    let (from, to) = (late.level(), next.level());
                    tracing::error!(%tenant, command_id = %late.record.command_id, %from, %to, "[kora.control.escalated]");
                    return Ok(next);
                }
                Err(CommitError::RevisionConflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(self.kept_changing(tenant))
    }

    async fn fail(&self, late: &Command) -> Result<(), ControlError> {
        let (tenant, sequence) = (&late.tenant, late.record.sequence);
        let seconds = self.slas.of(late.level()).unwrap_or_default().as_secs();
        let failed = |mut command: Command, now| {
            let failure = format!("it was not carried out within {seconds} s");
            command.record.failure = Some(failure);
            command.advanced(Lifecycle::Failed, now)
        };
        self.step(tenant, sequence, failed).await?;
        tracing::error!(%tenant, command_id = %late.record.command_id, "[kora.control.failed] it still holds");
        Ok(())
    }

    /// Tenants that got loose, or that came up on this host by a command that was given on another, are held again, and what they have
    /// under way although a command broke it off is broken off. One that is booting is held when it is taken up. Tokens are revoked
    /// whichever host holds the tenant.
    async fn hold_all(self: &Arc<Self>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut by_tenant = BTreeMap::<TenantId, Vec<InForce>>::new();
        let not_lifted = those(|point| !point.is_lifted());
        for command in self.book.all(not_lifted, None, HELD_BY).await? {
            if command.is_in_force(now) && !command.ends_host() {
                self.are_tokens_revoked(&command).await;
                let in_force = InForce::from(&command);
                by_tenant.entry(command.tenant).or_default().push(in_force);
            }
        }
        let on_host = by_tenant.remove(&TenantId::host()).unwrap_or_default();
        if by_tenant.is_empty() && on_host.is_empty() {
            return Ok(());
        }
        let mut aborted = BTreeSet::new();
        for tenant in self.states.tenants() {
            let own = by_tenant.remove(&tenant).unwrap_or_default();
            let Some(in_force) = highest(own.into_iter().chain(on_host.iter().cloned())) else {
                continue;
            };
            if self.is_loose(&tenant, in_force.level) {
                self.hold_by(&tenant, &in_force).await;
            }
            if in_force.level.aborts_work() {
                aborted.insert(tenant);
            }
        }
        self.break_off_again(&aborted).await;
        Ok(())
    }

    /// A command may have been given on another host to tenants that were paused already, and what was tried once may have failed.
    async fn break_off_again(self: &Arc<Self>, aborted: &BTreeSet<TenantId>) {
        if aborted.is_empty() {
            return;
        }
        if let Some(at_work) = self.at_work().await {
            self.break_off(at_work.intersection(aborted).cloned()).await;
        }
    }

    fn is_loose(&self, tenant: &TenantId, level: Level) -> bool {
        let now = self.states.current(tenant);
        now.is_some_and(|now| match now.state.primary_state {
            PrimaryState::Ready | PrimaryState::Active => true,
            PrimaryState::Paused => level.ends(),
            PrimaryState::Booting | PrimaryState::Stopped => false,
        })
    }
}
