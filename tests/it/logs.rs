//! The log of a running host, read and turned up over the control socket; and the audit, followed.

use serde_json::{Value, json};

use crate::harness::{Follower, TestHome, eventually};

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn the_log_is_read_followed_and_turned_up_while_the_host_runs() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let host = home.start();
    let logged = host.json(&["logs", "-n", "4096"]);
    let logged = logged.as_array().unwrap();
    assert!(
        logged
            .iter()
            .any(|record| record["message"] == "[kora.daemon] running"),
        "{logged:?}"
    );
    let of_marvin = host.json(&["logs", "--plugin", "marvin", "-n", "4096"]);
    assert!(
        of_marvin
            .as_array()
            .unwrap()
            .iter()
            .all(|record| record["plugin"] == "marvin")
    );

    for call in [["logs"].as_slice(), &["logs", "level", "debug"]] {
        let problem = host.problem(&[call, &["--plugin", "marvn"]].concat());
        assert_eq!(problem["code"], "plugin.unknown", "{problem}");
        assert_eq!(problem["hints"][0], "did you mean `marvin`?", "{problem}");
    }

    // The host was started with `--log-level debug`; the flag stands for the configuration.
    assert_eq!(host.json(&["logs", "level"])["level"], "debug");
    let follower = Follower::spawn(
        &home,
        &["logs", "--follow", "--level", "info", "-n", "1", "--json"],
    );
    follower.line();
    host.json(&["logs", "level", "--plugin", "marvin", "trace"]);
    let changed = eventually("the change is told", || {
        let record = parsed(&follower.line());
        record["message"]
            .as_str()?
            .starts_with("[kora.logs.level]")
            .then_some(record)
    });
    assert_eq!(changed["fields"]["level"], "trace", "{changed}");

    host.json(&["logs", "level", "warn"]);
    let in_force = host.json(&["logs", "level"]);
    assert_eq!(
        in_force,
        json!({ "level": "warn", "plugins": { "marvin": "trace" } })
    );
    let shown = host.json(&["config", "show"]);
    let level = shown
        .as_array()
        .unwrap()
        .iter()
        .find(|shown| shown["key"] == "log.level")
        .unwrap();
    assert_eq!(
        (&level["value"], &level["origin"]),
        (&json!("\"warn\""), &json!({ "command": "kora logs level" }))
    );

    host.json(&["config", "reload"]);
    assert_eq!(
        host.json(&["logs", "level"]),
        json!({ "level": "debug", "plugins": {} })
    );
    assert_eq!(host.stop(), 0);
    assert_eq!(follower.exit_code(), 2);
}

#[test]
fn the_audit_is_followed_while_it_is_written() {
    let home = TestHome::with_config("[audit]\nbatch_size = 1\n[tenants.acme]\nidentity = \"kora\"\n");
    home.install(&["kora"]);
    let host = home.start();
    let follower = Follower::spawn(&home, &["audit", "tail", "--follow", "--json"]);
    for result in ["ok", "unknown"] {
        let tool = if result == "ok" {
            "kora__get_operational_state"
        } else {
            "kora__no_such"
        };
        host.kora(&["tools", "call", tool]);
        let line = parsed(&follower.line());
        assert_eq!(
            (&line["details"]["result"], &line["source"]),
            (&json!(result), &json!("socket")),
            "{line}"
        );
    }
}
