//! What is found in exports that were changed, line by line and byte by byte.

use super::{vectors, *};
use crate::domain::Timestamp;

fn verified(text: &str, checkpoints: &[Checkpoint]) -> ExportReport {
    verify_export(text.as_bytes(), checkpoints).unwrap()
}

/// Status, line, place and check of the first bad line.
fn first_bad(report: &ExportReport) -> Option<(u64, Option<u64>, ExportCheck)> {
    let bad = report.chains.iter().find_map(|chain| chain.first_bad.as_ref())?;
    Some((bad.line, bad.seq, bad.check))
}

fn lines() -> Vec<String> {
    vectors::export().lines().map(str::to_owned).collect()
}

fn with_lines(change: impl FnOnce(&mut Vec<String>)) -> String {
    let mut lines = lines();
    change(&mut lines);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn signed(seq: u64) -> Checkpoint {
    let events = vectors::acme();
    Checkpoint {
        tenant: "acme".parse().unwrap(),
        seq,
        head: events[usize::try_from(seq).unwrap() - 1].this_hash,
        signed_at: Timestamp::from_micros(0),
    }
}

#[test]
fn a_whole_export_is_sound_and_signed_as_far_as_its_last_checkpoint_goes() {
    let report = verified(&vectors::export(), &[signed(1), signed(2)]);
    assert_eq!(report.status, ExportStatus::Sound);
    let chains: Vec<_> = report
        .chains
        .iter()
        .map(|chain| (chain.tenant.as_str(), chain.records, chain.signed_to))
        .collect();
    assert_eq!(chains, [("acme", 3, Some(2)), ("host", 1, None)]);
}

#[test]
fn nothing_at_all_is_not_called_sound() {
    assert_eq!(verified("", &[]).status, ExportStatus::Unchecked);
    let empty = with_lines(|lines| {
        lines.truncate(1);
        lines.push(
            r#"{"kind":"trailer","tenant":"acme","first_seq":null,"last_seq":null,"count":0,"last_hash":null}"#
                .to_owned(),
        );
    });
    assert_eq!(verified(&empty, &[]).status, ExportStatus::Empty);
}

/// Only the time of the export itself is protected by nothing.
#[test]
fn any_byte_changed_is_found() {
    let text = vectors::export();
    let checkpoints = [signed(3)];
    let mut unprotected = 0;
    for at in 0..text.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= mask;
            let report = verify_export(bytes.as_slice(), &checkpoints).unwrap();
            if report.status == ExportStatus::Sound {
                let begin = text[..at].rfind('\n').map_or(0, |end| end + 1);
                assert!(
                    text[begin..at].contains("\"exported_at_us\":"),
                    "byte {at} ^ {mask:#x}"
                );
                unprotected += 1;
            }
        }
    }
    assert!(unprotected > 0);
}

type Change = fn(&mut Vec<String>);

#[test]
fn the_first_bad_record_is_named_by_its_line_and_place() {
    let checks: [(&str, Change, _); 11] = [
        (
            "a payload",
            |l| l[2] = l[2].replace("second", "zweite"),
            (3, Some(2), ExportCheck::Hash),
        ),
        (
            "a missing record",
            |l| drop(l.remove(2)),
            (3, Some(2), ExportCheck::Gap),
        ),
        (
            "a record twice",
            |l| l.insert(2, l[1].clone()),
            (3, Some(2), ExportCheck::Gap),
        ),
        (
            "two that changed places",
            |l| l.swap(1, 2),
            (2, Some(1), ExportCheck::Gap),
        ),
        (
            "another chain's",
            |l| l[2] = l[6].clone(),
            (3, Some(2), ExportCheck::Tenant),
        ),
        (
            "white space",
            |l| l[2] = l[2].replace(",\"seq\"", ", \"seq\""),
            (3, Some(2), ExportCheck::Line),
        ),
        (
            "the trailer",
            |l| l[4] = l[4].replace("\"count\":3", "\"count\":2"),
            (5, None, ExportCheck::Trailer),
        ),
        (
            "no trailer",
            |l| drop(l.remove(4)),
            (5, Some(4), ExportCheck::Cut),
        ),
        ("the end", |l| l.truncate(6), (7, Some(1), ExportCheck::Cut)),
        (
            "the header",
            |l| drop(l.remove(0)),
            (1, None, ExportCheck::Header),
        ),
        (
            "the format",
            |l| l[0] = l[0].replace("v1", "v2"),
            (1, None, ExportCheck::Header),
        ),
    ];
    for (what, change, expected) in checks {
        let report = verified(&with_lines(change), &[]);
        assert_eq!(report.status, ExportStatus::Broken, "{what}");
        assert_eq!(first_bad(&report), Some(expected), "{what}");
    }
}

#[test]
fn a_chain_after_a_broken_one_is_read_as_if_nothing_were() {
    let report = verified(&with_lines(|lines| lines[1] = "{}".to_owned()), &[]);
    let statuses: Vec<_> = report.chains.iter().map(|chain| chain.status).collect();
    assert_eq!(statuses, [ChainStatus::Broken, ChainStatus::Sound]);
}

#[test]
fn a_chain_that_comes_twice_is_not_taken_for_one() {
    let text = vectors::export().repeat(2);
    let report = verified(&text, &[]);
    assert_eq!(first_bad(&report), Some((9, None, ExportCheck::Header)));
}

#[test]
fn an_export_that_was_cut_with_its_trailer_made_anew_contradicts_the_checkpoint() {
    let second = vectors::acme()[1].this_hash;
    let cut = with_lines(|lines| {
        lines.truncate(3);
        lines.push(format!(
            r#"{{"kind":"trailer","tenant":"acme","first_seq":1,"last_seq":2,"count":2,"last_hash":"{second}"}}"#
        ));
    });
    assert_eq!(
        verified(&cut, &[]).status,
        ExportStatus::Sound,
        "by itself nothing is wrong with it"
    );
    let report = verified(&cut, &[signed(2), signed(3)]);
    assert_eq!(report.status, ExportStatus::Broken);
    insta::assert_snapshot!(report.chains[0].checkpoint_faults[0].detail, @"record 3 was signed, and the chain ends with record 2: its end was cut off");
}

#[test]
fn a_chain_that_was_written_anew_contradicts_the_checkpoint() {
    let other = Checkpoint {
        head: Hash::of(b"another"),
        ..signed(2)
    };
    let report = verified(&vectors::export(), &[other]);
    assert_eq!(report.status, ExportStatus::Broken);
    insta::assert_snapshot!(report.chains[0].checkpoint_faults[0].detail, @"record 2 is not the one that was signed: the chain was written anew");
}

#[test]
fn a_checkpoint_of_a_chain_that_is_not_there_is_not_passed_over() {
    let other = Checkpoint {
        tenant: "globex".parse().unwrap(),
        ..signed(2)
    };
    let report = verified(&vectors::export(), &[other]);
    assert_eq!(report.status, ExportStatus::Unchecked);
    assert_eq!(report.without_chain, ["globex"]);
}

#[test]
fn a_line_without_end_is_not_kept_and_not_taken() {
    let long = with_lines(|lines| lines[2] = "x".repeat(5_000_000));
    assert_eq!(
        first_bad(&verified(&long, &[])),
        Some((3, Some(2), ExportCheck::Line))
    );
}
