//! Carrying commands out: on the states of tenants, on their work, on the host itself; and holding tenants that come up while
//! one is in force.

use std::{collections::BTreeSet, sync::Arc};

use tokio::task::JoinSet;

use super::{ControlError, Controls, controls::Inner};
use crate::{
    domain::{Actor, TenantId},
    engine::{
        control::{Command, InForce, Level, Lifecycle},
        transition::TransitionError,
        vocabulary::Owner,
    },
    events::Writer,
    state::StateChangeError,
};

/// How many orders to exit are looked at when a host begins or ends. They are few: each ends a run of it.
const EXITS_LOOKED_AT: u32 = 500;

impl Controls {
    /// Pauses or stops a tenant that came up while a command holds it, as that command says; one that cannot be read counts as
    /// L2. Nothing changes if none does.
    pub async fn hold(&self, tenant: &TenantId) {
        let holding = self.0.book.holding(tenant).await.unwrap_or_else(|error| {
            tracing::warn!(%tenant, %error, "[kora.control.unreadable] counts as {}", Level::UNREADABLE);
            Some(InForce::unreadable(tenant.clone()))
        });
        if let Some(in_force) = holding {
            self.0.hold_by(tenant, &in_force).await;
        }
    }

    /// Orders to exit that ended an earlier run of the host are enforced: that run has ended, and starting this one was the
    /// operator's doing. Those of another host that is up are its own. Before tenants are taken up.
    pub async fn begin(&self) {
        let is_over =
            |command: &Command| command.record.session != self.0.session && !self.0.is_of_another(command);
        self.0.obey_exits(is_over).await;
    }

    /// Orders to exit that end this run are enforced. After everything else has stopped, while the store is still open.
    pub async fn exited(&self) {
        let is_of_this_run = |command: &Command| command.record.session == self.0.session;
        self.0.obey_exits(is_of_this_run).await;
    }
}

impl Inner {
    /// As far as it can be carried out now, and here. Answers it as it is then.
    pub(super) async fn carry_out(self: &Arc<Self>, command: Command) -> Command {
        if self.is_of_another(&command) {
            // A round of the watch asks again where it failed.
            self.are_tokens_revoked(&command).await;
            return command;
        }
        let command = self.begun(command).await;
        if !command.lifecycle.is_open() || !self.is_done(&command).await {
            return command;
        }
        let enforced = self.enforced(&command).await;
        enforced.unwrap_or_else(|error| {
            noted(&command, &error);
            command
        })
    }

    /// An order to stop is obeyed also where it cannot be written down that it was.
    async fn begun(&self, command: Command) -> Command {
        if command.lifecycle == Lifecycle::Enforcing {
            return command;
        }
        let sequence = command.record.sequence;
        match self.step(&command.tenant, sequence, Command::taken_up).await {
            Ok(begun) => begun,
            Err(ControlError::Step(step)) => Command {
                lifecycle: step.from,
                ..command
            },
            Err(error) => {
                noted(&command, &error);
                command
            }
        }
    }

    async fn enforced(&self, command: &Command) -> Result<Command, ControlError> {
        let enforced = self
            .step(&command.tenant, command.record.sequence, |command, now| {
                command.taken_up(now)?.advanced(Lifecycle::Enforced, now)
            })
            .await?;
        tracing::warn!(
            tenant = %command.tenant, level = %command.level(), command_id = %command.record.command_id,
            "[kora.control.enforced]"
        );
        Ok(enforced)
    }

    async fn is_done(self: &Arc<Self>, command: &Command) -> bool {
        if !self.are_tokens_revoked(command).await {
            return false;
        }
        if command.ends_host() {
            return self.is_exit_done(command);
        }
        let (level, writer) = (command.level(), writer(&command.record.issuer));
        // A reason of the host's may name any tenant: it stands in the host's chain, and in those of tenants only which command it was.
        let reason = match command.is_on_host() {
            true => format!("command {} on the host", command.record.command_id),
            false => command.record.reason.clone(),
        };
        let mut holding = JoinSet::new();
        for tenant in self.tenants_of(&command.tenant) {
            let (inner, reason, writer) = (self.clone(), reason.clone(), writer.clone());
            holding.spawn(async move { inner.is_held(&tenant, level, &reason, &writer).await });
        }
        let are_held = holding.join_all().await.into_iter().all(|is_held| is_held);
        // Work is broken off although a state could not be changed.
        let is_let_go = match command.is_on_host() {
            true => self.have_all_let_go(level).await,
            false => self.has_let_go(&command.tenant, level).await,
        };
        are_held && is_let_go
    }

    /// Whether no token of this host's is of use any more where the command says so. An order to exit is for the tokens of one host and of
    /// one run, which did that then.
    pub(super) async fn are_tokens_revoked(&self, command: &Command) -> bool {
        let is_of_another_run = command.ends_host() && command.record.session != self.session;
        if command.level() != Level::L5 || is_of_another_run {
            return true;
        }
        let revoked = self
            .tokens
            .revoke(&command.tenant, command.record.command_id)
            .await;
        if let Err(error) = &revoked {
            tracing::error!(tenant = %command.tenant, error, "[kora.control.enforcing] tokens are not revoked yet");
        }
        // An exit is not put off for it: without the host no token is of use.
        revoked.is_ok() || command.ends_host()
    }

