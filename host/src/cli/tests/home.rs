//! Homes: made, judged, explained.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use super::*;
use crate::plugin::fixture;

#[test]
fn a_token_is_shown_once_and_a_second_init_changes_nothing() {
    let trial = Trial::new();
    let first = trial.kora("init --json").json();
    assert_eq!(first["operator_token"].as_str().unwrap().len(), 51);
    let before = fs::read(trial.home().callers_file()).unwrap();
    let second = trial.kora("init");
    assert_eq!(second.exit, Exit::OK);
    assert!(
        second.out.contains("there already") && !second.out.contains("token:"),
        "{}",
        second.out
    );
    assert_eq!(fs::read(trial.home().callers_file()).unwrap(), before);
}

#[test]
fn a_new_home_has_nothing_wrong_with_it() {
    let trial = Trial::initialised();
    let ran = trial.kora("doctor");
    assert_eq!(ran.exit, Exit::OK, "{}", ran.out);
    assert!(!ran.out.contains("fail"), "{}", ran.out);
    assert_eq!(trial.kora("config check").exit, Exit::OK);
}

#[test]
fn each_thing_that_is_wrong_is_named_with_what_to_do() {
    let trial = Trial::initialised();
    let home = trial.home();
    fs::write(
        home.config_file(),
        "[tenants.acme]\nidentity = 'marvin'\n[tenants.globex]\nfallback_prompt = 'none.md'\n[tenants.initech]\n\
         [plugins.kora.secrets]\ntoken = 'env:NOT_SET'\n",
    )
    .unwrap();
    fs::write(home.plugins().join("notes.so"), "no library").unwrap();
    fs::set_permissions(home.plugins(), Permissions::from_mode(0o777)).unwrap();
    fs::write(
        home.data().join("kora.db"),
        "no database, though long enough that one looks at it",
    )
    .unwrap();
    let ran = trial.kora("doctor --json");
    assert_eq!(ran.exit, Exit::FAILED);
    let findings = ran.json();
    let says = |level: &str, check: &str, part: &str| {
        let found = findings.as_array().unwrap().iter().any(|finding| {
            finding["level"] == level
                && finding["check"] == check
                && finding["message"].as_str().unwrap().contains(part)
        });
        assert!(found, "{level} {check} {part}: {findings:#}");
    };
    says("fail", "plugins", "can be written by others");
    says("fail", "plugins", "notes.so");
    says("fail", "tenants", "`marvin`, which is to speak for `acme`");
    says("fail", "tenants", "the fallback prompt of `globex`");
    says("warn", "tenants", "nothing says who speaks for `initech`");
    says("fail", "secrets", "token");
    says("fail", "store", "kora.db");
    says("ok", "daemon", "no daemon runs");
    let hints = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["level"] != "ok");
    assert!(
        hints.into_iter().all(|finding| finding["hint"].is_string()),
        "{findings:#}"
    );
}

#[test]
fn a_home_that_is_none_is_explained() {
    let ran = Trial::new().kora("doctor");
    assert_eq!(ran.exit, Exit::FAILED);
    assert!(ran.out.contains("kora init"), "{}", ran.out);
}

#[test]
fn a_daemon_that_has_lost_its_store_is_found() {
    let trial = Trial::initialised();
    let status = json!({
        "version": "0.1.0", "pid": 1, "state": "running", "daemon_session_id": "s", "boot_at": "t", "uptime_seconds": 1,
        "shutdown_reason": null, "home": "h", "store": "unavailable", "store_cause": "disk full", "spooled_events": 2,
        "recent_error_count_5min": 0, "gates": [], "tenants": [], "plugins": [], "daemons": []
    });
    let _daemon = trial.daemon(move |_| Ok(status.clone()));
    let ran = trial.kora("doctor");
    assert_eq!(ran.exit, Exit::FAILED);
    assert!(
        ran.out.contains("its store is unavailable: disk full"),
        "{}",
        ran.out
    );
}

#[test]
fn a_configuration_that_is_not_valid_is_named_by_its_places() {
    let trial = Trial::initialised();
    fs::write(trial.home().config_file(), "[log]\nlevle = 'debug'\n").unwrap();
    let ran = trial.kora("config check");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::FAILED, ""));
    assert!(
        ran.err.contains("kora.toml:2:1") && ran.err.contains("level"),
        "{}",
        ran.err
    );
    let json = trial.kora("config check --json");
    assert_eq!((json.exit, &json.json()["valid"]), (Exit::FAILED, &json!(false)));
    let doctor = trial.kora("doctor");
    assert!(doctor.out.contains("kora.toml:2:1"), "{}", doctor.out);
}

