//! Hosts whose store is a PostgreSQL database.

#[path = "../../host/src/store/postgres/testing.rs"]
pub(crate) mod server;

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
