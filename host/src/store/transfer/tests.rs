//! Whole stores on their way, each kind to each kind, and what is refused. On real files and a real server.

mod files;
mod places;
mod trips;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{BackupFile, BackupOptions, MadeBackup, Progress, RestoreOptions, Restored, TransferError};
use crate::{
    domain::{SystemClock, Timestamp},
    gates::{Epoch, StoreEpoch},
    store::{
        Batch, Change, Collection, Document, DocumentKey, Head, KvScope, Store, StorePlace,
        conformance::{add, append, event, generation, tenant},
        postgres::{PostgresPlace, testing::Server},
        verify::{ChainStatus, Scope, VerifyOptions},
    },
};

/// Where stores and files of one test are.
struct Desk {
    directory: TempDir,
    runtime: Runtime,
}

impl Desk {
    fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str) -> StorePlace {
        StorePlace::Sqlite(self.path(name))
    }

    fn database() -> StorePlace {
        StorePlace::Postgres(PostgresPlace::parse(&Server::shared().database()).unwrap())
    }

    fn open(&self, place: &StorePlace) -> Arc<dyn Store> {
        let opened = place.clone().open(Arc::new(SystemClock::new()));
        self.runtime.block_on(opened).unwrap()
    }

    /// A store with something of everything, closed.
    fn fill(&self, place: &StorePlace) {
        let store = self.open(place);
        self.runtime.block_on(async {
            fill(&*store).await;
            store.close().await;
        });
    }

    fn names(&self) -> Vec<String> {
        let entries = self.directory.path().read_dir().unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn backup(&self, place: &StorePlace, name: &str) -> MadeBackup {
        self.try_backup(place, name).unwrap()
    }

    fn try_backup(&self, place: &StorePlace, name: &str) -> Result<MadeBackup, TransferError> {
        let options = BackupOptions {
            path: self.path(name),
            overwrite: false,
            made_by: "kora-host@test".to_owned(),
            now: Timestamp::from_micros(1_700_000_000_000_000),
        };
        super::backup(place, &options, &Progress::new())
    }

    fn restore(&self, name: &str, place: &StorePlace) -> Restored {
        self.try_restore(name, place, false).unwrap()
    }

    fn try_restore(&self, name: &str, place: &StorePlace, replace: bool) -> Result<Restored, TransferError> {
        let mut file = BackupFile::open(&self.path(name))?;
        let options = RestoreOptions {
            replace,
            epoch: Epoch::renewed(file.header().origin.epoch.as_ref()),
            now: Timestamp::from_micros(1_700_000_000_000_001),
            only_check: false,
        };
        super::restore(&mut file, place, &options, &Progress::new())
    }

    fn epoch(&self, place: &StorePlace) -> String {
        let document = place.inspect().unwrap().document(&Epoch::place()).unwrap();
        Epoch::of(&document.unwrap()).unwrap().to_string()
    }
}

/// The heads of a sound store.
fn sound_heads(place: &StorePlace) -> Vec<Head> {
    let reader = place.inspect().unwrap();
    let report = reader.verify(&Scope::All, &VerifyOptions::default()).unwrap();
    assert_eq!(report.status(), ChainStatus::Sound, "{report:?}");
    assert_eq!(reader.missing_guard().unwrap(), None);
    reader.heads().unwrap()
}

fn document(of: &str, id: &str, revision: u64) -> Document {
    Document {
        key: DocumentKey {
            collection: Collection::Tickets,
            tenant: tenant(of),
            id: id.to_owned(),
        },
        revision,
        status: "open".to_owned(),
        rank: -3,
        due_at: (revision == 7).then(|| Timestamp::from_micros(-1)),
        body: format!("{{\"é\":\"{revision}\\u0000\"}}"),
    }
}

fn scope() -> KvScope {
    KvScope {
        plugin: "marvin".to_owned(),
        tenant: tenant("acme"),
    }
}

fn changing(changes: Vec<Change>) -> Batch {
    Batch {
        changes,
        ..Batch::default()
    }
}

async fn fill(store: &dyn Store) {
    add(store, &["acme", "Globex", "empty"]).await;
    append(store, "acme", 3).await;
    append(store, "host", 2).await;
    append(store, "Globex", 2).await;
    let odd = [
        crate::domain::NewEvent {
            idempotency_key: Some("k\0\u{1f600}".to_owned()),
            identity_generation: None,
            actor: crate::domain::Actor::host(),
            ..event("acme", 4)
        },
        event("acme", 5),
    ];
    for event in odd {
        store.commit(Batch::of(event)).await.unwrap();
    }
    for revision in 1..=7 {
        let put = Change::PutDocument(document("acme", "t1", revision));
        store.commit(changing(vec![put])).await.unwrap();
    }
    let first = Change::PutDocument(document("Globex", "t1", 1));
    store.commit(changing(vec![first])).await.unwrap();
    for (number, snapshot) in [(1, r#"{"name":"Ä"}"#), (2, r#"{"name":"B"}"#)] {
        let bind = Change::BindIdentity {
            expected: number - 1,
            record: generation("acme", number, snapshot),
        };
        store.commit(changing(vec![bind])).await.unwrap();
    }
    for key in ["plain", "with\0nul"] {
        let put = Change::KvPut {
            scope: scope(),
            key: key.to_owned(),
            value: vec![0, 255, 7],
            quota: 1000,
        };
        store.commit(changing(vec![put])).await.unwrap();
    }
    let disable = Change::SetTenantActive {
        tenant: tenant("Globex"),
        active: false,
    };
    store.commit(changing(vec![disable])).await.unwrap();
}

/// What must still hold of a store that was copied: it goes on where it was, and refuses what it must.
async fn goes_on(store: Arc<dyn Store>) {
    assert_eq!(store.check_rights().await.unwrap(), None);
    append(&*store, "acme", 1).await;
    let put = |document| store.commit(changing(vec![Change::PutDocument(document)]));
    put(document("acme", "t1", 8)).await.unwrap();
    put(document("acme", "t2", 1)).await.unwrap();
    assert!(put(document("acme", "t3", 2)).await.is_err());
    let third = Change::BindIdentity {
        expected: 2,
        record: generation("acme", 3, "{}"),
    };
    store.commit(changing(vec![third])).await.unwrap();
    let (keys, bytes) = store.kv_list(&scope(), "").await.unwrap();
    assert_eq!((keys.len(), bytes), (2, 5 + 3 + 8 + 3));
    let again = Change::AddTenant(crate::store::conformance::tenant_record("GLOBEX"));
    assert!(store.commit(changing(vec![again])).await.is_err());
    store.close().await;
}

async fn make_epoch(store: Arc<dyn Store>) -> String {
    StoreEpoch::new(store).read_or_make().await.unwrap().to_string()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
