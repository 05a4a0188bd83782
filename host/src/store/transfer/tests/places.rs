//! Places that are taken.

use super::*;
use crate::store::{StoreError, sqlite::SqliteReader};

fn in_either(check: impl Fn(&Desk, StorePlace)) {
    let desk = Desk::new();
    let place = desk.file("store.db");
    check(&desk, place);
    check(&Desk::new(), Desk::database());
}

/// A backup of a store with nothing but three events, under the name `other.zst`.
fn another_backup(desk: &Desk) -> Vec<Head> {
    let other = desk.file("other.db");
    let store = desk.open(&other);
    desk.runtime.block_on(async {
        append(&*store, "host", 3).await;
        store.close().await;
    });
    desk.backup(&other, "other.zst");
    sound_heads(&other)
}

#[test]
fn while_a_host_runs_its_store_is_not_replaced() {
    in_either(|desk, place| {
        another_backup(desk);
        desk.fill(&place);
        let heads = sound_heads(&place);
        let store = desk.open(&place);
        let error = desk.try_restore("other.zst", &place, true).unwrap_err();
        let is_held = matches!(
            &error,
            TransferError::InUse { .. }
                | TransferError::Store {
                    cause: StoreError::Held { .. },
                    ..
                }
        );
        assert!(is_held, "{error}");
        let (to, now) = (desk.file("elsewhere.db"), Timestamp::from_micros(1));
        let moved = super::super::migrate(&place, &to, false, now, &Progress::new());
        assert!(
            moved.is_err(),
            "an event that is appended meanwhile would be left behind"
        );
        desk.runtime.block_on(append(&*store, "acme", 1));
        desk.runtime.block_on(store.close());
        assert_eq!(sound_heads(&place).len(), heads.len());
    });
}

#[test]
fn while_a_store_is_moved_no_host_begins_on_it() {
    in_either(|desk, place| {
        desk.fill(&place);
        let held = place.hold(Timestamp::from_micros(1)).unwrap();
        let open = || {
            let opened = place.clone().open(Arc::new(SystemClock::new()));
            desk.runtime.block_on(opened)
        };
        let refused = open().err().unwrap();
        assert!(
            matches!(refused, StoreError::Held { .. } | StoreError::Unavailable(_)),
            "{refused}"
        );
        drop(held);
        let store = open().unwrap();
        desk.runtime.block_on(store.close());
    });
}

#[test]
fn a_store_that_holds_something_is_set_aside_only_if_that_was_said() {
    in_either(|desk, place| {
        let new_heads = another_backup(desk);
        desk.fill(&place);
        let old_heads = sound_heads(&place);
        let error = desk.try_restore("other.zst", &place, false).unwrap_err();
        assert!(
            matches!(&error, TransferError::NotEmpty { holds, .. } if holds == "9 events, 3 tenants"),
            "{error}"
        );
        assert_eq!(sound_heads(&place), old_heads);

        let restored = desk.try_restore("other.zst", &place, true).unwrap();
        assert_eq!(sound_heads(&place), new_heads);
        let aside = restored.set_aside.unwrap();
        match &place {
            StorePlace::Sqlite(_) => {
                assert_eq!(sound_heads(&StorePlace::Sqlite(aside.into())), old_heads);
            }
            StorePlace::Postgres(_) => go_back(&place, &aside, &old_heads),
        }
        let store = desk.open(&place);
        desk.runtime.block_on(async {
            append(&*store, "host", 1).await;
            assert_eq!(store.check_rights().await.unwrap(), None);
            store.close().await;
        });
    });
}

/// The way back that the documentation names.
fn go_back(place: &StorePlace, aside: &str, old_heads: &[Head]) {
    let schema = aside.split('`').nth(1).unwrap();
    let shown = place.to_string();
    let database = shown.split('`').nth(1).unwrap();
    Server::shared().sql(
        database,
        &format!(
            "BEGIN; ALTER SCHEMA kora RENAME TO kora_restored; ALTER SCHEMA {schema} RENAME TO kora; \
             GRANT USAGE ON SCHEMA kora TO kora_writer, kora_reader, kora_auditor; COMMIT"
        ),
    );
    assert_eq!(sound_heads(place), old_heads);
}

