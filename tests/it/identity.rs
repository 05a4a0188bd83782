//! Who speaks for a tenant: served, swapped, rolled back, proved; and what happens where nobody can.

use std::fs;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{RunningHost, TestHome, eventually, library, package_of, renamed};

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn prompt(host: &RunningHost<'_>, tenant: &str) -> String {
    let shown = host.json(&["identity", "show", tenant]);
    shown["snapshot"]["system_prompt"].as_str().unwrap().to_owned()
}

#[test]
fn two_plugins_serve_two_tenants_each_with_its_own_identity() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let host = home.start();
    assert!(prompt(&host, "acme").starts_with("You are Kora"));
    assert!(prompt(&host, "globex").starts_with("You are Marvin"));
    let marvin = host.json(&["identity", "show", "globex"]);
    assert_eq!(
        (&marvin["provider"], &marvin["generation"]),
        (&json!("marvin/marvin"), &json!(1))
    );
    assert!(
        marvin["snapshot"]["soul_md"]
            .as_str()
            .unwrap()
            .contains("Paranoid Android")
    );
    let listed = host.json(&["identity", "list"]);
    let speakers: Vec<_> = listed["tenants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tenant| (tenant["tenant"].clone(), tenant["agent_name"].clone()))
        .collect();
    assert_eq!(
        speakers,
        [(json!("acme"), json!("Kora")), (json!("globex"), json!("Marvin"))]
    );
    let providers: Vec<_> = listed["providers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["provider"].clone())
        .collect();
    assert_eq!(providers, ["kora/kora", "marvin/marvin"]);
}

#[test]
fn a_swap_is_an_event_and_why_proves_it_down_to_the_digest_of_the_package() {
    let home = TestHome::new();
    home.install(&["kora"]);
    let package = package_of(&library("marvin"), &home.plugins());
    let digest = hex_digest(&fs::read(package).unwrap());
    let host = home.start();
    let before = host.json(&["identity", "show", "acme"]);

    let swapped = host.json(&["identity", "swap", "acme", "marvin", "--reason", " the tour "]);
    assert_eq!(swapped["agent_name"], "Marvin");
    assert_eq!(
        (&swapped["from"], &swapped["to"]),
        (&json!("kora/kora"), &json!("marvin/marvin"))
    );
    assert!(prompt(&host, "acme").starts_with("You are Marvin"));

    let told = host.payloads("acme", "kora.identity.swapped").pop().unwrap();
    assert_eq!(
        told,
        json!({
            "from": "kora/kora", "to": "marvin/marvin",
            "hashes": {"from": before["snapshot_hash"], "to": swapped["to_hash"]},
            "generation": 2, "plugin_version": "0.1.0", "plugin_digest": digest,
            "actor": told["actor"], "reason": "the tour",
        })
    );
    assert_eq!(told["actor"]["kind"], "operator");

    let why = host.json(&["identity", "why", "acme"]);
    assert_eq!(why["proved"], true, "{why}");
    assert_eq!(why["plugin_digest"], digest.as_str());
    for (field, expected) in [
        ("event_id", "event_id"),
        ("seq", "seq"),
        ("snapshot_hash", "to_hash"),
    ] {
        assert_eq!(why[field], swapped[expected], "{field}");
    }
    let event = host
        .events("acme")
        .into_iter()
        .find(|event| event["seq"] == why["seq"])
        .unwrap();
    assert_eq!(why["event_hash"], event["this_hash"]);
}

#[test]
fn a_swap_that_expects_another_generation_is_refused_and_told_in_the_chain() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let host = home.start();
    let problem = host.problem(&["identity", "swap", "acme", "marvin", "--expect-generation", "7"]);
    assert_eq!(problem["code"], "identity.generation_conflict");
    insta::assert_snapshot!(
        problem["message"].as_str().unwrap(),
        @"`acme` is at generation 1, not 7: look at it with `kora identity show acme` and decide anew"
    );
    let refusals = host.payloads("acme", "kora.identity.swap_refused");
    assert_eq!(refusals.len(), 1);
    assert_eq!(
        (&refusals[0]["to"], &refusals[0]["generation"]),
        (&json!("marvin/marvin"), &json!(1))
    );
    assert!(prompt(&host, "acme").starts_with("You are Kora"));
    let swapped = host.json(&["identity", "swap", "acme", "marvin", "--expect-generation", "1"]);
    assert_eq!(swapped["generation"], 2);
}

