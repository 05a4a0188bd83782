//! What the database itself refuses, whoever asks.

use std::time::Duration;

use super::{
    super::{
        rights::commit_fault,
        session::{Role, Session},
    },
    Database, Server,
};
use crate::store::{
    Inspector as _, ROOM_BYTES, Store as _,
    conformance::{add, append},
};

async fn with_two_chains() -> Database {
    let database = Database::new();
    let store = database.store().await;
    add(&store, &["acme", "globex"]).await;
    append(&store, "acme", 3).await;
    append(&store, "globex", 1).await;
    database
}

/// A call of the append function for the chain of `acme`, with these values in SQL for what matters.
fn append_sql(seq: &str, prev_hash: &str, this_hash: &str) -> String {
    format!(
        "SELECT append(ARRAY['acme'], ARRAY[{seq}::bigint], ARRAY['00000000-0000-7000-8000-000000000001'::uuid], \
         ARRAY['kora.test.happened'], ARRAY[0::bigint], ARRAY[NULL], ARRAY[NULL], ARRAY['kora-host@0.1.0'], ARRAY[NULL::bigint], \
         ARRAY[NULL::bytea], ARRAY['{{}}'], ARRAY[{prev_hash}], ARRAY[{this_hash}])"
    )
}

const HEAD: &str = "(SELECT hash FROM heads WHERE tenant = 'acme')";

