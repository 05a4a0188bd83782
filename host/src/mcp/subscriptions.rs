//! `subscriptions/listen`: being told that a resource changed. What it says now is read as ever.

use std::{collections::BTreeMap, time::Duration};

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
    domain::TenantId,
    service::{Change, STATE_CHANGED},
};

/// A client that takes nothing for so long is cut off.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// More resources than a caller has tenants for, twice over.
const URIS_MAX: usize = 1000;

/// What of it is granted: the resources that the caller may read. Others are left out, whether there are any or not.
pub(super) fn accepted(handler: &McpHandler, requested: &SubscriptionFilter) -> SubscriptionFilter {
    let tenants = handler.service.seen_tenants(&handler.by());
    let is_seen = |uri: &&String| parse(uri).is_some_and(|(tenant, _)| tenants.contains(&tenant));
    let mut accepted = SubscriptionFilter::new();
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
    let mut wanted: BTreeMap<TenantId, Vec<(Sort, String)>> = BTreeMap::new();
    for uri in uris {
        if let Some((tenant, sort)) = parse(&uri) {
            wanted.entry(tenant).or_default().push((sort, uri));
        }
    }
    loop {
        let change = tokio::select! {
            () = context.cancelled() => return,
            () = handler.service.closing() => return,
            change = changes.next() => change,
        };
        let Some(change) = change else { return };
        let by = handler.by();
        for uri in changed(&wanted, &change) {
            // Who lost a tenant meanwhile hears nothing more of it.
            if !parse(uri).is_some_and(|(tenant, _)| by.sees(&tenant)) {
                continue;
            }
            let update = ResourceUpdatedNotificationParam::new(uri);
            let update =
                ServerNotification::ResourceUpdatedNotification(ResourceUpdatedNotification::new(update));
            let sent = tokio::time::timeout(SEND_DEADLINE, context.sink().send(update)).await;
            if !matches!(sent, Ok(Ok(()))) {
                tracing::debug!("a subscription is cut off: its client takes nothing");
                return;
            }
        }
    }
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
        // Some of them may have changed: better told once too often.
        Change::Unknown => wanted.values().flatten().map(uri).collect(),
    }
}
