//! A plugin that does not come back: in a future that never ends, which costs its call, and in a thread that never comes back,
//! which makes the plugin wedged. The host and its shutdown go on.

use std::time::{Duration, Instant};

use crate::harness::{Offender, eventually, home_with_offenders};

/// What a stop may take when every deadline of a plugin has to pass: far less than a service manager's patience.
const ORDERLY: Duration = Duration::from_secs(30);

#[test]
fn a_startup_or_tick_that_never_ends_is_cancelled_at_its_deadline() {
    let home = home_with_offenders(
        &[
            Offender::new("slow_start", "hang_in_startup"),
            Offender::new("slow_tick", "hang_in_tick"),
        ],
        "",
    );
    let host = home.start();
    host.wait_for_cause(
        "slow_start",
        "degraded",
        "startup did not end within 1s and was cancelled",
    );
    // Once is bad luck; the third time in a row it is started anew, if its budget allows it.
    host.wait_for_cause(
        "slow_tick",
        "degraded",
        "`misbehave.tick` did not end in time 3 times in a row",
    );
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_shutdown_that_never_ends_is_given_up_at_its_deadline() {
    let home = home_with_offenders(&[Offender::new("misbehave", "hang_in_shutdown")], "");
    let host = home.start();
    host.signal("TERM");
    let began = Instant::now();
    host.wait_for_log(&[
        "misbehave/misbehave was not shut down cleanly",
        "did not end within 1s",
    ]);
    host.wait_for_log(&["[kora.daemon] stopped"]);
    assert_eq!(host.exit_code(), 0);
    assert!(began.elapsed() < ORDERLY);
}

#[test]
fn a_listener_that_never_answers_is_cancelled_and_the_chain_goes_on() {
    let home = home_with_offenders(
        &[
            Offender::serving_acme("misbehave", "hang_in_on_event"),
            Offender::serving_acme("moody", "hang_in_on_state"),
            Offender::serving_acme("calm", "none"),
        ],
        "",
    );
    let host = home.start();
    host.wait_for_log(&["misbehaving", "plugin=\"misbehave\"", "OnEvent"]);
    host.wait_for_log(&["misbehaving", "plugin=\"moody\"", "OnState"]);
    host.json(&["state", "pause", "--tenant", "acme"]);
    host.wait_for_log(&["misbehave heard a change of state", "plugin=\"calm\"", "paused"]);
    let before = host.payloads("acme", "misbehave.ticked").len();
    eventually("the chain grows", || {
        (host.payloads("acme", "misbehave.ticked").len() > before + 2).then_some(())
    });
    host.assert_that_others_go_on("globex");
    let began = Instant::now();
    assert_eq!(host.stop(), 0);
    assert!(began.elapsed() < ORDERLY);
}

/// Starts a host with one plugin whose thread is lost in some hook, waits until it is named, and sees that all else goes on.
fn wedged_in(mode: &str, more: &str, provoke: &[&str]) {
    let home = home_with_offenders(&[Offender::serving_acme("misbehave", mode)], more);
    let host = home.start();
    if !provoke.is_empty() {
        host.kora(provoke);
    }
    // Whoever finds it out names it: a daemon whose deadline has passed, or a listener.
    let cause = host.wait_for_cause("misbehave", "wedged", "thread");
    assert!(
        cause.contains("its thread did not answer") || cause.contains("holds the plugin's thread"),
        "{cause}"
    );
    host.assert_that_others_go_on("globex");
    let problem = host.problem(&["identity", "swap", "acme", "misbehave/misbehave"]);
    assert_eq!(
        problem["code"], "identity.provider_unknown",
        "it is not called again"
    );
    let began = Instant::now();
    assert_eq!(host.stop(), 0);
    assert!(began.elapsed() < ORDERLY);
}

const RESTART: [&str; 3] = ["plugins", "restart", "misbehave"];
/// So that it is not a tick that finds out.
const NO_TICKS: &str = "tick_seconds = 3600";

#[test]
fn a_thread_lost_in_a_tick_wedges_its_plugin_alone() {
    wedged_in("spin_in_tick", "", &[]);
}

#[test]
fn a_thread_lost_in_a_factory_wedges_its_plugin_alone() {
    wedged_in("spin_in_factory", "", &[]);
}

#[test]
fn a_thread_lost_in_a_startup_wedges_its_plugin_alone() {
    wedged_in("spin_in_startup", "", &[]);
}

#[test]
fn a_thread_lost_in_a_shutdown_wedges_its_plugin_alone() {
    wedged_in("spin_in_shutdown", "", &RESTART);
}

#[test]
fn a_thread_lost_in_a_drop_wedges_its_plugin_alone() {
    wedged_in("spin_in_drop", "", &RESTART);
}

#[test]
fn a_thread_lost_in_a_listener_of_events_wedges_its_plugin_alone() {
    wedged_in("spin_in_on_event", "", &[]);
}

#[test]
fn a_thread_lost_in_a_listener_of_states_wedges_its_plugin_alone() {
    wedged_in("spin_in_on_state", NO_TICKS, &[]);
}

fn wedged_in_register(mode: &str) {
    let home = home_with_offenders(&[Offender::new("misbehave", mode)], "");
    let host = home.start();
    host.wait_for_cause("misbehave", "wedged", "`register` does not come back");
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_register_that_spins_wedges_its_plugin_alone() {
    wedged_in_register("spin_in_register");
}

#[test]
fn a_register_that_sleeps_for_ever_wedges_its_plugin_alone() {
    wedged_in_register("hang_in_register");
}

#[test]
fn a_provider_that_never_comes_back_wedges_its_plugin_and_the_identity_before_goes_on_speaking() {
    let home = home_with_offenders(
        &[
            Offender::new("lost", "spin_in_snapshot"),
            Offender::new("stuck", "hang_in_snapshot"),
        ],
        "",
    );
    let host = home.start();
    std::thread::scope(|scope| {
        for (tenant, name) in [("acme", "lost"), ("globex", "stuck")] {
            let (home, host) = (&home, &host);
            scope.spawn(move || {
                let problem = home.problem(&["identity", "swap", tenant, &format!("{name}/misbehave")]);
                assert_eq!(problem["code"], "identity.not_given", "{problem}");
                host.wait_for_cause(
                    name,
                    "wedged",
                    "the identity provider `misbehave` does not come back",
                );
            });
        }
    });
    assert_eq!(host.json(&["identity", "show", "acme"])["agent_name"], "Marvin");
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
}
