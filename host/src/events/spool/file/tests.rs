//! What the spool's file holds after something went wrong.

use super::*;
use crate::{
    domain::{Actor, EventId, Timestamp},
    engine::payload::normalise,
};

pub(in crate::events::spool) fn event(what: &str) -> NewEvent {
    NewEvent {
        tenant: "acme".parse().unwrap(),
        event_id: EventId::new(),
        event_type: "deploy.finished".parse().unwrap(),
        occurred_at: Timestamp::from_micros(0),
        actor: Actor::host(),
        source: "test".to_owned(),
        identity_generation: None,
        idempotency_key: None,
        payload: normalise(format!("{{\"what\":\"{what}\"}}").as_bytes()).unwrap(),
    }
}

fn entries(of: &[&str]) -> Vec<Arc<[NewEvent]>> {
    of.iter().map(|what| [event(what)].into()).collect()
}

fn append(file: &mut SpoolFile, what: &[&str]) -> io::Result<()> {
    file.append(&entries(what))
}

fn write_anew(file: &mut SpoolFile, what: &[&str]) -> io::Result<()> {
    file.write_anew(&entries(what))
}

/// What the next host finds in it.
fn found(path: &Path) -> Vec<String> {
    let lines = SpoolFile::at(path.to_owned()).read().unwrap();
    let payloads = lines.iter().map(|line| line.events[0].payload.as_str());
    payloads
        .map(|payload| payload[9..payload.len() - 2].to_owned())
        .collect()
}

fn no_sync(_: &Path) -> io::Result<()> {
    Err(io::Error::other("the medium refuses"))
}

#[test]
fn what_is_added_stands_behind_what_was_written_anew_though_its_name_could_not_be_synced() {
    for anew in [&["a"][..], &["a", "b", "c", "d"]] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("spool.jsonl");
        let mut file = SpoolFile::at(path.clone());
        append(&mut file, &["a", "b"]).unwrap();
        file.sync_directory = no_sync;
        write_anew(&mut file, anew).unwrap_err();
        file.sync_directory = sync_directory_of;
        append(&mut file, &["last"]).unwrap();
        assert_eq!(found(&path), [anew, &["last"]].concat());
        assert!(!path.with_extension(UNREADABLE).exists(), "nothing is spoilt");
    }
}

#[test]
fn an_entry_is_not_durable_before_the_name_of_the_file_is() {
    let home = tempfile::tempdir().unwrap();
    let mut file = SpoolFile::at(home.path().join("spool.jsonl"));
    append(&mut file, &["a", "b"]).unwrap();
    file.sync_directory = no_sync;
    write_anew(&mut file, &["a"]).unwrap_err();
    append(&mut file, &["c"]).unwrap_err();
    file.sync_directory = sync_directory_of;
    append(&mut file, &["d"]).unwrap();
    assert_eq!(found(&file.path), ["a", "d"]);
}

#[test]
fn an_entry_that_could_not_be_added_is_not_there_for_the_next_host() {
    let home = tempfile::tempdir().unwrap();
    let mut file = SpoolFile::at(home.path().join("spool.jsonl"));
    file.sync_directory = no_sync;
    append(&mut file, &["a"]).unwrap_err();
    assert!(found(&file.path).is_empty());
}

#[test]
fn a_file_that_somebody_took_away_leaves_no_hole_in_the_next() {
    let home = tempfile::tempdir().unwrap();
    let mut file = SpoolFile::at(home.path().join("spool.jsonl"));
    append(&mut file, &["a"]).unwrap();
    std::fs::remove_file(&file.path).unwrap();
    append(&mut file, &["b"]).unwrap();
    assert_eq!(found(&file.path), ["b"]);
    assert!(
        !file.path.with_extension(UNREADABLE).exists(),
        "nothing is spoilt"
    );
}

fn blocks(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).map_or(0, |found| found.blocks())
}

#[test]
fn a_full_disk_takes_what_waits_in_the_room_that_was_reserved_for_it() {
    let home = tempfile::tempdir().unwrap();
    let mut file = SpoolFile::at(home.path().join("spool.jsonl"));
    assert!(file.read().unwrap().is_empty());
    let reserve = home.path().join("spool.jsonl.reserve");
    assert!(
        blocks(&reserve) * 512 >= RESERVE_BYTES,
        "the room is taken, not only named"
    );

    // As a disk that has no room but that one.
    let full = |_: &mut SpoolFile| match reserve.exists() {
        true => Err(io::ErrorKind::StorageFull.into()),
        false => Ok(()),
    };
    file.with_reserve(full).unwrap();
    assert!(!reserve.exists());
    let error = file
        .with_reserve(|_| Err(io::ErrorKind::StorageFull.into()))
        .unwrap_err();
    assert!(is_full(&error), "there is none twice");

    file.write_anew(&[]).unwrap();
    assert!(reserve.exists(), "it is taken again once nothing waits");
}
