//! Issuing a command: what it would do, writing it down, and a reset's clearing of what was before.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    ControlError, Controls,
    book::{Found, cleared_unread, read, written},
    controls::{ATTEMPTS, Inner},
    error::EXPIRY_MAX,
    telling::told,
};
use crate::{
    domain::{Actor, PrimaryState, TenantId, Timestamp},
    engine::{
        control::{Command, CommandRecord, IllegalStep, Level, Lifecycle, REASON_MAX_CHARS},
        transition::apply,
    },
    store::{Change, CommitError, Document},
    tenants::Telling,
};

/// How many commands a reset clears in one batch. More than anybody issues by hand; further ones are cleared in further batches.
const CLEARED_AT_ONCE: u32 = 500;

/// A command that somebody gives.
#[derive(Debug, Clone)]
pub struct StopOrder {
    /// Whom it is for; [`TenantId::host`] for the host and so every tenant.
    pub tenant: TenantId,
    /// How far it goes; L0 lifts every command on the same one.
    pub level: Level,
    /// Why: 1 to [`REASON_MAX_CHARS`] characters once trimmed.
    pub reason: String,
    /// After which time it ends by itself, 1 s to [`EXPIRY_MAX`]; not asked of a reset.
    pub expires_in: Option<Duration>,
    /// Who gives it.
    pub issuer: Actor,
    /// Only says what would be.
    pub dry_run: bool,
}

/// What a command does to a tenant's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// Whose.
    pub tenant: TenantId,
    /// The state before.
    pub from: PrimaryState,
    /// The state after.
    pub to: PrimaryState,
}

/// What came of an order, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The command as far as it has come; nothing of it is written on a dry run.
    pub command: Command,
    /// The commands that it cleared; those that cannot be read have no id and are not here.
    pub superseded: Vec<Uuid>,
    /// What it does to the states of tenants, as they were when it was given.
    pub foreseen: Vec<Foreseen>,
    /// Nothing was written, nothing changed.
    pub dry_run: bool,
}

impl Controls {
    /// Writes a command down and begins to carry it out at once; what takes longer, the [watch](Self::watch) goes on with. Answers
    /// how far it came. The work goes on to its end although its caller went away.
    ///
    /// # Errors
    /// If the reason or the expiry is bad, or the store refused: nothing was issued then, but for a store that did not answer,
    /// where it is not known.
    pub async fn issue(&self, order: StopOrder) -> Result<Issued, ControlError> {
        let inner = self.0.clone();
        let work = async move { inner.issue(order).await };
        self.0.unbroken.run(work).await?
    }
}

/// What is to be committed together for a reset.
#[derive(Default)]
struct Clearing {
    changes: Vec<Change>,
    tellings: Vec<Telling>,
    superseded: Vec<Uuid>,
    is_all: bool,
}

impl Inner {
    async fn issue(self: Arc<Self>, order: StopOrder) -> Result<Issued, ControlError> {
        let order = self.checked(order)?;
        let _turn = self.turn.lock().await;
        let foreseen = self.foreseen(&order);
        if order.dry_run {
            return self.tried(&order, foreseen).await;
        }
        let (command, superseded) = self.written_down(&order).await?;
        tracing::warn!(
            tenant = %command.tenant, level = %command.level(), command_id = %command.record.command_id,
            "[kora.control.issued]"
        );
        let command = if command.lifecycle.is_open() {
            self.carry_out(command).await
        } else {
            command
        };
        Ok(Issued {
            command,
            superseded,
            foreseen,
            dry_run: false,
        })
    }

    fn checked(&self, order: StopOrder) -> Result<StopOrder, ControlError> {
        let reason = order.reason.trim().to_owned();
        let found = reason.chars().count();
        if !(1..=REASON_MAX_CHARS).contains(&found) {
            return Err(ControlError::Reason { found });
        }
        match order.expires_in {
            Some(found) if found < Duration::from_secs(1) || found > EXPIRY_MAX => {
                Err(ControlError::Expiry { found })
            }
            _ => Ok(StopOrder { reason, ..order }),
        }
    }

    /// By the real states and the real table.
    fn foreseen(&self, order: &StopOrder) -> Vec<Foreseen> {
        let ends_host = order.tenant.is_host() && order.level.ends();
        let request = order.level.request(&order.reason);
        let Some(request) = request.filter(|_| !ends_host) else {
            return Vec::new();
        };
        let foresee = |tenant: TenantId| {
            let now = self.states.current(&tenant)?;
            let from = now.state.primary_state;
            let to = apply(&now.state, &request).map_or(from, |after| after.primary_state);
            Some(Foreseen { tenant, from, to })
        };
        let whom = self.tenants_of(&order.tenant);
        whom.into_iter().filter_map(foresee).collect()
    }

    /// The tenants of this host that a command is for.
    pub(super) fn tenants_of(&self, tenant: &TenantId) -> Vec<TenantId> {
        if tenant.is_host() {
            self.states.tenants()
        } else {
            vec![tenant.clone()]
        }
    }

