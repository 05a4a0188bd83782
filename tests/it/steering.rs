//! Steering plugins while things go wrong: what is enabled, disabled, restarted and reloaded, and what a stop does not wait for.

use serde_json::Value;

use crate::harness::{
    Offender, RunningHost, TestHome, eventually, home_with_offenders, library, patched, renamed,
};

/// The edges of a plugin in the host's chain, once the last of them led to this state: they are told a moment later.
fn edges(host: &RunningHost<'_>, plugin: &str, last: &str) -> usize {
    eventually(&format!("the chain tells that {plugin} is {last}"), || {
        let mut told = host.payloads("host", "host.plugin.state_changed");
        told.retain(|change| change["plugin"] == plugin);
        (told.last()?["to"] == last).then_some(told.len())
    })
}

fn state(host: &RunningHost<'_>, plugin: &str) -> Value {
    host.plugin(plugin).unwrap()["state"].clone()
}

#[test]
fn functions_that_never_return_hold_no_thread_of_the_host() {
    let modes = ["block_in_startup", "block_in_poll"];
    // More than most machines of tests have threads for.
    let names: Vec<String> = (0..8).map(|n| format!("blocks{n}")).collect();
    let mut config = "default_identity = \"marvin\"\n[tenants.globex]\n".to_owned();
    for (name, mode) in names.iter().zip(modes.iter().cycle()) {
        config += &format!("[plugins.{name}]\nmode = \"{mode}\"\n");
    }
    let home = TestHome::with_config(&config);
    home.install(&["marvin"]);
    for name in &names {
        home.drop_file(&format!("lib{name}.so"), &renamed("raw", name));
    }
    let host = home.start();
    for name in &names {
        host.wait_for_cause(name, "wedged", "its thread did not answer");
    }
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_provider_that_hangs_while_the_host_boots_is_found_wedged_and_not_asked_again() {
    let home = home_with_offenders(&[Offender::new("misbehave", "hang_in_snapshot")], "");
    home.configure(
        "[plugins.misbehave]\nmode = \"hang_in_snapshot\"\n[tenants.globex]\nidentity = \"marvin\"\n[tenants.acme]\nidentity = \"misbehave\"\n",
    );
    let host = home.start();
    host.wait_for_cause("misbehave", "wedged", "does not come back");
    assert_eq!(
        host.daemon("misbehave/misbehave"),
        None,
        "nothing of it is started"
    );
    let refused = host.problem(&["identity", "swap", "globex", "misbehave/misbehave"]);
    assert_eq!(refused["code"], "identity.provider_unknown");
    let refused = host.problem(&["plugins", "restart", "misbehave"]);
    assert_eq!(refused["code"], "plugin.not_started");
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
}

#[test]
fn enabling_a_plugin_that_is_in_trouble_changes_nothing_and_disabling_ends_it() {
    let home = home_with_offenders(
        &[Offender::new("misbehave", "error_in_startup")],
        "max_restarts = 0",
    );
    let host = home.start();
    host.wait_for_cause("misbehave", "degraded", "it is not to be restarted");
    let before = edges(&host, "misbehave", "degraded");
    let enabled = host.json(&["plugins", "enable", "misbehave"]);
    assert_eq!(enabled["state"], "degraded");
    assert_eq!(edges(&host, "misbehave", "degraded"), before);

    let disabled = host.json(&["plugins", "disable", "misbehave"]);
    assert_eq!(disabled["state"], "stopped");
    assert!(
        disabled["cause"]
            .as_str()
            .unwrap()
            .starts_with("disabled by the operator (uid ")
    );
    let refused = host.problem(&["plugins", "restart", "misbehave"]);
    assert_eq!(refused["code"], "plugin.disabled");
    host.json(&["config", "reload"]);
    let files = host.json(&["plugins", "list"]).as_array().unwrap().len();
    assert_eq!(
        (state(&host, "misbehave"), files),
        ("stopped".into(), 2),
        "and it is listed once"
    );
    host.json(&["plugins", "enable", "misbehave"]);
    host.wait_for_cause("misbehave", "degraded", "misbehaves on purpose in Startup");
}

#[test]
fn a_plugin_that_registers_wrongly_keeps_its_reason_however_often_it_is_looked_at() {
    let home = home_with_offenders(&[Offender::new("misbehave", "error_in_register")], "");
    let host = home.start();
    let before = host.plugin("misbehave").unwrap();
    assert_eq!(
        before["cause"],
        "the plugin's `register` failed: misbehaves on purpose in Register"
    );
    assert_eq!(before["note"], "restart to try again");
    let told = edges(&host, "misbehave", "refused");
    for _ in 0..3 {
        host.json(&["config", "reload"]);
        host.json(&["plugins", "enable", "misbehave"]);
    }
    assert_eq!(host.plugin("misbehave").unwrap(), before);
    assert_eq!(edges(&host, "misbehave", "refused"), told);
}

#[test]
fn a_disabled_plugin_hears_nothing_until_it_is_enabled() {
    let home = home_with_offenders(&[Offender::serving_acme("misbehave", "none")], "");
    let host = home.start();
    host.json(&["plugins", "disable", "misbehave"]);
    host.json(&["state", "pause", "--tenant", "acme"]);
    host.json(&["plugins", "enable", "misbehave"]);
    host.json(&["state", "resume", "--tenant", "acme"]);
    host.wait_for_log(&["misbehave heard a change of state", "ready"]);
    let log = host.log();
    let heard = |line: &str| line.contains("misbehave heard a change of state") && line.contains("paused");
    assert!(!log.lines().any(heard), "{log}");
}

#[test]
fn a_stop_waits_neither_for_a_reload_nor_for_a_plugin_that_is_loading() {
    let home = home_with_offenders(&[Offender::new("misbehave", "hang_in_register")], "");
    let library = std::fs::read(library("misbehave")).unwrap();
    std::fs::remove_file(home.plugins().join("libmisbehave.so")).unwrap();
    let host = home.start();
    home.drop_file("libmisbehave.so", &library);
    host.wait_for_plugin("misbehave", "loaded");
    host.signal("HUP");
    host.signal("TERM");
    host.wait_for_log(&["[kora.daemon] stopped"]);
    let log = host.log();
    assert!(!log.contains("does not come back"), "it was waited for: {log}");
    assert_eq!(host.exit_code(), 0);
}

#[test]
fn a_boot_that_is_interrupted_while_a_plugin_is_loading_ends_at_once() {
    let home = home_with_offenders(&[Offender::new("misbehave", "hang_in_register")], "");
    let host = RunningHost::spawn(&home, &[]);
    host.wait_for_log(&["plugin=misbehave", "state=loaded"]);
    host.signal("INT");
    host.wait_for_log(&["[kora.daemon] stopped"]);
    let log = host.log();
    assert!(!log.contains("does not come back"), "it was waited for: {log}");
    assert_eq!(host.exit_code(), 130);
}

#[test]
fn what_a_loaded_plugin_is_configured_with_stays_until_a_restart_and_is_said_to_wait() {
    let home = home_with_offenders(&[Offender::serving_acme("misbehave", "none")], "");
    let host = home.start();
    let path = home.path().join("kora.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    home.configure(&text.replace("mode = \"none\"", "mode = \"huge_prompt\""));
    let reloaded = host.json(&["config", "reload"]);
    assert_eq!(
        reloaded["needs_restart"],
        serde_json::json!(["plugins.misbehave.mode"])
    );
    let shown = host.json(&["config", "show"]);
    let mode = shown
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["key"] == "plugins.misbehave.mode");
    assert_eq!(mode.unwrap()["value"], "\"none\"");
    assert_eq!(host.stop(), 0);
    let host = home.start();
    let refused = host.problem(&["identity", "swap", "acme", "misbehave/misbehave"]);
    assert!(
        refused["message"].as_str().unwrap().contains("the snapshot has"),
        "{refused}"
    );
}

#[test]
fn a_lower_version_gets_its_chance_when_the_one_in_its_way_is_gone() {
    let home = home_with_offenders(&[], "");
    home.install(&["echo"]);
    let wrong = patched(&library("echo"), |manifest| {
        manifest
            .replace("version = \"0.1.0\"", "version = \"0.2.0\"")
            .replace("daemons = [\"echo\"]", "daemons = []")
    });
    let higher = home.drop_file("libecho-next.so", &wrong);
    let host = home.start();
    host.wait_for_cause("echo", "refused", "found one that is not listed");
    host.wait_for_refusal("libecho.so");
    std::fs::remove_file(higher).unwrap();
    let running = eventually("the lower one runs", || {
        host.plugin("echo").filter(|plugin| plugin["state"] == "running")
    });
    assert_eq!(running["version"], "0.1.0");
    let files = host.json(&["plugins", "list"]).as_array().unwrap().len();
    assert_eq!(files, 2, "nothing is shown of what is gone");
}
