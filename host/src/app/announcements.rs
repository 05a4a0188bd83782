//! What providers announced and nobody has looked into yet: each thing once, one plugin's at a time, and none in another's way.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::domain::{ProviderId, TenantId};

/// Announcements of one plugin that wait. The same one is kept once, so that more of them come from a plugin that announces
/// providers that it has not, or each of very many tenants by itself, where one announcement for all would do.
const WAITING_OF_ONE_PLUGIN: usize = 256;

/// A provider says that it would answer otherwise now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Which.
    pub provider: ProviderId,
    /// For whom; for all it speaks for if absent.
    pub tenant: Option<TenantId>,
}

impl Announcement {
    fn plugin(&self) -> &str {
        self.provider.plugin()
    }
}

/// One plugin has too many of them waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{WAITING_OF_ONE_PLUGIN} announcements of this plugin wait already")]
pub struct TooMany;

/// Those that wait.
#[derive(Debug, Default)]
pub struct Announcements {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Announcement>,
    /// Plugins of which one is just looked into.
    busy: BTreeSet<String>,
}

impl Announcements {
    /// Queues one, unless the same waits already. Never waits.
    ///
    /// # Errors
    /// [`TooMany`]; what other plugins announce does not count.
    pub fn push(&self, announcement: Announcement) -> Result<(), TooMany> {
        let mut inner = self.locked();
        if inner.waiting.contains(&announcement) {
            return Ok(());
        }
        let of_plugin = |other: &&Announcement| other.plugin() == announcement.plugin();
        if inner.waiting.iter().filter(of_plugin).count() >= WAITING_OF_ONE_PLUGIN {
            return Err(TooMany);
        }
        inner.waiting.push_back(announcement);
        drop(inner);
        self.changed.notify_one();
        Ok(())
    }

    /// The next one of a plugin of which none is looked into. Tell [`done`](Self::done) afterwards. Cancel safe.
    pub async fn next(&self) -> Announcement {
        loop {
            let changed = self.changed.notified();
            if let Some(announcement) = self.take() {
                return announcement;
            }
            changed.await;
        }
    }

    /// The next one of that plugin may be looked into.
    pub fn done(&self, announcement: &Announcement) {
        self.locked().busy.remove(announcement.plugin());
        self.changed.notify_one();
    }

    fn take(&self) -> Option<Announcement> {
        let mut inner = self.locked();
        let index = inner
            .waiting
            .iter()
            .position(|announcement| !inner.busy.contains(announcement.plugin()))?;
        let announcement = inner.waiting.remove(index)?;
        inner.busy.insert(announcement.plugin().to_owned());
        Some(announcement)
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn announcement(provider: &str, tenant: Option<&str>) -> Announcement {
        Announcement {
            provider: provider.parse().unwrap(),
            tenant: tenant.map(|tenant| tenant.parse().unwrap()),
        }
    }

    /// Who is next, if anybody is.
    fn next(announcements: &Announcements) -> Option<Announcement> {
        match pin!(announcements.next()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(announcement) => Some(announcement),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_plugin_that_announces_in_a_loop_takes_no_place_of_another() {
        let announcements = Announcements::default();
        for _ in 0..10_000 {
            announcements.push(announcement("loud/loud", None)).unwrap();
        }
        let many = (0..1000).map(|n| announcements.push(announcement("loud/loud", Some(&format!("t{n}")))));
        assert_eq!(many.last(), Some(Err(TooMany)));
        announcements.push(announcement("calm/calm", None)).unwrap();

        assert_eq!(next(&announcements).unwrap(), announcement("loud/loud", None));
        assert_eq!(
            next(&announcements).unwrap(),
            announcement("calm/calm", None),
            "the loud one is still being looked into"
        );
        assert_eq!(next(&announcements), None);
    }

    #[test]
    fn what_is_announced_while_it_is_looked_into_is_looked_into_again() {
        let announcements = Announcements::default();
        let only = announcement("kora/kora", Some("acme"));
        announcements.push(only.clone()).unwrap();
        let taken = next(&announcements).unwrap();
        announcements.push(only.clone()).unwrap();
        assert_eq!(next(&announcements), None, "one at a time");
        announcements.done(&taken);
        assert_eq!(next(&announcements), Some(only));
        assert_eq!(next(&announcements), None);
    }
}
