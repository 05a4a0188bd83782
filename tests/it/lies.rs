//! What a plugin registers and answers is checked as a stranger's input: refused whole, in one line, and nobody else's trouble.

use crate::harness::{Offender, RunningHost, TestHome, home_with_offenders, renamed, wrong_at_load};

/// A home with `marvin`, who speaks for `acme` and `globex`, and `raw` in each of these modes, under the mode's name.
fn home_with_raw(modes: &[&str]) -> TestHome {
    let sections: String = modes
        .iter()
        .map(|mode| format!("[plugins.{mode}]\nmode = \"{mode}\"\n"))
        .collect();
    let home = TestHome::with_config(&format!(
        "default_identity = \"marvin\"\n{sections}[tenants.acme]\n[tenants.globex]\n"
    ));
    home.install(&["marvin"]);
    for mode in modes {
        home.drop_file(&format!("lib{mode}.so"), &renamed("raw", mode));
    }
    home
}

/// A line for each plugin but `marvin`: its name, its state, why.
fn listed(host: &RunningHost<'_>, names: &[&str]) -> String {
    let line = |name: &&str| {
        let plugin = host.plugin(name).unwrap();
        let cause = plugin["cause"].as_str().unwrap_or("-").to_owned();
        assert!(!cause.contains(char::is_control), "expected one line: {cause:?}");
        format!("{name}: {}: {cause}\n", plugin["state"].as_str().unwrap())
    };
    names.iter().map(line).collect()
}

/// What a swap to the provider of each is answered with, one a line.
fn refused_swaps(host: &RunningHost<'_>, providers: &[String]) -> String {
    let line = |provider: &String| {
        let problem = host.problem(&["identity", "swap", "acme", provider]);
        let message = problem["message"].as_str().unwrap().to_owned();
        assert!(
            !message.contains(char::is_control),
            "expected one line: {message:?}"
        );
        message + "\n"
    };
    providers.iter().map(line).collect()
}

