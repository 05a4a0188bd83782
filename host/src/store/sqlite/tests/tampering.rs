//! What verification finds in a file that somebody wrote to who could: triggers dropped first.

use std::num::NonZeroUsize;

use rusqlite::Connection;

use super::{Place, verify};
use crate::{
    domain::EventId,
    store::{
        Scope,
        conformance::{add, append, tenant},
        sqlite::{SqliteOptions, SqliteReader},
        verify::{BadRecord, ChainReport, ChainStatus, Check, VerifyError, VerifyOptions, VerifyReport},
    },
};

/// As an attacker who has the file: nothing refuses any more.
pub(super) fn attack(place: &Place, sql: &str) {
    let plain = place.plain();
    let triggers: Vec<String> = plain
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for trigger in triggers {
        plain.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    plain
        .pragma_update(None, "ignore_check_constraints", true)
        .unwrap();
    plain.execute_batch(sql).unwrap();
}

/// Makes the columns of `events` take any value, as somebody with an editor for bytes could.
fn loosen(place: &Place) {
    let plain = place.plain();
    plain
        .set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)
        .unwrap();
    plain.pragma_update(None, "writable_schema", true).unwrap();
    plain
        .execute_batch(
            "UPDATE sqlite_schema SET sql = replace(replace(replace(sql, 'STRICT', ''), 'NOT NULL', ''), 'TEXT', 'BLOB') \
             WHERE name = 'events'",
        )
        .unwrap();
}

fn id_of(place: &Place, tenant: &str, seq: u64) -> EventId {
    let id = place
        .plain()
        .query_row(
            "SELECT event_id FROM events WHERE tenant = ?1 AND seq = ?2",
            (tenant, seq as i64),
            |row| row.get(0),
        )
        .unwrap();
    EventId::from_bytes(id)
}

fn chain<'a>(report: &'a VerifyReport, tenant: &str) -> &'a ChainReport {
    report.chains.iter().find(|chain| chain.tenant == tenant).unwrap()
}

fn first_bad<'a>(report: &'a VerifyReport, tenant: &str) -> &'a BadRecord {
    let chain = chain(report, tenant);
    assert_eq!(chain.status, ChainStatus::Broken);
    chain.first_bad.as_ref().unwrap()
}

fn others_are_sound(report: &VerifyReport, broken: &[&str]) {
    for chain in &report.chains {
        if !broken.contains(&chain.tenant.as_str()) {
            assert_ne!(chain.status, ChainStatus::Broken, "{chain:?}");
        }
    }
}

