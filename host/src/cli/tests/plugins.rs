//! Plugins as files: looked at, installed, enabled and disabled.

use std::{
    fs,
    sync::atomic::{AtomicU32, Ordering},
};

use super::*;
use crate::plugin::fixture::{Pack, library, manifest};

const MARVIN: &str = "description = \"Paranoid\"\n[provides]\nidentity_providers = [\"marvin\"]\n";

fn marvin(version: &str) -> Vec<u8> {
    library(&manifest("marvin", version, MARVIN))
}

#[test]
fn a_file_is_shown_for_what_it_is_and_stays_where_it_is() {
    let trial = Trial::initialised();
    fs::write(trial.path("some.so"), marvin("1.2.3")).unwrap();
    let ran = trial.kora("plugins inspect some.so --json");
    assert_eq!(ran.exit, Exit::OK, "{}", ran.err);
    let plugin = ran.json();
    assert_eq!(
        (&plugin["name"], &plugin["version"]),
        (&json!("marvin"), &json!("1.2.3"))
    );
    assert_eq!(
        (&plugin["state"], &plugin["identity_providers"]),
        (&json!("verified"), &json!(["marvin"]))
    );
    for untouched in [trial.home().plugins(), trial.home().cache()] {
        assert_eq!(fs::read_dir(untouched).unwrap().count(), 0);
    }
}

#[test]
fn a_file_that_would_be_refused_is_one_and_says_why() {
    let trial = Trial::initialised();
    fs::write(trial.path("notes.so"), "no library").unwrap();
    let ran = trial.kora("plugins inspect notes.so");
    assert_eq!(ran.exit, Exit::FAILED);
    assert!(
        ran.out.contains("refused") && ran.out.contains("not an ELF file"),
        "{}",
        ran.out
    );

    fs::write(trial.path("some.so"), marvin("1.0.0")).unwrap();
    fs::write(trial.home().config_file(), "[plugins]\nallow = ['kora']\n").unwrap();
    let ran = trial.kora("plugins inspect some.so --json");
    assert_eq!((ran.exit, &ran.json()["name"]), (Exit::FAILED, &json!("marvin")));
    assert!(ran.json()["cause"].as_str().unwrap().contains("[plugins] allow"));
}

#[test]
fn a_plugin_is_installed_under_its_own_name_and_replaced_in_one_step() {
    let trial = Trial::initialised();
    fs::write(trial.path("some.so"), marvin("1.0.0")).unwrap();
    let ran = trial.kora("plugins install some.so");
    assert_eq!(ran.exit, Exit::OK, "{}", ran.err);
    let target = trial.home().plugins().join("libmarvin.so");
    assert_eq!(fs::read(&target).unwrap(), marvin("1.0.0"));
    assert_eq!(mode_of(&target), 0o644);
    assert!(ran.err.contains("no daemon runs"), "{}", ran.err);

    fs::write(trial.path("some.so"), marvin("2.0.0")).unwrap();
    let ran = trial.kora("plugins install some.so --json").json();
    assert_eq!(
        (&ran["replaced"], &ran["plugin"]["version"]),
        (&json!(true), &json!("2.0.0"))
    );
    assert_eq!(fs::read(&target).unwrap(), marvin("2.0.0"));
    assert_eq!(fs::read_dir(trial.home().plugins()).unwrap().count(), 1);
    assert!(trial.kora("doctor").out.contains("marvin 2.0.0 would be let in"));
}

#[test]
fn a_package_and_a_folder_are_installed_whole() {
    let trial = Trial::initialised();
    let mut pack = Pack::of("marvin", &manifest("marvin", "1.0.0", MARVIN));
    fs::write(trial.path("renamed.tar.zst"), pack.with_sums().bytes()).unwrap();
    let package = trial.kora("plugins install renamed.tar.zst --json");
    assert_eq!(package.exit, Exit::OK, "{}", package.err);
    let name = package.json()["path"].as_str().unwrap().to_owned();
    assert!(
        name.contains("/marvin-1.0.0-") && name.ends_with(".tar.zst"),
        "{name}"
    );

    let folder = trial.path("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("libkora.so"), library(&manifest("kora", "1.0.0", ""))).unwrap();
    fs::write(folder.join("plugin.toml"), manifest("kora", "1.0.0", "")).unwrap();
    let ran = trial.kora("plugins install folder");
    assert_eq!(ran.exit, Exit::OK, "{}", ran.err);
    assert!(trial.home().plugins().join("kora/libkora.so").exists());
    let again = trial.kora("plugins install folder");
    assert_eq!(again.exit, Exit::FAILED);
    assert!(again.err.contains("remove it first"), "{}", again.err);
    assert!(trial.kora("doctor").out.contains("kora 1.0.0 would be let in"));
}

#[test]
fn what_is_refused_is_not_installed() {
    let trial = Trial::initialised();
    fs::write(trial.path("notes.so"), "no library").unwrap();
    let ran = trial.kora("plugins install notes.so --json");
    let error: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(
        (ran.exit, &error["error"]["code"]),
        (Exit::FAILED, &json!("plugin.not_elf"))
    );
    assert_eq!(fs::read_dir(trial.home().plugins()).unwrap().count(), 0);
}

#[test]
fn installing_waits_for_what_the_daemon_makes_of_it() {
    let trial = Trial::initialised();
    fs::write(trial.path("some.so"), marvin("1.0.0")).unwrap();
    let digest = crate::domain::Digest::of(&marvin("1.0.0")).to_string();
    let asked = AtomicU32::new(0);
    let state = Arc::new(Mutex::new("running"));
    let said = Arc::clone(&state);
    let _daemon = trial.daemon(move |_| {
        let plugin = crate::service::api::Plugin {
            name: Some("marvin".to_owned()),
            digest: Some(digest.clone()),
            state: match asked.fetch_add(1, Ordering::SeqCst) {
                0 => return Ok(json!([])),
                1 => "loaded".to_owned(),
                _ => (*said.lock().unwrap()).to_owned(),
            },
            ..Default::default()
        };
        Ok(json!([plugin]))
    });
    let ran = trial.kora("plugins install some.so --json");
    assert_eq!(
        (ran.exit, &ran.json()["plugin"]["state"]),
        (Exit::OK, &json!("running"))
    );
    *state.lock().unwrap() = "failed";
    assert_eq!(trial.kora("plugins install some.so").exit, Exit::FAILED);
}

#[test]
fn without_a_daemon_a_plugin_is_disabled_in_the_file() {
    let trial = Trial::initialised();
    let ran = trial.kora("plugins disable marvin");
    assert_eq!(ran.exit, Exit::OK, "{}", ran.err);
    let text = fs::read_to_string(trial.home().config_file()).unwrap();
    assert!(text.ends_with("[plugins.marvin]\nenabled = false\n"), "{text}");
    assert_eq!(
        trial.kora("plugins disable marvin --json").json()["changed"],
        false
    );
    assert_eq!(trial.kora("plugins enable marvin --json").json()["changed"], true);
    assert_eq!(trial.kora("plugins enable ../marvin").exit, Exit::FAILED);
}
