//! The operational state of tenants: looking, pausing, resuming.

use super::{Operator, Problem, ProblemKind, Service, api};
use crate::{
    domain::{ClaimPermission, DegradationReason, PrimaryState, TenantId, TriggerKind},
    engine::{
        transition::{Request, TRIGGER_TEXT_MAX_CHARS, TransitionError, legal_next, transitions_from},
        vocabulary::Owner,
    },
    events::Writer,
    state::{Changed, HISTORY_LEN, StateChangeError},
    store::StoreHealth,
};

/// The text of a pause or a resume that came without a reason.
const NO_REASON: &str = "operator";

const STORE_IS_BACK: &str = "the store is back";

impl Service {
    /// A tenant's state, its history, and what may follow.
    ///
    /// # Errors
    /// If no such tenant is served.
    pub fn state(&self, input: &api::MaybeTenant) -> Result<api::State, Problem> {
        let tenant = self.tenant_or_only(input.tenant.as_deref())?;
        let unknown = || self.unknown_tenant(tenant.as_str());
        let now = self.states.current(&tenant).ok_or_else(unknown)?;
        let history = self.states.history(&tenant, HISTORY_LEN).ok_or_else(unknown)?;
        let transition_history = history.into_iter().map(|record| api::Transition {
            timestamp: record.at.to_rfc3339_seconds(),
            from_state: record.from_state.to_string(),
            to_state: record.to_state.to_string(),
            trigger: record.trigger,
            trigger_kind: record.trigger_kind.to_string(),
        });
        let next = transitions_from(now.state.primary_state).map(|row| api::NextState {
            to_state: row.to.to_string(),
            trigger: row.trigger.to_owned(),
        });
        Ok(api::State {
            tenant: tenant.to_string(),
            primary_state: now.state.primary_state.to_string(),
            claim_permission: now.state.claim_permission.to_string(),
            degradation_reasons: now
                .state
                .reasons_sorted()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            is_degraded: now.state.is_degraded(),
            state_entered_at: Some(now.entered_at.to_rfc3339_seconds()),
            transition_history: transition_history.collect(),
            valid_next_states: next.collect(),
        })
    }

    /// Pauses a tenant.
    ///
    /// # Errors
    /// If the state does not allow it.
    pub async fn pause(
        &self,
        operator: Operator,
        input: api::StateRequest,
    ) -> Result<api::StateChanged, Problem> {
        let (tenant, text) = self.state_request(input)?;
        let changed = self.states.pause(&tenant, &text, &operator.writer()).await;
        changed
            .map(view)
            .map_err(|error| self.state_problem(&tenant, &error))
    }

    /// Resumes a paused tenant, unless something holds the pause.
    ///
    /// # Errors
    /// If it is not paused, or what holds it.
    pub async fn resume(
        &self,
        operator: Operator,
        input: api::StateRequest,
    ) -> Result<api::StateChanged, Problem> {
        let (tenant, text) = self.state_request(input)?;
        let changed = self.states.resume(&tenant, &text, &operator.writer()).await;
        changed
            .map(view)
            .map_err(|error| self.state_problem(&tenant, &error))
    }

    /// While the store is away nothing is claimed: every tenant that could claim may not, and says why.
    pub async fn store_is_away(&self, cause: &str) {
        tracing::error!(cause, "the store is away: tenants claim nothing until it is back");
        let text = format!("the store is away: {cause}");
        let text: String = text.chars().take(TRIGGER_TEXT_MAX_CHARS).collect();
        for tenant in self.states.tenants() {
            let request = Request::stay(TriggerKind::Degradation, text.clone())
                .permission(ClaimPermission::None)
                .adding([DegradationReason::Substrate]);
            self.note_store(&tenant, request).await;
        }
    }

