//! Events: from the daemon, and from the store itself.

use std::{fs, sync::Arc};

use super::*;
use crate::{
    domain::SystemClock,
    store::{
        Store as _,
        conformance::{add, append},
        sqlite::{SqliteOptions, SqliteStore},
    },
};

/// With a store of two chains of five events.
fn with_store() -> Trial {
    let trial = Trial::initialised();
    let path = trial.home().data().join("kora.db");
    Runtime::new().unwrap().block_on(async {
        let store = SqliteStore::open(&path, SqliteOptions::default(), Arc::new(SystemClock::new())).unwrap();
        add(&store, &["acme", "globex"]).await;
        append(&store, "acme", 5).await;
        append(&store, "globex", 5).await;
        store.close().await;
    });
    trial
}

fn change_one_byte(trial: &Trial) {
    let connection = rusqlite::Connection::open(trial.home().data().join("kora.db")).unwrap();
    connection
        .execute_batch("DROP TRIGGER events_are_never_changed; UPDATE events SET source = 'x' WHERE seq = 3")
        .unwrap();
}

#[test]
fn events_are_shown_with_the_newest_last() {
    let trial = Trial::initialised();
    let _daemon = trial.daemon(|_| Ok(json!([event(3), event(2)])));
    insta::assert_snapshot!(trial.kora("events tail").out, @r"
         2  2026-11-20T10:00:00Z  acme.done  operator  {}
         3  2026-11-20T10:00:00Z  acme.done  operator  {}
    ");
    assert_eq!(
        trial.kora("events tail --json").json(),
        json!([event(2), event(3)])
    );
}

#[test]
fn following_shows_events_as_they_come_and_says_how_to_go_on_when_it_ends() {
    let trial = Trial::initialised();
    let daemon = trial.daemon(nothing);
    let stream = || *daemon.handler.streamed.lock().unwrap() = (1..=300).map(event).collect();
    stream();
    let ran = trial.kora("events tail --follow --json");
    let seqs = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<Event>(line).unwrap().seq);
    assert!(seqs.eq(1..=300));
    assert_eq!(ran.exit, Exit::UNREACHABLE);
    assert!(ran.err.contains("--after 300"), "{}", ran.err);
    stream();
    assert_eq!(trial.kora("events tail --follow").out.lines().count(), 300);
}

