//! Stop commands: giving one, lifting them, looking at them.

use std::time::Duration;

use subtle::ConstantTimeEq as _;

use super::{Principal, Problem, ProblemKind, Service, api};
use crate::{
    control::{ControlError, Entry, Issued, StopOrder},
    domain::{TenantId, Timestamp},
    engine::control::{Command, InForce, Level, Lifecycle},
    store::{CommitError, StoreError},
};

/// The reason of a command that came without one.
const NO_REASON: &str = "operator";

impl Service {
    /// Gives a stop command.
    ///
    /// # Errors
    /// If the level, the reason, the expiry or the confirmation is bad, there is no such tenant, or the store refuses.
    pub async fn stop(&self, by: &Principal, input: api::Stop) -> Result<api::CommandIssued, Problem> {
        let level = stop_level(input.level)?;
        let tenant = self.whom(input.tenant.as_deref(), input.host)?;
        let needs_confirmation = (input.host || level.ends()) && !input.dry_run;
        self.check_confirmation(input.confirm.as_deref(), needs_confirmation)?;
        let order = StopOrder {
            tenant,
            level,
            reason: input.reason.unwrap_or_else(|| NO_REASON.to_owned()),
            expires_in: input.expires_in_seconds.map(Duration::from_secs),
            issuer: by.actor(),
            dry_run: input.dry_run,
        };
        self.give(order).await
    }

    /// Lifts every stop command on a tenant, or every one on the host. Resumes nobody.
    ///
    /// # Errors
    /// If the reason is bad, there is no such tenant, or the store refuses.
    pub async fn reset(&self, by: &Principal, input: api::Reset) -> Result<api::CommandIssued, Problem> {
        let order = StopOrder {
            tenant: self.whom(input.tenant.as_deref(), input.host)?,
            level: Level::L0,
            reason: input.reason.unwrap_or_else(|| NO_REASON.to_owned()),
            expires_in: None,
            issuer: by.actor(),
            dry_run: false,
        };
        self.give(order).await
    }

    /// The stop commands on a tenant or on the host.
    ///
    /// # Errors
    /// If there is no such tenant, or they cannot be read.
    pub async fn commands(&self, input: &api::Whom) -> Result<api::Commands, Problem> {
        let tenant = self.whom(input.tenant.as_deref(), input.host)?;
        let listing = self.controls.list(&tenant).await.map_err(problem)?;
        let view = |entries: Vec<Entry>| entries.into_iter().map(entry).collect();
        Ok(api::Commands {
            active: view(listing.active),
            recently_enforced: view(listing.recently_enforced),
            history: view(listing.history),
        })
    }

    /// The stop command that counts for a tenant.
    pub(super) async fn command_in_force(&self, tenant: &TenantId) -> Option<api::CommandInForce> {
        let InForce {
            tenant,
            level,
            command_id,
            ..
        } = self.controls.book().counting(tenant).await?;
        Some(api::CommandInForce {
            command_id: command_id.map(|id| id.to_string()),
            on: tenant.to_string(),
            level: level.number(),
            kind: level.kind().to_string(),
            action: level.action().to_owned(),
        })
    }

    async fn give(&self, order: StopOrder) -> Result<api::CommandIssued, Problem> {
        let issued = self.controls.issue(order).await.map_err(problem)?;
        Ok(answer(issued))
    }

    /// A tenant may be stopped also while it is not served: it stays so when it is served again.
    fn whom(&self, tenant: Option<&str>, host: bool) -> Result<TenantId, Problem> {
        match (tenant, host) {
            (Some(_), true) => {
                let message = "either a tenant or the host was expected, both were found";
                Err(Problem::new(ProblemKind::BadInput, "control.whom", message))
            }
            (None, true) => Ok(TenantId::host()),
            (tenant, false) => self.known_tenant_or_only(tenant),
        }
    }

    /// Whoever ends something shows that he knows what: the run of the host that he means.
    fn check_confirmation(&self, given: Option<&str>, is_needed: bool) -> Result<(), Problem> {
        let shown = "`kora status` shows it as `session`";
        let session = self.coordinator.daemon_session_id();
        match given {
            None if is_needed => {
                let message = "this command has to be confirmed with the session of the running host";
                Err(
                    Problem::new(ProblemKind::BadInput, "control.confirmation_missing", message)
                        .hint(format!("give it with `--confirm`; {shown}")),
                )
            }
            Some(given) if !bool::from(given.as_bytes().ct_eq(session.as_bytes())) => {
                let message = "the confirmation is not the session of the running host; nothing was done";
                Err(Problem::new(ProblemKind::Denied, "control.confirmation", message).hint(shown))
            }
            _ => Ok(()),
        }
    }
}

