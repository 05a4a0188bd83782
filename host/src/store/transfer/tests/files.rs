//! Backup files: how they are made, and which are refused.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;

/// A backup of a filled store, and the lines in it.
fn made(desk: &Desk) -> (MadeBackup, Vec<String>) {
    let place = desk.file("from.db");
    desk.fill(&place);
    let made = desk.backup(&place, "made.zst");
    let text = zstd::decode_all(&*read(&desk.path("made.zst"))).unwrap();
    let text = String::from_utf8(text).unwrap();
    (made, text.lines().map(str::to_owned).collect())
}

fn write(desk: &Desk, lines: &[String]) {
    let text = lines.join("\n") + "\n";
    fs::write(
        desk.path("made.zst"),
        zstd::encode_all(text.as_bytes(), 1).unwrap(),
    )
    .unwrap();
}

/// Refused, and nothing was written.
fn refusal(desk: &Desk) -> TransferError {
    let to = desk.file("to.db");
    let error = desk.try_restore("made.zst", &to, false).unwrap_err();
    let names = desk.names();
    assert!(!names.contains(&"to.db".to_owned()), "{error}: {names:?}");
    assert!(
        !names.contains(&"to.db.restoring".to_owned()),
        "{error}: {names:?}"
    );
    error
}

/// The trailer that fits these rows.
fn with_trailer(mut lines: Vec<String>) -> Vec<String> {
    lines.pop();
    let digest = |lines: &[String]| {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        crate::domain::Digest::of(text.as_bytes()).to_string()
    };
    let count = |kind: &str| {
        let begin = format!("{{\"{kind}\":");
        lines.iter().filter(|line| line.starts_with(&begin)).count()
    };
    let kinds = [
        ("tenants", "tenant"),
        ("actors", "actor"),
        ("charters", "charter"),
        ("policies", "policy"),
        ("generations", "generation"),
        ("values", "value"),
        ("documents", "document"),
        ("events", "event"),
        ("chains", "head"),
    ];
    let counts: Vec<_> = kinds
        .iter()
        .map(|(name, kind)| format!("\"{name}\":{}", count(kind)))
        .collect();
    let trailer = format!(
        r#"{{"trailer":{{"counts":{{{}}},"header_sha256":"{}","rows_sha256":"{}"}}}}"#,
        counts.join(","),
        digest(&lines[..1]),
        digest(&lines[1..])
    );
    lines.push(trailer);
    lines
}