#[test]
fn the_keys_of_a_plugin_are_judged_before_it_is_refused_for_them() {
    let trial = Trial::initialised();
    let schema = "[config]\ntype = \"object\"\nadditionalProperties = false\n[config.properties.every]\ntype = \"integer\"\n";
    let library = fixture::library(&fixture::manifest("clock", "1.0.0", schema));
    fixture::write(&trial.home().plugins().join("libclock.so"), &library);
    let check = |text: &str| {
        fs::write(trial.home().config_file(), text).unwrap();
        trial.kora("config check")
    };
    assert_eq!(check("[plugins.clock]\nevery = 3\n").exit, Exit::OK);

    let ran = check("[plugins.clock]\nevery = 'day'\n");
    assert_eq!(ran.exit, Exit::FAILED);
    let expected = "kora.toml:2: `plugins.clock.every`: expected type `integer`, found a string";
    assert!(
        ran.err.contains(expected) && !ran.err.contains("day'"),
        "{}",
        ran.err
    );
    let doctor = trial.kora("doctor");
    assert_eq!(doctor.exit, Exit::FAILED);
    assert!(doctor.out.contains(expected), "{}", doctor.out);

    let ran = check("[tenants.acme.config.clock]\nevry = 3\n");
    assert_eq!(ran.exit, Exit::FAILED);
    assert!(
        ran.err
            .contains("kora.toml:2: `tenants.acme.config.clock.evry`: expected one of `every`"),
        "{}",
        ran.err
    );

    // What is kept out is not refused for its keys, and a plugin that is not there may come.
    assert_eq!(
        check("[plugins.clock]\nenabled = false\nevery = 'day'\n").exit,
        Exit::OK
    );
    let ran = check("[plugins.clocks]\nevery = 3\n");
    assert_eq!(ran.exit, Exit::OK);
    assert!(
        ran.err.contains("warning: ") && ran.err.contains("there is no plugin of that name in"),
        "{}",
        ran.err
    );
    let json = trial.kora("config check --json").json();
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1, "{json}");
}

#[test]
fn a_slip_in_the_name_of_a_home_makes_no_home() {
    let trial = Trial::new();
    fs::write(
        trial.path("some.so"),
        fixture::library(&fixture::manifest("some", "1.0.0", "")),
    )
    .unwrap();
    let root = trial.home().root().display().to_string();
    for line in [
        "daemon",
        "boot --check-only",
        "boot history",
        "config check",
        "config show",
        "plugins install some.so",
        "plugins disable some",
        "events verify",
        "events export",
    ] {
        let ran = trial.kora(line);
        assert_eq!((ran.exit, ran.out.as_str()), (Exit::UNREACHABLE, ""), "{line}");
        assert_eq!(
            ran.err,
            format!(
                "error: `{root}` is no home: it has no `kora.toml`; `kora init --home {root}` makes it one\n"
            ),
            "{line}"
        );
        assert!(!trial.home().root().exists(), "{line}");
    }
    assert!(trial.app.asked.borrow().is_none());
}

#[test]
fn a_home_in_which_a_host_could_not_write_is_named() {
    let trial = Trial::initialised();
    fs::remove_dir(trial.home().run()).unwrap();
    fs::write(trial.home().run(), "no directory").unwrap();
    let ran = trial.kora("doctor");
    assert_eq!(ran.exit, Exit::FAILED);
    let expected = format!("`{}` cannot be written: ", trial.home().run().display());
    assert!(ran.out.contains(&expected), "{}", ran.out);

    let trial = Trial::initialised();
    fs::write(trial.home().config_file(), "[store]\npath = '/proc/kora.db'\n").unwrap();
    let ran = trial.kora("doctor");
    assert_eq!(ran.exit, Exit::FAILED);
    assert!(ran.out.contains("`/proc` cannot be written: "), "{}", ran.out);
}

#[test]
fn a_home_that_is_too_deep_for_its_socket_is_told_when_it_is_made() {
    let trial = Trial::new();
    let deep = trial.path(&"x".repeat(100)).display().to_string();
    let ran = trial.run(&["init", "--home", &deep]);
    assert_eq!(ran.exit, Exit::OK);
    assert!(
        ran.out.contains("warning: the control socket would be"),
        "{}",
        ran.out
    );
    let doctor = trial.run(&["doctor", "--home", &deep]);
    assert!(
        doctor.out.contains("no daemon can run in this home"),
        "{}",
        doctor.out
    );
}
