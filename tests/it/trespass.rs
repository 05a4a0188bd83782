//! What a plugin may not ask is refused to it, call by call, and the plugin is told what and why.

use std::collections::HashSet;

use crate::harness::{Offender, RunningHost, TestHome, eventually, home_with_offenders, renamed};

/// Starts a host in which `misbehave` tries what its mode says, and answers what came of it: one line for each attempt, with
/// the kind of the error and its text.
fn observed(mode: &str, check: impl FnOnce(&RunningHost<'_>)) -> String {
    let more = "tick_seconds = 1\ntimeout_seconds = 30\ntenant = \"globex\"";
    let home = home_with_offenders(&[Offender::serving_acme("misbehave", mode)], more);
    let host = home.start();
    // The reports of one tick come together.
    let observations = eventually("it was reported", || {
        // The end of the tick first: what is read after it is whole.
        let ended = host.daemon("misbehave/misbehave")?["tasks"][0]["runs"] != 0;
        let reports = host.payloads("acme", "misbehave.observed");
        (ended && !reports.is_empty()).then_some(reports)
    });
    check(&host);
    host.assert_that_others_go_on("globex");
    let line = |report: &serde_json::Value| {
        let text = |field: &str| report[field].as_str().unwrap_or("-").to_owned();
        format!("{}: {}: {}\n", text("what"), text("kind"), text("error"))
    };
    // A second tick may have begun to tell the same again.
    let mut told = HashSet::new();
    let first = observations
        .iter()
        .take_while(|report| told.insert(report["what"].to_string()));
    first.map(line).collect()
}

#[test]
fn events_of_others_and_undeclared_ones_are_refused() {
    insta::assert_snapshot!(
        observed("foreign_event", |host| {
            let types: Vec<_> = host.events("acme").iter().map(|event| event["event_type"].clone()).collect();
            assert!(!types.contains(&"marvin.sighed".into()) && !types.contains(&"host.x".into()), "{types:?}");
        }),
        @r"
        append kora.boot.ready: Denied: the event type `kora.boot.ready` belongs to the host's engine: the plugin `misbehave` may append only its own
        append kora.identity.swapped: Denied: the event type `kora.identity.swapped` belongs to the host's identity: the plugin `misbehave` may append only its own
        append marvin.sighed: Denied: the event type `marvin.sighed` is not in the vocabulary: declare it in the plugin's manifest, or under `[events] types`
        append misbehave.undeclared: Denied: the event type `misbehave.undeclared` is not in the vocabulary: declare it in the plugin's manifest, or under `[events] types`
        append host.x: Denied: the event type `host.x` is not in the vocabulary: declare it in the plugin's manifest, or under `[events] types`
        "
    );
}

#[test]
fn tenants_that_a_plugin_does_not_serve_are_as_if_there_were_none() {
    insta::assert_snapshot!(
        observed("foreign_tenant", |host| {
            let foreign = host.payloads("globex", "misbehave.ticked");
            assert!(foreign.is_empty(), "{foreign:?}");
        }),
        @r"
        append: TenantNotServed: the plugin does not act for the tenant `globex`
        read: TenantNotServed: the plugin does not act for the tenant `globex`
        state: TenantNotServed: the plugin does not act for the tenant `globex`
        history: TenantNotServed: the plugin does not act for the tenant `globex`
        config: TenantNotServed: the plugin does not act for the tenant `globex`
        kv_get: TenantNotServed: the plugin does not act for the tenant `globex`
        kv_put: TenantNotServed: the plugin does not act for the tenant `globex`
        announce: TenantNotServed: the plugin does not act for the tenant `globex`
        "
    );
}

#[test]
fn a_service_without_permission_is_refused() {
    insta::assert_snapshot!(observed("no_permission", |_| ()), @"secret: Denied: the host does not give `secrets/1`: is the permission in the manifest?");
}

#[test]
fn a_store_of_values_has_a_quota() {
    insta::assert_snapshot!(observed("kv_over_quota", |_| ()), @r"
    put until the quota is used up: Quota: the quota of 16777216 bytes is used up: 16515828 bytes are taken
    put a value that is too large: Invalid: the value has 262145 bytes, expected at most 262144
    put an empty key: Invalid: the key is empty
    put a key that is too long: Invalid: the key has 257 bytes, expected at most 256
    ");
}

#[test]
fn events_that_are_none_are_refused() {
    insta::assert_snapshot!(observed("bad_events", |_| ()), @r"
    a payload that is too large: Invalid: the payload has more than 65536 bytes without white space: store the large part elsewhere and name it
    a payload that is no object: Invalid: the payload begins with `[`: expected a JSON object, beginning with `{`
    a type that is none: Invalid: event type `No Type` is not valid: expected at least two words of lower-case letters, digits and `_`, joined by dots, such as `kora.boot.ready`
    a tenant that is none: TenantNotServed: the plugin does not act for the tenant `../etc`
    ");
}

#[test]
fn metrics_that_are_none_are_refused_and_too_many_series_dropped() {
    insta::assert_snapshot!(observed("bad_metrics", |_| ()), @r"
    a name that is none: Invalid: metric `Bad-Name` is not valid: expected 1 to 64 lower-case letters, digits and `_`, the first a letter, and none of the names that the text format keeps
    an empty name: Invalid: metric `` is not valid: expected 1 to 64 lower-case letters, digits and `_`, the first a letter, and none of the names that the text format keeps
    a label that is none: Invalid: label `Bad Label` is not valid: expected 1 to 64 lower-case letters, digits and `_`, the first a letter, and none of the names that the text format keeps
    a counter that falls: Invalid: the value -1 is not valid: expected a finite number that is not negative
    a gauge that is no number: Invalid: the value NaN is not valid: expected a finite number
    a long label: Invalid: the labels have more than 4096 bytes
    very many series: -: -
    ");
}

#[test]
fn a_flood_of_log_records_is_bounded_and_no_record_can_pretend_to_be_several() {
    let lines = observed("log_flood", |host| {
        let log = host.log();
        let kept = log
            .lines()
            .filter(|line| line.contains("a record of many"))
            .count();
        assert!(kept < 10_000, "{kept} of 20000 records were kept");
        assert!(log.contains("that pretends"), "the odd record is missing");
        assert!(
            !log.lines().any(|line| line.starts_with("that pretends")),
            "a record broke its line"
        );
        let longest = log.lines().map(str::len).max().unwrap();
        assert!(longest < 64 * 1024, "a line of {longest} bytes");
    });
    assert_eq!(lines, "flood the log: -: -\n");
}

#[test]
fn guessed_handles_and_bytes_that_are_no_text_are_refused() {
    let modes = [
        "guessed_handle",
        "non_utf8_tenant",
        "non_utf8_service",
        "non_utf8_log",
        "bad_log",
    ];
    let sections: String = modes
        .iter()
        .map(|mode| format!("[plugins.{mode}]\nmode = \"{mode}\"\n"))
        .collect();
    let home = TestHome::with_config(&format!("{sections}[tenants.globex]\nidentity = \"marvin\"\n"));
    home.install(&["marvin"]);
    for mode in modes {
        home.drop_file(&format!("lib{mode}.so"), &renamed("raw", mode));
    }
    let host = home.start();
    for mode in modes {
        host.wait_for_plugin(mode, "running");
    }
    host.wait_for_log(&[
        "refused: the configuration, with a handle or a tenant that is not ours",
        "plugin=\"guessed_handle\"",
    ]);
    host.wait_for_log(&["refused: the configuration", "plugin=\"non_utf8_tenant\""]);
    host.wait_for_log(&[
        "refused: a service whose id is not UTF-8",
        "plugin=\"non_utf8_service\"",
    ]);
    host.wait_for_log(&["fields that are no object", "plugin=\"bad_log\""]);
    host.wait_for_log(&["raw \u{fffd}", "plugin=\"non_utf8_log\""]);
    let log = host.log();
    assert!(!log.contains("ANSWERED"), "{log}");
    assert!(
        log.lines().all(|line| line.len() < 64 * 1024),
        "a line that is too long"
    );
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
}
