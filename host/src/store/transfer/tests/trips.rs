//! There and back again.

use super::*;

/// A filled store with an epoch, and its backup.
fn backed_up(desk: &Desk, place: &StorePlace) -> (MadeBackup, String) {
    desk.fill(place);
    let store = desk.open(place);
    let epoch = desk.runtime.block_on(async {
        let epoch = make_epoch(store.clone()).await;
        store.close().await;
        epoch
    });
    (desk.backup(place, "first.zst"), epoch)
}

#[test]
fn a_backup_of_either_store_is_restored_to_either_and_back_with_every_row() {
    for to_database in [false, true] {
        for from_database in [false, true] {
            let desk = Desk::new();
            let place = |database, name| {
                if database {
                    Desk::database()
                } else {
                    desk.file(name)
                }
            };
            let (from, to) = (place(from_database, "from.db"), place(to_database, "to.db"));
            let (made, epoch) = backed_up(&desk, &from);
            let counts = &made.summary.counts;
            assert_eq!(
                (counts.tenants, counts.actors, counts.events, counts.chains),
                (3, 3, 9, 4)
            );
            assert_eq!((counts.generations, counts.values, counts.documents), (2, 2, 2));

            let restored = desk.restore("first.zst", &to);
            assert_eq!(restored.summary, made.summary, "{from} -> {to}");
            assert_eq!(sound_heads(&to), sound_heads(&from));
            assert_ne!(desk.epoch(&to), epoch, "it is another life of the store");
            let again = desk.backup(&to, "second.zst");
            assert_eq!(again.summary, made.summary);
            let store = desk.open(&to);
            desk.runtime.block_on(goes_on(store));
        }
    }
}

#[test]
fn a_moved_store_is_the_same_life_of_it_in_another_place() {
    for (from_database, to_database) in [(false, true), (true, false), (true, true)] {
        let desk = Desk::new();
        let place = |database, name| {
            if database {
                Desk::database()
            } else {
                desk.file(name)
            }
        };
        let (from, to) = (place(from_database, "from.db"), place(to_database, "to.db"));
        let (made, epoch) = backed_up(&desk, &from);
        let move_it = |only_check| {
            let now = Timestamp::from_micros(1);
            super::super::migrate(&from, &to, only_check, now, &Progress::new())
        };
        assert_eq!(move_it(true).unwrap().summary, made.summary);
        let moved = move_it(false).unwrap();
        assert_eq!(moved.summary, made.summary);
        assert_eq!(sound_heads(&to), sound_heads(&from));
        assert_eq!((desk.epoch(&to), desk.epoch(&from)), (epoch.clone(), epoch));
        assert!(
            matches!(move_it(false), Err(TransferError::NotEmpty { .. })),
            "it is there already"
        );
        let store = desk.open(&to);
        desk.runtime.block_on(goes_on(store));
        assert_eq!(
            desk.backup(&from, "after.zst").summary,
            made.summary,
            "the old one is as it was"
        );
    }
}

#[test]
fn a_backup_while_somebody_writes_is_a_sound_beginning_of_what_is_written() {
    for place in [None, Some(Desk::database())] {
        let desk = Desk::new();
        let place = place.unwrap_or_else(|| desk.file("busy.db"));
        let store = desk.open(&place);
        desk.runtime.block_on(async {
            add(&*store, &["acme", "globex"]).await;
            append(&*store, "host", 1).await;
        });
        let writing: Vec<_> = ["acme", "globex"]
            .into_iter()
            .map(|id| {
                let store = store.clone();
                desk.runtime.spawn(async move { append(&*store, id, 300).await })
            })
            .collect();
        let mut events = Vec::new();
        for number in 0..4 {
            let made = desk.backup(&place, &format!("{number}.zst"));
            events.push(made.summary.counts.events);
        }
        desk.runtime.block_on(async {
            for task in writing {
                task.await.unwrap();
            }
            store.close().await;
        });
        assert!(events.is_sorted(), "{events:?}");
        let all = sound_heads(&place);
        for number in 0..4 {
            let to = desk.file(&format!("{number}.db"));
            desk.restore(&format!("{number}.zst"), &to);
            let reader = place.inspect().unwrap();
            for head in sound_heads(&to) {
                let whole = all.iter().find(|whole| whole.tenant == head.tenant).unwrap();
                assert!(head.seq <= whole.seq);
                let there = reader.hashes_at(&head.tenant, &[head.seq]).unwrap();
                assert_eq!(there, [Some(head.hash)]);
            }
        }
    }
}

#[test]
fn a_store_on_which_no_host_ever_ran_has_no_epoch_to_take_along() {
    let desk = Desk::new();
    let (from, to) = (desk.file("from.db"), desk.file("to.db"));
    desk.fill(&from);
    super::super::migrate(&from, &to, false, Timestamp::from_micros(1), &Progress::new()).unwrap();
    let there = to.inspect().unwrap().document(&Epoch::place()).unwrap();
    assert_eq!(there, None);
    desk.backup(&from, "made.zst");
    desk.restore("made.zst", &desk.file("restored.db"));
    assert!(desk.epoch(&desk.file("restored.db")).starts_with("epoch_"));
}
