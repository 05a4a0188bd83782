//! How healthy a host with the two plugins is, from a fresh home on, and what an operator sees when something is wrong.

use serde_json::{Value, json};

use crate::harness::{RunningHost, TestHome, eventually};

/// Quick enough that a probe and a heartbeat come while a test watches.
const CONFIG: &str = r#"
    [health]
    probe_interval_seconds = 1
    [cost]
    credit_pool_usd = 10
    [tenants.acme]
    identity = "kora"
    [tenants.globex]
    identity = "marvin"
    [plugins.kora]
    heartbeat_interval_seconds = 0.2
"#;

/// What `kora health` answers, which ends with 1 where something is wrong.
fn health(host: &RunningHost<'_>, arguments: &[&str]) -> (Value, i32) {
    let finished = host.kora(&[&["health", "--json"], arguments].concat());
    (finished.parsed(), finished.code)
}

fn wait_for(host: &RunningHost<'_>, tenant: &str, overall: &str) -> Value {
    eventually(&format!("`{tenant}` is {overall}"), || {
        let (found, code) = health(host, &["--tenant", tenant]);
        assert_eq!(code, i32::from(found["overall_status"] != "healthy"), "{found}");
        (found["overall_status"] == overall).then_some(found)
    })
}

fn signal<'a>(health: &'a Value, name: &str) -> &'a Value {
    let mut signals = health["subsignals"].as_array().unwrap().iter();
    signals.find(|signal| signal["name"] == name).unwrap()
}

#[test]
fn a_fresh_home_is_healthy_and_an_outage_is_seen_told_once_and_over_again() {
    let home = TestHome::with_config(CONFIG);
    home.install(&["kora", "marvin"]);
    let host = home.start();

    let acme = wait_for(&host, "acme", "healthy");
    assert_eq!(acme["subsignals"].as_array().unwrap().len(), 8, "{acme}");
    assert_eq!(
        (&acme["control_plane_status"], &acme["worker_status"]),
        (&json!("healthy"), &json!("healthy"))
    );
    let beaten = eventually("a heartbeat counts", || {
        let (acme, _) = health(&host, &["--tenant", "acme"]);
        signal(&acme, "last_heartbeat")["last_update_at"]
            .as_str()
            .map(str::to_owned)
    });
    assert!(beaten.ends_with('Z'), "{beaten}");
    // Nobody beats for globex, and that is no fault.
    let globex = wait_for(&host, "globex", "healthy");
    assert_eq!(globex["subsignals"].as_array().unwrap().len(), 7, "{globex}");
    let (all, code) = health(&host, &[]);
    assert_eq!((&all["overall_status"], code), (&json!("healthy"), 0), "{all}");
    let word = |tenant: &str| {
        let status = host.json(&["status"]);
        let mut tenants = status["tenants"].as_array().unwrap().iter();
        tenants.find(|shown| shown["tenant"] == tenant).unwrap()["health"].clone()
    };
    assert_eq!(word("acme"), "healthy");
    eventually("the host's chain is told", || {
        host.payloads("host", "kora.health.probe").pop()
    });

    host.json(&["cost", "record", "acme", "--model", "opus", "--cost", "9.50"]);
    let acme = wait_for(&host, "acme", "outage");
    assert_eq!(signal(&acme, "credit_burn")["status"], "degraded", "{acme}");
    let (all, code) = health(&host, &[]);
    assert_eq!((&all["overall_status"], code), (&json!("outage"), 1), "{all}");
    assert_eq!(
        signal(&all, "credit_burn")["detail"],
        "`acme`: 9.50 of 10.00 USD are spent"
    );
    assert_eq!(
        (word("acme"), word("globex")),
        (json!("outage"), json!("healthy"))
    );
    let told = |overall: &str| {
        eventually(&format!("acme's chain is told of `{overall}`"), || {
            let probes = host.payloads("acme", "kora.health.probe");
            let newest = probes.last()?;
            (newest["overall"] == overall).then_some(probes)
        })
    };
    told("outage");
    host.json(&["cost", "refresh", "acme"]);
    wait_for(&host, "acme", "healthy");
    let probes = told("healthy");
    let before = &probes[probes.len() - 2];
    assert_eq!(
        (
            &before["overall"],
            &before["worker"],
            &before["control_plane"],
            &before["probe_cadence_seconds"]
        ),
        (&json!("outage"), &json!("outage"), &json!("healthy"), &json!(1)),
        "{before}"
    );

    let session = host.json(&["status"])["daemon_session_id"].clone();
    let session = session.as_str().unwrap();
    host.json(&[
        "state",
        "stop",
        "--level",
        "4",
        "--tenant",
        "globex",
        "--confirm",
        session,
    ]);
    let globex = wait_for(&host, "globex", "stopped");
    assert!(globex["stopped_reason"].is_string(), "{globex}");
    assert_eq!(
        host.problem(&["health", "--tenant", "nobody"])["code"],
        "tenant.unknown"
    );
    let count = host.payloads("globex", "kora.health.probe").len();
    assert!(
        count <= 1,
        "a tenant's chain is told of changes alone, not {count} times"
    );
    assert_eq!(host.kora(&["events", "verify"]).code, 0);
}
