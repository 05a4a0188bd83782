//! `kora__get_operational_state`, `kora__request_state_transition`, `kora__request_pause`, `kora__request_resume`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Annotations, Context, HostTool, ToolFault, ToolKind, daemon_status::Nothing, host_tool::said};
use crate::{
    domain::{PrimaryState, TriggerKind},
    engine::transition::Request,
    service::api,
};

/// A tenant's state.
pub(super) struct GetOperationalState;
/// Moving a tenant from one state to another.
pub(super) struct RequestStateTransition;
/// Pausing a tenant that is active.
pub(super) struct RequestPause;
/// Resuming a tenant that is paused.
pub(super) struct RequestResume;

/// A tenant's operational state.
#[derive(Serialize, JsonSchema)]
pub(super) struct State {
    /// `booting`, `ready`, `active`, `paused` or `stopped`.
    primary_state: String,
    /// Why it is degraded, sorted.
    degradation_reasons: Vec<String>,
    /// `none`, `critical_only` or `normal`.
    claim_permission: String,
    /// When it came into this state.
    state_entered_at: Option<String>,
    /// The newest transitions, at most 20.
    recent_transitions: Vec<Transition>,
    /// Whether the tenant has a state at all.
    holder_available: bool,
}

/// A past transition.
#[derive(Serialize, JsonSchema)]
struct Transition {
    timestamp: String,
    from_state: String,
    to_state: String,
    trigger: String,
}

impl HostTool for GetOperationalState {
    const NAME: &'static str = "kora__get_operational_state";
    const TITLE: &'static str = "Operational state";
    const DESCRIPTION: &'static str = "A tenant's operational state: what it is doing, what it may claim, why it is degraded, and its newest transitions.";
    const KIND: ToolKind = ToolKind::Read;
    const ANNOTATIONS: Annotations = Annotations::READ;
    type Input = Nothing;
    type Output = State;

    async fn run(context: Context<'_>, _: Nothing) -> Result<State, ToolFault> {
        let tenant = context.tenant()?;
        if context.service.states.current(tenant).is_none() {
            return Ok(State {
                primary_state: "unknown".to_owned(),
                degradation_reasons: Vec::new(),
                claim_permission: "unknown".to_owned(),
                state_entered_at: None,
                recent_transitions: Vec::new(),
                holder_available: false,
            });
        }
        let input = api::MaybeTenant {
            tenant: context.tenant_text()?,
        };
        let state = context.service.state(&input).await?;
        let transitions = state.transition_history.into_iter().map(|past| Transition {
            timestamp: past.timestamp,
            from_state: past.from_state,
            to_state: past.to_state,
            trigger: past.trigger,
        });
        Ok(State {
            primary_state: state.primary_state,
            degradation_reasons: state.degradation_reasons,
            claim_permission: state.claim_permission,
            state_entered_at: state.state_entered_at,
            recent_transitions: transitions.collect(),
            holder_available: true,
        })
    }
}

/// A state, in any case.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct TargetState(PrimaryState);

impl TryFrom<String> for TargetState {
    type Error = crate::domain::UnknownWireValue;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.to_ascii_lowercase().parse().map(Self)
    }
}

impl JsonSchema for TargetState {
    fn schema_name() -> Cow<'static, str> {
        "TargetState".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The original took any case; an enumeration would not.
        let any_case = |state: &PrimaryState| -> String {
            let letters = state.as_str().chars();
            letters
                .map(|letter| format!("[{}{letter}]", letter.to_ascii_uppercase()))
                .collect()
        };
        let words: Vec<String> = PrimaryState::ALL.iter().map(any_case).collect();
        let names: Vec<&str> = PrimaryState::ALL.iter().map(|state| state.as_str()).collect();
        json_schema!({
            "type": "string",
            "pattern": format!("^({})$", words.join("|")),
            "description": format!("One of {}, in any case.", names.join(", ")),
        })
    }
}

/// A state to go to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    /// The state to go to.
    target_state: TargetState,
    /// Why; it is kept in the tenant's chain.
    #[schemars(length(min = 1))]
    reason: String,
}

/// Why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// Why; it is kept in the tenant's chain.
    #[schemars(length(min = 1))]
    reason: String,
}

/// A state that was changed.
#[derive(Serialize, JsonSchema)]
pub(super) struct Changed {
    success: bool,
    from_state: String,
    to_state: String,
    /// The reason, as it stands in the chain.
    trigger: String,
    /// The caller's label.
    caller_actor_kind: String,
}

fn changed(context: &Context<'_>, change: api::StateChanged) -> Changed {
    Changed {
        success: true,
        from_state: change.from_state,
        to_state: change.to_state,
        trigger: change.trigger,
        caller_actor_kind: context.caller_kind(),
    }
}

impl HostTool for RequestStateTransition {
    const NAME: &'static str = "kora__request_state_transition";
    const TITLE: &'static str = "Request a state transition";
    const DESCRIPTION: &'static str = "Moves a tenant along any arrow of the table of transitions. A pause is lifted by \
         `kora__request_resume` alone, which looks at why the tenant was paused.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ENDS;
    type Input = Target;
    type Output = Changed;

    async fn run(context: Context<'_>, input: Target) -> Result<Changed, ToolFault> {
        let reason = said("reason", &input.reason)?;
        let request = Request::to(input.target_state.0, TriggerKind::Operator, reason);
        let change = context
            .service
            .transition(context.by, context.tenant()?, request)
            .await?;
        Ok(changed(&context, change))
    }
}

impl HostTool for RequestPause {
    const NAME: &'static str = "kora__request_pause";
    const TITLE: &'static str = "Request a pause";
    const DESCRIPTION: &'static str = "Pauses a tenant that is active. One that is idle is paused by `kora state pause` or a stop \
         command of level 1.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    type Input = Reason;
    type Output = Changed;

    async fn run(context: Context<'_>, input: Reason) -> Result<Changed, ToolFault> {
        let reason = said("reason", &input.reason)?;
        let change = context
            .service
            .pause_active(context.by, context.tenant()?, &reason)
            .await?;
        Ok(changed(&context, change))
    }
}

impl HostTool for RequestResume {
    const NAME: &'static str = "kora__request_resume";
    const TITLE: &'static str = "Request a resume";
    const DESCRIPTION: &'static str = "Lifts a pause once nothing holds it: the tenant is `ready` again, never `active`. What holds \
         it is answered as `blocked_by`.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    type Input = Reason;
    type Output = Changed;

    async fn run(context: Context<'_>, input: Reason) -> Result<Changed, ToolFault> {
        let request = api::StateRequest {
            tenant: context.tenant_text()?,
            reason: Some(said("reason", &input.reason)?),
        };
        let change = context.service.resume(context.by, request).await?;
        Ok(changed(&context, change))
    }
}
