//! Which attempts to append what waits have failed, and for whom: whoever stood behind one of them does not make the same attempt again, and
//! what is the matter with one tenant is not held against another.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::domain::TenantId;

/// Whom a failed attempt is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nothing of anybody can be appended.
    Everybody,
    /// What waits of the tenant is refused.
    Tenant,
    /// The store did not answer: the tenant's, unless the store did not answer for another one just before.
    Unanswered,
}

#[derive(Default)]
pub(super) struct Failures(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// How many attempts failed so far.
    count: u64,
    last_of_everybody: Option<Failure>,
    /// Of tenants of which something waits still.
    last_of_tenants: BTreeMap<TenantId, Failure>,
    /// For whom the store did not answer, if it has answered nobody since.
    unanswered: Option<TenantId>,
}

#[derive(Clone)]
struct Failure {
    number: u64,
    cause: String,
}

impl Failures {
    /// How many attempts failed so far.
    pub(super) fn count(&self) -> u64 {
        self.known().count
    }

    /// Why the last attempt for this tenant failed, if it did after so many.
    pub(super) fn since(&self, count: u64, tenant: &TenantId) -> Option<String> {
        let known = self.known();
        let last = [
            known.last_of_tenants.get(tenant),
            known.last_of_everybody.as_ref(),
        ];
        let mut later = last
            .into_iter()
            .flatten()
            .filter(|failure| failure.number > count);
        later.next().map(|failure| failure.cause.clone())
    }

    /// Whether the last attempt for this tenant failed.
    pub(super) fn has(&self, tenant: &TenantId) -> bool {
        self.known().last_of_tenants.contains_key(tenant)
    }

    /// Notes a failed attempt. Answers whether it is everybody's.
    pub(super) fn note(&self, tenant: &TenantId, reach: Reach, cause: String) -> bool {
        let mut known = self.known();
        let before = known.unanswered.take();
        let is_everybodys = match reach {
            Reach::Everybody => true,
            Reach::Tenant => false,
            Reach::Unanswered => before.is_some_and(|other| other != *tenant),
        };
        if reach == Reach::Unanswered {
            known.unanswered = Some(tenant.clone());
        }
        known.count += 1;
        let number = known.count;
        let failure = Failure { number, cause };
        if is_everybodys {
            known.last_of_everybody = Some(failure.clone());
        }
        known.last_of_tenants.insert(tenant.clone(), failure);
        is_everybodys
    }

    /// Notes that something was appended.
    pub(super) fn store_answered(&self) {
        self.known().unanswered = None;
    }

    /// Nothing of this tenant waits any more.
    pub(super) fn forget(&self, tenant: &TenantId) {
        self.known().last_of_tenants.remove(tenant);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