    /// A pause that was taken up again may say that the store is away, because it was when the host ended. Nobody else could lift
    /// that: whoever noticed the absence has gone. Whether the store is there, and is the one that was known, each boot finds out
    /// anew.
    pub(super) async fn forget_earlier_absence(&self, tenant: &TenantId) {
        let is_noted = self.states.current(tenant).is_some_and(|now| {
            let reasons = &now.state.degradation_reasons;
            reasons.contains(&DegradationReason::Substrate)
        });
        if is_noted && self.store.health() == StoreHealth::Available {
            let request = Request::stay(TriggerKind::Degradation, STORE_IS_BACK)
                .removing([DegradationReason::Substrate]);
            self.note_store(tenant, request).await;
        }
    }

    /// The store is back: what its absence took away is given back.
    pub async fn store_is_back(&self) {
        tracing::info!("{STORE_IS_BACK}");
        for tenant in self.states.tenants() {
            let request = Request::stay(TriggerKind::Degradation, STORE_IS_BACK)
                .removing([DegradationReason::Substrate]);
            let claims = self.states.current(&tenant).is_some_and(|now| {
                matches!(
                    now.state.primary_state,
                    PrimaryState::Ready | PrimaryState::Active
                )
            });
            let request = if claims {
                request.permission(ClaimPermission::Normal)
            } else {
                request
            };
            self.note_store(&tenant, request).await;
        }
    }

    async fn note_store(&self, tenant: &TenantId, request: Request) {
        let stopped = |state: &PrimaryState| *state == PrimaryState::Stopped;
        if self
            .states
            .current(tenant)
            .is_none_or(|now| stopped(&now.state.primary_state))
        {
            return;
        }
        if let Err(error) = self
            .states
            .transition(tenant, request, &Writer::host(Owner::Engine))
            .await
        {
            tracing::warn!(%tenant, %error, "the store's absence is not shown in the tenant's state");
        }
    }

    fn state_request(&self, input: api::StateRequest) -> Result<(TenantId, String), Problem> {
        let tenant = self.tenant_or_only(input.tenant.as_deref())?;
        let text = match input.reason.as_deref().map(str::trim) {
            Some("") => {
                let message = "the reason is empty: give one, or leave it out";
                return Err(Problem::new(ProblemKind::BadInput, "state.reason", message));
            }
            Some(reason) => reason.to_owned(),
            None => NO_REASON.to_owned(),
        };
        Ok((tenant, text))
    }

    fn state_problem(&self, tenant: &TenantId, error: &StateChangeError) -> Problem {
        let (kind, code) = match error {
            StateChangeError::TenantUnknown { .. } => (ProblemKind::NotFound, "tenant.unknown"),
            StateChangeError::Refused(TransitionError::Text { .. }) => {
                (ProblemKind::BadInput, "state.reason")
            }
            StateChangeError::Blocked { .. } => (ProblemKind::WrongState, "state.blocked"),
            StateChangeError::KeptChanging => (ProblemKind::Conflict, "state.kept_changing"),
            StateChangeError::Closing { .. } => (ProblemKind::Unavailable, "host.stopping"),
            StateChangeError::Refused(_)
            | StateChangeError::KindNotYours { .. }
            | StateChangeError::StateNotYours { .. }
            | StateChangeError::ResumeOnly => (ProblemKind::WrongState, "state.not_allowed"),
        };
        let problem = Problem::new(kind, code, error.to_string());
        match self.states.current(tenant) {
            Some(now) if kind == ProblemKind::WrongState => {
                let now = now.state.primary_state;
                let next: Vec<_> = legal_next(now).iter().map(|state| format!("`{state}`")).collect();
                let next = if next.is_empty() {
                    "none".to_owned()
                } else {
                    next.join(", ")
                };
                problem.hint(format!("`{tenant}` is `{now}`; it may go to: {next}"))
            }
            _ => problem,
        }
    }
}

fn view(changed: Changed) -> api::StateChanged {
    let transition = &changed.transition;
    api::StateChanged {
        tenant: transition.tenant.to_string(),
        from_state: transition.from.primary_state.to_string(),
        to_state: transition.to.primary_state.to_string(),
        trigger: transition.trigger.clone(),
        pending: changed.is_pending(),
    }
}
