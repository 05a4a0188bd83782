//! The commands of a host: what issues, carries out, watches and lists them has its own file each.

use std::sync::{Arc, Mutex};

use super::{
    CommandBook, ControlError, Elsewhere, Exit, Tokens, Work, book::written, telling::told, watch::LastRound,
};
use crate::{
    domain::{Actor, Clock, TenantId, Timestamp},
    engine::control::{Command, IllegalStep, Slas},
    state::States,
    store::{Change, CommitError},
    tenants::{Journal, Unbroken},
};

/// How often a change is tried again because somebody else changed the same command. Only other hosts on the same store do.
pub(super) const ATTEMPTS: usize = 5;

/// What the commands work with.
pub struct ControlParts {
    /// What is kept of them.
    pub book: CommandBook,
    /// Where they are written with the events that tell of them.
    pub journal: Arc<dyn Journal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The states of tenants.
    pub states: Arc<States>,
    /// What tenants are at work on.
    pub work: Arc<dyn Work>,
    /// The end of this host.
    pub exit: Arc<dyn Exit>,
    /// The tokens of callers, which the highest level revokes.
    pub tokens: Arc<dyn Tokens>,
    /// The other hosts on the same store.
    pub elsewhere: Arc<dyn Elsewhere>,
    /// Names this run of the host.
    pub session: String,
    /// How long commands may take.
    pub slas: Slas,
}

/// The commands of a host. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Controls(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) parts: ControlParts,
    /// Held by whoever issues or carries out, so that a reset and a round do not get in each other's way.
    pub(super) turn: tokio::sync::Mutex<()>,
    pub(super) unbroken: Unbroken,
    pub(super) last_round: Mutex<Option<LastRound>>,
}

impl std::ops::Deref for Inner {
    type Target = ControlParts;

    fn deref(&self) -> &ControlParts {
        &self.parts
    }
}

impl Controls {
    /// Over these parts. Does nothing yet.
    pub fn new(parts: ControlParts) -> Self {
        Self(Arc::new(Inner {
            parts,
            turn: tokio::sync::Mutex::default(),
            unbroken: Unbroken::default(),
            last_round: Mutex::default(),
        }))
    }

    /// What is in force, for those who ask before they begin work.
    pub fn book(&self) -> &CommandBook {
        &self.0.book
    }

    /// Waits for what is being issued.
    pub async fn join(&self) {
        self.0.unbroken.join().await;
    }
}

impl Inner {
    /// Takes a command one step on, with the event that tells of it. Answers it as it is afterwards.
    pub(super) async fn step(
        &self,
        tenant: &TenantId,
        sequence: u64,
        step: impl Fn(Command, Timestamp) -> Result<Command, IllegalStep>,
    ) -> Result<Command, ControlError> {
        for _ in 0..ATTEMPTS {
            let stored = self.book.one(tenant, sequence).await?;
            let stored = stored.ok_or_else(|| ControlError::Unknown {
                tenant: tenant.clone(),
                sequence,
            })?;
            let stepped = step(stored.command.clone(), self.clock.now())?;
            if stepped == stored.command {
                return Ok(stepped);
            }
            let change = Change::PutDocument(written(&stepped, stored.revision + 1));
            match self.journal.commit(change, told(&stepped, Actor::host())).await {
                Ok(_) => return Ok(stepped),
                Err(CommitError::RevisionConflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(self.kept_changing(tenant))
    }

    /// Whether another host that is up sees to a command: the one that holds its tenant, and of a command on the host the run that was
    /// given it. If it ends before it has, whoever is up does.
    pub(super) fn is_of_another(&self, command: &Command) -> bool {
        if command.tenant.is_host() {
            self.elsewhere.is_up(&command.record.session)
        } else {
            self.elsewhere.holds(&command.tenant)
        }
    }

    pub(super) fn kept_changing(&self, tenant: &TenantId) -> ControlError {
        ControlError::KeptChanging {
            tenant: tenant.clone(),
        }
    }
}
