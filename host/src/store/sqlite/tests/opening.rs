//! How files are opened: new, held, foreign, older, newer, read from beside.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{Place, SqliteOptions};
use crate::{
    domain::{SystemClock, TenantId, Timestamp},
    engine::chain,
    gates::Epoch,
    store::{
        Batch, EventFilter, Scope, Store, StoreError, StorePlace,
        conformance::{add, append, event},
        sqlite::{SqliteReader, SqliteStore, open, schema},
        transfer::{self, BackupFile, BackupOptions, Progress, RestoreOptions},
        verify::{ChainStatus, VerifyOptions},
    },
};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn beside(place: &Place, suffix: &str) -> std::path::PathBuf {
    place.dir.path().join(format!("store.db{suffix}"))
}

#[tokio::test]
async fn a_new_file_can_be_read_by_its_owner_alone() {
    let place = Place::new();
    let store = place.open();
    append(&store, "host", 1).await;
    for suffix in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&beside(&place, suffix)), 0o600, "{suffix}");
    }
    let plain = place.plain();
    let journal: String = plain
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(journal, "wal");
}

#[tokio::test]
async fn a_closed_store_leaves_one_file_with_everything_in_it() {
    let place = Place::new();
    let store = place.open();
    append(&store, "host", 3).await;
    store.heads().await.unwrap();
    store.close().await;
    assert!(!beside(&place, "-wal").exists());
    assert_eq!(place.open().heads().await.unwrap()[0].seq, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_emptied_when_nobody_writes() {
    let place = Place::new();
    let options = SqliteOptions {
        idle_checkpoint_after: Duration::from_millis(1),
        ..SqliteOptions::default()
    };
    let store = place.try_open(options).unwrap();
    append(&store, "host", 3).await;
    let until = Instant::now() + Duration::from_secs(30);
    while fs::metadata(beside(&place, "-wal")).unwrap().len() > 0 {
        assert!(Instant::now() < until);
        tokio::task::yield_now().await;
    }
    append(&store, "host", 1).await;
}

#[tokio::test]
async fn a_second_host_is_refused_and_told_who_holds_the_file() {
    let place = Place::new();
    let first = place.open();
    let link = place.dir.path().join("link.db");
    symlink(place.path(), &link).unwrap();
    for path in [place.path(), link] {
        let error =
            SqliteStore::open(&path, SqliteOptions::default(), Arc::new(SystemClock::new())).unwrap_err();
        let StoreError::Held { holder, .. } = &error else {
            panic!("{error}")
        };
        assert!(
            holder.starts_with(&format!("process {} since 20", std::process::id())),
            "{holder}"
        );
    }
    drop(first);
    place.open();
}

#[tokio::test]
async fn a_file_of_a_later_release_is_refused_and_left_alone() {
    let place = Place::filled().await;
    place.plain().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(place.path()).unwrap();
    let expected = StoreError::SchemaTooNew {
        found: 99,
        known: schema::known_version(),
    };
    assert_eq!(place.try_open(SqliteOptions::default()).unwrap_err(), expected);
    assert_eq!(SqliteReader::open(&place.path()).unwrap_err(), expected);
    assert_eq!(fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_file_of_something_else_is_refused_and_left_alone() {
    let place = Place::new();
    Connection::open(place.path())
        .unwrap()
        .execute_batch("CREATE TABLE mine (x)")
        .unwrap();
    let before = fs::read(place.path()).unwrap();
    let error = place.try_open(SqliteOptions::default()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged(cause) if cause.contains("of something else")),
        "{error}"
    );
    assert_eq!(fs::read(place.path()).unwrap(), before);

    fs::write(place.path(), b"not a database, but long enough to have a header of one hundred bytes, which is what is read first of all").unwrap();
    assert!(matches!(
        place.try_open(SqliteOptions::default()),
        Err(StoreError::Damaged(_))
    ));
    assert!(matches!(
        SqliteReader::open(&place.path()),
        Err(StoreError::Damaged(_))
    ));
}

#[tokio::test]
async fn an_older_file_is_upgraded_after_a_copy_was_kept() {
    let place = Place::new();
    open::ensure_file(&place.path()).unwrap();
    let mut plain = place.plain();
    schema::migrate_only_to(&mut plain, 1);
    plain
        .execute_batch("INSERT INTO heads VALUES ('acme', 0, zeroblob(32))")
        .unwrap();
    drop(plain);

    let store = place.open();
    append(&store, "host", 1).await;
    add(&store, &["globex"]).await;
    drop(store);
    let copies: Vec<_> = fs::read_dir(place.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "backup"))
        .collect();
    let [copy] = &copies[..] else { panic!("{copies:?}") };
    assert!(
        copy.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("store.db.v1-")
    );
    assert_eq!(mode(copy), 0o600);
    let count = |path: &std::path::Path, sql: &str| -> i64 {
        Connection::open(path)
            .unwrap()
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(count(copy, "PRAGMA user_version"), 1);
    assert_eq!(count(copy, "SELECT count(*) FROM heads"), 2);
    assert_eq!(
        count(&place.path(), "PRAGMA user_version"),
        i64::from(schema::known_version())
    );
    assert_eq!(count(&place.path(), "SELECT count(*) FROM heads"), 3);
    // A file that is up to date is not copied again.
    drop(place.open());
    assert_eq!(
        fs::read_dir(place.dir.path())
            .unwrap()
            .filter(|entry| {
                entry
                    .as_ref()
                    .unwrap()
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "backup")
            })
            .count(),
        1
    );
}

#[tokio::test]
async fn events_from_before_the_upgrade_are_found_by_their_type() {
    let place = Place::new();
    open::ensure_file(&place.path()).unwrap();
    let mut plain = place.plain();
    schema::migrate_only_to(&mut plain, 5);
    let event = "INSERT INTO events (tenant, seq, event_id, event_type, occurred_at, source, payload, prev_hash, this_hash) \
                 SELECT 'host', seq + 1, randomblob(16), 'ops.' || seq, 0, 's', '{}', hash, randomblob(32) FROM heads";
    for _ in 0..300 {
        plain.execute_batch(event).unwrap();
    }
    drop(plain);
    let store = place.open();
    let read = async |prefix: &str| -> Vec<u64> {
        let filter = EventFilter {
            prefixes: vec![prefix.to_owned()],
            ..EventFilter::default()
        };
        let events = store.events(&TenantId::host(), filter).await.unwrap();
        events.iter().map(|event| event.seq).collect()
    };
    assert_eq!(read("ops.3").await, [4]);
    assert_eq!(read("ops.299").await, [300]);
}

#[test]
fn an_older_file_can_be_backed_up_before_it_is_upgraded_and_is_restored_to_the_newest_schema() {
    let (place, restored) = (Place::new(), Place::new());
    open::ensure_file(&place.path()).unwrap();
    let mut plain = place.plain();
    schema::migrate_only_to(&mut plain, 2);
    plain
        .execute_batch("INSERT INTO tenants VALUES ('acme', 1, 7)")
        .unwrap();
    plain
        .execute(
            "INSERT INTO heads VALUES ('acme', 0, ?1)",
            [chain::genesis("acme").as_bytes()],
        )
        .unwrap();
    drop(plain);
    let options = BackupOptions {
        path: place.dir.path().join("backup"),
        overwrite: false,
        made_by: "kora-host@test".to_owned(),
        now: Timestamp::from_micros(1),
    };
    let made = transfer::backup(&StorePlace::Sqlite(place.path()), &options, &Progress::new()).unwrap();
    assert_eq!((made.summary.counts.tenants, made.summary.counts.chains), (1, 2));
    let mut file = BackupFile::open(&options.path).unwrap();
    assert_eq!(file.header().origin.schema, 2);
    let options = RestoreOptions {
        replace: false,
        epoch: Epoch::renewed(None),
        now: options.now,
        only_check: false,
    };
    let to = StorePlace::Sqlite(restored.path());
    transfer::restore(&mut file, &to, &options, &Progress::new()).unwrap();
    let version: u32 = restored
        .plain()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, schema::known_version());
}

#[test]
fn the_last_migration_says_the_version_that_it_makes() {
    let place = Place::new();
    drop(place.open());
    let version: u32 = place
        .plain()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, schema::known_version());
}

