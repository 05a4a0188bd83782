//! Chains of events: appended by their owners, followed, verified, exported; and what the database itself refuses.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Finished, Follower, RunningHost, TestHome};

fn home() -> TestHome {
    let home = TestHome::with_config(
        "[events]\ntypes = [\"acme.ticket.opened\", \"acme.ticket.closed\"]\n[tenants.acme]\nfallback_prompt = \"acme.md\"\n",
    );
    fs::write(home.path().join("acme.md"), "You are patient.").unwrap();
    home
}

fn append(host: &RunningHost<'_>, number: usize) -> Value {
    host.json(&[
        "events",
        "append",
        "acme.ticket.opened",
        &format!("{{\"number\":{number}}}"),
    ])
}

#[test]
fn the_operator_appends_events_of_declared_types_and_nothing_else() {
    let home = home();
    let host = home.start();
    let appended = host.json(&[
        "events",
        "append",
        "acme.ticket.opened",
        " { \"a\" : 1e2 , \"ä\":\"\\u00e4\" } ",
    ]);
    let event = host.events("acme").pop().unwrap();
    assert_eq!(
        event["payload"], "{\"a\":1e2,\"ä\":\"\\u00e4\"}",
        "numbers, order and escapes are kept"
    );
    for field in ["seq", "event_id", "this_hash"] {
        assert_eq!(event[field], appended[field], "{field}");
    }
    assert_eq!(
        (&event["actor_kind"], &event["identity_generation"]),
        (&json!("operator"), &json!(1))
    );
    assert!(
        event["source"].as_str().unwrap().starts_with("kora-host@"),
        "{event}"
    );

    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(64 * 1024));
    let refused = [
        ("kora.boot.ready", "{}", "events.not_allowed"),
        ("kora.identity.swapped", "{}", "events.not_allowed"),
        ("acme.ticket.reopened", "{}", "events.not_allowed"),
        ("No Type", "{}", "event.type"),
        ("acme.ticket.opened", "[1]", "events.payload"),
        ("acme.ticket.opened", "{", "events.payload"),
        ("acme.ticket.opened", "{\"a\":1,\"a\":2}", "events.payload"),
        ("acme.ticket.opened", &long, "events.payload"),
    ];
    let before = host.events("acme").len();
    for (event_type, payload, code) in refused {
        let problem = host.problem(&["events", "append", event_type, payload]);
        assert_eq!(
            problem["code"],
            code,
            "{event_type} {}: {problem}",
            &payload[..payload.len().min(20)]
        );
    }
    assert_eq!(host.events("acme").len(), before);
}

#[test]
fn an_event_of_a_plugin_is_not_the_operators_to_append() {
    let home = TestHome::with_config("[tenants.acme]\nidentity = \"echo\"\n");
    home.install(&["echo"]);
    let host = home.start();
    let problem = host.problem(&["events", "append", "echo.ticked", "{}"]);
    assert_eq!(problem["code"], "events.not_allowed");
    insta::assert_snapshot!(problem["message"].as_str().unwrap(), @"the event type `echo.ticked` belongs to the plugin `echo`: the operator may append only its own");
}

#[test]
fn the_same_key_appends_once_and_another_payload_under_it_is_a_conflict() {
    let home = home();
    let host = home.start();
    let arguments = |payload| {
        [
            "events",
            "append",
            "acme.ticket.opened",
            payload,
            "--key",
            "ticket-1",
        ]
    };
    let first = host.json(&arguments("{\"n\":1}"));
    let again = host.json(&arguments("{\"n\":1}"));
    assert_eq!(
        (&again["event_id"], &again["seq"]),
        (&first["event_id"], &first["seq"])
    );
    assert_eq!(
        host.problem(&arguments("{\"n\":2}"))["code"],
        "events.idempotency_conflict"
    );
    assert_eq!(host.payloads("acme", "acme.ticket.opened"), [json!({"n": 1})]);
}