#[test]
fn of_swaps_at_once_that_expect_the_same_generation_exactly_one_wins() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let host = home.start();
    let arguments = [
        "identity",
        "swap",
        "acme",
        "marvin",
        "--expect-generation",
        "1",
        "--json",
    ];
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| home.kora(&arguments).code))
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(host.json(&["identity", "show", "acme"])["generation"], 2);
    assert_eq!(host.payloads("acme", "kora.identity.swap_refused").len(), 7);
}

#[test]
fn a_rollback_restores_the_exact_bytes_also_without_the_plugin() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let host = home.start();
    let first = host.json(&["identity", "show", "acme"]);
    host.json(&["identity", "swap", "acme", "marvin"]);
    host.json(&["plugins", "disable", "kora"]);
    let back = host.json(&["identity", "rollback", "acme", "--reason", "enough"]);
    assert_eq!(
        (&back["generation"], &back["to_hash"]),
        (&json!(3), &first["snapshot_hash"])
    );
    let third = host.json(&["identity", "show", "acme"]);
    assert_eq!(third["snapshot"], first["snapshot"]);
    assert_eq!(third["plugin_digest"], first["plugin_digest"]);
    let told = host.payloads("acme", "kora.identity.rolled_back").pop().unwrap();
    assert_eq!(
        (&told["from_generation"], &told["to_generation"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(host.json(&["identity", "why", "acme"])["proved"], true);

    host.json(&["identity", "rollback", "acme", "2"]);
    assert!(prompt(&host, "acme").starts_with("You are Marvin"));
    let problem = host.problem(&["identity", "rollback", "acme", "99"]);
    assert_eq!(problem["code"], "identity.generation_unknown");
}

#[test]
fn a_swap_to_somebody_who_is_not_there_names_those_who_are() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let host = home.start();
    let problem = host.problem(&["identity", "swap", "acme", "zaphod"]);
    assert_eq!(problem["code"], "identity.provider_unknown");
    let message = problem["message"].as_str().unwrap();
    assert!(
        message.contains("zaphod") && message.contains("kora/kora") && message.contains("marvin/marvin"),
        "{message}"
    );
    assert_eq!(
        host.problem(&["identity", "swap", "nobody", "marvin"])["code"],
        "tenant.unknown"
    );
    assert_eq!(
        host.problem(&["identity", "swap", "acme", "marvin", "--reason", "  "])["code"],
        "identity.reason"
    );
}

#[test]
fn the_fallback_prompt_speaks_where_no_provider_does() {
    let home = TestHome::with_config(
        "[tenants.acme]\nfallback_prompt = \"acme.md\"\nagent_name = \"Deep Thought\"\n",
    );
    fs::write(home.path().join("acme.md"), "You are patient.").unwrap();
    let host = home.start();
    let shown = host.json(&["identity", "show", "acme"]);
    assert_eq!(
        (&shown["provider"], &shown["agent_name"]),
        (&Value::Null, &json!("Deep Thought"))
    );
    assert_eq!(prompt(&host, "acme"), "You are patient.");
    assert_eq!(host.json(&["identity", "why", "acme"])["proved"], true);
    assert_eq!(host.json(&["state", "show"])["primary_state"], "ready");
}

#[test]
fn a_tenant_without_an_identity_does_not_start_names_the_providers_and_starts_once_there_is_one() {
    let home = TestHome::with_config(
        "[tenants.acme]\nidentity = \"marvin\"\n[tenants.globex]\nidentity = \"kora\"\n",
    );
    home.install(&["kora"]);
    let host = home.start();
    let state = host.json(&["state", "show", "--tenant", "acme"]);
    assert_eq!(
        state["primary_state"], "stopped",
        "closed, not open: nobody speaks for it"
    );
    let failed = host.payloads("acme", "kora.boot.failed").pop().unwrap();
    assert_eq!(failed["failed_gate_id"], "tenant_identity");
    let detail = failed["failed_detail"].as_str().unwrap();
    assert!(
        detail.contains("marvin") && detail.contains("kora/kora"),
        "{detail}"
    );
    assert_eq!(state["failed_gate"]["gate_id"], failed["failed_gate_id"]);
    let whole = state["failed_gate"]["detail"].as_str().unwrap();
    assert!(whole.starts_with(detail), "the event has its beginning: {whole}");
    let status = host.json(&["status"]);
    assert_eq!(status["tenants"][0]["failed_gate"]["detail"], whole);
    assert_eq!(host.json(&["identity", "show", "acme"])["generation"], 0);
    assert_eq!(
        host.json(&["state", "show", "--tenant", "globex"])["primary_state"],
        "ready"
    );

    home.install(&["marvin"]);
    eventually("acme is ready", || {
        let state = host.json(&["state", "show", "--tenant", "acme"]);
        (state["primary_state"] == "ready" && state["failed_gate"].is_null()).then_some(())
    });
    assert!(prompt(&host, "acme").starts_with("You are Marvin"));

    // An operator who lets somebody speak has done what was missing.
    let added = host.json(&["tenants", "add", "initech"]);
    assert_eq!(
        (&added["primary_state"], &added["failed_gate"]["gate_id"]),
        (&json!("stopped"), &json!("tenant_identity"))
    );
    host.json(&["identity", "swap", "initech", "kora"]);
    let state = host.json(&["state", "show", "--tenant", "initech"]);
    assert_eq!(
        (&state["primary_state"], &state["failed_gate"]),
        (&json!("ready"), &Value::Null)
    );
}

#[test]
fn an_empty_fallback_prompt_is_no_identity() {
    let home = TestHome::with_config("[tenants.acme]\nfallback_prompt = \"acme.md\"\n");
    fs::write(home.path().join("acme.md"), "").unwrap();
    let host = home.start();
    assert_eq!(host.json(&["state", "show"])["primary_state"], "stopped");
    let failed = host.payloads("acme", "kora.boot.failed").pop().unwrap();
    assert!(
        failed["failed_detail"].as_str().unwrap().contains("acme.md"),
        "{failed}"
    );
}

/// What loads first never decides who speaks: a name that two plugins have is refused, and so is no name at all.
#[test]
fn the_order_of_plugins_never_decides_who_speaks() {
    let home = TestHome::with_config(
        "[tenants.acme]\nidentity = \"echo\"\n[tenants.globex]\n[tenants.initech]\nidentity = \"other/echo\"\n",
    );
    home.install(&["echo"]);
    home.drop_file("libother.so", &renamed("echo", "other"));
    let host = home.start();
    let states: Vec<_> = ["acme", "globex", "initech"]
        .iter()
        .map(|tenant| host.json(&["state", "show", "--tenant", tenant])["primary_state"].clone())
        .collect();
    assert_eq!(states, ["stopped", "stopped", "ready"]);
    let fault = host.json(&["identity", "show", "acme"])["fault"].to_string();
    assert!(
        fault.contains("echo/echo") && fault.contains("other/echo"),
        "{fault}"
    );
    assert_eq!(
        host.json(&["identity", "show", "initech"])["provider"],
        "other/echo"
    );
}

#[test]
fn one_provider_gives_each_tenant_an_identity_of_its_own() {
    let home = TestHome::with_config(
        r#"
        default_identity = "echo"
        [plugins.echo]
        greeting = "hello"
        [tenants.acme]
        [tenants.globex.config.echo]
        greeting = "ahoy"
        "#,
    );
    home.install(&["echo"]);
    let host = home.start();
    assert_eq!(
        prompt(&host, "acme"),
        r#"You are Echo. You repeat what you hear. You serve `acme` and were told: {"greeting":"hello"}"#
    );
    assert_eq!(
        prompt(&host, "globex"),
        r#"You are Echo. You repeat what you hear. You serve `globex` and were told: {"greeting":"ahoy"}"#
    );
}

#[test]
fn the_store_decides_after_a_restart_and_other_words_make_a_new_generation() {
    let config = |identity: &str, greeting: &str| {
        format!("[plugins.echo]\ngreeting = \"{greeting}\"\n[tenants.acme]\nidentity = \"{identity}\"\n")
    };
    let home = TestHome::with_config(&config("marvin", "hello"));
    home.install(&["echo", "marvin"]);
    let host = home.start();
    host.json(&["identity", "swap", "acme", "echo"]);
    host.kill();

    home.configure(&config("marvin", "ahoy"));
    let host = home.start();
    let shown = host.json(&["identity", "show", "acme"]);
    assert_eq!(
        (&shown["provider"], &shown["generation"]),
        (&json!("echo/echo"), &json!(3))
    );
    assert_eq!(
        shown["drift"], "marvin",
        "what the configuration names is shown: {shown}"
    );
    assert!(prompt(&host, "acme").contains("ahoy"));
    assert_eq!(host.json(&["identity", "why", "acme"])["proved"], true);
}

#[test]
fn an_identity_outlives_the_plugin_that_gave_it() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let host = home.start();
    let words = prompt(&host, "globex");
    assert_eq!(host.stop(), 0);
    fs::remove_file(home.plugins().join("libmarvin.so")).unwrap();
    let host = home.start();
    let shown = host.json(&["identity", "show", "globex"]);
    assert_eq!(
        (&shown["provider_missing"], &shown["generation"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(prompt(&host, "globex"), words);
    assert_eq!(
        host.json(&["state", "show", "--tenant", "globex"])["primary_state"],
        "ready"
    );
}
