//! The checkpoints that are kept in a home, read from beside: the last ones, and all of them held against the chains.

use std::io;

use serde::Serialize;

use crate::{
    checkpoints::{CheckpointFiles, KeyFile},
    cli::command::events::key_problem,
    config::Home,
    domain::TenantId,
    engine::checkpoint::{Checkpoint, Contradiction, Note, NoteRefusal, SigningKey},
    service::{Problem, ProblemKind, api},
    store::{Inspector, Scope},
};

/// What came of holding checkpoints against chains.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Compared {
    /// How many there were.
    pub kept: u64,
    /// How many the chains agree with.
    pub held: u64,
    /// How many of them another key signed, or one that is not there any more: their signatures are not checked.
    pub other_key: u64,
    /// Those that do not hold.
    pub faults: Vec<Fault>,
}

/// A checkpoint that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Fault {
    pub tenant: String,
    /// What was signed, where that can be read.
    pub seq: Option<u64>,
    pub signed_at: Option<String>,
    pub fault: FaultKind,
    pub detail: String,
}

/// Why it does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum FaultKind {
    /// The chain is shorter than it was.
    Truncated,
    /// The chain has another record there.
    Rewritten,
    /// The key did not sign it so.
    Forged,
    /// It is no checkpoint.
    Unreadable,
}

/// The last checkpoint that was kept of a chain, or of each.
///
/// # Errors
/// If they cannot be read.
pub(in crate::cli) fn last(home: &Home, tenant: Option<&str>) -> Result<Vec<api::Checkpoint>, Problem> {
    let (files, key) = (CheckpointFiles::at(home.checkpoints()), key(home)?);
    let Some(key) = key else {
        return Ok(Vec::new());
    };
    let mut last = Vec::new();
    for of in tenants(&files, tenant)? {
        let kept = files.read(&of).map_err(|error| unreadable(&files, &of, &error))?;
        let newest = kept.notes.iter().rev().find_map(|note| {
            let checkpoint = note.checkpoint(key.public()).ok()?;
            Some((checkpoint, note))
        });
        last.extend(newest.map(|(checkpoint, note)| view(&checkpoint, note)));
    }
    Ok(last)
}

fn view(checkpoint: &Checkpoint, note: &Note) -> api::Checkpoint {
    api::Checkpoint {
        tenant: checkpoint.tenant.to_string(),
        seq: checkpoint.seq,
        head: checkpoint.head.to_string(),
        signed_at: checkpoint.signed_at.to_rfc3339(),
        note: note.to_string(),
    }
}

/// Holds every checkpoint that was kept of the chains of `scope` against them.
///
/// # Errors
/// If the checkpoints, the key or the store cannot be read: then nothing is known.
pub(in crate::cli) fn compare(
    home: &Home,
    reader: &dyn Inspector,
    scope: &Scope,
) -> Result<Compared, Problem> {
    let files = CheckpointFiles::at(home.checkpoints());
    let only = match scope {
        Scope::All => None,
        Scope::Chain(tenant) | Scope::Range { tenant, .. } => Some(tenant.as_str()),
    };
    let tenants = tenants(&files, only)?;
    let mut compared = Compared::default();
    if tenants.is_empty() {
        return Ok(compared);
    }
    let key = key(home)?;
    let heads = reader.heads().map_err(|error| super::store::problem(&error))?;
    for tenant in tenants {
        let last_seq = heads
            .iter()
            .find(|head| head.tenant == tenant)
            .map_or(0, |head| head.seq);
        let kept = files
            .read(&tenant)
            .map_err(|error| unreadable(&files, &tenant, &error))?;
        compared.kept += kept.notes.len() as u64;
        for detail in kept.faults {
            compared.faults.push(Fault {
                tenant: tenant.to_string(),
                seq: None,
                signed_at: None,
                fault: FaultKind::Unreadable,
                detail,
            });
        }
        let proved: Vec<_> = kept
            .notes
            .iter()
            .filter_map(|note| compared.prove(note, key.as_ref(), &tenant))
            .collect();
        let seqs: Vec<_> = proved.iter().map(|checkpoint| checkpoint.seq).collect();
        let hashes = reader.hashes_at(&tenant, &seqs);
        let hashes = hashes.map_err(|error| super::store::problem(&error))?;
        for (checkpoint, hash) in proved.iter().zip(hashes) {
            match checkpoint.contradicted_by(last_seq, hash) {
                None => compared.held += 1,
                Some(found) => compared.faults.push(Fault {
                    fault: match found.fault {
                        Contradiction::Truncated => FaultKind::Truncated,
                        Contradiction::Rewritten => FaultKind::Rewritten,
                    },
                    ..fault(&tenant, Some(checkpoint), found.detail)
                }),
            }
        }
    }
    Ok(compared)
}

impl Compared {
    /// What a note says, if it can be believed at all. A key may have been changed for good reasons: what another signed is
    /// compared, and counted.
    fn prove(&mut self, note: &Note, key: Option<&SigningKey>, tenant: &TenantId) -> Option<Checkpoint> {
        let proved = key.map(|key| note.checkpoint(key.public()));
        let checkpoint = match proved {
            Some(Ok(checkpoint)) => Ok(checkpoint),
            None | Some(Err(NoteRefusal::OtherKey { .. })) => {
                self.other_key += 1;
                note.unproved().ok_or("it is no checkpoint".to_owned())
            }
            Some(Err(refusal)) => Err(refusal.to_string()),
        };
        match checkpoint {
            Ok(checkpoint) if checkpoint.tenant == *tenant => Some(checkpoint),
            Ok(checkpoint) => {
                let detail = format!("it is of the chain of `{}`", checkpoint.tenant);
                self.faults.push(fault(tenant, Some(&checkpoint), detail));
                None
            }
            Err(detail) => {
                self.faults.push(fault(tenant, note.unproved().as_ref(), detail));
                None
            }
        }
    }
}

fn fault(tenant: &TenantId, checkpoint: Option<&Checkpoint>, detail: String) -> Fault {
    Fault {
        tenant: tenant.to_string(),
        seq: checkpoint.map(|checkpoint| checkpoint.seq),
        signed_at: checkpoint.map(|checkpoint| checkpoint.signed_at.to_rfc3339()),
        fault: FaultKind::Forged,
        detail,
    }
}

fn key(home: &Home) -> Result<Option<SigningKey>, Problem> {
    KeyFile::at(home.checkpoint_key())
        .read()
        .map_err(|error| key_problem(&error))
}

fn tenants(files: &CheckpointFiles, only: Option<&str>) -> Result<Vec<TenantId>, Problem> {
    let mut tenants = files.tenants().map_err(|error| {
        let message = format!("the kept checkpoints cannot be read: {error}");
        Problem::new(ProblemKind::Unavailable, "checkpoint.files", message)
    })?;
    tenants.retain(|tenant| only.is_none_or(|only| only == tenant.as_str()));
    Ok(tenants)
}

fn unreadable(files: &CheckpointFiles, tenant: &TenantId, error: &io::Error) -> Problem {
    let path = files.path(tenant);
    let message = format!(
        "the kept checkpoints in `{}` cannot be read: {error}",
        path.display()
    );
    Problem::new(ProblemKind::Unavailable, "checkpoint.files", message)
}
