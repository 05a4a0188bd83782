//! Verifying and exporting, also of a database that was tampered with.

use super::Database;
use crate::{
    domain::Timestamp,
    store::{
        Inspector as _, Scope, Store as _,
        conformance::{add, append, tenant},
        postgres::PostgresReader,
        verify::{ChainStatus, Check},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_store_is_sound_in_whole_and_in_part() {
    let database = Database::new();
    let store = database.store().await;
    add(&store, &["acme", "empty"]).await;
    append(&store, "acme", 5).await;
    append(&store, "host", 2).await;
    let all = database.verify(&Scope::All);
    assert_eq!(
        (all.status(), all.records, all.file_fault),
        (ChainStatus::Sound, 7, None)
    );
    let told: Vec<_> = all
        .chains
        .iter()
        .map(|chain| (chain.tenant.as_str(), chain.status, chain.to))
        .collect();
    let expected = [
        ("acme", ChainStatus::Sound, 5),
        ("empty", ChainStatus::Empty, 0),
        ("host", ChainStatus::Sound, 2),
    ];
    assert_eq!(told, expected);
    let part = Scope::Range {
        tenant: tenant("acme"),
        from: 2,
        to: 4,
    };
    let part = database.verify(&part);
    assert_eq!((part.status(), part.records), (ChainStatus::Sound, 3));
    assert_eq!(store.check_tails(3).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_record_that_was_changed_or_taken_away_is_named() {
    for (sql, check) in [
        (
            "UPDATE kora.events SET payload = '{\"n\":9}' WHERE seq = 3",
            Check::Hash,
        ),
        ("DELETE FROM kora.events WHERE seq = 3", Check::Gap),
        ("DELETE FROM kora.events WHERE seq >= 3", Check::Head),
    ] {
        let database = Database::new();
        let store = database.store().await;
        add(&store, &["acme"]).await;
        append(&store, "acme", 5).await;
        // What an owner can do who first takes the triggers away.
        database.sql(&format!("ALTER TABLE kora.events DISABLE TRIGGER USER; {sql}"));
        let report = database.verify(&Scope::All);
        let bad = report.chains[0].first_bad.clone().unwrap();
        assert_eq!((bad.seq, bad.check), (Some(3), check), "{sql}");
        assert!(store.check_tails(5).await.unwrap().is_some(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_every_chain_with_its_exact_bytes() {
    let database = Database::new();
    let store = database.store().await;
    add(&store, &["acme"]).await;
    append(&store, "acme", 2).await;
    let reader = PostgresReader::open(database.place()).unwrap();
    let export = move || {
        let mut out = Vec::new();
        let exported = reader.export(&Scope::All, Timestamp::from_micros(1), &mut out);
        (exported.unwrap(), out)
    };
    let (exported, out) = tokio::task::spawn_blocking(export).await.unwrap();
    assert_eq!((exported.chains, exported.events), (2, 2));
    let lines: Vec<serde_json::Value> = out
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["header", "event", "event", "trailer", "header", "trailer"]
    );
    assert_eq!(lines[2]["payload"], r#"{"n":2}"#);
    assert_eq!(lines[3]["last_hash"], lines[2]["this_hash"]);
}

#[test]
fn a_database_without_a_store_says_so() {
    let error = PostgresReader::open(Database::new().place()).unwrap_err();
    assert!(error.to_string().contains("there is no store in"), "{error}");
}