    async fn tried(&self, order: &StopOrder, foreseen: Vec<Foreseen>) -> Result<Issued, ControlError> {
        let command = self.drawn_up(order).await?;
        let superseded = match order.level {
            Level::L0 => self.clearing(&command).await?.superseded,
            _ => Vec::new(),
        };
        Ok(Issued {
            command,
            superseded,
            foreseen,
            dry_run: true,
        })
    }

    async fn written_down(&self, order: &StopOrder) -> Result<(Command, Vec<Uuid>), ControlError> {
        for _ in 0..ATTEMPTS {
            let command = self.drawn_up(order).await?;
            let (command, clearing) = match order.level {
                Level::L0 => (
                    reset(command.clone(), self.clock.now())?,
                    self.clearing(&command).await?,
                ),
                _ => (
                    command,
                    Clearing {
                        is_all: true,
                        ..Clearing::default()
                    },
                ),
            };
            let (mut changes, mut tellings) = (clearing.changes, clearing.tellings);
            changes.push(Change::PutDocument(written(&command, 1)));
            tellings.push(told(&command, order.issuer.clone()));
            match self.journal.commit_all(changes, tellings).await {
                Ok(_) => {
                    let mut superseded = clearing.superseded;
                    if !clearing.is_all {
                        superseded.extend(self.clear_the_rest(&command).await?);
                    }
                    return Ok((command, superseded));
                }
                Err(CommitError::RevisionConflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(self.kept_changing(&order.tenant))
    }

    async fn drawn_up(&self, order: &StopOrder) -> Result<Command, ControlError> {
        let sequence = self.book.next_sequence(&order.tenant).await?;
        let (now, expires_in) = (
            self.clock.now(),
            order.expires_in.filter(|_| order.level != Level::L0),
        );
        Ok(self.new_command(&order.tenant, |record| CommandRecord {
            sequence,
            level: order.level,
            reason: order.reason.clone(),
            issuer: order.issuer.clone(),
            expires_at: expires_in.map(|lasts| now.after(lasts)),
            ..record
        }))
    }

    /// A command that was issued just now.
    pub(super) fn new_command(
        &self,
        tenant: &TenantId,
        fill: impl FnOnce(CommandRecord) -> CommandRecord,
    ) -> Command {
        Command {
            tenant: tenant.clone(),
            lifecycle: Lifecycle::Created,
            record: fill(CommandRecord {
                command_id: Uuid::now_v7(),
                sequence: 0,
                level: Level::L0,
                reason: String::new(),
                issuer: Actor::host(),
                session: self.session.clone(),
                expires_at: None,
                reached: [(Lifecycle::Created, self.clock.now())].into(),
                escalated_from: None,
                superseded_by: None,
                failure: None,
            }),
        }
    }

    async fn clear_the_rest(&self, reset: &Command) -> Result<Vec<Uuid>, ControlError> {
        let mut superseded = Vec::new();
        loop {
            let clearing = self.clearing(reset).await?;
            if !clearing.changes.is_empty() {
                self.journal
                    .commit_all(clearing.changes, clearing.tellings)
                    .await?;
            }
            superseded.extend(clearing.superseded);
            if clearing.is_all {
                return Ok(superseded);
            }
        }
    }

    /// What a reset clears: every command before it that was not lifted already, also such as cannot be read.
    async fn clearing(&self, reset: &Command) -> Result<Clearing, ControlError> {
        let page = self.book.ranked(&reset.tenant, CLEARED_AT_ONCE).await?;
        let mut clearing = Clearing {
            is_all: page.len() < CLEARED_AT_ONCE as usize,
            ..Clearing::default()
        };
        for document in page {
            let Some(cleared) = self.cleared(document, reset) else {
                // Those that hold nothing come last.
                clearing.is_all = true;
                continue;
            };
            clearing.changes.push(Change::PutDocument(cleared.document));
            if let Some(command) = cleared.command {
                clearing.superseded.push(command.record.command_id);
                clearing
                    .tellings
                    .push(told(&command, reset.record.issuer.clone()));
            }
        }
        Ok(clearing)
    }

    fn cleared(&self, document: Document, reset: &Command) -> Option<Cleared> {
        match read(document) {
            Found::Unreadable(document) => {
                let is_lifted = document.status.parse().is_ok_and(Lifecycle::is_lifted);
                (!is_lifted).then(|| Cleared {
                    document: cleared_unread(document),
                    command: None,
                })
            }
            Found::Readable(stored) => {
                let mut command = stored.command;
                if command.holds_nothing() {
                    return None;
                }
                command.record.superseded_by = Some(reset.record.command_id);
                let command = command.advanced(Lifecycle::Superseded, self.clock.now()).ok()?;
                Some(Cleared {
                    document: written(&command, stored.revision + 1),
                    command: Some(command),
                })
            }
        }
    }
}

/// What a reset makes of a document; the command, if it can be read.
struct Cleared {
    document: Document,
    command: Option<Command>,
}

/// A reset is carried out by being written.
fn reset(command: Command, now: Timestamp) -> Result<Command, IllegalStep> {
    command.taken_up(now)?.advanced(Lifecycle::Enforced, now)
}
