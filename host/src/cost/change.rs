//! Changing an account: read, decide, commit; from the beginning again if somebody else was quicker.

use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::Arc,
};

use tokio::sync::{Mutex, MutexGuard};

use super::{CostError, documents::Held};
use crate::{
    domain::{Clock, TenantId, Timestamp},
    store::{Change, CommitError, Document, DocumentKey, Store},
    tenants::{Journal, Telling},
};

/// How often another host may be quicker. Within this host, changes of one account take turns.
const ATTEMPTS: usize = 16;
/// Tenants share turns by their ids: enough that they rarely meet, without a turn for each of ten thousand.
const TURNS: usize = 64;

/// What a change of an account commits, and what it answers.
pub(super) struct Plan<T> {
    pub documents: Vec<Document>,
    pub tellings: Vec<Telling>,
    pub answer: T,
}

impl<T> Plan<T> {
    /// Nothing is to be committed.
    pub const fn nothing(answer: T) -> Self {
        Self {
            documents: Vec::new(),
            tellings: Vec::new(),
            answer,
        }
    }
}

/// What a change is decided about.
pub(super) struct Seen {
    pub held: Held,
    /// The usage that was asked for, if it is there already.
    pub usage: Option<Document>,
    pub now: Timestamp,
}

/// Accounts as they are changed.
pub(super) struct Accounts {
    pub store: Arc<dyn Store>,
    pub journal: Arc<dyn Journal>,
    pub clock: Arc<dyn Clock>,
    turns: [Mutex<()>; TURNS],
}

impl Accounts {
    pub fn new(store: Arc<dyn Store>, journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            journal,
            clock,
            turns: [const { Mutex::const_new(()) }; TURNS],
        }
    }

    /// Commits what `decide` makes of the current account, and of the usage of this key if there is one; `decide` is asked again about
    /// fresh ones if another host was quicker.
    pub async fn change<T>(
        &self,
        tenant: &TenantId,
        usage: Option<&DocumentKey>,
        mut decide: impl FnMut(&Seen) -> Result<Plan<T>, CostError>,
    ) -> Result<T, CostError> {
        let _turn = self.turn(tenant).await;
        for _ in 0..ATTEMPTS {
            let plan = decide(&self.look(tenant, usage).await?)?;
            if plan.documents.is_empty() {
                return Ok(plan.answer);
            }
            let changes = plan.documents.into_iter().map(Change::PutDocument).collect();
            match self.journal.commit_all(changes, plan.tellings).await {
                Ok(_) => return Ok(plan.answer),
                Err(CommitError::RevisionConflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(CostError::KeptChanging { attempts: ATTEMPTS })
    }

    async fn look(&self, tenant: &TenantId, usage: Option<&DocumentKey>) -> Result<Seen, CostError> {
        let now = self.clock.now();
        let usage = match usage {
            Some(key) => self.store.document(key).await?,
            None => None,
        };
        let held = Held::read(&*self.store, tenant, now).await?;
        Ok(Seen { held, usage, now })
    }

    async fn turn(&self, tenant: &TenantId) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(tenant);
        let place = usize::try_from(hash % TURNS as u64).unwrap_or(0);
        self.turns[place].lock().await
    }
}