#[tokio::test]
async fn an_untouched_file_is_sound_and_an_empty_chain_is_empty() {
    let place = Place::filled().await;
    let report = place.verify(&Scope::All);
    let found: Vec<_> = report
        .chains
        .iter()
        .map(|chain| {
            (
                chain.tenant.as_str(),
                chain.status,
                chain.from,
                chain.to,
                chain.records,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("acme", ChainStatus::Sound, 1, 5, 5),
            ("globex", ChainStatus::Sound, 1, 3, 3),
            ("host", ChainStatus::Empty, 0, 0, 0),
        ]
    );
    assert_eq!((report.status(), report.records), (ChainStatus::Sound, 8));
    assert_eq!(place.verify(&Scope::Chain("globex".parse().unwrap())).records, 3);
    assert_eq!(
        place
            .verify(&Scope::Chain(crate::domain::TenantId::host()))
            .status(),
        ChainStatus::Empty
    );
}

#[tokio::test]
async fn a_change_to_any_column_of_any_record_is_found_and_the_record_named() {
    let changes = [
        ("event_id", "X'01997f3c00007000800000000000abcd'"),
        ("event_type", "'kora.test.happenee'"),
        ("occurred_at", "occurred_at + 1"),
        ("actor_kind", "'caller'"),
        ("actor_kind", "NULL"),
        ("actor_id", "'uid:1'"),
        ("actor_id", "NULL"),
        ("source", "'kora-host@0.1.1'"),
        ("identity_generation", "identity_generation + 1"),
        ("identity_generation", "NULL"),
        ("idempotency_key", "'key'"),
        ("payload", "replace(payload, ':', ': ')"),
        ("prev_hash", "zeroblob(32)"),
        ("this_hash", "zeroblob(32)"),
        ("tenant", "'acmf'"),
        ("seq", "77"),
    ];
    let untouched = Place::filled().await;
    for (column, value) in changes {
        for seq in [1, 3, 5] {
            let place = untouched.copy();
            let id = id_of(&place, "acme", seq);
            attack(
                &place,
                &format!("UPDATE events SET {column} = {value} WHERE tenant = 'acme' AND seq = {seq}"),
            );
            let report = place.verify(&Scope::All);
            let what = format!("{column} of {seq}: {report:#?}");
            let bad = first_bad(&report, if column == "tenant" { "acmf" } else { "acme" });
            assert_eq!(bad.check, Check::Hash, "{what}");
            if column != "event_id" {
                assert_eq!(bad.event_id, Some(id), "{what}");
            }
            assert_eq!(bad.seq, Some(seq), "{what}");
            if column == "tenant" {
                let bad = first_bad(&report, "acme");
                assert_eq!((bad.seq, bad.event_id), (Some(seq), None), "{what}");
            }
            others_are_sound(&report, &["acme", "acmf"]);
        }
    }
}

#[tokio::test]
async fn a_single_flipped_bit_is_found_wherever_it_lies() {
    let untouched = Place::filled().await;
    let hex: String = untouched
        .plain()
        .query_row(
            "SELECT hex(payload) FROM events WHERE tenant = 'globex' AND seq = 2",
            [],
            |row| row.get(0),
        )
        .unwrap();
    for bit in 0..hex.len() * 4 {
        let place = untouched.copy();
        let mut bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|index| u8::from_str_radix(&hex[index * 2..index * 2 + 2], 16).unwrap())
            .collect();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        attack(
            &place,
            &format!(
                "UPDATE events SET payload = CAST(X'{hex}' AS TEXT) WHERE tenant = 'globex' AND seq = 2"
            ),
        );
        let report = place.verify(&Scope::All);
        let bad = first_bad(&report, "globex");
        assert_eq!(bad.seq, Some(2));
        let not_text = std::str::from_utf8(&bytes).is_err();
        assert_eq!(bad.check, if not_text { Check::Column } else { Check::Hash });
    }
}

#[tokio::test]
async fn a_missing_record_is_named_wherever_it_was() {
    for (seq, check) in [(1, Check::Gap), (3, Check::Gap), (5, Check::Head)] {
        let place = Place::filled().await;
        attack(
            &place,
            &format!("DELETE FROM events WHERE tenant = 'acme' AND seq = {seq}"),
        );
        for scope in [Scope::All, Scope::Chain(tenant("acme"))] {
            let report = place.verify(&scope);
            let bad = first_bad(&report, "acme");
            assert_eq!(
                (bad.seq, bad.event_id, bad.check),
                (Some(seq), None, check),
                "{bad:?}"
            );
            others_are_sound(&report, &["acme"]);
        }
    }
}

#[tokio::test]
async fn a_chain_that_was_cut_off_or_taken_away_is_not_empty() {
    for sql in [
        "DELETE FROM events WHERE tenant = 'acme'",
        "DELETE FROM events WHERE tenant = 'acme'; DELETE FROM heads WHERE tenant = 'acme'",
        "UPDATE heads SET seq = 4 WHERE tenant = 'acme'",
        "UPDATE heads SET hash = zeroblob(32) WHERE tenant = 'acme'",
        "DELETE FROM heads WHERE tenant = 'acme'",
    ] {
        let place = Place::filled().await;
        attack(&place, sql);
        let report = place.verify(&Scope::All);
        assert_eq!(first_bad(&report, "acme").check, Check::Head, "{sql}");
        others_are_sound(&report, &["acme"]);
    }
}

#[tokio::test]
async fn a_record_that_was_put_in_between_is_named() {
    let place = Place::filled().await;
    attack(
        &place,
        "DROP INDEX events_tenant_seq; DROP INDEX events_event_id; \
         INSERT INTO events SELECT 9, tenant, seq, event_id, event_type, occurred_at, actor_kind, actor_id, source, \
         identity_generation, idempotency_key, payload, prev_hash, this_hash FROM events WHERE tenant = 'acme' AND seq = 2",
    );
    let report = place.verify(&Scope::All);
    let bad = first_bad(&report, "acme");
    assert_eq!((bad.seq, bad.check), (Some(2), Check::Gap));
    assert_eq!(bad.detail, "expected record 6, found 2 once more");
}

