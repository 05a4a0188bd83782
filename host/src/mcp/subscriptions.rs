//! `subscriptions/listen`: being told that a resource changed. What it says now is read as ever.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rmcp::{
    model::{
        ResourceUpdatedNotification, ResourceUpdatedNotificationParam, ServerNotification, SubscriptionFilter,
    },
    service::SubscriptionContext,
};

use super::{
    handler::McpHandler,
    resources::{Sort, parse},
};
use crate::{
    access::AuditResult,
    domain::TenantId,
    service::{Change, STATE_CHANGED, tools::Wanted},
};

/// A client that takes nothing for so long is cut off.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// More resources than a caller has tenants for, twice over.
const URIS_MAX: usize = 1000;

/// What of it is granted: the resources that the caller may read. Others are left out, whether there are any or not.
pub(super) fn accepted(handler: &McpHandler, requested: &SubscriptionFilter) -> SubscriptionFilter {
    let by = handler.by();
    let tenants = handler.service.seen_tenants(&by);
    let is_seen = |uri: &&String| {
        let is_own = parse(uri).is_some_and(|(tenant, _)| tenants.contains(&tenant));
        is_own || handler.tools.plugin_has_for(&by, Wanted::Resource(uri))
    };
    let mut accepted = SubscriptionFilter::new();
    accepted.tools_list_changed = requested.tools_list_changed;
    accepted.prompts_list_changed = requested.prompts_list_changed;
    accepted.resources_list_changed = requested.resources_list_changed;
    accepted.resource_subscriptions = requested
        .resource_subscriptions
        .as_ref()
        .map(|uris| uris.iter().filter(is_seen).take(URIS_MAX).cloned().collect());
    accepted
}

/// Tells of changes until the client or the host goes away.
pub(super) async fn run(handler: &McpHandler, context: &SubscriptionContext) {
    let mut changes = handler.service.changes();
    let uris = context
        .accepted()
        .resource_subscriptions
        .clone()
        .unwrap_or_default();
    let granted = outcome(handler, context.requested(), &uris);
    handler.note_asked_for("subscriptions/listen", granted).await;
    let wanted = WantedResources::of(uris);
    loop {
        let change = tokio::select! {
            () = context.cancelled() => return,
            () = handler.service.closing() => return,
            change = changes.next() => change,
        };
        let Some(change) = change else { return };
        // Who lost a tenant meanwhile hears nothing more of it.
        let by = handler.by();
        let is_seen = |uri: &str| match parse(uri) {
            Some((tenant, _)) => by.sees(&tenant),
            None => handler.tools.plugin_has_for(&by, Wanted::Resource(uri)),
        };
        for notification in told(&wanted, context.accepted(), &change, is_seen) {
            let sent = tokio::time::timeout(SEND_DEADLINE, context.sink().send(notification)).await;
            if !matches!(sent, Ok(Ok(()))) {
                tracing::debug!("a subscription is cut off: its client takes nothing");
                return;
            }
        }
    }
}

/// How the audit names it: what was left out may be another's.
fn outcome(handler: &McpHandler, requested: &SubscriptionFilter, granted: &[String]) -> AuditResult {
    let granted: BTreeSet<_> = granted.iter().collect();
    let requested = requested.resource_subscriptions.iter().flatten();
    let mut left_out = requested.filter(|uri| !granted.contains(uri)).peekable();
    if left_out.peek().is_none() {
        return AuditResult::Ok;
    }
    let is_anothers =
        |uri: &String| parse(uri).is_some() || handler.unread(Wanted::Resource(uri)).is_denial();
    match left_out.any(is_anothers) {
        true => AuditResult::TenantDenied,
        false => AuditResult::Unknown,
    }
}

/// The resources that a client wants to hear of.
#[derive(Default)]
struct WantedResources {
    of_tenants: BTreeMap<TenantId, Vec<(Sort, String)>>,
    of_plugins: BTreeSet<String>,
}

impl WantedResources {
    fn of(uris: Vec<String>) -> Self {
        let mut wanted = Self::default();
        for uri in uris {
            match parse(&uri) {
                Some((tenant, sort)) => {
                    let of_tenant = wanted.of_tenants.entry(tenant).or_default();
                    // Whoever names one a thousand times is told once all the same.
                    if !of_tenant.iter().any(|(known, _)| *known == sort) {
                        of_tenant.push((sort, uri));
                    }
                }
                None => {
                    wanted.of_plugins.insert(uri);
                }
            }
        }
        wanted
    }
}

/// What a client is told of a change.
fn told(
    wanted: &WantedResources,
    accepted: &SubscriptionFilter,
    change: &Change,
    is_seen: impl Fn(&str) -> bool,
) -> Vec<ServerNotification> {
    let updated = |uri: &str| {
        let update = ResourceUpdatedNotificationParam::new(uri);
        ServerNotification::ResourceUpdatedNotification(ResourceUpdatedNotification::new(update))
    };
    let is_unknown = *change == Change::Unknown;
    let lists = match change {
        Change::Offers {
            tools,
            prompts,
            resources,
        } => [*tools, *prompts, *resources],
        _ => [is_unknown; 3],
    };
    let mut told: Vec<_> = changed(&wanted.of_tenants, change)
        .into_iter()
        .filter(|uri| is_seen(uri))
        .map(updated)
        .collect();
    let plugins = wanted.of_plugins.iter();
    let is_updated =
        |uri: &&String| is_unknown || matches!(change, Change::Resource { uri: changed } if changed == *uri);
    let plugins = plugins.filter(is_updated).filter(|uri| is_seen(uri));
    told.extend(plugins.map(|uri| updated(uri)));
    if lists[0] && accepted.tools_list_changed == Some(true) {
        told.push(ServerNotification::ToolListChangedNotification(Default::default()));
    }
    if lists[1] && accepted.prompts_list_changed == Some(true) {
        told.push(ServerNotification::PromptListChangedNotification(
            Default::default(),
        ));
    }
    if lists[2] && accepted.resources_list_changed == Some(true) {
        told.push(ServerNotification::ResourceListChangedNotification(
            Default::default(),
        ));
    }
    told
}

fn changed<'a>(wanted: &'a BTreeMap<TenantId, Vec<(Sort, String)>>, change: &Change) -> Vec<&'a str> {
    let is_changed = |sort: Sort, event_type: &str| match sort {
        Sort::RecentEvents => true,
        Sort::OperationalState => event_type == STATE_CHANGED,
    };
    let uri = |(_, uri): &'a (Sort, String)| uri.as_str();
    match change {
        Change::Event { tenant, event_type } => wanted
            .get(tenant)
            .into_iter()
            .flatten()
            .filter(|(sort, _)| is_changed(*sort, event_type))
            .map(uri)
            .collect(),
        Change::Chain { tenant } => wanted.get(tenant).into_iter().flatten().map(uri).collect(),
        Change::Resource { .. } | Change::Offers { .. } => Vec::new(),
        // Some of them may have changed: better told once too often.
        Change::Unknown => wanted.values().flatten().map(uri).collect(),
    }
}
