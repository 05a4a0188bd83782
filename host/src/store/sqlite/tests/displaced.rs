//! Files that are removed, replaced or overwritten while the store has them open: what is acknowledged then must be found again.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{Place, SqliteOptions, verify};
use crate::store::{
    Batch, Scope, Store, StoreError, StoreHealth,
    conformance::{add, append, event},
    sqlite::SqliteStore,
    verify::ChainStatus,
};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// A store that looks often, with the tenant `acme`, whose first three events are in the file itself.
async fn running(place: &Place) -> SqliteStore {
    let options = SqliteOptions {
        idle_checkpoint_after: Duration::from_millis(5),
        look_every: Duration::from_millis(5),
        ..SqliteOptions::default()
    };
    let store = place.try_open(options).unwrap();
    add(&store, &["acme"]).await;
    append(&store, "acme", 3).await;
    until(|| fs::metadata(log(place)).is_ok_and(|log| log.len() == 0)).await;
    store
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE);
        tokio::task::yield_now().await;
    }
}

fn log(place: &Place) -> PathBuf {
    place.dir.path().join("store.db-wal")
}

fn cause(store: &SqliteStore) -> Option<String> {
    match store.health() {
        StoreHealth::Unavailable { cause } => Some(cause),
        _ => None,
    }
}

/// Waits until it is noticed without anybody writing, and that nothing is answered from there on; answers the reason.
async fn noticed(store: &SqliteStore, expected: &str) -> String {
    until(|| cause(store).is_some_and(|cause| cause.contains(expected))).await;
    let refused = store.commit(Batch::of(event("acme", 9))).await.unwrap_err();
    assert!(refused.to_string().contains(expected), "{refused}");
    // Nor is anything read: it might be another store's.
    let unread = store.heads().await.unwrap_err();
    assert!(matches!(unread, StoreError::Unavailable(_)), "{unread}");
    cause(store).unwrap()
}