#[tokio::test]
async fn a_record_that_was_recomputed_breaks_the_link_to_the_next() {
    let place = Place::filled().await;
    // Two records whose hashes hold by themselves, and a chain that does not: 4 and 5 of another store.
    let other = Place::filled().await;
    attack(
        &place,
        &format!(
            "ATTACH '{}' AS other; DELETE FROM events WHERE tenant = 'acme' AND seq = 4; \
             INSERT INTO events SELECT * FROM other.events WHERE tenant = 'acme' AND seq = 4",
            other.path().display()
        ),
    );
    let report = place.verify(&Scope::All);
    let bad = first_bad(&report, "acme");
    assert_eq!(
        (bad.seq, bad.check, bad.event_id),
        (Some(4), Check::Link, Some(id_of(&other, "acme", 4)))
    );
}

#[tokio::test]
async fn columns_of_another_type_are_broken_and_not_an_error() {
    for (column, value) in [
        ("tenant", "NULL"),
        ("tenant", "CAST(X'ff' AS TEXT)"),
        ("seq", "-3"),
        ("seq", "'three'"),
        ("event_id", "X'00'"),
        ("event_id", "'text'"),
        ("event_type", "NULL"),
        ("event_type", "CAST(X'6bff' AS TEXT)"),
        ("occurred_at", "1.5"),
        ("actor_kind", "7"),
        ("identity_generation", "-1"),
        ("payload", "CAST(payload AS BLOB)"),
        ("payload", "NULL"),
        ("prev_hash", "NULL"),
        ("this_hash", "X''"),
    ] {
        let place = Place::filled().await;
        let id = id_of(&place, "acme", 3);
        loosen(&place);
        attack(
            &place,
            &format!("UPDATE events SET {column} = {value} WHERE tenant = 'acme' AND seq = 3"),
        );
        let report = place.verify(&Scope::All);
        let what = format!("{column} = {value}: {report:#?}");
        assert_eq!(report.status(), ChainStatus::Broken, "{what}");
        let named = report.chains.iter().filter_map(|chain| chain.first_bad.as_ref());
        let bad = named
            .into_iter()
            .find(|bad| bad.check == Check::Column)
            .expect(&what);
        assert!(
            bad.detail.contains(&format!("column `{column}` is unreadable")),
            "{what}"
        );
        if column != "event_id" {
            assert_eq!(bad.event_id, Some(id), "{what}");
        }
        assert_eq!(
            first_bad(&report, "acme").seq,
            if column == "seq" { None } else { Some(3) },
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_range_is_judged_by_itself_and_by_what_it_goes_on_from() {
    let place = Place::filled().await;
    let range = |from, to| Scope::Range {
        tenant: tenant("acme"),
        from,
        to,
    };
    let sound = place.verify(&range(2, 4));
    assert_eq!(
        (sound.status(), sound.chains[0].from, sound.chains[0].to),
        (ChainStatus::Sound, 2, 4)
    );
    assert_eq!(place.verify(&range(4, u64::MAX)).chains[0].to, 5);

    attack(
        &place,
        "UPDATE events SET payload = '{}' WHERE tenant = 'acme' AND seq = 2",
    );
    assert_eq!(place.verify(&range(3, 5)).status(), ChainStatus::Sound);
    assert_eq!(first_bad(&place.verify(&range(1, 3)), "acme").seq, Some(2));
    attack(&place, "DELETE FROM events WHERE tenant = 'acme' AND seq = 2");
    let report = place.verify(&range(3, 5));
    assert_eq!(first_bad(&report, "acme").check, Check::Link);
    attack(&place, "DELETE FROM events WHERE tenant = 'acme' AND seq = 4");
    assert_eq!(first_bad(&place.verify(&range(3, 4)), "acme").seq, Some(3));

    let reader = SqliteReader::open(&place.path()).unwrap();
    for (from, to) in [(0, 3), (4, 3), (6, 9)] {
        let error = reader
            .verify(&range(from, to), &VerifyOptions::default())
            .unwrap_err();
        assert!(
            matches!(error, VerifyError::RangeInvalid { last: 5, .. }),
            "{error}"
        );
    }
    let nobody = reader.verify(&Scope::Chain(tenant("nobody")), &VerifyOptions::default());
    assert!(matches!(nobody, Err(VerifyError::TenantUnknown { .. })));
}

#[tokio::test]
async fn pieces_that_many_threads_read_fit_together() {
    const RECORDS: u64 = 3000;
    let place = Place::new();
    let store = place.try_open(SqliteOptions::default()).unwrap();
    add(&store, &["acme", "globex"]).await;
    let batch = |tenant: &str| crate::store::Batch {
        events: (1..=RECORDS)
            .map(|n| crate::store::conformance::event(tenant, n))
            .collect(),
        ..crate::store::Batch::default()
    };
    for tenant in ["acme", "globex"] {
        crate::store::Store::commit(&store, batch(tenant)).await.unwrap();
    }
    append(&store, "acme", 10).await;
    drop(store);
    let with = |threads| {
        let options = VerifyOptions {
            threads: NonZeroUsize::new(threads).unwrap(),
            quick_check: true,
        };
        SqliteReader::open(&place.path())
            .unwrap()
            .verify(&Scope::All, &options)
            .unwrap()
    };
    assert_eq!(with(1), with(5));
    assert_eq!(
        (with(3).status(), with(3).records),
        (ChainStatus::Sound, 2 * RECORDS + 10)
    );

    // On both sides of where pieces meet, and at both ends.
    for seq in [1, 2047, 2048, 2049, 3010] {
        let plain = place.plain();
        let old: String = tamper(&plain, seq, "{}");
        assert_eq!(first_bad(&with(4), "acme").seq, Some(seq));
        tamper(&plain, seq, &old);
    }
    assert_eq!(with(4).status(), ChainStatus::Sound);
}

/// Replaces a payload of `acme`, answers what it was.
fn tamper(plain: &Connection, seq: u64, payload: &str) -> String {
    plain
        .execute_batch("DROP TRIGGER IF EXISTS events_are_never_changed")
        .unwrap();
    let key = seq as i64;
    let old = plain
        .query_row(
            "SELECT payload FROM events WHERE tenant = 'acme' AND seq = ?1",
            [key],
            |row| row.get(0),
        )
        .unwrap();
    plain
        .execute(
            "UPDATE events SET payload = ?2 WHERE tenant = 'acme' AND seq = ?1",
            (key, payload),
        )
        .unwrap();
    old
}

#[tokio::test]
async fn a_page_of_rubbish_is_broken_and_not_an_error() {
    let place = Place::filled().await;
    let sound = std::fs::read(place.path()).unwrap();
    let pages = sound.len() / 4096;
    for page in 0..pages {
        let mut bytes = sound.clone();
        bytes[page * 4096..page * 4096 + 200].fill(0xA5);
        std::fs::write(place.path(), &bytes).unwrap();
        match SqliteReader::open(&place.path()) {
            Ok(_) => assert_eq!(
                verify(&place.path(), &Scope::All).status(),
                ChainStatus::Broken,
                "page {page}"
            ),
            Err(error) => assert!(
                matches!(error, crate::store::StoreError::Damaged(_)),
                "page {page}: {error}"
            ),
        }
    }
}

#[tokio::test]
async fn a_broken_tail_is_found_without_reading_all() {
    let place = Place::filled().await;
    let reader = SqliteReader::open(&place.path()).unwrap();
    assert_eq!(reader.check_tails(2).unwrap(), None);
    attack(
        &place,
        "UPDATE events SET payload = '{}' WHERE tenant = 'acme' AND seq = 4",
    );
    assert_eq!(reader.check_tails(1).unwrap(), None);
    let fault = reader.check_tails(2).unwrap().unwrap();
    assert_eq!(
        fault,
        "chain of `acme`: record 4 does not have the hash that is stored with it"
    );
    attack(&place, "DELETE FROM events WHERE tenant = 'globex' AND seq = 3");
    attack(
        &place,
        "UPDATE events SET payload = '{\"n\":1}' WHERE tenant = 'acme' AND seq = 4",
    );
    let fault = reader.check_tails(2).unwrap().unwrap();
    assert_eq!(
        fault,
        "chain of `globex`: record 3 is missing: the head says that the chain ends at 3"
    );
}

#[tokio::test]
async fn an_event_that_a_read_of_its_type_would_miss_is_found_although_its_chain_is_sound() {
    let place = Place::filled().await;
    attack(&place, "DELETE FROM event_type_blocks WHERE tenant = 'acme'");
    let report = place.verify(&Scope::All);
    assert_eq!(report.status(), ChainStatus::Broken);
    assert!(
        report
            .chains
            .iter()
            .all(|chain| chain.status != ChainStatus::Broken)
    );
    let fault = report.file_fault.unwrap();
    assert!(
        fault.contains("of `acme` is not in `event_type_blocks`"),
        "{fault}"
    );
}
