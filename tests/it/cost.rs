//! What a tenant spends, from the first usage to the hard stop, and how it comes back.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{RunningHost, TestHome, eventually};

/// A home in which a prompt speaks for `acme`, which has 10 USD.
fn home() -> TestHome {
    let home = TestHome::with_config(
        "[cost]\ncredit_pool_usd = 10\n[tenants.acme]\nfallback_prompt = \"acme.md\"\n",
    );
    fs::write(home.path().join("acme.md"), "You are thrifty.").unwrap();
    home
}

fn record(host: &RunningHost<'_>, cost: &str) -> Value {
    host.json(&[
        "cost", "record", "--model", "opus", "--route", "slack_dm", "--cost", cost,
    ])
}

fn state(host: &RunningHost<'_>) -> (Value, Value) {
    let shown = host.json(&["state", "show"]);
    (
        shown["primary_state"].clone(),
        shown["degradation_reasons"].clone(),
    )
}

#[test]
fn fault_d_and_n_a_tenant_that_spent_all_is_paused_and_comes_back_once_credit_is_granted() {
    let home = home();
    let host = home.start();
    let fresh = host.json(&["cost", "show"]);
    assert_eq!(
        (&fresh["rung"], &fresh["unknown"], &fresh["spent_to_date_usd"]),
        (&json!("normal"), &Value::Null, &json!("0.00")),
        "a fresh home may spend: {fresh}"
    );
    assert_eq!(record(&host, "7.499999")["rung"], "normal");
    assert_eq!(record(&host, "0.000001")["rung"], "warn_75");
    assert_eq!(record(&host, "1.50")["rung"], "downshift_90");
    let last = record(&host, "1");
    assert_eq!(
        last,
        json!({"tenant": "acme", "repeated": false, "rung": "hard_stop_100", "spent_to_date_usd": "10.00"})
    );
    assert_eq!(state(&host), (json!("paused"), json!(["cost"])));
    let paused = host.payloads("acme", "kora.paused.cost_limit").pop().unwrap();
    assert_eq!(paused["trigger_kind"], "cost_limit", "{paused}");
    assert_eq!(host.payloads("acme", "kora.cost.rung_changed").len(), 3);

    let refused = host.problem(&["state", "resume"]);
    assert_eq!(refused["code"], "state.blocked", "{refused}");
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains("`cost`") && message.contains("kora cost refresh"),
        "{message}"
    );
    assert_eq!(state(&host).0, "paused");

    let refreshed = host.json(&["cost", "refresh"]);
    assert_eq!(
        (&refreshed["rung"], &refreshed["ramp_due"]),
        (&json!("normal"), &json!(true)),
        "{refreshed}"
    );
    assert_eq!(state(&host).0, "paused", "credit alone lifts no pause");
    host.json(&["state", "resume", "--reason", "paid"]);
    assert_eq!(state(&host), (json!("ready"), json!([])));
    eventually("the beginning of the ramp is noted", || {
        host.json(&["cost", "show"])["ramp_began_at"].as_str().map(drop)
    });
    assert_eq!(record(&host, "1")["rung"], "normal");
    assert_eq!(host.payloads("acme", "kora.paused.cost_limit").len(), 1);
    assert_eq!(host.kora(&["events", "verify"]).code, 0);
}

#[test]
fn a_hard_stop_outlives_the_host_and_a_larger_pool_ends_it() {
    let home = home();
    let host = home.start();
    let reconciled = host.json(&["cost", "reconcile", "--tenant", "acme", "--spent", "10"]);
    assert_eq!(reconciled["bumped_by_usd"], "10.00", "{reconciled}");
    let account =
        |arguments: &[&str]| host.json(&[&["cost", "show"], arguments].concat())["spent_usd"].clone();
    assert_eq!(account(&["acme"]), account(&["--tenant", "acme"]), "either way");
    assert_eq!(host.kora(&["cost", "show", "acme", "--tenant", "globex"]).code, 2);
    assert_eq!(host.stop(), 0);

    let host = home.start();
    assert_eq!(state(&host), (json!("paused"), json!(["cost"])));
    assert_eq!(host.problem(&["state", "resume"])["code"], "state.blocked");
    home.configure("[cost]\ncredit_pool_usd = \"12.50\"\n[tenants.acme]\nfallback_prompt = \"acme.md\"\n");
    host.json(&["config", "reload"]);
    let shown = host.json(&["cost", "show"]);
    assert_eq!(
        (&shown["rung"], &shown["credit_pool_usd"]),
        (&json!("warn_75"), &json!("12.50")),
        "{shown}"
    );
    host.json(&["state", "resume"]);
    assert_eq!(state(&host).0, "ready");
    // A smaller one stops it again, without anything being spent.
    home.configure("[cost]\ncredit_pool_usd = 9\n[tenants.acme]\nfallback_prompt = \"acme.md\"\n");
    host.json(&["config", "reload"]);
    assert_eq!(state(&host), (json!("paused"), json!(["cost"])));
    assert_eq!(host.payloads("acme", "kora.paused.cost_limit").len(), 2);
}