/// Writes over a file as `cp` does: the name and the inode stay.
fn overwrite(path: &Path, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .unwrap();
    file.write_all(bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_removed_is_noticed_and_what_is_still_open_is_named() {
    let place = Place::new();
    let store = running(&place).await;
    fs::remove_file(place.path()).unwrap();
    let cause = noticed(&store, "was removed or renamed").await;
    let process = std::process::id().to_string();
    assert!(
        cause.contains(place.path().to_str().unwrap()) && cause.contains(&process),
        "{cause}"
    );
    store.close().await;
    assert!(!place.path().exists(), "no empty store is put in its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_in_the_place_of_the_file_is_neither_written_nor_taken_for_it() {
    let (place, other) = (Place::new(), Place::filled().await);
    let store = running(&place).await;
    let bytes = fs::read(other.path()).unwrap();
    fs::rename(other.path(), place.path()).unwrap();
    noticed(&store, "is another file than the one").await;
    store.close().await;
    assert_eq!(fs::read(place.path()).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_overwritten_is_noticed_and_left_as_it_is() {
    let of_another_store = fs::read(Place::filled().await.path()).unwrap();
    let zeros = vec![0; of_another_store.len()];
    for bytes in [&of_another_store[..], &zeros, &zeros[..100], &[]] {
        let place = Place::new();
        let store = running(&place).await;
        overwrite(&place.path(), bytes);
        noticed(&store, "was overwritten while the host had it open").await;
        store.close().await;
        assert_eq!(fs::read(place.path()).unwrap(), bytes, "{} bytes", bytes.len());
    }
}

/// Nothing of its own is in the file yet, but for the schema.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_that_was_overwritten_is_noticed_before_anything_of_it_was_moved_out_of_the_log() {
    let of_another_store = fs::read(Place::filled().await.path()).unwrap();
    let place = Place::new();
    let options = SqliteOptions {
        idle_checkpoint_after: DEADLINE,
        ..SqliteOptions::default()
    };
    let store = place.try_open(options).unwrap();
    add(&store, &["acme"]).await;
    append(&store, "acme", 9).await;
    overwrite(&place.path(), &of_another_store);
    let refused = store.commit(Batch::of(event("acme", 9))).await.unwrap_err();
    assert!(refused.to_string().contains("was overwritten"), "{refused}");
    // However often it is opened anew.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        let refused = store.commit(Batch::of(event("acme", 9))).await.unwrap_err();
        assert!(refused.to_string().contains("was overwritten"), "{refused}");
    }
    store.close().await;
    assert_eq!(fs::read(place.path()).unwrap(), of_another_store);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_same_store_is_not_taken_for_it() {
    let place = Place::new();
    let store = running(&place).await;
    let older = fs::read(place.path()).unwrap();
    append(&store, "acme", 3).await;
    until(|| fs::metadata(log(&place)).is_ok_and(|log| log.len() == 0)).await;
    overwrite(&place.path(), &older);
    noticed(&store, "expected the event at position").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_renamed_is_gone_on_with_once_it_has_its_name_again() {
    let place = Place::new();
    let store = running(&place).await;
    let away = place.dir.path().join("away.db");
    fs::rename(place.path(), &away).unwrap();
    noticed(&store, "was removed or renamed").await;
    fs::rename(&away, place.path()).unwrap();
    until(|| store.health() == StoreHealth::Available).await;
    append(&store, "acme", 1).await;
    store.close().await;
    let report = place.verify(&Scope::All);
    assert_eq!((report.status(), report.records), (ChainStatus::Sound, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_kept_when_the_log_is_removed() {
    let place = Place::new();
    let options = SqliteOptions {
        idle_checkpoint_after: DEADLINE,
        ..SqliteOptions::default()
    };
    let store = place.try_open(options).unwrap();
    add(&store, &["acme"]).await;
    append(&store, "acme", 3).await;
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(place.dir.path().join(format!("store.db{suffix}"))).unwrap();
    }
    // The first is refused, and the host goes on by itself.
    let refused = store.commit(Batch::of(event("acme", 9))).await.unwrap_err();
    assert!(refused.to_string().contains("store.db-wal"), "{refused}");
    until(|| store.health() == StoreHealth::Available).await;
    append(&store, "acme", 1).await;
    let seen = verify(&place.path(), &Scope::All);
    assert_eq!((seen.status(), seen.records), (ChainStatus::Sound, 4));
    store.close().await;
    assert_eq!(place.verify(&Scope::All).records, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_emptied_or_written_over_is_noticed_before_the_next_answer() {
    for bytes in [&[][..], &[0; 64 * 1024]] {
        let place = Place::new();
        let options = SqliteOptions {
            idle_checkpoint_after: DEADLINE,
            ..SqliteOptions::default()
        };
        let store = place.try_open(options).unwrap();
        add(&store, &["acme"]).await;
        append(&store, "acme", 3).await;
        overwrite(&log(&place), bytes);
        // However often it is opened anew: what was acknowledged is not in it.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            let refused = store.commit(Batch::of(event("acme", 9))).await.unwrap_err();
            assert!(refused.to_string().contains("was overwritten"), "{refused}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_only_looks_copies_or_writes_in_order_is_not_in_the_way() {
    let place = Place::new();
    let store = running(&place).await;
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o640)).unwrap();
    fs::copy(place.path(), place.dir.path().join("copy.db")).unwrap();
    append(&store, "acme", 1).await;
    // Another program that has the database open, moves the log into the file and empties it.
    let plain = place.plain();
    plain
        .execute_batch("CREATE TABLE mine (x); PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    for _ in 0..20 {
        append(&store, "acme", 1).await;
        verify(&place.path(), &Scope::All);
        assert_eq!(store.health(), StoreHealth::Available);
    }
    drop(plain);
    store.close().await;
    assert_eq!(place.verify(&Scope::All).records, 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_moves_its_log_into_the_file_all_the_time_trusts_itself() {
    let place = Place::new();
    let options = SqliteOptions {
        wal_autocheckpoint_pages: 1,
        idle_checkpoint_after: Duration::from_millis(1),
        look_every: Duration::from_millis(1),
        ..SqliteOptions::default()
    };
    let store = place.try_open(options).unwrap();
    add(&store, &["acme"]).await;
    for _ in 0..100 {
        append(&store, "acme", 1).await;
        assert_eq!(store.health(), StoreHealth::Available);
        store.heads().await.unwrap();
    }
}