/// The hash that the record of [`append_sql`] must have.
fn sound_hash(seq: &str, prev_hash: &str) -> String {
    format!(
        "sha256('kora.event.v1'::bytea || '\\x00' || {prev_hash} || '\\x00000004' || 'acme' || '\\x00000008' || int8send({seq}) \
         || '\\x00000010' || '\\x00000000000070008000000000000001' || '\\x00000012' || 'kora.test.happened' || '\\x00000008' \
         || int8send(0) || '\\xffffffff' || '\\xffffffff' || '\\x0000000f' || 'kora-host@0.1.0' || '\\xffffffff' || '\\xffffffff' \
         || '\\x00000002' || '{{}}')"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_appends_only_what_continues_the_chain_and_has_its_hash() {
    let database = with_two_chains().await;
    let not = "00".repeat(32);
    let not = format!("'\\x{not}'::bytea");
    for (seq, prev_hash, this_hash) in [
        ("4", HEAD, not.clone()),
        ("4", not.as_str(), sound_hash("4", &not)),
        ("5", HEAD, sound_hash("5", HEAD)),
        ("3", HEAD, sound_hash("3", HEAD)),
    ] {
        let refusal = database
            .refusal("kora_writer", &append_sql(seq, prev_hash, &this_hash))
            .await;
        assert!(
            refusal.contains("continue its chain") || refusal.contains("events_tenant_seq"),
            "{seq}: {refusal}"
        );
    }
    let sound = append_sql("4", HEAD, &sound_hash("4", HEAD));
    database.sql(&format!("SET search_path = kora; SET ROLE kora_writer; {sound}"));
    assert_eq!(
        database.sql("SELECT seq FROM kora.heads WHERE tenant = 'acme'"),
        "4"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_or_deletes_an_event_or_a_head_not_even_the_owner() {
    let database = with_two_chains().await;
    for sql in [
        "UPDATE events SET payload = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "DELETE FROM heads",
        "TRUNCATE heads",
        "UPDATE heads SET seq = 9 WHERE tenant = 'acme'",
        "UPDATE heads SET seq = 2 WHERE tenant = 'acme'",
        "INSERT INTO heads VALUES ('other', 0, sha256('x'))",
        "INSERT INTO events (tenant, seq, event_id, event_type, occurred_at, source, payload, prev_hash, this_hash) \
         SELECT tenant, seq + 3, gen_random_uuid(), event_type, occurred_at, source, payload, prev_hash, this_hash FROM events",
        "DELETE FROM tenants",
        "UPDATE tenants SET tenant = 'other' WHERE tenant = 'acme'",
        "UPDATE generations SET snapshot = ''",
        "DELETE FROM documents",
        "INSERT INTO documents VALUES ('tickets', 'acme', 'a', 2, 'open', 0, NULL, '{}')",
    ] {
        let refusal = database.refusal("NONE", sql).await;
        assert!(refusal.ends_with("(23000)"), "{sql}: {refusal}");
    }
    for sql in [
        "UPDATE events SET payload = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "INSERT INTO events (tenant, seq) VALUES ('acme', 9)",
        "UPDATE heads SET seq = 9",
        "INSERT INTO heads VALUES ('other', 0, sha256('x'))",
        "DELETE FROM tenants",
        "UPDATE tenants SET tenant = 'other'",
        "UPDATE generations SET snapshot = ''",
        "DELETE FROM documents",
        "CREATE TABLE other ()",
        "ALTER TABLE events DISABLE TRIGGER USER",
    ] {
        for role in ["kora_writer", "kora_reader", "kora_auditor"] {
            let refusal = database.refusal(role, sql).await;
            assert!(refusal.ends_with("(42501)"), "{role}: {sql}: {refusal}");
        }
    }
    for role in ["kora_reader", "kora_auditor"] {
        let call = append_sql("4", "NULL::bytea", "NULL::bytea");
        let refusal = database.refusal(role, &call).await;
        assert!(
            refusal.contains("permission denied for function append"),
            "{refusal}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_the_tenant_of_its_transaction_and_nobody_else() {
    let database = with_two_chains().await;
    let seen = |role: &str, setting: &str| {
        database.sql(&format!(
            "SET search_path = kora; SET ROLE {role}; BEGIN; SELECT FROM set_config('kora.tenant', '{setting}', true); \
             SELECT count(*) FROM events; SELECT count(*) FROM tenants; SELECT count(*) FROM heads; COMMIT"
        ))
    };
    assert_eq!(seen("kora_reader", "acme"), "3\n1\n1");
    assert_eq!(seen("kora_reader", ""), "0\n0\n0");
    assert_eq!(seen("kora_reader", "ACME"), "0\n0\n0");
    assert_eq!(seen("kora_auditor", "acme"), "4\n2\n3");
    let after = database.sql(
        "SET search_path = kora; SET ROLE kora_reader; BEGIN; SELECT FROM set_config('kora.tenant', 'acme', true); COMMIT; \
         SELECT count(*) FROM events",
    );
    assert_eq!(after, "0", "the setting ends with its transaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_schema_is_refused_and_an_equal_one_needs_no_owner() {
    let database = with_two_chains().await;
    database.sql("CREATE ROLE worker LOGIN; GRANT kora_writer, kora_reader, kora_auditor TO worker");
    let url = database.server.url("worker", database.name());
    let place = super::PostgresPlace::parse(&url).unwrap();
    let store = super::PostgresStore::open(place.clone(), super::PostgresOptions::default()).await;
    append(&store.unwrap(), "acme", 1).await;

    database.sql(
        "INSERT INTO kora.refinery_schema_history SELECT 99, 'later', applied_on, checksum FROM kora.refinery_schema_history \
         WHERE version = 1",
    );
    let refused = super::PostgresStore::open(place, super::PostgresOptions::default()).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, crate::store::StoreError::SchemaTooNew { found: 99, .. }),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_are_shown_by_a_commit_that_reaches_the_disk_and_leaves_nothing() {
    let database = with_two_chains().await;
    let store = database.store().await;
    let flushed = || {
        database
            .sql("SELECT pg_current_wal_flush_lsn() - '0/0'")
            .parse::<u64>()
            .unwrap()
    };
    let before = flushed();
    assert_eq!(store.check_rights().await.unwrap(), None);
    let synced = flushed() - before;
    assert!(synced >= u64::from(ROOM_BYTES), "{synced} bytes");
    assert_eq!(
        database.sql("SELECT count(*) FROM kora.plugin_values; SELECT count(*) FROM kora.events"),
        "0\n4"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_commits_nothing_is_noticed_and_it_is_said_why() {
    let database = with_two_chains().await;
    let store = database.store().await;
    let name = database.name();
    // From another database: this one is read-only for its owner, too.
    let read_only = |value: &str| {
        let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}");
        database.server.sql("postgres", &set)
    };
    read_only("on");
    let fault = store.check_rights().await.unwrap().unwrap();
    for part in ["an append was refused", "`default_transaction_read_only`"] {
        assert!(fault.contains(part), "{fault}");
    }
    // A check without a start says it, too.
    let reader = super::PostgresReader::open(database.place()).unwrap();
    let fault = reader.missing_guard().unwrap().unwrap();
    assert!(fault.contains("`default_transaction_read_only`"), "{fault}");
    read_only("off");
    assert_eq!(reader.missing_guard().unwrap(), None);
    assert_eq!(store.check_rights().await.unwrap(), None);

    // Everything works, up to the commit.
    database.sql(
        "CREATE FUNCTION kora.fill_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$; \
         CREATE CONSTRAINT TRIGGER disk_is_full AFTER INSERT ON kora.plugin_values DEFERRABLE INITIALLY DEFERRED \
           FOR EACH ROW EXECUTE FUNCTION kora.fill_up()",
    );
    let fault = store.check_rights().await.unwrap().unwrap();
    for part in [
        "nothing can be committed: could not extend file (53100)",
        "free some room",
    ] {
        assert!(fault.contains(part), "{fault}");
    }
    database.sql("DROP TRIGGER disk_is_full ON kora.plugin_values");
    assert_eq!(store.check_rights().await.unwrap(), None);
    append(&store, "acme", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_standby_never_answers_is_noticed_and_not_waited_for() {
    let server = Box::leak(Box::new(Server::start_with(
        "wal_level = replica\nmax_wal_senders = 2\n",
        &[],
    )));
    let database = Database::on(server);
    drop(database.store().await);
    database.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    database.sql("SELECT pg_reload_conf()");
    let (place, within) = (database.place(), Duration::from_millis(500));
    let session = Session::open(&place, Role::Writer).await.unwrap();
    let fault = commit_fault(&session.client, place.tls(), within).await;
    let fault = fault.unwrap().unwrap();
    for part in ["not answered within 0.5 s", "`synchronous_standby_names`"] {
        assert!(fault.contains(part), "{fault}");
    }
    // Nobody waits there any more.
    session.client.batch_execute("SELECT 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_was_switched_off_is_noticed() {
    let database = with_two_chains().await;
    let store = database.store().await;
    assert_eq!(store.check_rights().await.unwrap(), None);
    database.sql("ALTER TABLE kora.events DISABLE TRIGGER events_are_never_deleted");
    let fault = store.check_rights().await.unwrap().unwrap();
    assert!(fault.contains("`events_are_never_deleted`"), "{fault}");
    let reader = super::PostgresReader::open(database.place()).unwrap();
    assert_eq!(reader.missing_guard().unwrap(), Some(fault));
    database.sql("ALTER TABLE kora.events ENABLE TRIGGER USER; GRANT DELETE, SELECT ON kora.events TO kora_writer; \
                  DROP TRIGGER events_are_never_deleted ON kora.events; \
                  CREATE TRIGGER events_are_never_deleted AFTER UPDATE ON kora.events EXECUTE FUNCTION kora.refuse('x'); \
                  CREATE POLICY lax ON kora.events TO kora_writer USING (true)");
    let fault = store.check_rights().await.unwrap().unwrap();
    assert!(fault.contains("an event could be deleted"), "{fault}");
    assert_eq!(
        database.sql("SELECT count(*) FROM kora.events"),
        "4",
        "what was tried is taken back"
    );
}
