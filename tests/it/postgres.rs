//! Hosts whose store is a PostgreSQL database.

#[path = "../../host/src/store/postgres/testing.rs"]
pub(crate) mod server;

mod hosts;

use std::fs;

use serde_json::{Value, json};

use self::server::Server;
use crate::harness::{Follower, RunningHost, TestHome, eventually};

fn home_on(url: &str) -> TestHome {
    let home = TestHome::with_config(&format!(
        "[store]\nurl = \"{url}\"\n[events]\ntypes = [\"ops.deployed\"]\n[tenants.acme]\nfallback_prompt = \"acme.md\"\n"
    ));
    fs::write(home.path().join("acme.md"), "You are patient.").unwrap();
    home
}

fn append(host: &RunningHost<'_>, number: usize) -> Value {
    host.json(&[
        "events",
        "append",
        "ops.deployed",
        &format!("{{\"number\":{number}}}"),
    ])
}

#[test]
fn two_hosts_share_a_database_and_each_hears_what_the_other_appends() {
    let url = Server::shared().database();
    let (home, other_home) = (home_on(&url), home_on(&url));
    let host = home.start();
    let other = other_home.start();
    let place = host.json(&["status"])["store_place"].clone();
    assert!(
        place
            .as_str()
            .unwrap()
            .starts_with("the PostgreSQL database `test_"),
        "{place}"
    );
    assert!(!home.database().exists());

    append(&host, 0);
    let follower = Follower::spawn(
        &other_home,
        &[
            "events", "tail", "--follow", "--json", "--tenant", "acme", "--prefix", "ops",
        ],
    );
    let heard = || serde_json::from_str::<Value>(&follower.line()).unwrap()["payload"].clone();
    let payload = |number: usize| format!("{{\"number\":{number}}}");
    assert_eq!(heard(), payload(0));
    for number in 1..=5 {
        append(if number % 2 == 0 { &other } else { &host }, number);
    }
    for number in 1..=5 {
        assert_eq!(heard(), payload(number));
    }

    let verified = home.json(&["events", "verify"]);
    assert_eq!(verified["status"], "sound", "{verified}");
    let exported = home.kora(&["events", "export", "--tenant", "acme"]).ok().stdout;
    assert!(
        exported.lines().count() > 8 && exported.contains("\"kind\":\"trailer\""),
        "{exported}"
    );
    let found = home.kora(&["doctor", "--json"]).parsed();
    let store = found.to_string();
    assert!(store.contains("end as they should"), "{store}");
}

#[test]
fn before_the_first_start_a_check_says_the_same_of_an_empty_database_and_of_no_file() {
    let server = Server::shared();
    let (empty, fresh) = (home_on(&server.database()), home_on(""));
    fresh.configure("[tenants.acme]\nfallback_prompt = \"acme.md\"\n");
    let check = |home: &TestHome| {
        let checked = home.kora(&["boot", "--check-only", "--json"]);
        assert_eq!(checked.code, 0, "{checked:?}");
        checked.parsed()["gates"].as_array().unwrap().clone()
    };
    let said = |gate: &Value| {
        format!(
            "{}: {}",
            gate["gate_id"].as_str().unwrap(),
            gate["outcome"].as_str().unwrap()
        )
    };
    for home in [&empty, &fresh] {
        let gates = check(home);
        let expected = [
            "home_modes: pass",
            "store: pass",
            "schema: not_looked_at",
            "epoch: not_looked_at",
            "store_rights: not_looked_at",
            "chain_tail: not_looked_at",
            "canonical_actor: not_looked_at",
            "plugins_admitted: pass",
            "callers: pass",
            "secrets: pass",
            "tenant_identity:acme: pass",
        ];
        assert_eq!(gates.iter().map(said).collect::<Vec<_>>(), expected);
        let detail = |gate: usize| gates[gate]["detail"].as_str().unwrap();
        assert!(detail(1).contains("the first start makes it"), "{gates:?}");
        assert!(detail(2).contains("there is no store yet"), "{gates:?}");
        assert_eq!(home.problem(&["events", "verify"])["code"], "store.missing");
    }
    assert!(!fresh.database().exists(), "nothing was made");
    assert_eq!(empty.start().stop(), 0);
    assert!(check(&empty).iter().all(|gate| gate["outcome"] == "pass"));
}

