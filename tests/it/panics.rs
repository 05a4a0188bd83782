//! A panic in any hook of a plugin: caught, named in one line, and nobody else's.

use crate::harness::{Offender, TestHome, eventually, home_with_offenders};

/// The state of each, and what its cause says.
const ENDS: [(&str, &str, &str); 7] = [
    (
        "panic_in_register",
        "refused",
        "the plugin's `register` failed: panicked: misbehaves on purpose in Register",
    ),
    (
        "payload_in_register",
        "refused",
        "the plugin's `register` failed: panicked: ",
    ),
    (
        "panic_in_factory",
        "degraded",
        "misbehave is failed: panicked: misbehaves on purpose in Factory",
    ),
    (
        "panic_in_startup",
        "degraded",
        "misbehave is failed: panicked: misbehaves on purpose in Startup",
    ),
    (
        "payload_in_startup",
        "degraded",
        "misbehave is failed: panicked: ",
    ),
    (
        "panic_in_tick",
        "degraded",
        "misbehave is failed: misbehave.tick: panicked: misbehaves on purpose in Tick",
    ),
    (
        "payload_in_tick",
        "degraded",
        "misbehave is failed: misbehave.tick: panicked: ",
    ),
];

#[test]
fn a_panic_costs_the_plugin_in_which_it_happens_and_is_named() {
    let offenders = ENDS.map(|(mode, ..)| Offender::new(mode, mode));
    let home = home_with_offenders(&offenders, "");
    let host = home.start();
    for (mode, state, cause) in ENDS {
        host.wait_for_cause(mode, state, cause);
    }
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_panic_while_an_entry_stops_keeps_neither_it_nor_the_host_from_stopping() {
    let modes = ["panic_in_shutdown", "payload_in_shutdown", "panic_in_drop"];
    let home = home_with_offenders(&modes.map(|mode| Offender::new(mode, mode)), "");
    let host = home.start();
    for mode in modes {
        let restarted = host.json(&["plugins", "restart", mode]);
        assert_eq!(restarted["state"], "running", "{restarted}");
        host.wait_for_log(&["panicked: ", &format!("plugin=\"{mode}\"")]);
    }
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_provider_that_panics_is_refused_and_the_identity_before_goes_on_speaking() {
    let modes = ["panic_in_snapshot", "payload_in_snapshot"];
    let home = home_with_offenders(&modes.map(|mode| Offender::new(mode, mode)), "");
    let host = home.start();
    for mode in modes {
        let provider = format!("{mode}/misbehave");
        let first = host.problem(&["identity", "swap", "acme", &provider]);
        let second = host.problem(&["identity", "swap", "acme", &provider]);
        assert_eq!(
            (&first["code"], &second["code"]),
            (&"identity.not_given".into(), &"identity.not_given".into())
        );
        assert!(first["message"].as_str().unwrap().contains("panicked"), "{first}");
        assert!(
            second["message"].as_str().unwrap().contains("poisoned"),
            "{second}"
        );
    }
    let speaking = host.json(&["identity", "show", "acme"]);
    assert_eq!(
        (&speaking["agent_name"], &speaking["generation"]),
        (&"Marvin".into(), &1.into())
    );
    assert_eq!(host.payloads("acme", "kora.identity.swap_refused").len(), 4);
    host.assert_that_others_go_on("globex");
}

#[test]
fn a_listener_that_panics_disturbs_neither_the_chain_nor_other_listeners() {
    let home = home_with_offenders(
        &[
            Offender::serving_acme("misbehave", "panic_in_on_event"),
            Offender::serving_acme("moody", "panic_in_on_state"),
            Offender::serving_acme("calm", "none"),
        ],
        "",
    );
    let host = home.start();
    host.wait_for_log(&[
        "panicked: misbehaves on purpose in OnEvent",
        "plugin=\"misbehave\"",
    ]);
    host.wait_for_log(&["panicked: misbehaves on purpose in OnState", "plugin=\"moody\""]);
    host.json(&["state", "pause", "--tenant", "acme"]);
    host.wait_for_log(&["misbehave heard a change of state", "plugin=\"calm\"", "paused"]);
    let ticks = |host: &crate::harness::RunningHost<'_>| host.payloads("acme", "misbehave.ticked").len();
    let before = ticks(&host);
    eventually("the chain grows", || (ticks(&host) > before + 2).then_some(()));
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_daemon_that_panicked_runs_again_and_its_plugin_is_shown_as_running() {
    let home = home_with_offenders(
        &[Offender::new("misbehave", "panic_in_tick")],
        "times = 1\nmax_restarts = 3",
    );
    let host = home.start();
    let daemon = eventually("the daemon was started anew", || {
        let daemon = host.daemon("misbehave/misbehave")?;
        (daemon["restarts"] == 1 && daemon["state"] == "running").then_some(daemon)
    });
    assert_eq!(daemon["tasks"][0]["failures"], 1, "{daemon}");
    let listed = host.wait_for_plugin("misbehave", "running");
    assert_eq!(listed["cause"], serde_json::Value::Null);
}

#[test]
fn a_daemon_that_goes_on_panicking_uses_up_its_restarts_and_comes_back_by_hand() {
    let home = home_with_offenders(
        &[Offender::new("misbehave", "panic_in_tick")],
        "times = 3\nmax_restarts = 2",
    );
    let host = home.start();
    let failed = host.wait_for_daemon("misbehave/misbehave", "failed");
    assert_eq!(failed["restarts"], 2, "{failed}");
    insta::assert_snapshot!(
        host.wait_for_cause("misbehave", "degraded", "failed"),
        @"misbehave is failed: misbehave.tick: panicked: misbehaves on purpose in Tick; all 2 restarts within 600s are used up"
    );
    host.json(&["plugins", "restart", "misbehave"]);
    host.wait_for_plugin("misbehave", "running");
    host.wait_for_daemon("misbehave/misbehave", "running");
}

#[test]
fn a_future_that_panics_outside_of_every_guard_costs_its_call() {
    let home = TestHome::with_config(
        "[plugins.raw]\nmode = \"panic_in_poll\"\n[tenants.globex]\nidentity = \"marvin\"\n",
    );
    home.install(&["marvin", "raw"]);
    let host = home.start();
    host.wait_for_cause(
        "raw",
        "degraded",
        "raw is failed: panicked: its future panicked outside of every guard",
    );
    host.assert_that_others_go_on("globex");
}
