//! Who holds which tenant.

use std::collections::HashMap;

use super::{
    Inner, Known, Membership, MembershipError,
    documents::{self, HolderRecord, Standing, holder_key, member_key},
};
use crate::{
    domain::TenantId,
    store::{Collection, CommitError, Document, DocumentFilter},
};

/// Up to how many tenants each holder is read by itself.
const FEW: usize = 32;
/// How many holders are read at once.
const PAGE: u32 = 1000;
/// The most that are written in one batch: what a store writes at once without keeping others waiting.
const TAKEN_AT_ONCE: usize = 128;

impl Membership {
    /// Takes those of these tenants that no host holds which is up. What came of it say [`holds`](Self::holds) and
    /// [`holder`](Self::holder). Takes none if this host is not up.
    ///
    /// # Errors
    /// If the store could not be read or written; what was taken until then is held.
    pub async fn take(&self, wanted: &[TenantId]) -> Result<(), MembershipError> {
        if wanted.iter().all(|tenant| self.holds(tenant)) {
            return Ok(());
        }
        let _turn = self.0.turn.lock().await;
        self.0.take(wanted).await
    }

    /// Lets go of a tenant that this host runs no longer: any host may take it.
    ///
    /// # Errors
    /// If the store could not be read or written: no other host takes it before this one ends.
    pub async fn release(&self, tenant: &TenantId) -> Result<(), MembershipError> {
        if !self.0.is_shared {
            return Ok(());
        }
        let _turn = self.0.turn.lock().await;
        if self.0.known().held.remove(tenant) {
            self.0.release(tenant).await?;
        }
        Ok(())
    }
}

/// What the holder of a tenant means to this host.
enum Whose {
    Mine,
    Free,
    Of(String),
}

impl Known {
    fn note(&mut self, tenant: &TenantId, whose: Whose) {
        self.held.remove(tenant);
        self.elsewhere.remove(tenant);
        match whose {
            Whose::Mine => drop(self.held.insert(tenant.clone())),
            Whose::Of(member) => drop(self.elsewhere.insert(tenant.clone(), member)),
            Whose::Free => {}
        }
    }
}

impl Inner {
    async fn take(&self, wanted: &[TenantId]) -> Result<(), MembershipError> {
        let Some(me) = self.known().me.clone() else {
            return Ok(());
        };
        let holders = match wanted.len() {
            ..=FEW => self.holders_of(wanted).await?,
            _ => self.holders().await?,
        };
        let mut ups = HashMap::new();
        let mut free = Vec::new();
        for tenant in wanted {
            let holder = holders.get(tenant.as_str());
            let whose = self.whose(holder, &me, &mut ups).await?;
            if matches!(whose, Whose::Free) {
                let revision = holder.map_or(0, |holder| holder.revision) + 1;
                free.push((tenant.clone(), documents::holder(tenant, revision, Some(&me))));
            }
            self.known().note(tenant, whose);
        }
        for some in free.chunks(TAKEN_AT_ONCE) {
            self.write_down(some).await?;
        }
        Ok(())
    }

    async fn release(&self, tenant: &TenantId) -> Result<(), MembershipError> {
        let me = self.known().me.clone();
        let Some(holder) = self.store.document(&holder_key(tenant)).await? else {
            return Ok(());
        };
        let HolderRecord { member } = documents::read(&holder)?;
        // If this host was taken for lost, another may have it.
        if member.is_none() || member != me {
            return Ok(());
        }
        match self
            .put(documents::holder(tenant, holder.revision + 1, None))
            .await
        {
            Ok(()) | Err(CommitError::RevisionConflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn holders_of(&self, wanted: &[TenantId]) -> Result<HashMap<String, Document>, MembershipError> {
        let mut found = HashMap::new();
        for tenant in wanted {
            let holder = self.store.document(&holder_key(tenant)).await?;
            found.extend(holder.map(|document| (document.key.id.clone(), document)));
        }
        Ok(found)
    }

    async fn holders(&self) -> Result<HashMap<String, Document>, MembershipError> {
        let mut found = HashMap::new();
        let mut filter = DocumentFilter {
            limit: PAGE,
            ..DocumentFilter::of(Collection::Holders).tenant(&TenantId::host())
        };
        loop {
            let page = self.store.documents(filter.clone()).await?;
            let is_last = page.len() < PAGE as usize;
            filter.before_id = page.last().map(|document| document.key.id.clone());
            found.extend(
                page.into_iter()
                    .map(|document| (document.key.id.clone(), document)),
            );
            if is_last {
                return Ok(found);
            }
        }
    }

    /// `ups` are the members that were asked for already, and whether they are up. What cannot be read holds nothing.
    async fn whose(
        &self,
        holder: Option<&Document>,
        me: &str,
        ups: &mut HashMap<String, bool>,
    ) -> Result<Whose, MembershipError> {
        let Some(Ok(HolderRecord { member: Some(member) })) = holder.map(documents::read) else {
            return Ok(Whose::Free);
        };
        if member == me {
            return Ok(Whose::Mine);
        }
        // The store is asked: one that came up since the last round is not known yet, and one that is known may have ended.
        let is_up = match ups.get(&member) {
            Some(is_up) => *is_up,
            None => {
                let document = self.store.document(&member_key(&member)).await?;
                let is_up = document.is_some_and(|document| document.status == Standing::Up.as_str());
                ups.insert(member.clone(), is_up);
                is_up
            }
        };
        Ok(if is_up { Whose::Of(member) } else { Whose::Free })
    }

    /// All in one batch; if somebody else wants one of them as well, one by one. One that another host was quicker to take is left to
    /// the next look.
    async fn write_down(&self, free: &[(TenantId, Document)]) -> Result<(), MembershipError> {
        let together = free.iter().map(|(_, document)| document.clone()).collect();
        match self.put_all(together).await {
            Ok(()) => {
                let taken = free.iter().map(|(tenant, _)| tenant.clone());
                self.known().held.extend(taken);
                return Ok(());
            }
            Err(CommitError::RevisionConflict { .. }) if free.len() > 1 => {}
            Err(CommitError::RevisionConflict { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for one in free {
            Box::pin(self.write_down(std::slice::from_ref(one))).await?;
        }
        Ok(())
    }
}