    /// This run ends only when it has ended; an earlier one has.
    fn is_exit_done(&self, command: &Command) -> bool {
        let is_of_this_run = command.record.session == self.session;
        if is_of_this_run {
            let (level, id) = (command.level(), command.record.command_id);
            self.exit.request(format!("STOP-KORA {level}, command {id}"));
        }
        !is_of_this_run
    }

    /// Whether a tenant is where the level wants it.
    async fn is_held(&self, tenant: &TenantId, level: Level, reason: &str, writer: &Writer) -> bool {
        let Some(request) = level.request(reason) else {
            return true;
        };
        match self.states.transition(tenant, request, writer).await {
            // A tenant that is not served here does nothing here, and one that is stopped is where no command goes beyond.
            Ok(_)
            | Err(
                StateChangeError::TenantUnknown { .. } | StateChangeError::Refused(TransitionError::Stopped),
            ) => true,
            Err(error) => {
                tracing::error!(%tenant, %level, %error, "[kora.control.enforcing] the tenant is not held yet");
                false
            }
        }
    }

    /// Whether no tenant that is served holds work that a level on the host does not let it keep. That of other hosts' tenants is broken
    /// off there.
    async fn have_all_let_go(self: &Arc<Self>, level: Level) -> bool {
        if !level.waits_for_work() {
            return true;
        }
        let Some(mut at_work) = self.at_work().await else {
            return false;
        };
        if level.aborts_work() && !at_work.is_empty() {
            self.break_off(at_work).await;
            let Some(left) = self.at_work().await else {
                return false;
            };
            at_work = left;
        }
        at_work.is_empty()
    }

    /// Breaks off what these tenants have under way, but for those of other hosts.
    pub(super) async fn break_off(self: &Arc<Self>, tenants: impl IntoIterator<Item = TenantId>) {
        let mut breaking_off = JoinSet::new();
        for tenant in tenants {
            if !self.elsewhere.holds(&tenant) {
                let inner = self.clone();
                breaking_off.spawn(async move { inner.is_broken_off(&tenant).await });
            }
        }
        breaking_off.join_all().await;
    }

    /// The tenants that have work under way, on whichever host; none if that is not known.
    pub(super) async fn at_work(&self) -> Option<BTreeSet<TenantId>> {
        let at_work = self.work.at_work().await;
        let unknown = |error: &String| {
            tracing::error!(
                error,
                "[kora.control.enforcing] it is not known what is under way"
            );
        };
        at_work.inspect_err(unknown).ok()
    }

    async fn is_broken_off(&self, tenant: &TenantId) -> bool {
        let aborted = self.work.abort(tenant).await;
        if let Err(error) = &aborted {
            tracing::error!(%tenant, error, "[kora.control.enforcing] the work is not broken off yet");
        }
        aborted.is_ok()
    }

    /// Whether a tenant holds no work that the level does not let it keep.
    async fn has_let_go(&self, tenant: &TenantId, level: Level) -> bool {
        if level.aborts_work() && !self.is_broken_off(tenant).await {
            return false;
        }
        if !level.waits_for_work() {
            return true;
        }
        match self.work.held(tenant).await {
            Ok(held) => held == 0,
            Err(error) => {
                tracing::error!(%tenant, %level, error, "[kora.control.enforcing] it is not known what is under way");
                false
            }
        }
    }

    /// What cannot be done now, a round of the watch does.
    pub(super) async fn hold_by(&self, tenant: &TenantId, in_force: &InForce) {
        let what = match in_force.command_id {
            Some(id) => format!("command {id} is in force"),
            None => "the commands cannot be read".to_owned(),
        };
        self.is_held(tenant, in_force.level, &what, &Writer::host(Owner::Control))
            .await;
        if in_force.level.aborts_work() {
            self.is_broken_off(tenant).await;
        }
    }

    async fn obey_exits(&self, are_obeyed: impl Fn(&Command) -> bool) {
        let _turn = self.turn.lock().await;
        let open = Lifecycle::ALL.iter().copied().filter(|point| point.is_open());
        let open = match self.book.all(open, None, EXITS_LOOKED_AT).await {
            Ok(open) => open,
            Err(error) => {
                // The watch does it later.
                return tracing::warn!(%error, "[kora.control.unreadable] orders to exit are not marked yet");
            }
        };
        for command in open {
            if command.ends_host()
                && are_obeyed(&command)
                && let Err(error) = self.enforced(&command).await
            {
                noted(&command, &error);
            }
        }
    }
}

/// Changes of a state name who gave the command.
fn writer(issuer: &Actor) -> Writer {
    Writer::host(Owner::Control).on_behalf_of(issuer)
}

fn noted(command: &Command, error: &ControlError) {
    let (tenant, id) = (&command.tenant, command.record.command_id);
    tracing::error!(%tenant, command_id = %id, %error, "[kora.control.unwritten] what became of a command is not written yet");
}
