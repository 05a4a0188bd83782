//! What SQLite itself refuses, on a plain connection with nothing of this program around it.

use rusqlite::{Connection, params};

use super::Place;
use crate::store::{Scope, Store as _, conformance::append, verify::ChainStatus};

fn refused(connection: &Connection, sql: &str, why: &str) {
    let error = connection.execute_batch(sql).expect_err(sql).to_string();
    assert!(error.contains(why), "{sql}\nexpected: {why}\nfound: {error}");
}

/// An insert that copies record 5 of `acme` with some columns replaced.
fn insert(verb: &str, replaced: &[(&str, &str)]) -> String {
    const COLUMNS: [&str; 13] = [
        "tenant",
        "seq",
        "event_id",
        "event_type",
        "occurred_at",
        "actor_kind",
        "actor_id",
        "source",
        "identity_generation",
        "idempotency_key",
        "payload",
        "prev_hash",
        "this_hash",
    ];
    let mut names = COLUMNS.to_vec();
    let mut values: Vec<_> = COLUMNS.to_vec();
    for (name, value) in replaced {
        match names.iter().position(|known| known == name) {
            Some(index) => values[index] = value,
            None => {
                names.push(name);
                values.push(value);
            }
        }
    }
    format!(
        "{verb} INTO events ({}) SELECT {} FROM events WHERE tenant = 'acme' AND seq = 5",
        names.join(", "),
        values.join(", ")
    )
}

#[tokio::test]
async fn an_event_cannot_be_changed_or_deleted() {
    let place = Place::filled().await;
    let plain = place.plain();
    for sql in [
        "UPDATE events SET payload = '{}' WHERE seq = 2",
        "UPDATE events SET payload = payload",
        "UPDATE OR REPLACE events SET seq = 1 WHERE seq = 2",
        "UPDATE OR IGNORE events SET this_hash = zeroblob(32)",
        "UPDATE events SET pos = 99 WHERE pos = 1",
    ] {
        refused(&plain, sql, "an event is never changed");
    }
    for sql in ["DELETE FROM events", "DELETE FROM events WHERE pos = 1"] {
        refused(&plain, sql, "an event is never deleted");
    }
    assert_eq!(place.verify(&Scope::All).status(), ChainStatus::Sound);
}

#[tokio::test]
async fn an_event_cannot_be_put_in_the_place_of_another() {
    let place = Place::filled().await;
    let plain = place.plain();
    let next: [(&str, &str); 2] = [("seq", "6"), ("prev_hash", "this_hash")];
    let fresh_id = ("event_id", "randomblob(16)");
    for verb in [
        "INSERT",
        "INSERT OR REPLACE",
        "REPLACE",
        "INSERT OR FAIL",
        "INSERT OR ROLLBACK",
    ] {
        for pos in ["1", "4", "8"] {
            let sql = insert(verb, &[next[0], next[1], fresh_id, ("pos", pos)]);
            refused(&plain, &sql, "never put before or over another");
        }
        refused(&plain, &insert(verb, &next), "over another of its id");
        refused(&plain, &insert(verb, &[fresh_id]), "must continue its chain");
        refused(
            &plain,
            &insert(verb, &[fresh_id, ("seq", "3")]),
            "must continue its chain",
        );
        refused(
            &plain,
            &insert(verb, &[next[0], next[1], fresh_id, ("pos", "-1")]),
            "CHECK constraint failed",
        );
    }
    // Says nothing, and does nothing.
    plain
        .execute_batch(&insert(
            "INSERT OR IGNORE",
            &[next[0], next[1], fresh_id, ("pos", "-1")],
        ))
        .unwrap();
    let upsert = insert("INSERT", &[]) + " ON CONFLICT DO UPDATE SET payload = '{}'";
    refused(&plain, &upsert, "must continue its chain");
    let report = place.verify(&Scope::All);
    assert_eq!((report.status(), report.records), (ChainStatus::Sound, 8));
}

#[tokio::test]
async fn a_key_cannot_be_taken_from_another_event() {
    let place = Place::filled().await;
    let plain = place.plain();
    let next = |id: &'static str| {
        [
            ("seq", "6"),
            ("prev_hash", "this_hash"),
            ("event_id", id),
            ("idempotency_key", "'key'"),
        ]
    };
    plain
        .execute_batch(&insert("INSERT", &next("randomblob(16)")))
        .unwrap();
    let again = [
        ("seq", "7"),
        ("prev_hash", "this_hash"),
        ("event_id", "randomblob(16)"),
        ("idempotency_key", "'key'"),
    ];
    // The insert copies the hash of record 5, so 6 has it too, and 7 continues it.
    refused(
        &plain,
        &insert("INSERT OR REPLACE", &again),
        "over another of its idempotency key",
    );
}