#[test]
fn a_payload_is_read_from_standard_input() {
    let mut trial = Trial::initialised();
    let daemon =
        trial.daemon(|_| Ok(json!({ "event_id": "e", "seq": 7, "pending": false, "this_hash": "h" })));
    trial.input = r#"{"a": "two words"}"#;
    let ran = trial.kora("events append --tenant acme acme.done -");
    assert_eq!(ran.out, "appended as event 7 (e)\n");
    assert_eq!(daemon.last_call()["params"]["payload"], r#"{"a": "two words"}"#);
}

#[test]
fn sound_chains_are_zero() {
    let trial = with_store();
    let ran = trial.kora("events verify");
    assert_eq!(ran.exit, Exit::OK, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @r"
    CHAIN   STATUS  RECORDS  FROM  TO
    acme    sound   5        1     5
    globex  sound   5        1     5
    host    empty   0        -     -

    sound: 10 records, no checkpoint was kept
    ");
    assert_eq!(trial.kora("events verify --json").json()["status"], "sound");
    let range = trial
        .kora("events verify --tenant acme --from 2 --to 3 --json")
        .json();
    assert_eq!(
        (&range["records"], &range["chains"][0]["from"]),
        (&json!(2), &json!(2))
    );
}

#[test]
fn a_changed_byte_is_one_and_its_record_is_named() {
    let trial = with_store();
    change_one_byte(&trial);
    let ran = trial.kora("events verify --tenant acme");
    assert_eq!(ran.exit, Exit::FAILED);
    assert!(ran.out.contains("broken: `acme`, record 3"), "{}", ran.out);
    let json = trial.kora("events verify --json");
    assert_eq!(json.exit, Exit::FAILED);
    assert_eq!(json.json()["chains"][0]["first_bad"]["seq"], 3);
}

#[test]
fn what_cannot_be_checked_is_two() {
    let none = Trial::initialised().kora("events verify");
    assert_eq!((none.exit, none.out.as_str()), (Exit::UNREACHABLE, ""));
    let trial = with_store();
    for line in [
        "events verify --tenant nobody",
        "events verify --tenant acme --from 9",
        "events verify --tenant ...",
        "events verify --from 2",
    ] {
        let ran = trial.kora(line);
        assert_eq!((ran.exit, ran.out.as_str()), (Exit::UNREACHABLE, ""), "{line}");
    }
    fs::write(
        trial.home().data().join("kora.db"),
        "not a database at all, but long enough to be looked at",
    )
    .unwrap();
    assert_eq!(trial.kora("events verify").exit, Exit::UNREACHABLE);
    fs::write(trial.home().config_file(), "colour = 1").unwrap();
    assert_eq!(trial.kora("events verify").exit, Exit::UNREACHABLE);
}

#[test]
fn a_file_in_the_place_of_a_key_and_a_directory_in_that_of_a_checkpoint_are_told_with_what_to_give() {
    let trial = with_store();
    trial.kora("events export --output export.jsonl");
    let key = trial.kora("events key").out.trim().to_owned();
    fs::write(trial.path("key.txt"), &key).unwrap();
    let check = |with: &str| trial.kora(&format!("events verify --export export.jsonl {with}"));
    let ran = check("--checkpoint export.jsonl --key key.txt");
    assert_eq!(ran.exit, Exit::UNREACHABLE);
    assert!(ran.err.contains("`--key \"$(cat FILE)\"`"), "{}", ran.err);
    let ran = check(&format!("--checkpoint home --key {key}"));
    assert_eq!(ran.exit, Exit::UNREACHABLE);
    assert!(
        ran.err.contains("found a directory") && ran.err.contains("`kora events checkpoint --tenant TENANT`"),
        "{}",
        ran.err
    );
}

#[test]
fn a_backup_without_a_name_lies_in_the_current_directory() {
    let trial = with_store();
    let made = trial.kora("store backup --json").json();
    let file = made["file"].as_str().unwrap();
    let beside = trial.path("kora-store-").display().to_string();
    assert!(file.starts_with(&beside), "{file}");
    let missing = trial.path("missing");
    let refused = trial.kora(&format!("store backup --out {}", missing.join("a.zst").display()));
    assert_eq!(refused.exit, Exit::FAILED);
    let expected = format!("`{}`: No such file", missing.display());
    assert!(refused.err.contains(&expected), "{}", refused.err);
}

#[test]
fn an_export_is_whole_private_and_never_over_another() {
    let trial = with_store();
    let file = trial.path("export.jsonl");
    let line = format!("events export --tenant acme --output {}", file.display());
    let ran = trial.kora(&line);
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::OK, ""), "{}", ran.err);
    let text = fs::read_to_string(&file).unwrap();
    let kinds: Vec<_> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["kind"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(
        (kinds.len(), kinds[0].as_str(), kinds[6].as_str()),
        (7, "header", "trailer")
    );
    assert_eq!(mode_of(&file), 0o600);

    fs::write(&file, "mine").unwrap();
    let again = trial.kora(&line);
    assert_eq!(again.exit, Exit::FAILED);
    assert!(again.err.contains("is not overwritten"), "{}", again.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let all = trial.kora("events export").out;
    assert_eq!(
        all.lines()
            .filter(|line| line.contains("\"kind\":\"event\""))
            .count(),
        10
    );
}

#[test]
fn what_never_ends_or_is_no_file_is_not_read_as_an_export() {
    let trial = Trial::new();
    fs::write(trial.path("notes.txt"), "hello\n").unwrap();
    for (named, found) in [("/dev/zero", "found a device"), (".", "found a directory")] {
        let ran = trial.kora(&format!("events verify --export {named}"));
        assert_eq!(ran.exit, Exit::UNREACHABLE, "{}", ran.err);
        assert!(
            ran.err.contains(found) && ran.err.contains("hint: `kora events export"),
            "{}",
            ran.err
        );
    }
    let ran = trial.kora("events verify --export notes.txt");
    assert_eq!(ran.exit, Exit::FAILED);
    assert!(
        ran.out
            .contains("broken: `not known` (line 1): expected the header of a chain"),
        "{}",
        ran.out
    );
}

#[test]
fn a_store_that_is_none_is_not_checked_and_the_hint_is_not_to_check_it() {
    let trial = Trial::initialised();
    fs::create_dir_all(trial.home().data()).unwrap();
    fs::write(trial.home().data().join("kora.db"), "this was a database").unwrap();
    let ran = trial.kora("events verify");
    assert_eq!(ran.exit, Exit::UNREACHABLE);
    assert!(
        ran.err.contains("file is not a database") && ran.err.contains("`kora store restore FILE --force`"),
        "{}",
        ran.err
    );
}

#[test]
fn an_export_of_nobody_leaves_no_file() {
    let trial = with_store();
    let file = trial.path("export.jsonl");
    let ran = trial.kora(&format!(
        "events export --tenant nobody --output {}",
        file.display()
    ));
    assert_eq!(ran.exit, Exit::FAILED);
    assert!(!file.exists());
}
