//! Being a member: coming up, renewing, looking at the others, ending.

use std::{collections::BTreeMap, fs, time::Duration};

use uuid::Uuid;

use super::{
    Inner, Membership, MembershipError, Other,
    documents::{self, MemberRecord, Standing, member_key, no_longer_up},
};
use crate::{
    domain::TenantId,
    store::{Batch, Change, Collection, CommitError, Document, DocumentFilter},
};

/// The time between two rounds. Each is one small commit and one read of every host.
pub const EVERY: Duration = Duration::from_secs(3);
/// After how many rounds without a change a member is lost: a store that fails over or a machine that is busy for some seconds costs
/// nobody its tenants.
pub const LAPSES_AFTER: u32 = 5;
/// How many members are looked at: more than any store has hosts.
const MEMBERS_MAX: u32 = 1000;

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// This host came up as a new member: what it held before it holds no longer.
    pub is_new: bool,
    /// A member is gone: what it held is free.
    pub is_somebody_gone: bool,
}

impl Membership {
    /// Comes up if this host is not, renews, and looks at the others. Does nothing where no other host can be.
    ///
    /// # Errors
    /// If the store could not be read or written. Nobody is judged then, and what is held is held on.
    pub async fn round(&self) -> Result<Round, MembershipError> {
        if !self.0.is_shared {
            return Ok(Round::default());
        }
        let _turn = self.0.turn.lock().await;
        if self.0.known().has_left {
            return Ok(Round::default());
        }
        let is_new = !self.0.renew().await?;
        if is_new {
            self.0.come_up().await?;
        }
        let is_somebody_gone = self.0.look().await?;
        Ok(Round {
            is_new,
            is_somebody_gone,
        })
    }

    /// Ends in order, for good: from now on others may hold what this host held.
    pub async fn leave(&self) {
        let _turn = self.0.turn.lock().await;
        self.0.known().has_left = true;
        let Some(me) = self.0.forget_me() else { return };
        if let Err(error) = self.0.end(&me).await {
            tracing::warn!(%error, "other hosts see only by and by that this one has ended");
        }
    }
}

impl Inner {
    /// False if this host is not up, or not any more.
    async fn renew(&self) -> Result<bool, MembershipError> {
        let Some(me) = self.known().me.clone() else {
            return Ok(false);
        };
        let Some(mut document) = self.store.document(&member_key(&me)).await? else {
            self.forget_me();
            return Ok(false);
        };
        // Only this host writes one that is up; a commit of its own may have happened although its answer was an error.
        if document.status != Standing::Up.as_str() {
            tracing::error!(
                "[kora.host.lost] other hosts saw no sign of this one and may hold its tenants by now"
            );
            self.forget_me();
            return Ok(false);
        }
        document.revision += 1;
        match self.put(document).await {
            // If somebody was quicker, just now, the next round sees what it came to.
            Ok(()) | Err(CommitError::RevisionConflict { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn forget_me(&self) -> Option<String> {
        let mut known = self.known();
        known.held.clear();
        known.me.take()
    }

    async fn come_up(&self) -> Result<(), MembershipError> {
        if let Some(last) = self.remembered_member() {
            self.end(&last).await?;
        }
        let id = Uuid::now_v7().simple().to_string();
        let record = MemberRecord {
            name: self.name.clone(),
            session: self.session.clone(),
            up_since: self.clock.now(),
        };
        self.put(documents::member(&id, Standing::Up, &record)).await?;
        // A few bytes, each time that this host comes up.
        if let Err(error) = fs::write(&self.remembered, &id) {
            let path = self.remembered.display();
            tracing::warn!(%path, %error, "should this host be killed, its next start waits until others see that it was");
        }
        self.known().me = Some(id);
        Ok(())
    }

    /// Which member this home was last, if it is not known to have ended.
    fn remembered_member(&self) -> Option<String> {
        let id = fs::read_to_string(&self.remembered).ok()?;
        Uuid::try_parse(id.trim()).ok().map(|id| id.simple().to_string())
    }

    /// Marks a member of this home as ended, if it is up.
    async fn end(&self, id: &str) -> Result<(), MembershipError> {
        let found = self.store.document(&member_key(id)).await?;
        let Some(up) = found.filter(|document| document.status == Standing::Up.as_str()) else {
            return Ok(());
        };
        match self.put(no_longer_up(up, Standing::Ended)).await {
            // Another host marked it as lost just now.
            Ok(()) | Err(CommitError::RevisionConflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at the other members; answers whether one is gone.
    async fn look(&self) -> Result<bool, MembershipError> {
        let filter = DocumentFilter {
            limit: MEMBERS_MAX,
            ..DocumentFilter::of(Collection::Members).tenant(&TenantId::host())
        };
        let up = self
            .store
            .documents(filter.statuses([Standing::Up.as_str()]))
            .await?;
        let (me, before) = {
            let known = self.known();
            (known.me.clone(), known.others.clone())
        };
        let mut now = BTreeMap::new();
        for document in up {
            if me.as_ref() == Some(&document.key.id) {
                continue;
            }
            let other = seen(&document, before.get(&document.key.id))?;
            if other.still_for < LAPSES_AFTER || !self.is_lost(document.clone(), &other).await? {
                now.insert(document.key.id, other);
            }
        }
        let is_somebody_gone = before.keys().any(|id| !now.contains_key(id));
        self.known().others = now;
        Ok(is_somebody_gone)
    }

    async fn is_lost(&self, document: Document, other: &Other) -> Result<bool, MembershipError> {
        match self.put(no_longer_up(document, Standing::Lost)).await {
            Ok(()) => {
                let seconds = u64::from(LAPSES_AFTER) * EVERY.as_secs();
                tracing::warn!(host = %other.name, seconds, "[kora.host.lost] a host gave no sign: its tenants are free");
                Ok(true)
            }
            // It is there after all, or somebody else was quicker.
            Err(CommitError::RevisionConflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn put(&self, document: Document) -> Result<(), CommitError> {
        self.put_all(vec![document]).await
    }

    pub(super) async fn put_all(&self, documents: Vec<Document>) -> Result<(), CommitError> {
        let batch = Batch {
            changes: documents.into_iter().map(Change::PutDocument).collect(),
            ..Batch::default()
        };
        self.store.commit(batch).await.map(drop)
    }
}

fn seen(document: &Document, before: Option<&Other>) -> Result<Other, MembershipError> {
    let MemberRecord { name, session, .. } = documents::read(document)?;
    let stood_still = before.filter(|before| before.revision == document.revision);
    Ok(Other {
        revision: document.revision,
        name,
        session,
        still_for: stood_still.map_or(0, |before| before.still_for + 1),
    })
}