#[test]
fn a_beginning_without_events_is_no_store_to_keep() {
    in_either(|desk, place| {
        let heads = another_backup(desk);
        let store = desk.open(&place);
        desk.runtime.block_on(store.close());
        desk.restore("other.zst", &place);
        assert_eq!(sound_heads(&place), heads);
    });
}

#[test]
fn a_restore_that_fails_late_leaves_the_store_as_it_was() {
    in_either(|desk, place| {
        desk.fill(&place);
        let heads = sound_heads(&place);
        let mut target = place.target(true, Timestamp::from_micros(1)).unwrap();
        target.begin().unwrap();
        let mut source = place.source().unwrap();
        super::super::pipe::pour(&mut *source, &place, Some(&mut *target), &Progress::new()).unwrap();
        target.end(None).unwrap();
        drop((source, target));
        assert_eq!(sound_heads(&place), heads);
        let left: Vec<_> = desk
            .names()
            .into_iter()
            .filter(|name| name.contains("restoring"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        let store = desk.open(&place);
        desk.runtime.block_on(goes_on(store));
    });
}

#[test]
fn what_is_in_the_log_beside_the_file_is_set_aside_with_it() {
    let desk = Desk::new();
    let place = desk.file("store.db");
    another_backup(&desk);
    let store = desk.open(&desk.file("running.db"));
    desk.runtime.block_on(async { append(&*store, "host", 5).await });
    // As a host that was killed leaves it.
    for (from, to) in [("running.db", "store.db"), ("running.db-wal", "store.db-wal")] {
        std::fs::copy(desk.path(from), desk.path(to)).unwrap();
    }
    desk.runtime.block_on(store.close());
    assert!(std::fs::metadata(desk.path("store.db-wal")).unwrap().len() > 0);
    let restored = desk.try_restore("other.zst", &place, true).unwrap();
    let aside = restored.set_aside.unwrap();
    let heads = SqliteReader::open(Path::new(&aside)).unwrap().heads().unwrap();
    assert_eq!(heads[0].seq, 5, "nothing of the old store is lost");
    assert_eq!(sound_heads(&place)[0].seq, 3);
}

#[test]
fn while_somebody_reads_a_file_it_is_not_replaced_and_its_log_stays_where_it_is() {
    let desk = Desk::new();
    let place = desk.file("store.db");
    another_backup(&desk);
    let store = desk.open(&desk.file("running.db"));
    desk.runtime.block_on(async { append(&*store, "host", 5).await });
    for (from, to) in [("running.db", "store.db"), ("running.db-wal", "store.db-wal")] {
        std::fs::copy(desk.path(from), desk.path(to)).unwrap();
    }
    desk.runtime.block_on(store.close());
    // As `kora store backup` does.
    let reader = place.source().unwrap();
    let before = desk.names();
    let error = desk.try_restore("other.zst", &place, true).unwrap_err();
    assert!(
        matches!(&error, TransferError::Store { cause: StoreError::Held { holder, .. }, .. } if holder.contains("reads it")),
        "{error}"
    );
    assert!(before.iter().all(|name| desk.names().contains(name)));
    assert!(
        !desk
            .names()
            .iter()
            .any(|name| name.contains("before-") || name.contains("restoring"))
    );
    drop(reader);
    assert_eq!(sound_heads(&place)[0].seq, 5);
    let aside = desk.try_restore("other.zst", &place, true).unwrap().set_aside;
    assert_eq!(sound_heads(&StorePlace::Sqlite(aside.unwrap().into()))[0].seq, 5);
    assert_eq!(sound_heads(&place)[0].seq, 3);
}

#[test]
fn a_file_that_cannot_be_read_is_not_taken_for_nothing() {
    let desk = Desk::new();
    another_backup(&desk);
    std::fs::write(desk.path("store.db"), "something of somebody's").unwrap();
    let place = desk.file("store.db");
    let error = desk.try_restore("other.zst", &place, false).unwrap_err();
    assert!(matches!(error, TransferError::NotEmpty { .. }), "{error}");
    let aside = desk.try_restore("other.zst", &place, true).unwrap().set_aside;
    assert_eq!(read(Path::new(&aside.unwrap())), b"something of somebody's");
}
