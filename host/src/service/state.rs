//! The operational state of tenants: looking, pausing, resuming, and what the store's absence makes of it.

use std::{collections::BTreeMap, sync::Arc};

use tokio::task::JoinSet;

use super::{Principal, Problem, ProblemKind, Service, api};
use crate::{
    domain::{ClaimPermission, DegradationReason, OperationalState, PrimaryState, TenantId, TriggerKind},
    engine::{
        transition::{Request, TRIGGER_TEXT_MAX_CHARS, TransitionError, legal_next},
        vocabulary::Owner,
    },
    events::Writer,
    state::{Changed, HISTORY_LEN, StateChangeError},
};

/// The text of a pause or a resume that came without a reason.
const NO_REASON: &str = "operator";

/// What each tenant had before the store went away.
#[derive(Debug, Default)]
pub struct TakenAway(BTreeMap<TenantId, Before>);

#[derive(Debug, Clone, Copy)]
struct Before {
    /// None of one that was booting: its boot gives it one, also while the store is away.
    permission: Option<ClaimPermission>,
    /// Something else than its absence holds the tenant for the store's sake: a store that is another one.
    was_held: bool,
}

impl From<&OperationalState> for Before {
    fn from(state: &OperationalState) -> Self {
        let is_booting = state.primary_state == PrimaryState::Booting;
        Self {
            permission: (!is_booting).then_some(state.claim_permission),
            was_held: state.degradation_reasons.contains(&DegradationReason::Substrate),
        }
    }
}

impl Service {
    /// A tenant's state, its history, and what may follow.
    ///
    /// # Errors
    /// If no such tenant is served.
    pub async fn state(&self, input: &api::MaybeTenant) -> Result<api::State, Problem> {
        let tenant = self.tenant_or_only(input.tenant.as_deref())?;
        let unknown = || self.not_held(&tenant);
        let now = self.states.current(&tenant).ok_or_else(unknown)?;
        let history = self.states.history(&tenant, HISTORY_LEN).ok_or_else(unknown)?;
        let transition_history = history.into_iter().map(|record| api::Transition {
            timestamp: record.at.to_rfc3339_seconds(),
            from_state: record.from_state.to_string(),
            to_state: record.to_state.to_string(),
            trigger: record.trigger,
            trigger_kind: record.trigger_kind.to_string(),
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
            valid_next_states: self.next_states(&tenant, &now.state).await,
            command_in_force: self.command_in_force(&tenant).await,
            failed_gate: self.failed_gate(&tenant),
        })
    }

    /// Pauses a tenant.
    ///
    /// # Errors
    /// If the state does not allow it.
    pub async fn pause(
        &self,
        by: &Principal,
        input: api::StateRequest,
    ) -> Result<api::StateChanged, Problem> {
        let (tenant, text) = self.state_request(input)?;
        let changed = self.states.pause(&tenant, &text, &by.writer()).await;
        changed
            .map(view)
            .map_err(|error| self.state_problem(&tenant, &error))
    }

    /// Pauses a tenant that is active; an idle one is not paused by this.
    ///
    /// # Errors
    /// If it is not active.
    pub async fn pause_active(
        &self,
        by: &Principal,
        tenant: &TenantId,
        reason: &str,
    ) -> Result<api::StateChanged, Problem> {
        let request = Request::to(PrimaryState::Paused, TriggerKind::Operator, reason)
            .adding([DegradationReason::Operator])
            .expecting(PrimaryState::Active);
        self.transition(by, tenant, request).await
    }

    /// Moves a tenant along an arrow of the table.
    ///
    /// # Errors
    /// If the table has no such arrow, or it would lift a pause.
    pub async fn transition(
        &self,
        by: &Principal,
        tenant: &TenantId,
        request: Request,
    ) -> Result<api::StateChanged, Problem> {
        let changed = self.states.transition(tenant, request, &by.writer()).await;
        changed
            .map(view)
            .map_err(|error| self.state_problem(tenant, &error))
    }

    /// Resumes a paused tenant, unless something holds the pause.
    ///
    /// # Errors
    /// If it is not paused, or what holds it.
    pub async fn resume(
        &self,
        by: &Principal,
        input: api::StateRequest,
    ) -> Result<api::StateChanged, Problem> {
        let (tenant, text) = self.state_request(input)?;
        let changed = self.states.resume(&tenant, &text, &by.writer()).await;
        // A command that was given after the guard had looked found the tenant paused already, and so did a usage that spent the last.
        self.controls.hold(&tenant).await;
        if changed.is_ok() {
            self.settle_cost(&tenant).await;
        }
        changed
            .map(view)
            .map_err(|error| self.state_problem(&tenant, &error))
    }

