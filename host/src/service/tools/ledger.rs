//! `kora__get_recent_ledger_entries`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Annotations, Context, HostTool, ToolFault, ToolKind};
use crate::service::{Problem, ProblemKind, api};

/// The newest rows of the operation ledger.
pub(super) struct GetRecentLedgerEntries;

/// What a list shows unless said.
pub(super) const LIMIT_DEFAULT: u32 = 50;

pub(super) const fn limit_default() -> u32 {
    LIMIT_DEFAULT
}

/// Which rows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// At most this many.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 200))]
    limit: u32,
    /// Only of this status.
    #[serde(default)]
    status: Option<api::OperationStatus>,
}

/// Rows of the ledger.
#[derive(Serialize, JsonSchema)]
pub(super) struct Entries {
    /// The newest first.
    entries: Vec<Entry>,
    limit_applied: u32,
    status_filter: Option<api::OperationStatus>,
    /// The store cannot be read now: there may be rows.
    provider_unavailable: bool,
}

/// A row of the ledger.
#[derive(Serialize, JsonSchema)]
struct Entry {
    kora_operation_id: String,
    work_attempt_id: String,
    sequence_within_attempt: u32,
    ticket_id: String,
    tool_name: String,
    status: String,
    created_at: String,
    updated_at: String,
}

impl HostTool for GetRecentLedgerEntries {
    const NAME: &'static str = "kora__get_recent_ledger_entries";
    const TITLE: &'static str = "Recent ledger entries";
    const DESCRIPTION: &'static str =
        "The newest rows of a tenant's operation ledger: what its agent did under its claims.";
    const KIND: ToolKind = ToolKind::Read;
    const ANNOTATIONS: Annotations = Annotations::READ;
    type Input = Which;
    type Output = Entries;

    async fn run(context: Context<'_>, input: Which) -> Result<Entries, ToolFault> {
        let query = api::ListOperations {
            tenant: context.tenant_text()?,
            status: input.status,
            before: None,
            limit: Some(input.limit),
        };
        let (rows, provider_unavailable) = or_unavailable(context.service.operations(query).await)?;
        let entries = rows.into_iter().map(|row| Entry {
            kora_operation_id: row.kora_operation_id.to_string(),
            work_attempt_id: row.work_attempt_id.to_string(),
            sequence_within_attempt: row.sequence_within_attempt,
            ticket_id: row.ticket_id.to_string(),
            tool_name: row.tool_name,
            status: row.status.to_string(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        });
        Ok(Entries {
            entries: entries.collect(),
            limit_applied: input.limit,
            status_filter: input.status,
            provider_unavailable,
        })
    }
}

/// A read whose store is away answers nothing, and says that it could not look.
pub(super) fn or_unavailable<T>(found: Result<Vec<T>, Problem>) -> Result<(Vec<T>, bool), ToolFault> {
    match found {
        Ok(found) => Ok((found, false)),
        Err(problem) if problem.kind == ProblemKind::Unavailable => Ok((Vec::new(), true)),
        Err(problem) => Err(problem.into()),
    }
}