#[test]
fn a_registration_that_the_manifest_does_not_cover_is_refused_whole() {
    let modes = [
        "error_in_register",
        "unprovided_provider",
        "unprovided_daemon",
        "unprovided_listener",
        "duplicate_provider",
        "duplicate_daemon",
        "duplicate_listener",
        "duplicate_task",
        "zero_interval",
        "endless_interval",
        "after_itself",
    ];
    let home = home_with_offenders(&modes.map(|mode| Offender::new(mode, mode)), "");
    let host = home.start();
    insta::assert_snapshot!(listed(&host, &modes), @r"
    error_in_register: refused: the plugin's `register` failed: misbehaves on purpose in Register
    unprovided_provider: refused: the plugin registers the identity provider `unprovided`: expected only what its manifest provides, found one that is not listed; list it under `[provides]`
    unprovided_daemon: refused: the plugin registers the daemon `unprovided`: expected only what its manifest provides, found one that is not listed; list it under `[provides]`
    unprovided_listener: refused: the plugin registers the listener `unprovided`: expected only what its manifest provides, found one that is not listed; list it under `[provides]`
    duplicate_provider: refused: the plugin's `register` failed: the identity provider `misbehave` is registered twice
    duplicate_daemon: refused: the plugin's `register` failed: the daemon `misbehave` is registered twice
    duplicate_listener: refused: the plugin's `register` failed: the listener `misbehave` is registered twice
    duplicate_task: refused: the plugin's `register` failed: the periodic task `misbehave.tick` is registered twice
    zero_interval: refused: what the plugin registers is not valid: daemon `misbehave`: task `misbehave.tick`: every_ms is 0, expected 10 to 31622400000
    endless_interval: refused: what the plugin registers is not valid: daemon `misbehave`: task `misbehave.tick`: every_ms is 18446744073709551615, expected 10 to 31622400000
    after_itself: degraded: misbehave is failed: daemons wait for each other in a circle: after_itself/misbehave → after_itself/misbehave; remove one `after` or `requires`
    ");
    host.assert_that_others_go_on("globex");
}

#[test]
fn a_registration_that_is_poor_but_honest_is_taken() {
    let modes = [
        "absent",
        "register_twice_and_go_on",
        "requires_nobody",
        "services_in_register",
    ];
    let home = home_with_offenders(&modes.map(|mode| Offender::new(mode, mode)), "");
    let host = home.start();
    insta::assert_snapshot!(listed(&host, &modes), @r"
    absent: running: -
    register_twice_and_go_on: running: -
    requires_nobody: degraded: misbehave is waiting: requires nobody/here, which is not there
    services_in_register: running: -
    ");
    let absent = host.plugin("absent").unwrap();
    assert_eq!(
        absent["absent"],
        serde_json::json!([
            "identity provider misbehave",
            "daemon misbehave",
            "listener misbehave"
        ])
    );
    host.wait_for_log(&[
        "misbehave observed",
        "services_in_register",
        "tenants during register",
    ]);
    host.assert_that_others_go_on("globex");
}

#[test]
fn bytes_that_are_no_registration_are_refused() {
    let modes = [
        "empty_registration",
        "non_utf8_registration",
        "non_utf8_name",
        "garbage_registration",
        "huge_registration",
        "deep_registration",
        "wrong_shape_registration",
        "wrong_types",
        "missing_handle",
        "unknown_keys",
        "duplicate_names",
        "duplicate_handles",
        "bad_name",
        "long_name",
        "zero_interval",
        "endless_interval",
        "negative_timeout",
        "very_many_daemons",
        "non_utf8_error",
        "unknown_error_code",
    ];
    let home = home_with_raw(&modes);
    let host = home.start();
    insta::assert_snapshot!(listed(&host, &modes), @r"
    empty_registration: refused: what the plugin registers is not valid: EOF while parsing a value at line 1 column 0
    non_utf8_registration: refused: what the plugin registers is not valid: it is not UTF-8
    non_utf8_name: refused: what the plugin registers is not valid: it is not UTF-8
    garbage_registration: refused: what the plugin registers is not valid: EOF while parsing a string at line 1 column 28
    huge_registration: refused: what the plugin registers is not valid: 104857600 bytes, expected at most 1048576
    deep_registration: refused: what the plugin registers is not valid: invalid type: sequence, expected a string at line 1 column 3
    wrong_shape_registration: refused: what the plugin registers is not valid: invalid type: integer `1`, expected a sequence at line 1 column 2
    wrong_types: refused: what the plugin registers is not valid: invalid type: map, expected a sequence at line 1 column 361
    missing_handle: refused: what the plugin registers is not valid: missing field `handle` at line 1 column 376
    unknown_keys: refused: what the plugin registers is not valid: unknown field `sur\nprises\u{1b}[31m`, expected one of `identity_providers`, `daemons`, `listeners`, `tools`, `prompts`, `resources`, `webhooks` at line 1 column 428
    duplicate_names: refused: what the plugin registers is not valid: the identity provider `raw` is registered twice
    duplicate_handles: refused: what the plugin registers is not valid: the handle of the identity provider `raw2` is given twice
    bad_name: refused: what the plugin registers is not valid: the identity provider name `Not A Name` has not the form of a name
    long_name: refused: what the plugin registers is not valid: 1048978 bytes, expected at most 1048576
    zero_interval: refused: what the plugin registers is not valid: daemon `raw`: task `raw.tick`: every_ms is 0, expected 10 to 31622400000
    endless_interval: refused: what the plugin registers is not valid: daemon `raw`: task `raw.tick`: every_ms is 18446744073709551615, expected 10 to 31622400000
    negative_timeout: refused: what the plugin registers is not valid: invalid value: integer `-5`, expected u64 at line 1 column 209
    very_many_daemons: refused: what the plugin registers is not valid: 33478032 bytes, expected at most 1048576
    non_utf8_error: refused: the plugin's `register` failed: raw �(�( �
    unknown_error_code: refused: the plugin's `register` failed: an error of a kind that nobody has heard of
    ");
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_table_of_another_layout_or_none_at_all_is_refused_in_one_line() {
    let modes = ["no_extensions", "other_layout_identity", "other_layout_daemon"];
    let home = TestHome::with_config("[tenants.globex]\nidentity = \"marvin\"\n");
    home.install(&["marvin"]);
    for mode in modes {
        home.drop_file(&format!("lib{mode}.so"), &wrong_at_load(mode));
    }
    let host = home.start();
    insta::assert_snapshot!(listed(&host, &modes), @r"
    no_extensions: refused: what the plugin registers is not valid: it registers identity providers and has no extension `identity/1`
    other_layout_identity: refused: the extension `identity/1` has another layout: expected package `kora-plugin-abi`, found `kora-plugin-raw`; build it with a plugin API that this host offers
    other_layout_daemon: refused: the extension `daemon/1` has another layout: expected package `kora-plugin-abi`, found `kora-plugin-raw`; build it with a plugin API that this host offers
    ");
    host.assert_that_others_go_on("globex");
}

#[test]
fn an_answer_that_is_no_identity_never_speaks() {
    let modes = [
        "no_claim",
        "huge_prompt",
        "empty_prompt",
        "empty_name",
        "deep_metadata",
        "huge_metadata",
        "error_in_snapshot",
    ];
    let home = home_with_offenders(&modes.map(|mode| Offender::new(mode, mode)), "");
    let host = home.start();
    let providers = modes.map(|mode| format!("{mode}/misbehave"));
    insta::assert_snapshot!(refused_swaps(&host, &providers), @r"
    identity provider `no_claim/misbehave` makes no claim for the tenant
    identity provider `huge_prompt/misbehave`: it failed: the snapshot has 10485856 bytes, expected at most 4194304
    identity provider `empty_prompt/misbehave` gave no identity: system_prompt is empty: a partial identity is no identity; answer null for no claim
    identity provider `empty_name/misbehave` gave no identity: agent_name is empty: a partial identity is no identity; answer null for no claim
    identity provider `deep_metadata/misbehave` gave no identity: metadata has 101 levels: expected at most 16
    identity provider `huge_metadata/misbehave`: it failed: the snapshot has 10485892 bytes, expected at most 4194304
    identity provider `error_in_snapshot/misbehave`: it failed: misbehaves on purpose in Snapshot
    ");
    assert_eq!(host.json(&["identity", "show", "acme"])["generation"], 1);
    host.assert_that_others_go_on("globex");
}

#[test]
fn bytes_that_are_no_identity_never_speak() {
    let modes = [
        "unknown_handles",
        "non_utf8_snapshot_error",
        "huge_snapshot_error",
        "empty_snapshot",
        "non_utf8_snapshot",
        "garbage_snapshot",
        "wrong_shape_snapshot",
        "twice_the_same_key",
        "hostile_key",
        "huge_snapshot",
        "deep_snapshot",
    ];
    let home = home_with_raw(&modes);
    let host = home.start();
    let providers = modes.map(|mode| format!("{mode}/raw"));
    insta::assert_snapshot!(refused_swaps(&host, &providers), @r"
    identity provider `unknown_handles/raw`: it failed: no entry has this handle
    identity provider `non_utf8_snapshot_error/raw`: it failed: raw �(�( �
    identity provider `huge_snapshot_error/raw`: it failed: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
    identity provider `empty_snapshot/raw` gave no identity: the answer is not sound JSON: EOF while parsing a value at line 1 column 0
    identity provider `non_utf8_snapshot/raw` gave no identity: the answer is not sound JSON: expected value at line 1 column 1
    identity provider `garbage_snapshot/raw` gave no identity: the answer is not sound JSON: EOF while parsing a value at line 1 column 14
    identity provider `wrong_shape_snapshot/raw` gave no identity: agent_name is a number: expected a text
    identity provider `twice_the_same_key/raw` gave no identity: the answer is not sound JSON: the key `agent_name` stands twice in one object at line 1 column 30
    identity provider `hostile_key/raw` gave no identity: the answer is not sound JSON: the key `agent name [31m` stands twice in one object at line 1 column 50
    identity provider `huge_snapshot/raw`: it failed: the snapshot has 104857600 bytes, expected at most 4194304
    identity provider `deep_snapshot/raw` gave no identity: the answer is not sound JSON: recursion limit exceeded at line 1 column 128
    ");
    assert_eq!(host.json(&["identity", "show", "acme"])["generation"], 1);
    host.assert_that_others_go_on("globex");
}

#[test]
fn a_plugin_by_hand_that_keeps_the_rules_is_like_any_other() {
    let home = home_with_raw(&["none", "error_in_deinit", "non_utf8_tick_error"]);
    let host = home.start();
    host.wait_for_plugin("none", "running");
    let swapped = host.json(&["identity", "swap", "acme", "none/raw"]);
    assert_eq!(swapped["agent_name"], "Raw");
    // It errs in its tick, in bytes that are no text, which is its own affair.
    host.wait_for_log(&["non_utf8_tick_error/raw raw.tick failed", "raw \u{fffd}"]);
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
    host_ended_in_order(&home);
}

fn host_ended_in_order(home: &TestHome) {
    let log = std::fs::read_to_string(home.beside("daemon.log")).unwrap();
    assert!(
        log.contains("the plugin's threads did not end") && log.contains("error_in_deinit"),
        "{log}"
    );
}