#[test]
fn an_append_that_expects_another_end_of_the_chain_is_refused() {
    let home = home();
    let host = home.start();
    let end = append(&host, 1)["seq"].as_u64().unwrap();
    let expecting = |seq: u64| {
        let seq = seq.to_string();
        host.kora(&[
            "events",
            "append",
            "acme.ticket.opened",
            "{}",
            "--expect-seq",
            &seq,
            "--json",
        ])
    };
    assert_eq!(expecting(end - 1).problem()["code"], "events.sequence_conflict");
    assert_eq!(expecting(end).json()["seq"], end + 1);
    assert_eq!(expecting(end).problem()["kind"], "conflict");
}

#[test]
fn a_payload_is_read_from_standard_input() {
    let home = home();
    let host = home.start();
    let payload = home.beside("payload.json");
    fs::write(&payload, "{\"from\": \"a file\"}").unwrap();
    let mut command = home.command(&["events", "append", "acme.ticket.opened", "-"]);
    command.stdin(fs::File::open(payload).unwrap());
    assert!(command.output().unwrap().status.success());
    assert_eq!(
        host.payloads("acme", "acme.ticket.opened"),
        [json!({"from": "a file"})]
    );
}

#[test]
fn a_tail_shows_the_newest_pages_by_sequence_and_filters_by_prefix() {
    let home = home();
    let host = home.start();
    for number in 0..5 {
        append(&host, number);
    }
    let numbers = |arguments: &[&str]| -> Vec<Value> {
        let events = host.json(&[&["events", "tail", "--tenant", "acme"], arguments].concat());
        let number = |event: &Value| crate::harness::payload(event)["number"].clone();
        events.as_array().unwrap().iter().map(number).collect()
    };
    assert_eq!(numbers(&["--limit", "2"]), [3, 4]);
    let second = append(&host, 5)["seq"].as_u64().unwrap() - 4;
    assert_eq!(numbers(&["--after", &second.to_string(), "--limit", "2"]), [2, 3]);
    // The filter goes before the limit: what does not fit does not use it up.
    host.json(&["events", "append", "acme.ticket.closed", "{\"number\":6}"]);
    append(&host, 7);
    assert_eq!(numbers(&["--prefix", "acme.ticket.closed", "--limit", "1"]), [6]);
    assert!(
        numbers(&["--prefix", "acme.tick"]).is_empty(),
        "a prefix ends at a dot"
    );
    let human = home
        .kora(&["events", "tail", "--tenant", "acme", "--limit", "1"])
        .ok()
        .stdout;
    assert!(human.ends_with("{\"number\":7}\n"), "{human}");
}

#[test]
fn a_tail_that_follows_shows_each_event_once_and_ends_with_the_host() {
    let home = home();
    let host = home.start();
    append(&host, 0);
    let follower = Follower::spawn(
        &home,
        &[
            "events", "tail", "--tenant", "acme", "--prefix", "acme", "--after", "0", "--follow", "--json",
        ],
    );
    let number =
        |line: String| crate::harness::payload(&serde_json::from_str(&line).unwrap())["number"].clone();
    assert_eq!(number(follower.line()), 0);
    for expected in 1..20 {
        append(&host, expected);
        assert_eq!(number(follower.line()), expected);
    }
    assert_eq!(host.stop(), 0);
    assert_eq!(follower.exit_code(), 2, "it is not known what comes");
}

#[test]
fn events_of_many_writers_at_once_form_one_gapless_chain() {
    let home = home();
    let host = home.start();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let home = &home;
            scope.spawn(move || {
                for number in 0..10 {
                    let payload = format!("{{\"writer\":{writer},\"number\":{number}}}");
                    home.json(&["events", "append", "acme.ticket.opened", &payload]);
                }
            });
        }
    });
    let events = host.events("acme");
    let seqs: Vec<_> = events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(
        seqs,
        (1..=u64::try_from(events.len()).unwrap()).collect::<Vec<_>>()
    );
    assert_eq!(host.payloads("acme", "acme.ticket.opened").len(), 80);
    for pair in events.windows(2) {
        assert_eq!(pair[1]["prev_hash"], pair[0]["this_hash"]);
    }
    assert_eq!(home.kora(&["events", "verify"]).code, 0);
}