fn stop_level(number: u8) -> Result<Level, Problem> {
    match Level::try_from(number) {
        Ok(level) if level > Level::L0 => Ok(level),
        _ => {
            let message = format!("a level of 1 to 5 was expected, {number} was found");
            let problem = Problem::new(ProblemKind::BadInput, "control.level", message);
            Err(problem.hint("`kora state reset` is what level 0 does"))
        }
    }
}

fn answer(issued: Issued) -> api::CommandIssued {
    let Issued {
        command,
        superseded,
        foreseen,
        dry_run,
    } = issued;
    let (record, level) = (&command.record, command.level());
    let is_written = !dry_run;
    api::CommandIssued {
        command_id: is_written.then(|| record.command_id.to_string()),
        sequence: is_written.then_some(record.sequence),
        on: command.tenant.to_string(),
        level: level.number(),
        kind: level.kind().to_string(),
        action: level.action().to_owned(),
        lifecycle_state: command.lifecycle.to_string(),
        superseded_command_ids: superseded.iter().map(ToString::to_string).collect(),
        requested_at: command
            .created_at()
            .map_or_else(String::new, Timestamp::to_rfc3339_seconds),
        expires_at: record.expires_at.map(Timestamp::to_rfc3339_seconds),
        predicted_state_changes: foreseen
            .into_iter()
            .map(|change| api::PredictedChange {
                tenant: change.tenant.to_string(),
                from_state: change.from.to_string(),
                to_state: change.to.to_string(),
            })
            .collect(),
        ends_host: command.ends_host(),
        dry_run,
    }
}

fn entry(entry: Entry) -> api::Command {
    let level = entry.level();
    match entry {
        Entry::Command(command) => readable(command),
        Entry::Unreadable {
            tenant, lifecycle, ..
        } => api::Command {
            command_id: None,
            on: tenant.to_string(),
            sequence: None,
            level: level.number(),
            kind: level.kind().to_string(),
            lifecycle_state: lifecycle,
            reason: None,
            issuer_kind: None,
            issuer_id: None,
            created_at: None,
            expires_at: None,
            acknowledged_at: None,
            enforced_at: None,
            escalated_from: None,
            superseded_by: None,
            failure: Some("it cannot be read, and counts as level 2 until a reset lifts it".to_owned()),
        },
    }
}

fn readable(command: Command) -> api::Command {
    let level = command.level();
    let record = command.record;
    let reached = |point: Lifecycle| record.reached.get(&point).map(|at| at.to_rfc3339_seconds());
    api::Command {
        command_id: Some(record.command_id.to_string()),
        on: command.tenant.to_string(),
        sequence: Some(record.sequence),
        level: level.number(),
        kind: level.kind().to_string(),
        lifecycle_state: command.lifecycle.to_string(),
        issuer_kind: Some(record.issuer.kind.to_string()),
        created_at: reached(Lifecycle::Created),
        expires_at: record.expires_at.map(Timestamp::to_rfc3339_seconds),
        acknowledged_at: reached(Lifecycle::Acknowledged),
        enforced_at: reached(Lifecycle::Enforced),
        escalated_from: record.escalated_from.map(|id| id.to_string()),
        superseded_by: record.superseded_by.map(|id| id.to_string()),
        reason: Some(record.reason),
        issuer_id: record.issuer.id,
        failure: record.failure,
    }
}

fn problem(error: ControlError) -> Problem {
    let away = |problem: Problem| {
        problem
            .hint("what cannot be read counts as level 2, so that nothing is claimed meanwhile")
            .hint("`kora state pause` works without the store, and SIGTERM ends the host")
    };
    let new = |kind, code| Problem::new(kind, code, error.to_string());
    match &error {
        ControlError::Reason { .. } => new(ProblemKind::BadInput, "control.reason"),
        ControlError::Expiry { .. } => new(ProblemKind::BadInput, "control.expiry"),
        ControlError::Unknown { .. } => new(ProblemKind::NotFound, "control.unknown"),
        ControlError::Step(_) => new(ProblemKind::WrongState, "control.step"),
        ControlError::KeptChanging { .. } => new(ProblemKind::Conflict, "control.kept_changing"),
        ControlError::Commit(CommitError::TenantUnknown { .. }) => {
            new(ProblemKind::NotFound, "tenant.unknown")
        }
        ControlError::Read(StoreError::Damaged(_)) => new(ProblemKind::Internal, "store.damaged"),
        ControlError::Read(_) | ControlError::Commit(_) => {
            away(new(ProblemKind::Unavailable, "store.unavailable"))
        }
        ControlError::Interrupted(_) => new(ProblemKind::Unavailable, "host.interrupted"),
    }
}