    /// While the store is away nothing is claimed: every tenant that could claim may not, and says why. Answers what was taken away.
    /// All at once: telling the chain takes its time while there is none to tell.
    pub async fn store_is_away(self: &Arc<Self>, cause: &str) -> TakenAway {
        tracing::error!(cause, "the store is away: tenants claim nothing until it is back");
        let text = format!("the store is away: {cause}");
        let text: String = text.chars().take(TRIGGER_TEXT_MAX_CHARS).collect();
        let mut noting = JoinSet::new();
        for tenant in self.states.tenants() {
            let (service, text) = (Arc::clone(self), text.clone());
            noting.spawn(async move {
                let request = Request::stay(TriggerKind::Degradation, text)
                    .permission(ClaimPermission::None)
                    .adding([DegradationReason::Substrate]);
                let noted = service.note_store(&tenant, request).await?;
                // As it was when it was changed: a boot may have ended since anybody else looked.
                let before = Before::from(&noted.transition.from);
                Some((tenant, before))
            });
        }
        TakenAway(noting.join_all().await.into_iter().flatten().collect())
    }

    /// The store is back: what its absence took away is given back, and nothing else.
    pub async fn store_is_back(self: &Arc<Self>, taken: &TakenAway) {
        tracing::info!("the store is back");
        let mut noting = JoinSet::new();
        for (tenant, before) in taken.0.clone() {
            let service = Arc::clone(self);
            noting.spawn(async move {
                let request = Request::stay(TriggerKind::Degradation, "the store is back");
                // A store that is another one holds its tenants although it is there.
                let request = if before.was_held || service.epoch_hold.mismatch().is_some() {
                    request
                } else {
                    request.removing([DegradationReason::Substrate])
                };
                let state = service.states.current(&tenant).map(|now| now.state.primary_state);
                let request = match (state, before.permission) {
                    (Some(PrimaryState::Ready | PrimaryState::Active), Some(permission)) => {
                        request.permission(permission)
                    }
                    _ => request,
                };
                service.note_store(&tenant, request).await;
            });
        }
        noting.join_all().await;
    }

    /// Nothing if the tenant does not run, or its state could not be changed.
    async fn note_store(&self, tenant: &TenantId, request: Request) -> Option<Changed> {
        let current = self.states.current(tenant)?;
        if current.state.primary_state == PrimaryState::Stopped {
            return None;
        }
        let writer = Writer::host(Owner::Engine);
        let noted = self.states.transition(tenant, request, &writer).await;
        noted
            .inspect_err(|error| {
                tracing::warn!(%tenant, %error, "the store's absence is not shown in the tenant's state");
            })
            .ok()
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
            StateChangeError::TenantUnknown { .. } => return self.not_held(tenant),
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
        let problem = match error {
            StateChangeError::Blocked { blocked_by } => problem.with("blocked_by", blocked_by),
            _ => problem,
        };
        match self.states.current(tenant) {
            Some(now) if kind == ProblemKind::WrongState => {
                let now = now.state.primary_state;
                if let StateChangeError::Blocked { .. } = error {
                    // It says what to do; that the table has the arrow would be no help.
                    return problem
                        .with("current_state", now)
                        .with("legal_next_states", legal_next(now));
                }
                told_where_to(problem, tenant, now, now == PrimaryState::Paused)
            }
            _ => problem,
        }
    }
}

/// Names the states that may follow. `ready` is none of them after a pause: the table has that arrow for a resume alone, and who wants to
/// go along it is told so.
fn told_where_to(problem: Problem, tenant: &TenantId, now: PrimaryState, wants_resume: bool) -> Problem {
    let mut next = legal_next(now);
    if wants_resume {
        next.retain(|state| *state != PrimaryState::Ready);
    }
    let shown: Vec<_> = next.iter().map(|state| format!("`{state}`")).collect();
    let shown = match shown.as_slice() {
        [] => "none".to_owned(),
        shown => shown.join(", "),
    };
    let problem = problem
        .with("current_state", now)
        .with("legal_next_states", next)
        .hint(format!("`{tenant}` is `{now}`; it may go to: {shown}"));
    match wants_resume {
        true => problem.hint("a resume makes it `ready`: `kora__request_resume`, or `kora state resume`"),
        false => problem,
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
