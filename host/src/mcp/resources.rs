//! Resources: a tenant's operational state and its recent events, read through the gate of the tools that show them.

use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::Map;

use super::{fault, handler::McpHandler};
use crate::{access::AuditResult, domain::TenantId, service::tools::Wanted};

const SCHEME: &str = "kora://";
const JSON: &str = "application/json";

/// What there is of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// What it is doing.
    OperationalState,
    /// What happened.
    RecentEvents,
}

impl Sort {
    pub const ALL: [Self; 2] = [Self::OperationalState, Self::RecentEvents];

    const fn path(self) -> &'static str {
        match self {
            Self::OperationalState => "operational-state",
            Self::RecentEvents => "recent-events",
        }
    }

    const fn tool(self) -> &'static str {
        match self {
            Self::OperationalState => "kora__get_operational_state",
            Self::RecentEvents => "kora__get_recent_chain_events",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::OperationalState => {
                "What a tenant is doing, what it may claim, and its newest transitions."
            }
            Self::RecentEvents => "The newest events of a tenant's chain.",
        }
    }

    pub fn uri(self, tenant: &str) -> String {
        format!("{SCHEME}{tenant}/{}", self.path())
    }
}

/// Which resource a URI names: `kora://TENANT/SORT`.
pub(super) fn parse(uri: &str) -> Option<(TenantId, Sort)> {
    let (tenant, path) = uri.strip_prefix(SCHEME)?.split_once('/')?;
    let sort = Sort::ALL.into_iter().find(|sort| sort.path() == path)?;
    Some((tenant.parse().ok()?, sort))
}

/// Those of every tenant that the caller may know of.
pub(super) fn list(handler: &McpHandler) -> Vec<Resource> {
    let tenants = handler.service.seen_tenants(&handler.by());
    let of_tenant = |tenant: TenantId| {
        Sort::ALL.map(|sort| {
            Resource::new(sort.uri(tenant.as_str()), format!("{} of {tenant}", sort.path()))
                .with_description(sort.description())
                .with_mime_type(JSON)
        })
    };
    tenants.into_iter().flat_map(of_tenant).collect()
}

/// Their form.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |sort: Sort| {
        ResourceTemplate::new(sort.uri("{workspace_id}"), sort.path())
            .with_description(sort.description())
            .with_mime_type(JSON)
    };
    Sort::ALL.map(template).into()
}

/// There is none under that URI, or none that the caller may read.
pub(super) fn unknown(uri: &str) -> ErrorData {
    let data = serde_json::json!({ "code": "resource.unknown", "uri": uri });
    ErrorData::resource_not_found("there is no such resource", Some(data))
}

/// What a resource says now.
pub(super) async fn read(handler: &McpHandler, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let unknown = || unknown(uri);
    let Some((tenant, sort)) = parse(uri) else {
        let why = handler.unread(Wanted::Resource(uri));
        handler.note_asked_for("resource", why).await;
        return Err(unknown());
    };
    if !handler.service.seen_tenants(&handler.by()).contains(&tenant) {
        handler
            .note_asked_for("resource", AuditResult::TenantDenied)
            .await;
        return Err(unknown());
    }
    let mut arguments = Map::new();
    arguments.insert("workspace_id".to_owned(), tenant.as_str().into());
    let output = handler
        .own_tool(sort.tool(), arguments)
        .await
        .map_err(|fault| fault::error(&fault))?;
    let contents = ResourceContents::text(output.to_string(), uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![contents]))
}