#[test]
fn an_append_is_pending_while_the_database_is_away_and_is_there_once_when_it_is_back() {
    let server = Server::start();
    let home = home_on(&server.database());
    let host = home.start();
    append(&host, 0);
    server.stop();
    let pending: Vec<_> = (1..=3).map(|number| append(&host, number)).collect();
    for receipt in &pending {
        assert_eq!(
            (&receipt["pending"], &receipt["seq"]),
            (&json!(true), &Value::Null)
        );
    }
    let refused = host.problem(&["events", "append", "ops.deployed", "{}", "--expect-seq", "0"]);
    assert_eq!(refused["code"], "store.unavailable", "{refused}");
    let status = host.json(&["status"]);
    for said in [&refused["message"], &status["store_cause"]] {
        let times = said.as_str().unwrap().matches("the store is unavailable").count();
        assert!(times <= 1, "{said}");
    }
    server.start_again();
    let drained = eventually("what waited is appended", || {
        let status = host.json(&["status"]);
        (status["spooled_events"] == 0 && status["store"] == "available").then(|| host.events("acme"))
    });
    for receipt in pending {
        let there = drained
            .iter()
            .filter(|event| event["event_id"] == receipt["event_id"]);
        assert_eq!(there.count(), 1, "{receipt}");
    }
    assert_eq!(home.json(&["events", "verify"])["status"], "sound");
}

/// What becomes of the host while its database is away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Lives,
    IsKilled,
    /// And the disk has not kept its spool.
    IsKilledAndForgets,
}

fn until_nothing_waits(host: &RunningHost<'_>) {
    eventually("what waited is appended", || {
        let status = host.json(&["status"]);
        (status["spooled_events"] == 0 && status["store"] == "available").then_some(())
    });
}

/// Ends the database by each of these signals, and starts it again. Answers the ids of all appends, in the order in which they were
/// answered, and of what is there in the end, in the order of the chain. `cargo xtask torture postgres-down` does it for longer.
fn through_outages(outages: &[(&str, Meanwhile)]) -> (Vec<Value>, Vec<Value>) {
    let server = Server::start();
    let home = home_on(&server.database());
    let mut host = home.start();
    let mut answered = Vec::new();
    for (signal, meanwhile) in outages {
        until_nothing_waits(&host);
        for number in 0..8 {
            let waits = number >= 4;
            if number == 4 {
                server.stop_by(signal);
            }
            let receipt = append(&host, number);
            assert_eq!(receipt["pending"], waits, "{receipt}");
            answered.push(receipt["event_id"].clone());
        }
        if *meanwhile == Meanwhile::Lives {
            server.start_again();
            continue;
        }
        host.kill();
        if *meanwhile == Meanwhile::IsKilledAndForgets {
            fs::write(home.path().join("data/spool.jsonl"), "").unwrap();
        }
        server.start_again();
        host = home.start();
    }
    until_nothing_waits(&host);
    assert_eq!(home.json(&["events", "verify"])["status"], "sound");
    let there = host.events("acme").into_iter();
    let there = there.filter(|event| event["event_type"] == "ops.deployed");
    (answered, there.map(|event| event["event_id"].clone()).collect())
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order_however_often_the_database_goes_away() {
    let (answered, there) = through_outages(&[
        ("INT", Meanwhile::Lives),
        ("QUIT", Meanwhile::IsKilled),
        ("KILL", Meanwhile::Lives),
    ]);
    assert_eq!(there, answered);
}

/// The proof that the test above is not blind.
#[test]
fn without_its_spool_a_host_that_was_killed_has_lost_what_it_answered_as_pending() {
    let (answered, there) = through_outages(&[("QUIT", Meanwhile::IsKilledAndForgets)]);
    assert_eq!(there, answered[..4]);
}
