//! The host's own tools, in the order in which they are listed.

use std::sync::Arc;

use jsonschema::Validator;

use super::{
    ToolSpec, control, daemon_status, events, health, host_tool::Erased, identities, ledger, plugins,
    schema::validator, state, tickets, webhook_test,
};

/// A tool of the host's, ready to be called.
pub(super) struct Own {
    pub tool: Erased,
    pub input: Validator,
}

/// What is shown of the host's own tools, in the order in which they are listed.
pub fn own_specs() -> Vec<Arc<ToolSpec>> {
    own_tools().into_iter().map(|own| own.tool.spec).collect()
}

/// The capabilities that the host's own tools ask for, in the order in which they are listed.
pub fn own_capabilities() -> Vec<String> {
    own_specs()
        .iter()
        .filter_map(|spec| spec.required_capability.as_ref().map(ToString::to_string))
        .collect()
}

/// All of them.
pub(super) fn own_tools() -> Vec<Own> {
    [
        Erased::of::<daemon_status::DaemonStatus>(),
        Erased::of::<state::GetOperationalState>(),
        Erased::of::<health::GetHealthRollup>(),
        Erased::of::<ledger::GetRecentLedgerEntries>(),
        Erased::of::<events::GetRecentChainEvents>(),
        Erased::of::<tickets::ListActiveSeaTickets>(),
        Erased::of::<plugins::ListPlugins>(),
        Erased::of::<identities::ListIdentities>(),
        Erased::of::<identities::GetIdentity>(),
        Erased::of::<state::RequestStateTransition>(),
        Erased::of::<state::RequestPause>(),
        Erased::of::<state::RequestResume>(),
        Erased::of::<control::RequestStop>(),
        Erased::of::<tickets::CreateSeaTicket>(),
        Erased::of::<tickets::ClaimSeaTicket>(),
        Erased::of::<tickets::RefreshClaim>(),
        Erased::of::<tickets::ReleaseClaim>(),
        Erased::of::<events::AppendEvent>(),
        Erased::of::<identities::SwapIdentity>(),
        Erased::of::<identities::RollbackIdentity>(),
        Erased::of::<webhook_test::SendWebhookTestEvent>(),
    ]
    .into_iter()
    .map(|tool| Own {
        input: validator(&tool.spec.input_schema)
            .expect("a generated schema is a schema: a test builds all of them"),
        tool,
    })
    .collect()
}
