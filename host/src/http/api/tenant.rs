//! What a tenant is doing, how it came up, what it spends, how healthy it is, and which stop commands there are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Asked, endpoint::Endpoint};
use crate::{
    domain::TenantId,
    service::{Problem, api},
};

/// `GET /api/operational-state`.
pub(super) struct OperationalState;
/// `GET /api/boot-status`.
pub(super) struct BootStatus;
/// `GET /api/cost-state`.
pub(super) struct CostState;
/// `GET /api/health-rollup`.
pub(super) struct HealthRollup;
/// `GET /api/kora-control/observed-state`.
pub(super) struct ObservedState;

/// No parameters beside the tenant.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A tenant's operational state, with the fields of the original.
#[derive(Serialize, JsonSchema)]
pub(super) struct State {
    /// `booting`, `ready`, `active`, `paused` or `stopped`.
    primary_state: String,
    /// `none`, `critical_only` or `normal`.
    claim_permission: String,
    /// Sorted.
    degradation_reasons: Vec<String>,
    is_degraded: bool,
    /// The newest twenty, the oldest of them first.
    transition_history: Vec<Transition>,
    valid_next_states: Vec<api::NextState>,
    /// Always `false`: what is answered is never made up.
    stub: bool,
}

/// A past transition.
#[derive(Serialize, JsonSchema)]
struct Transition {
    timestamp: String,
    from_state: String,
    to_state: String,
    trigger: String,
}

impl Endpoint for OperationalState {
    const PATH: &'static str = "/api/operational-state";
    const SUMMARY: &'static str = "Operational state";
    const DESCRIPTION: &'static str = "What a tenant is doing, what it may claim, why it is degraded, how it came there, and what may follow.";
    const ABOUT: About = About::Tenant;
    type Query = Nothing;
    type Answer = State;

    async fn answer(asked: Asked<'_>, _: Nothing) -> Result<State, Problem> {
        let state = asked.service.state(&whose(&asked)?).await?;
        let transitions = state.transition_history.into_iter().map(|past| Transition {
            timestamp: past.timestamp,
            from_state: past.from_state,
            to_state: past.to_state,
            trigger: past.trigger,
        });
        Ok(State {
            primary_state: state.primary_state,
            claim_permission: state.claim_permission,
            degradation_reasons: state.degradation_reasons,
            is_degraded: state.is_degraded,
            transition_history: transitions.collect(),
            valid_next_states: state.valid_next_states,
            stub: false,
        })
    }
}

/// How many boots.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HowMany {
    /// At most this many; 10 unless said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
}

/// Boots that have ended.
#[derive(Serialize, JsonSchema)]
pub(super) struct Boots {
    /// The newest first.
    boots: Vec<api::Boot>,
}

impl Endpoint for BootStatus {
    const PATH: &'static str = "/api/boot-status";
    const SUMMARY: &'static str = "Boot status";
    const DESCRIPTION: &'static str = "The newest boots of a tenant, with the gates that each passed or failed. What gates of the host said is shown to a caller of all \
         tenants.";
    const ABOUT: About = About::TenantOrHost;
    type Query = HowMany;
    type Answer = Boots;

    async fn answer(asked: Asked<'_>, query: HowMany) -> Result<Boots, Problem> {
        let wanted = api::BootHistory {
            tenant: asked.tenant_text()?,
            limit: query.limit,
        };
        let mut boots = asked.service.boot_history(&wanted).await?;
        if !asked.by.sees_all() {
            boots.iter_mut().for_each(api::Boot::hide_host_affairs);
        }
        Ok(Boots { boots })
    }
}

impl Endpoint for CostState {
    const PATH: &'static str = "/api/cost-state";
    const SUMMARY: &'static str = "Cost state";
    const DESCRIPTION: &'static str = "How a tenant's money stands: its rung, what it spent and on what.";
    const ABOUT: About = About::Tenant;
    type Query = Nothing;
    type Answer = api::CostState;

    async fn answer(asked: Asked<'_>, _: Nothing) -> Result<api::CostState, Problem> {
        asked.service.cost(&whose(&asked)?).await
    }
}

impl Endpoint for HealthRollup {
    const PATH: &'static str = "/api/health-rollup";
    const SUMMARY: &'static str = "Health rollup";
    const DESCRIPTION: &'static str = "How healthy a tenant is: eight subsignals, two groups, one word.";
    const ABOUT: About = About::TenantOrHost;
    type Query = Nothing;
    type Answer = api::Health;

    async fn answer(asked: Asked<'_>, _: Nothing) -> Result<api::Health, Problem> {
        let tenant = asked.tenant()?;
        let tenant = (*tenant != TenantId::host()).then(|| tenant.to_string());
        asked.service.health(&api::MaybeTenant { tenant }).await
    }
}

impl Endpoint for ObservedState {
    const PATH: &'static str = "/api/kora-control/observed-state";
    const SUMMARY: &'static str = "Stop commands";
    const DESCRIPTION: &'static str = "The stop commands on a tenant: those in force, also those on the host, the newest ten that were \
         carried out, and the newest thirty of all. Why and by whom a command on the host was given is shown to a caller of all tenants.";
    const ABOUT: About = About::TenantOrHost;
    type Query = Nothing;
    type Answer = api::Commands;

    async fn answer(asked: Asked<'_>, _: Nothing) -> Result<api::Commands, Problem> {
        let tenant = asked.tenant()?;
        let host = *tenant == TenantId::host();
        let whom = api::Whom {
            tenant: (!host).then(|| tenant.to_string()),
            host,
        };
        let mut shown = asked.service.commands(&whom).await?;
        if !asked.by.sees_all() {
            let lists = [
                &mut shown.active,
                &mut shown.recently_enforced,
                &mut shown.history,
            ];
            let of_host = lists
                .into_iter()
                .flatten()
                .filter(|command| command.on == TenantId::host().as_str());
            of_host.for_each(hide_host_affairs);
        }
        Ok(shown)
    }
}

/// Of a command on the host a tenant is told that it holds and how far it goes; why and by whom is the host's affair, and a reason is a
/// text that may name another tenant.
fn hide_host_affairs(command: &mut api::Command) {
    command.reason = None;
    command.issuer_kind = None;
    command.issuer_id = None;
    command.failure = None;
}

fn whose(asked: &Asked<'_>) -> Result<api::MaybeTenant, Problem> {
    Ok(api::MaybeTenant {
        tenant: asked.tenant_text()?,
    })
}