#[test]
fn acknowledged_events_survive_a_kill() {
    let home = home();
    let host = home.start();
    let acknowledged: Vec<_> = (0..10)
        .map(|number| append(&host, number)["event_id"].clone())
        .collect();
    host.kill();
    let host = home.start();
    let kept: Vec<_> = host
        .events("acme")
        .iter()
        .map(|event| event["event_id"].clone())
        .collect();
    assert!(acknowledged.iter().all(|id| kept.contains(id)), "{kept:?}");
    assert_eq!(home.kora(&["events", "verify"]).code, 0);
}

/// A home whose host has ended after five events of the operator.
fn home_with_a_chain() -> TestHome {
    let home = home();
    let host = home.start();
    for number in 0..5 {
        append(&host, number);
    }
    assert_eq!(host.stop(), 0);
    home
}

#[test]
fn sound_chains_are_called_sound_whether_a_host_runs_or_not() {
    let home = home_with_a_chain();
    let offline = home.json(&["events", "verify"]);
    assert_eq!(offline["status"], "sound", "{offline}");
    let host = home.start();
    assert_eq!(
        home.json(&["events", "verify", "--tenant", "acme"])["status"],
        "sound"
    );
    assert_eq!(
        home.problem(&["events", "verify", "--tenant", "nobody"])["code"],
        "events.no_chain"
    );
    assert_eq!(home.kora(&["events", "verify", "--tenant", "nobody"]).code, 2);
    assert_eq!(host.stop(), 0);
    assert_eq!(
        home.json(&["events", "verify", "--tenant", "host"])["status"],
        "sound"
    );
}

#[test]
fn an_empty_chain_is_called_empty_and_not_sound() {
    let home = TestHome::with_config("");
    fs::create_dir(home.path().join("data")).unwrap();
    assert_eq!(
        home.kora(&["events", "verify"]).code,
        2,
        "without a store nothing can be said"
    );
    let host = home.start();
    host.kill();
    let verified = home.json(&["events", "verify"]);
    assert_eq!(verified["chains"][0]["tenant"], "host", "{verified}");
}