#[tokio::test]
async fn a_reader_beside_a_running_host_sees_what_was_committed() {
    let place = Place::new();
    let store = place.open();
    append(&store, "host", 3).await;
    let reader = SqliteReader::open(&place.path()).unwrap();
    assert_eq!(reader.heads().unwrap()[0].seq, 3);
    append(&store, "host", 1).await;
    let report = reader.verify(&Scope::All, &VerifyOptions::default()).unwrap();
    assert_eq!((report.status(), report.records), (ChainStatus::Sound, 4));
    drop(store);
    assert_eq!(reader.heads().unwrap()[0].seq, 4);
}

#[tokio::test]
async fn a_store_can_be_read_where_nothing_can_be_written() {
    let place = Place::filled().await;
    // What cannot be made beside the file: a link to nowhere stands there.
    symlink("/nowhere/at/all", beside(&place, "-shm")).unwrap();
    assert_eq!(place.verify(&Scope::All).records, 8);
    fs::write(beside(&place, "-wal"), b"records that are not in the file yet").unwrap();
    let error = SqliteReader::open(&place.path()).unwrap_err().to_string();
    assert!(
        error.contains("copy the file and the one that ends in `-wal`"),
        "{error}"
    );
}

#[test]
fn a_reader_makes_no_file() {
    let place = Place::new();
    assert!(matches!(
        SqliteReader::open(&place.path()),
        Err(StoreError::Unavailable(_))
    ));
    assert!(!place.path().exists());
    fs::write(place.path(), b"").unwrap();
    let error = SqliteReader::open(&place.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged(cause) if cause.contains("is empty")),
        "{error}"
    );
}

#[tokio::test]
async fn names_with_signs_that_mean_something_in_addresses_are_names() {
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join("a b?c#d%41é");
    fs::create_dir(&odd).unwrap();
    let path = odd.join("store.db");
    let store = SqliteStore::open(&path, SqliteOptions::default(), Arc::new(SystemClock::new())).unwrap();
    store.commit(Batch::of(event("host", 1))).await.unwrap();
    drop(store);
    symlink("/nowhere/at/all", odd.join("store.db-shm")).unwrap();
    let reader = SqliteReader::open(&path).unwrap();
    assert_eq!(reader.heads().unwrap().len(), 1);
    assert!(
        reader
            .export(&Scope::All, Timestamp::from_micros(0), Vec::new())
            .is_ok()
    );
}