#[tokio::test]
async fn an_insert_must_continue_the_chain() {
    let place = Place::filled().await;
    let plain = place.plain();
    let id = ("event_id", "randomblob(16)");
    for (sql, what) in [
        (
            insert("INSERT", &[id, ("seq", "7"), ("prev_hash", "this_hash")]),
            "a gap",
        ),
        (
            insert("INSERT", &[id, ("seq", "6")]),
            "the hash before the last one",
        ),
        (
            insert("INSERT", &[id, ("seq", "6"), ("prev_hash", "zeroblob(32)")]),
            "no hash at all",
        ),
        (
            insert("INSERT", &[id, ("seq", "1"), ("tenant", "'nobody'")]),
            "a tenant that is not there",
        ),
        (
            insert(
                "INSERT",
                &[id, ("seq", "6"), ("prev_hash", "this_hash"), ("tenant", "'ACME'")],
            ),
            "another case",
        ),
        (
            insert("INSERT", &[id, ("seq", "NULL"), ("prev_hash", "this_hash")]),
            "no sequence number",
        ),
    ] {
        let error = plain.execute_batch(&sql).expect_err(what).to_string();
        assert!(error.contains("must continue its chain"), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_head_cannot_be_moved_by_hand() {
    let place = Place::filled().await;
    let plain = place.plain();
    for sql in [
        "UPDATE heads SET seq = 4 WHERE tenant = 'acme'",
        "UPDATE heads SET seq = 6 WHERE tenant = 'acme'",
        "UPDATE heads SET hash = zeroblob(32)",
        "UPDATE heads SET tenant = 'other' WHERE tenant = 'acme'",
    ] {
        refused(&plain, sql, "only to the next event");
    }
    refused(&plain, "DELETE FROM heads", "is never deleted");
    for sql in [
        "INSERT OR REPLACE INTO heads VALUES ('acme', 0, zeroblob(32))",
        "INSERT INTO heads VALUES ('new', 5, zeroblob(32))",
    ] {
        refused(&plain, sql, "a chain begins once");
    }
}

#[tokio::test]
async fn identities_and_tenants_cannot_be_rewritten() {
    let place = Place::filled().await;
    let plain = place.plain();
    plain
        .execute(
            "INSERT INTO generations VALUES ('acme', 1, NULL, NULL, NULL, zeroblob(32), '{}', zeroblob(16), 0)",
            params![],
        )
        .unwrap();
    refused(&plain, "UPDATE generations SET snapshot = 'x'", "never changed");
    refused(&plain, "DELETE FROM generations", "never deleted");
    for generation in ["1", "3"] {
        let sql = format!(
            "INSERT OR REPLACE INTO generations VALUES ('acme', {generation}, NULL, NULL, NULL, zeroblob(32), 'x', zeroblob(16), 0)"
        );
        refused(&plain, &sql, "must follow the newest");
    }
    refused(
        &plain,
        "UPDATE tenants SET tenant = 'other' WHERE tenant = 'acme'",
        "never changed",
    );
    refused(&plain, "DELETE FROM tenants", "never deleted");
    refused(
        &plain,
        "INSERT OR REPLACE INTO tenants VALUES ('ACME', 1, 0)",
        "such a tenant already",
    );
    refused(
        &plain,
        "INSERT INTO tenants VALUES ('HOST', 1, 0)",
        "CHECK constraint failed",
    );
}

#[tokio::test]
async fn a_tenant_starts_with_an_actor_a_charter_and_policies() {
    let place = Place::filled().await;
    let plain = place.plain();
    let (content, hash): (String, [u8; 32]) = plain
        .query_row(
            "SELECT content_md, content_hash FROM charters WHERE tenant = 'acme' AND superseded_at IS NULL",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert!(content.starts_with("# Charter"));
    assert_eq!(crate::domain::Digest::of(content.as_bytes()).as_bytes(), &hash);
    let count = |sql: &str| plain.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM policies WHERE tenant = 'acme'"), 5);
    assert_eq!(
        count("SELECT count(*) FROM actors WHERE tenant = 'acme' AND canonical"),
        1
    );
}

#[tokio::test]
async fn a_file_whose_triggers_are_gone_is_told_apart_and_stays_as_it_is() {
    for (trigger, fault) in [
        (
            "events_are_never_changed",
            "an event could be changed: the store must refuse it",
        ),
        (
            "events_are_never_deleted",
            "an event could be deleted: the store must refuse it",
        ),
    ] {
        let place = Place::filled().await;
        let store = place.open();
        assert_eq!(store.check_rights().await.unwrap(), None);
        let other = Connection::open(place.path()).unwrap();
        other.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
        assert_eq!(store.check_rights().await.unwrap().as_deref(), Some(fault));
        let count: u32 = other
            .query_row(
                "SELECT count(*) FROM events WHERE event_type = 'host.store.probed'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(count, 0, "what was tried was taken back");
        append(&store, "acme", 1).await;
    }
}

#[tokio::test]
async fn where_the_types_of_events_stand_cannot_be_changed_or_deleted() {
    let place = Place::filled().await;
    let plain = place.plain();
    refused(
        &plain,
        "UPDATE event_type_blocks SET block = block + 1",
        "where a type of events stands is never changed",
    );
    refused(
        &plain,
        "DELETE FROM event_type_blocks WHERE tenant = 'acme'",
        "where a type of events stands is never deleted",
    );
}
