//! That what is counted is what lies in the file.

use super::{file::tests::event, *};

/// What is counted, and what lies there.
fn bytes(spool: &Spool, path: &std::path::Path) -> (u64, u64) {
    let there = std::fs::metadata(path).map_or(0, |file| file.len());
    (spool.queue().bytes, there)
}

#[test]
fn room_is_taken_by_the_byte_and_given_back_when_an_entry_leaves() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("spool.jsonl");
    let spool = Spool::open(path.clone()).unwrap();
    let tenant = event("").tenant;
    spool.push(&tenant, vec![event("one"), event("and \\\" another")]);
    assert!(matches!(spool.push_durably(event("two")), Pushed::Durably));
    let (counted, there) = bytes(&spool, &path);
    assert_eq!(counted, there);

    let spool = Spool::open(path.clone()).unwrap();
    assert_eq!(bytes(&spool, &path), (counted, counted), "as after a restart");
    let first = spool.first_ones(&tenant, usize::MAX, 1);
    assert_eq!(first.len(), 1, "one is taken however large it is");
    spool.appended(&tenant, first[0].number);
    spool.tidy();
    let (left, there) = bytes(&spool, &path);
    assert_eq!((left, there), (counted - first[0].bytes, left));

    // A directory where the file should be.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(spool.push_durably(event("lost")), Pushed::NotWritten));
    assert_eq!(spool.queue().bytes, left, "what is not kept takes no room");
}

#[test]
fn entries_are_drained_together_up_to_so_many_bytes() {
    let home = tempfile::tempdir().unwrap();
    let spool = Spool::open(home.path().join("spool.jsonl")).unwrap();
    let tenant = event("").tenant;
    for _ in 0..3 {
        spool.push(&tenant, vec![event("alike")]);
    }
    let bytes_of_two = spool.queue().bytes / 3 * 2;
    assert_eq!(spool.first_ones(&tenant, usize::MAX, bytes_of_two).len(), 2);
}