#[test]
fn a_backup_is_its_owners_alone_and_never_written_over_unless_that_was_said() {
    let desk = Desk::new();
    let (_, lines) = made(&desk);
    let path = desk.path("made.zst");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = read(&path);
    let error = desk.try_backup(&desk.file("from.db"), "made.zst").unwrap_err();
    assert!(matches!(error, TransferError::Exists { .. }), "{error}");
    assert_eq!(read(&path), before);
    assert!(!desk.names().iter().any(|name| name.contains("partial")));

    assert!(lines[0].starts_with(r#"{"header":{"format":"kora.store.v1","made_at_us":1700000000000000,"#));
    assert_eq!(with_trailer(lines.clone()), lines, "as the documentation says");
}

#[test]
fn the_same_store_gives_the_same_file() {
    let desk = Desk::new();
    made(&desk);
    desk.backup(&desk.file("from.db"), "again.zst");
    assert_eq!(read(&desk.path("again.zst")), read(&desk.path("made.zst")));
}

#[test]
fn a_file_that_was_cut_anywhere_is_refused() {
    let desk = Desk::new();
    let (_, lines) = made(&desk);
    let whole = read(&desk.path("made.zst"));
    for length in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        fs::write(desk.path("made.zst"), &whole[..length]).unwrap();
        let error = refusal(&desk);
        assert!(
            matches!(
                error,
                TransferError::NoBackup { .. } | TransferError::NotWhole { .. }
            ),
            "{length}: {error}"
        );
    }
    for kept in 1..lines.len() {
        write(&desk, &lines[..kept]);
        let error = refusal(&desk);
        assert!(matches!(error, TransferError::NotWhole { .. }), "{kept}: {error}");
    }
}

#[test]
fn a_changed_byte_is_refused_wherever_it_is() {
    let desk = Desk::new();
    let (whole, lines) = made(&desk);
    let bytes = read(&desk.path("made.zst"));
    let mut read_all_the_same = 0;
    for place in (0..bytes.len()).step_by(31) {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        fs::write(desk.path("made.zst"), &changed).unwrap();
        let checked =
            BackupFile::open(&desk.path("made.zst")).and_then(|mut file| file.check(&Progress::new()));
        // A bit of the compression's own may mean nothing; what comes out is then the same.
        if let Ok(found) = checked {
            assert_eq!(found, whole.summary, "{place}");
            read_all_the_same += 1;
        }
    }
    assert!(read_all_the_same <= 1, "{read_all_the_same}");
    for number in 0..lines.len() {
        let mut changed = lines.clone();
        let digit = changed[number].rfind(|c: char| c.is_ascii_digit()).unwrap();
        let other = if changed[number].as_bytes()[digit] == b'1' {
            "2"
        } else {
            "1"
        };
        changed[number].replace_range(digit..=digit, other);
        write(&desk, &changed);
        refusal(&desk);
    }
}

#[test]
fn a_record_that_was_changed_together_with_the_trailer_breaks_its_chain() {
    let desk = Desk::new();
    let (_, lines) = made(&desk);
    let event = lines
        .iter()
        .position(|line| line.contains(r#"{\"n\":2}"#))
        .unwrap();
    let mut changed = lines.clone();
    changed[event] = changed[event].replace(r#"{\"n\":2}"#, r#"{\"n\":9}"#);
    let mut left_out = lines.clone();
    left_out.remove(event);
    let mut headless = lines.clone();
    headless.remove(lines.len() - 2);
    let mut of_nobody = lines.clone();
    of_nobody.retain(|line| !line.starts_with(r#"{"tenant":{"tenant":"empty""#));
    let mut another = lines.clone();
    let generation = another.iter().position(|line| line.contains(r#"\"B\""#)).unwrap();
    another[generation] = another[generation].replace(r#"\"B\""#, r#"\"C\""#);
    for lines in [changed, left_out, headless, of_nobody, another] {
        write(&desk, &with_trailer(lines));
        let error = refusal(&desk);
        assert!(matches!(error, TransferError::Broken { .. }), "{error}");
    }
}

#[test]
fn what_is_no_backup_is_refused() {
    let desk = Desk::new();
    let (_, lines) = made(&desk);
    let database = read(&desk.path("from.db"));
    let foreign: [&[u8]; 4] = [
        b"",
        b"{\"header\":{}}\n",
        &database,
        &zstd::encode_all(&b"hello\n"[..], 1).unwrap(),
    ];
    for bytes in foreign {
        fs::write(desk.path("made.zst"), bytes).unwrap();
        let error = refusal(&desk);
        assert!(matches!(error, TransferError::NoBackup { .. }), "{error}");
    }
    let other_header = |from: &str, to: &str| {
        let mut lines = lines.clone();
        lines[0] = lines[0].replace(from, to);
        write(&desk, &with_trailer(lines));
        refusal(&desk)
    };
    let error = other_header("kora.store.v1", "kora.store.v2");
    assert!(matches!(error, TransferError::NoBackup { .. }), "{error}");
    let schema = format!("\"schema\":{}", super::super::file::known_schema());
    let error = other_header(&schema, "\"schema\":99");
    assert!(
        matches!(error, TransferError::BackupTooNew { found: 99, .. }),
        "{error}"
    );
    fs::remove_file(desk.path("made.zst")).unwrap();
    assert!(matches!(refusal(&desk), TransferError::File { .. }));
    write(&desk, &[lines, vec!["more".to_owned()]].concat());
    assert!(matches!(refusal(&desk), TransferError::NotWhole { .. }));
}

#[test]
fn of_a_store_that_is_broken_there_is_no_backup() {
    let desk = Desk::new();
    let place = desk.file("from.db");
    desk.fill(&place);
    let plain = rusqlite::Connection::open(desk.path("from.db")).unwrap();
    plain
        .execute_batch(
            "DROP TRIGGER events_are_never_changed; UPDATE events SET payload = '{}' WHERE pos = 2",
        )
        .unwrap();
    drop(plain);
    let error = desk.try_backup(&place, "made.zst").unwrap_err();
    let TransferError::Broken { fault, .. } = &error else {
        panic!("{error}")
    };
    assert!(fault.contains("chain of `acme`: record 2 "), "{fault}");
    assert!(
        !desk.names().iter().any(|name| name.contains("made")),
        "{:?}",
        desk.names()
    );
}
