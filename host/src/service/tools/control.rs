//! `kora__request_stop`: a stop command of level 1 or 2. Those that end something are the machine's operator's.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use subtle::ConstantTimeEq as _;

use super::{
    Annotations, Context, HostTool, ToolFault, ToolKind,
    host_tool::{out_of_range, said},
};
use crate::{
    access::{AuditResult, Principal},
    service::{Service, api},
};

/// Giving a stop command.
pub(super) struct RequestStop;

/// A stop command.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    /// Why; it is kept in the tenant's chain, and not in the audit.
    #[schemars(length(min = 1))]
    reason: String,
    /// 1: nothing new is taken; 2: nor is a tool called, and what is under way is finished.
    #[schemars(schema_with = "any_level")]
    level: Number,
    /// The `daemon_session_id` of the running host, as `kora__daemon_status` shows it.
    #[schemars(length(min = 1))]
    confirm_token: String,
    /// Only say what would be.
    #[serde(default)]
    dry_run: bool,
}

/// A stop command that was given, or would be.
#[derive(Serialize, JsonSchema)]
pub(super) struct Stopped {
    success: bool,
    /// All zeros on a dry run.
    kora_control_id: String,
    /// -1 on a dry run.
    sequence: i64,
    lifecycle_state: String,
    superseded_command_ids: Vec<String>,
    level: u8,
    /// `pause` or `drain`.
    kind: String,
    requested_at: String,
    predicted_state_change: String,
    dry_run: bool,
    /// The caller's label.
    caller_actor_kind: String,
}

const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

impl HostTool for RequestStop {
    const NAME: &'static str = "kora__request_stop";
    const TITLE: &'static str = "Request a stop";
    const DESCRIPTION: &'static str = "Gives a tenant a stop command of level 1 (pause) or 2 (drain), confirmed with the session id of \
         the running host. Higher levels are the machine's operator's alone.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ENDS;
    /// A full disk must not be in the way of a stop; who gave it stands in the chain as well.
    const NEEDS_AUDIT: bool = false;
    type Input = Stop;
    type Output = Stopped;

    /// The order of these is part of the contract: the first that fails answers, and the tenant comes last.
    fn check(service: &Service, by: &Principal, arguments: &Value) -> Result<(), ToolFault> {
        let input = Stop::deserialize(arguments).map_err(|_| out_of_range())?;
        said("reason", &input.reason)?;
        level(&input.level)?;
        confirm(service, &input.confirm_token)?;
        if by.is_accountable() {
            return Ok(());
        }
        Err(ToolFault::ActorIdRequired {
            caller_actor_kind: by.kind().to_owned(),
            tool: Self::NAME.to_owned(),
        })
    }

    async fn run(context: Context<'_>, input: Stop) -> Result<Stopped, ToolFault> {
        let reason = said("reason", &input.reason)?;
        let level = level(&input.level)?;
        let order = api::Stop {
            tenant: context.tenant_text()?,
            level,
            reason: Some(reason),
            dry_run: input.dry_run,
            ..api::Stop::default()
        };
        let issued = context.service.stop(context.by, order).await?;
        Ok(Stopped {
            success: true,
            kora_control_id: issued.command_id.unwrap_or_else(|| NO_ID.to_owned()),
            sequence: issued
                .sequence
                .map_or(-1, |sequence| i64::try_from(sequence).unwrap_or(i64::MAX)),
            lifecycle_state: issued.lifecycle_state,
            superseded_command_ids: issued.superseded_command_ids,
            level: issued.level,
            predicted_state_change: predicted(level).to_owned(),
            kind: issued.kind,
            requested_at: issued.requested_at,
            dry_run: issued.dry_run,
            caller_actor_kind: context.caller_kind(),
        })
    }

    fn audit_result(output: &Stopped) -> AuditResult {
        match u64::try_from(output.sequence) {
            Ok(sequence) => AuditResult::Issued {
                kind: output.kind.clone(),
                sequence,
            },
            Err(_) => AuditResult::DryRunPredicted {
                kind: output.kind.clone(),
            },
        }
    }
}

/// Without limits: one that is not given here is told who gives it.
fn any_level(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer" })
}

fn level(number: &Number) -> Result<u8, ToolFault> {
    match number.as_i64() {
        Some(1) => Ok(1),
        Some(2) => Ok(2),
        Some(3..=5) => Err(ToolFault::bad_input(
            "control.level",
            format!(
                "level {number} is given by the operator on the machine alone: `kora state stop --level {number}`"
            ),
        )),
        _ => Err(ToolFault::bad_input(
            "control.level",
            format!("a level of 1 or 2 was expected, {number} was found"),
        )),
    }
}

fn confirm(service: &Service, token: &str) -> Result<(), ToolFault> {
    let session = service.coordinator.daemon_session_id();
    if bool::from(token.as_bytes().ct_eq(session.as_bytes())) {
        return Ok(());
    }
    Err(ToolFault::bad_input(
        "control.confirmation",
        "`confirm_token` is not the session of the running host, which `kora__daemon_status` shows as `daemon_session_id`; nothing was \
         done",
    ))
}

const fn predicted(level: u8) -> &'static str {
    match level {
        1 => "active->paused (intake stops; in-flight work continues)",
        _ => "active->paused (intake and tool calls stop; in-flight work finishes and is released)",
    }
}
