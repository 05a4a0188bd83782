//! Signing chains when somebody asks for it.

use super::{Problem, ProblemKind, Service, api};
use crate::checkpoints::{CheckpointError, Signed};

impl Service {
    /// Signs where a tenant's chain ends now, or where all chains do, and keeps it.
    ///
    /// # Errors
    /// If there is no such tenant, the chain contradicts what was signed before, or it cannot be kept.
    pub async fn checkpoint(&self, input: &api::MaybeTenant) -> Result<Vec<api::Checkpoint>, Problem> {
        let tenant = match input.tenant.as_deref() {
            Some(text) => Some(self.chain(Some(text))?),
            None => None,
        };
        let signed = self
            .checkpoints
            .sign_now(tenant.as_ref())
            .await
            .map_err(problem)?;
        if let (Some(tenant), true) = (&tenant, signed.is_empty()) {
            let message = format!("the chain of `{tenant}` has no record yet: there is nothing to sign");
            return Err(Problem::new(ProblemKind::NotFound, "checkpoint.empty", message));
        }
        Ok(signed.into_iter().map(view).collect())
    }
}

fn view(signed: Signed) -> api::Checkpoint {
    let Signed { checkpoint, note } = signed;
    api::Checkpoint {
        tenant: checkpoint.tenant.to_string(),
        seq: checkpoint.seq,
        head: checkpoint.head.to_string(),
        signed_at: checkpoint.signed_at.to_rfc3339(),
        note: note.to_string(),
    }
}

fn problem(error: CheckpointError) -> Problem {
    let message = error.to_string();
    match error {
        CheckpointError::Contradiction { .. } => Problem::new(
            ProblemKind::Conflict,
            "checkpoint.contradiction",
            message,
        )
        .hint("`kora events verify` holds every kept checkpoint against the chains")
        .hint("if a backup was put back on purpose, move the chain's files in `audit/checkpoints/` away"),
        CheckpointError::Files { .. } => Problem::new(ProblemKind::Unavailable, "checkpoint.files", message),
        CheckpointError::Store(_) => Problem::new(ProblemKind::Unavailable, "store.unavailable", message),
    }
}