#[test]
fn what_makes_no_sense_is_refused_and_a_usage_told_of_twice_counts_once() {
    let home = home();
    let host = home.start();
    let once = [
        "cost", "record", "--model", "opus", "--cost", "1", "--id", "call-1",
    ];
    assert_eq!(host.json(&once)["repeated"], false);
    assert_eq!(host.json(&once)["repeated"], true);
    let other = [
        "cost", "record", "--model", "opus", "--cost", "2", "--id", "call-1",
    ];
    assert_eq!(host.problem(&other)["code"], "cost.id_reused");
    for (arguments, code) in [
        (
            &["cost", "record", "--model", "o p", "--cost", "1"][..],
            "cost.usage",
        ),
        (
            &["cost", "record", "--model", "opus", "--cost", "-1"],
            "cost.usage",
        ),
        (&["cost", "reconcile", "--spent", "-1"], "cost.figure"),
        (&["cost", "refresh", "--period-start", "soon"], "cost.period"),
        (
            &["cost", "refresh", "--period-start", "2999-01-01"],
            "cost.period",
        ),
        (&["cost", "show", "nobody"], "tenant.unknown"),
    ] {
        assert_eq!(host.problem(arguments)["code"], code, "{arguments:?}");
    }
    let inexact = host.kora(&["cost", "record", "--model", "opus", "--cost", "0.0000001"]);
    assert_eq!(inexact.code, 2);
    assert!(
        inexact.stderr.contains("at most 6 decimals"),
        "{}",
        inexact.stderr
    );
    assert_eq!(host.json(&["cost", "show"])["spent_to_date_usd"], "1.00");
}

#[test]
fn what_a_plugin_tells_of_is_in_the_account_once_and_stops_the_tenant_as_well() {
    let home = TestHome::with_config(
        r#"
        [cost]
        credit_pool_usd = 10
        [events]
        types = ["ops.model_called"]
        [tenants.acme]
        identity = "kora"
        [plugins.kora]
        cost_event_prefix = "ops.model_called"
        snapshot_interval_seconds = 0.1
        "#,
    );
    home.install(&["kora"]);
    let host = home.start();
    let call = |key: &str, payload: &str| {
        host.json(&["events", "append", "ops.model_called", payload, "--key", key]);
    };
    let spent = |amount: &str| {
        eventually(&format!("{amount} USD are spent"), || {
            let shown = host.json(&["cost", "show"]);
            (shown["spent_to_date_usd"] == amount).then_some(shown)
        })
    };
    call(
        "a",
        r#"{"route":"slack_dm","model":"claude-opus-4-7","cost_usd":0.0000011}"#,
    );
    call(
        "a",
        r#"{"route":"slack_dm","model":"claude-opus-4-7","cost_usd":0.0000011}"#,
    );
    let shown = spent("0.000002");
    assert_eq!(shown["usages"][0]["route"], "slack_dm", "{shown}");
    call("b", r#"{"model":"claude-opus-4-7","cost_usd":10}"#);
    assert_eq!(spent("10.000002")["usages"].as_array().unwrap().len(), 2);
    eventually("the tenant is paused", || {
        (state(&host).0 == "paused").then_some(())
    });
    let changed = host.events("acme");
    let stop = changed
        .iter()
        .rfind(|event| event["event_type"] == "kora.cost.rung_changed")
        .unwrap();
    assert_eq!(
        (&stop["actor_kind"], &stop["actor_id"]),
        (&json!("plugin"), &json!("kora")),
        "{stop}"
    );
    let snapshot = home.path().join("cache/daemon_snapshot.json");
    eventually("the snapshot shows the rung", || {
        let snapshot: Value = serde_json::from_slice(&fs::read(&snapshot).ok()?).ok()?;
        let rung = &snapshot["tenants"]["acme"]["cost_ladder"]["rung"];
        (*rung == "hard_stop_100").then_some(())
    });
    // After a restart without its counters the plugin reads the whole chain again.
    assert_eq!(host.stop(), 0);
    fs::remove_file(home.path().join("cache/cost_telemetry.json")).unwrap();
    let host = home.start();
    host.wait_for_daemon("kora/cost_telemetry", "running");
    assert_eq!(host.json(&["cost", "show"])["spent_to_date_usd"], "10.000002");
}
