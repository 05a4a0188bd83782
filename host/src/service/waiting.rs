//! Tenants that wait to be booted: a group at a time, those that somebody asks for first.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::domain::TenantId;

/// How many tenants boot beside each other: enough that their commits share a sync, few enough that a boot leaves threads for others.
pub const TENANTS_AT_ONCE: usize = 16;

/// The queue. Nobody waits in it twice.
#[derive(Debug)]
pub struct Waiting {
    inner: Mutex<Inner>,
    /// Counts the groups that are done.
    done: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    order: VecDeque<TenantId>,
    wanted: VecDeque<TenantId>,
    /// Those in the queue and those that boot just now.
    pending: HashSet<TenantId>,
    /// Those that boot just now.
    booting: HashSet<TenantId>,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            done: watch::Sender::new(0),
        }
    }
}

impl Waiting {
    /// Lets tenants wait, behind those that wait already.
    pub fn put(&self, tenants: impl IntoIterator<Item = TenantId>) {
        let mut inner = self.locked();
        for tenant in tenants {
            if inner.pending.insert(tenant.clone()) {
                inner.order.push_back(tenant);
            }
        }
    }

    /// The next that boot, at most [`TENANTS_AT_ONCE`]; none if nobody waits. Tell [`done`](Self::done) afterwards.
    pub fn next_group(&self) -> Vec<TenantId> {
        let mut inner = self.locked();
        let mut group = Vec::new();
        while group.len() < TENANTS_AT_ONCE {
            let next = inner.wanted.pop_front().or_else(|| inner.order.pop_front());
            let Some(tenant) = next else { break };
            // Who was asked for stands in the order, too.
            if inner.pending.contains(&tenant) && inner.booting.insert(tenant.clone()) {
                group.push(tenant);
            }
        }
        group
    }

    /// These have booted, or need not any more.
    pub fn done(&self, group: &[TenantId]) {
        let mut inner = self.locked();
        for tenant in group {
            inner.pending.remove(tenant);
            inner.booting.remove(tenant);
        }
        drop(inner);
        self.done.send_modify(|groups| *groups += 1);
    }

    /// Whether a tenant waits or boots just now.
    pub fn is_pending(&self, tenant: &TenantId) -> bool {
        self.locked().pending.contains(tenant)
    }

    /// How many wait or boot just now.
    pub fn len(&self) -> usize {
        self.locked().pending.len()
    }

    /// Lets a tenant that waits be among the next, and waits until it has booted; at once if it does not wait. Cancel safe.
    pub async fn need(&self, tenant: &TenantId) {
        let mut done = self.done.subscribe();
        {
            let mut inner = self.locked();
            if !inner.pending.contains(tenant) {
                return;
            }
            if !inner.booting.contains(tenant) && !inner.wanted.contains(tenant) {
                inner.wanted.push_back(tenant.clone());
            }
        }
        // The sender is a field of this.
        let _ = done.wait_for(|_| !self.locked().pending.contains(tenant)).await;
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn tenants(numbers: std::ops::Range<usize>) -> Vec<TenantId> {
        numbers
            .map(|number| format!("t{number:05}").parse().unwrap())
            .collect()
    }

    #[tokio::test]
    async fn who_is_asked_for_boots_next_and_once() {
        let waiting = Arc::new(Waiting::default());
        waiting.put(tenants(0..10_000));
        let first = waiting.next_group();
        assert_eq!(first, tenants(0..16));

        let late = tenants(9_000..9_001).remove(0);
        let asking = {
            let (waiting, late) = (waiting.clone(), late.clone());
            tokio::spawn(async move { waiting.need(&late).await })
        };
        tokio::task::yield_now().await;
        waiting.done(&first);
        let second = waiting.next_group();
        assert_eq!((second.len(), &second[0]), (TENANTS_AT_ONCE, &late));
        assert!(!asking.is_finished());
        waiting.done(&second);
        asking.await.unwrap();

        let mut booted = first.len() + second.len();
        loop {
            let group = waiting.next_group();
            if group.is_empty() {
                break;
            }
            assert!(!group.contains(&late), "it has booted");
            booted += group.len();
            waiting.done(&group);
        }
        assert_eq!((booted, waiting.len()), (10_000, 0));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_tenant_that_does_not_wait() {
        let waiting = Waiting::default();
        waiting.need(&tenants(1..2)[0]).await;
        waiting.put(tenants(0..1));
        waiting.put(tenants(0..1));
        let group = waiting.next_group();
        assert_eq!(group, tenants(0..1), "once");
        waiting.done(&group);
        waiting.need(&tenants(0..1)[0]).await;
    }
}