/// Changes the database as somebody could who can write the file.
fn tamper(home: &TestHome, sql: &str) {
    let connection = Connection::open(home.database()).unwrap();
    let mut triggers = connection
        .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        .unwrap();
    let triggers: Vec<(String, String)> = triggers
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (name, _) in &triggers {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    connection.execute_batch(sql).unwrap();
    // Whoever tampers leaves no trace that is easily found.
    for (_, trigger) in &triggers {
        connection.execute_batch(trigger).unwrap();
    }
}

#[test]
fn a_changed_byte_is_found_and_its_record_named() {
    let columns = [
        ("event_type", "'acme.ticket.closed'"),
        ("payload", "replace(payload, '2', '3')"),
        ("occurred_at", "occurred_at + 1"),
        ("actor_id", "'uid:4711'"),
        ("source", "source || ' '"),
        ("identity_generation", "NULL"),
        ("idempotency_key", "''"),
        ("event_id", "zeroblob(16)"),
        ("this_hash", "zeroblob(32)"),
        ("prev_hash", "zeroblob(32)"),
    ];
    let home = home_with_a_chain();
    let pristine = fs::read(home.database()).unwrap();
    let chain = home.kora(&["events", "export", "--tenant", "acme"]).ok().stdout;
    let third = chain
        .lines()
        .find(|line| line.contains("{\\\"number\\\":2}"))
        .unwrap();
    let seq = serde_json::from_str::<Value>(third).unwrap()["seq"].clone();
    for (column, value) in columns {
        fs::write(home.database(), &pristine).unwrap();
        tamper(
            &home,
            &format!("UPDATE events SET {column} = {value} WHERE tenant = 'acme' AND seq = {seq}"),
        );
        let verified = home.kora(&["events", "verify", "--json"]);
        assert_eq!(verified.code, 1, "{column}: {verified:?}");
        let broken = verified.parsed();
        let chain = broken["chains"]
            .as_array()
            .unwrap()
            .iter()
            .find(|chain| chain["tenant"] == "acme")
            .unwrap();
        assert_eq!(chain["status"], "broken", "{column}");
        // The record's own hash, or the link of the next one to it.
        assert_eq!(chain["first_bad"]["seq"], seq, "{column}: {chain}");
    }
    fs::write(home.database(), &pristine).unwrap();
    tamper(
        &home,
        &format!("DELETE FROM events WHERE tenant = 'acme' AND seq = {seq}"),
    );
    let verified = home.kora(&["events", "verify"]);
    assert_eq!(verified.code, 1);
    assert!(verified.stdout.contains("broken: `acme`"), "{verified:?}");
}

#[test]
fn a_host_does_not_write_after_a_record_that_it_cannot_vouch_for() {
    let home = home_with_a_chain();
    tamper(
        &home,
        "UPDATE events SET payload = '{\"number\":9}' WHERE tenant = 'acme' AND payload = '{\"number\":4}'",
    );
    let host = home.start();
    assert_eq!(host.json(&["state", "show"])["primary_state"], "stopped");
    let before = host.events("acme").len();
    let refused = host.problem(&["events", "append", "acme.ticket.opened", "{}"]);
    assert_eq!(refused["code"], "events.sealed", "{refused}");
    assert_eq!(host.events("acme").len(), before);
    assert_eq!(host.stop(), 0);

    tamper(
        &home,
        "UPDATE events SET source = 'x' WHERE tenant = 'host' AND seq = 2",
    );
    let ended = home.kora(&["daemon"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    let error = ended.stderr.split("error: ").nth(1).unwrap();
    assert!(
        error.contains("`host`") && error.contains("hint: `kora events verify` names"),
        "{error}"
    );
}

#[test]
fn the_database_itself_refuses_what_is_not_the_next_event() {
    let home = home_with_a_chain();
    let connection = Connection::open(home.database()).unwrap();
    let copy = |change: &str| {
        let columns = [
            "pos",
            "tenant",
            "seq",
            "event_id",
            "event_type",
            "occurred_at",
            "source",
            "payload",
            "prev_hash",
            "this_hash",
        ];
        let values = columns.map(|column| {
            let changed = change
                .split(',')
                .find_map(|part| part.strip_prefix(column)?.strip_prefix('='));
            changed.unwrap_or(column)
        });
        format!(
            "INTO events ({}) SELECT {} FROM events WHERE tenant = 'acme' AND seq = 4",
            columns.join(", "),
            values.join(", ")
        )
    };
    let statements = [
        "UPDATE events SET payload = '{}'".to_owned(),
        "UPDATE events SET pos = pos + 1000".to_owned(),
        "DELETE FROM events".to_owned(),
        "UPDATE heads SET seq = 1".to_owned(),
        "DELETE FROM heads".to_owned(),
        "INSERT OR REPLACE INTO heads VALUES ('acme', 0, zeroblob(32))".to_owned(),
        format!("INSERT OR REPLACE {}", copy("payload='{}'")),
        format!("INSERT {}", copy("pos=NULL,event_id=randomblob(16)")),
        format!("INSERT OR REPLACE {}", copy("pos=NULL,event_id=randomblob(16)")),
        format!("INSERT {}", copy("pos=NULL,seq=99,event_id=randomblob(16)")),
        format!("INSERT OR REPLACE {}", copy("seq=99,event_id=randomblob(16)")),
    ];
    for statement in &statements {
        let refused = connection.execute_batch(statement);
        assert!(refused.is_err(), "{statement}");
    }
    drop(connection);
    assert_eq!(home.json(&["events", "verify"])["status"], "sound");
}

#[test]
fn an_export_is_a_header_the_events_and_a_trailer_that_anybody_can_check() {
    let home = home_with_a_chain();
    let file = home.beside("acme.jsonl");
    let exported = home
        .kora(&[
            "events",
            "export",
            "--tenant",
            "acme",
            "--output",
            file.to_str().unwrap(),
        ])
        .ok();
    assert_eq!(exported.stdout, "");
    let again = home.kora(&[
        "events",
        "export",
        "--tenant",
        "acme",
        "--output",
        file.to_str().unwrap(),
    ]);
    assert_eq!(again.code, 1, "a file is not overwritten: {again:?}");
    let lines: Vec<Value> = fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [header, events @ .., trailer] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(
        (&header["kind"], &header["format"], &header["tenant"]),
        (&json!("header"), &json!("kora.events.v1"), &json!("acme"))
    );
    assert!(events.iter().all(|event| event["kind"] == "event"));
    assert_eq!(
        *trailer,
        json!({
            "kind": "trailer", "tenant": "acme", "first_seq": 1, "last_seq": events.len(), "count": events.len(),
            "last_hash": events.last().unwrap()["this_hash"],
        })
    );
    let mut previous = json!(genesis("acme"));
    for event in events {
        assert_eq!(event["prev_hash"], previous);
        assert_eq!(event["this_hash"], hash(event), "{event}");
        previous = event["this_hash"].clone();
    }
    let all = home.kora(&["events", "export"]).ok().stdout;
    assert_eq!(
        all.lines()
            .filter(|line| line.contains("\"kind\":\"header\""))
            .count(),
        2,
        "{all}"
    );
}

use self::recomputed::{genesis, hash};

/// The hashes, computed from nothing but what `docs/event-log.md` says.
mod recomputed {
    use serde_json::Value;
    use sha2::{Digest as _, Sha256};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: String = hex.chars().filter(|c| *c != '-').collect();
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    }

    /// What the first record links to.
    pub fn genesis(tenant: &str) -> String {
        hex(&Sha256::digest(
            [b"kora.genesis.v1\0", tenant.as_bytes()].concat(),
        ))
    }

    /// The hash of an exported event.
    pub fn hash(event: &Value) -> String {
        let text = |field: &str| event[field].as_str().map(|text| text.as_bytes().to_vec());
        let number = |field: &str| event[field].as_i64().map(|number| number.to_be_bytes().to_vec());
        let fields = [
            text("tenant"),
            number("seq"),
            event["event_id"].as_str().map(bytes),
            text("event_type"),
            number("occurred_at_us"),
            text("actor_kind"),
            text("actor_id"),
            text("source"),
            number("identity_generation"),
            text("idempotency_key"),
            text("payload"),
        ];
        let mut hashed = b"kora.event.v1\0".to_vec();
        hashed.extend(bytes(event["prev_hash"].as_str().unwrap()));
        for field in fields {
            match field {
                Some(field) => {
                    hashed.extend(u32::try_from(field.len()).unwrap().to_be_bytes());
                    hashed.extend(field);
                }
                None => hashed.extend(u32::MAX.to_be_bytes()),
            }
        }
        hex(&Sha256::digest(hashed))
    }
}

#[test]
fn verify_and_export_need_no_host_and_say_when_there_is_no_store() {
    let home = TestHome::with_config("");
    for command in ["verify", "export"] {
        let Finished { code, stdout, stderr } = home.kora(&["events", command]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(
            stderr.contains("there is no store yet") && stderr.contains("\nhint: "),
            "{stderr}"
        );
    }
}
