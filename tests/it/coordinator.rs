//! The daemons of plugins from boot to end: which run, what a failure ends, what a signal does, and with which exit code.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Offender, RunningHost, TestHome, eventually, home_with_offenders};

/// The entries that run, as `plugin/name`, in the order of starting.
fn running(host: &RunningHost<'_>) -> Vec<String> {
    let status = host.json(&["status"]);
    let daemons = status["daemons"].as_array().unwrap().iter();
    daemons
        .filter(|daemon| daemon["state"] == "running")
        .map(|daemon| {
            format!(
                "{}/{}",
                daemon["plugin"].as_str().unwrap(),
                daemon["name"].as_str().unwrap()
            )
        })
        .collect()
}

/// The entries that the log says have stopped, in that order.
fn stopped(log: &str) -> Vec<String> {
    let entry = |line: &str| {
        let (_, rest) = line.split_once("[kora.daemon] ")?;
        let (entry, rest) = rest.split_once(' ')?;
        (rest.starts_with("stopped ") || rest.starts_with("stopped:")).then(|| entry.to_owned())
    };
    log.lines()
        .filter_map(entry)
        .filter(|entry| entry.contains('/'))
        .collect()
}

const WITH_KORA: &str = "[tenants.acme]\nidentity = \"kora\"\n";

/// `misbehave` comes after `kora` in the order of starting.
fn home_with_a_fatal_failure(more: &str) -> TestHome {
    let home = TestHome::with_config(&format!(
        "{WITH_KORA}{more}\n[plugins.misbehave]\nmode = \"error_in_startup\"\nfatal = true\nmax_restarts = 0\n"
    ));
    home.install(&["kora", "misbehave"]);
    home
}

#[test]
fn a_fatal_failure_ends_the_boot_with_1_names_its_cause_and_stops_in_reverse_what_had_started() {
    let home = home_with_a_fatal_failure("");
    let host = RunningHost::spawn(&home, &[]);
    assert_eq!(host.exit_code(), 1);
    let log = home.daemon_log();
    let started: Vec<_> = ["kora/cost_telemetry", "kora/heartbeat", "kora/snapshot"]
        .map(str::to_owned)
        .into();
    let stopped = stopped(&log);
    let of_kora: Vec<_> = stopped
        .iter()
        .filter(|entry| entry.starts_with("kora/"))
        .cloned()
        .collect();
    assert_eq!(of_kora, started.into_iter().rev().collect::<Vec<_>>());
    let last: Vec<_> = log.lines().rev().take(1).collect();
    assert_eq!(
        last,
        ["error: startup failure in misbehave/misbehave: misbehaves on purpose in Startup"]
    );
    // What was set up half way is shut down as well.
    assert!(log.contains("misbehave is shutting down"), "{log}");
}

#[test]
fn a_fatal_failure_is_told_in_the_chains_and_the_next_boot_is_sound() {
    let home = home_with_a_fatal_failure("");
    let host = RunningHost::spawn(&home, &[]);
    assert_eq!(host.exit_code(), 1);
    home.configure(WITH_KORA);
    fs::remove_file(home.plugins().join("libmisbehave.so")).unwrap();
    let host = home.start();
    let failed = host.payloads("acme", "kora.boot.failed");
    assert_eq!(failed[0]["failed_gate_id"], "fatal_daemons_up", "{failed:?}");
    // The cause is a text of anybody's: it stands with the host, and not in a tenant's chain.
    assert_eq!(failed[0]["failed_detail"], "invariant", "{failed:?}");
    assert!(!failed[0].to_string().contains("misbehave"), "{failed:?}");
    let of_host = home.json(&["boot", "history"]).to_string();
    assert!(of_host.contains("misbehaves on purpose"), "{of_host}");
    assert_eq!(host.json(&["state", "show"])["primary_state"], "ready");
    assert_eq!(home.kora(&["events", "verify"]).code, 0);
}

#[test]
fn the_operator_can_overrule_what_a_plugin_calls_fatal() {
    let home = home_with_a_fatal_failure("[coordinator]\nhonour_fatal = false");
    let host = home.start();
    host.wait_for_cause("misbehave", "degraded", "misbehaves on purpose in Startup");
    assert_eq!(
        running(&host),
        ["kora/cost_telemetry", "kora/heartbeat", "kora/snapshot"]
    );
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_missing_credential_degrades_its_entry_by_name_without_retries() {
    let home = home_with_offenders(
        &[
            Offender::new("at_start", "credential_in_startup"),
            Offender::new("later", "credential_in_tick"),
        ],
        "max_restarts = 5",
    );
    let host = home.start();
    for name in ["at_start", "later"] {
        host.wait_for_cause(name, "degraded", "missing credential `misbehave_token`");
    }
    let daemon = host.daemon("at_start/misbehave").unwrap();
    assert_eq!(
        (&daemon["state"], &daemon["restarts"]),
        (&json!("degraded"), &json!(0))
    );
    // A task is tried again when it is next due: the credential may come while the host runs.
    eventually("it is tried again", || {
        let daemon = host.daemon("later/misbehave")?;
        (daemon["tasks"][0]["failures"].as_u64()? > 2).then_some(())
    });
    assert_eq!(host.daemon("at_start/misbehave").unwrap()["restarts"], 0);
    host.assert_that_others_go_on("globex");
}

#[test]
fn a_daemon_that_started_half_way_is_shut_down() {
    let home = home_with_offenders(&[Offender::new("misbehave", "error_in_startup")], "");
    let host = home.start();
    host.wait_for_cause("misbehave", "degraded", "misbehaves on purpose in Startup");
    host.wait_for_log(&["misbehave is shutting down"]);
}

/// A periodic task belongs to its daemon: never before its startup completed, never after its shutdown began.
#[test]
fn no_task_runs_before_its_daemon_has_started_or_after_it_began_to_stop() {
    let offenders = [
        Offender::new("slow", "hang_in_startup"),
        Offender::new("misbehave", "hang_in_shutdown"),
    ];
    let home = home_with_offenders(&offenders, "timeout_seconds = 2");
    let host = home.start();
    let runs = |id: &str| host.daemon(id).unwrap()["tasks"][0]["runs"].as_u64().unwrap();
    eventually("it ticks", || (runs("misbehave/misbehave") > 2).then_some(()));
    assert_eq!(runs("slow/misbehave"), 0);
    host.signal("TERM");
    host.wait_for_log(&["misbehave is shutting down"]);
    let at_first = runs("misbehave/misbehave");
    host.wait_for_log(&[
        "misbehave/misbehave was not shut down cleanly",
        "did not end within 2s",
    ]);
    let log = host.log();
    let after = log.split("misbehave is shutting down").nth(1).unwrap();
    assert!(!after.contains("misbehave.tick"), "{after}");
    assert!(at_first > 2);
    assert_eq!(host.exit_code(), 0);
}

#[test]
fn only_the_daemons_that_are_asked_for_run() {
    let home = TestHome::with_config(WITH_KORA);
    home.install(&["kora", "echo"]);
    let host = RunningHost::spawn(&home, &["--only", "kora/snapshot", "--only", "echo"]);
    host.wait_until_running();
    assert_eq!(running(&host), ["echo/echo", "kora/snapshot"]);
    assert_eq!(
        host.json(&["identity", "show", "acme"])["agent_name"],
        "Kora",
        "identities are no daemons"
    );
}

#[test]
fn the_configuration_chooses_which_daemons_of_a_plugin_run() {
    let home = TestHome::with_config(&format!("{WITH_KORA}[plugins.kora]\ndaemons = [\"heartbeat\"]\n"));
    home.install(&["kora"]);
    let host = home.start();
    assert_eq!(running(&host), ["kora/heartbeat"]);
}

#[test]
fn a_daemon_that_is_asked_for_alone_and_not_there_ends_the_boot_with_those_that_are() {
    let home = TestHome::with_config(WITH_KORA);
    home.install(&["kora"]);
    let host = RunningHost::spawn(&home, &["--only", "heartbeet", "--only", "heartbeat"]);
    host.wait_for_log(&[
        "`--only` names `heartbeet`",
        "`kora/cost_telemetry`, `kora/heartbeat`, `kora/snapshot`",
    ]);
    assert_eq!(host.exit_code(), 2);
}

#[test]
fn a_daemon_that_the_configuration_lists_and_that_is_not_there_is_named() {
    let home = TestHome::with_config(&format!(
        "{WITH_KORA}[plugins.kora]\ndaemons = [\"heartbeat\", \"snapshoot\"]\n"
    ));
    home.install(&["kora"]);
    let host = home.start();
    host.wait_for_log(&["WARN", "`[plugins.kora] daemons` lists `snapshoot`"]);
    assert_eq!(running(&host), ["kora/heartbeat"]);
}

#[test]
fn daemons_do_their_work_for_the_tenants_that_their_plugin_serves() {
    let home = TestHome::with_config(
        r#"
        [plugins.kora]
        heartbeat_interval_seconds = 0.1
        snapshot_interval_seconds = 0.1
        [tenants.acme]
        identity = "kora"
        [tenants.globex]
        identity = "marvin"
        "#,
    );
    home.install(&["kora", "marvin"]);
    let host = home.start();
    let beats = || host.payloads("acme", "kora.daemon.alive");
    eventually("the heart beats", || (beats().len() > 2).then_some(()));
    assert!(
        host.payloads("globex", "kora.daemon.alive").is_empty(),
        "marvin speaks for globex"
    );
    let event = host
        .events("acme")
        .into_iter()
        .find(|event| event["event_type"] == "kora.daemon.alive")
        .unwrap();
    let digest = host.plugin("kora").unwrap()["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(event["source"], format!("kora@0.1.0#{digest}"));
    assert_eq!(event["identity_generation"], 1);
    let snapshot = home.path().join("cache/daemon_snapshot.json");
    let written: Value = eventually("the snapshot is written", || {
        serde_json::from_slice(&fs::read(&snapshot).ok()?).expect("is never half a file")
    });
    assert!(written.to_string().contains("acme"), "{written}");
    assert_eq!(host.stop(), 0);
    assert!(
        home.path().join("cache/cost_telemetry.json").exists(),
        "the counters are kept at the end"
    );
}

/// The order of things that hang is not to be waited for: far more than a machine needs, far less than the startup's deadline.
const SOON: Duration = Duration::from_secs(15);

/// A host whose boot hangs in a startup that has half a minute left.
fn hanging_in_startup(home: &TestHome) -> RunningHost<'_> {
    let host = RunningHost::spawn(home, &[]);
    host.wait_for_log(&["misbehaving", "Hang", "Startup"]);
    assert_eq!(host.json(&["status"])["state"], "booting");
    host
}

fn home_that_hangs() -> TestHome {
    let home = TestHome::with_config(&format!(
        "{WITH_KORA}[plugins.misbehave]\nmode = \"hang_in_startup\"\ntimeout_seconds = 30\n"
    ));
    home.install(&["kora", "misbehave"]);
    home
}

#[test]
fn an_interrupt_during_a_startup_that_hangs_ends_the_host_soon_with_130() {
    let home = home_that_hangs();
    let host = hanging_in_startup(&home);
    let began = Instant::now();
    host.signal("INT");
    host.wait_for_log(&["misbehave is shutting down"]);
    assert_eq!(host.exit_code(), 130);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn a_termination_during_a_startup_that_hangs_is_an_orderly_end() {
    let home = home_that_hangs();
    let host = hanging_in_startup(&home);
    let began = Instant::now();
    host.signal("TERM");
    host.wait_for_log(&["[kora.daemon] stopped", "signal SIGTERM"]);
    let log = host.log();
    assert_eq!(host.exit_code(), 0);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let order = stopped(&log);
    assert_eq!(
        order.last().map(String::as_str),
        Some("kora/cost_telemetry"),
        "{order:?}"
    );
}

#[test]
fn the_first_reason_to_stop_is_the_one_that_counts() {
    let home = home_with_offenders(&[Offender::new("misbehave", "hang_in_shutdown")], "");
    let host = home.start();
    host.signal("TERM");
    host.wait_for_log(&["misbehaving", "Shutdown"]);
    host.signal("INT");
    let line = host.wait_for_log(&["[kora.daemon] stopped", "exit="]);
    assert!(line.contains("signal SIGTERM"), "{line}");
    assert_eq!(host.exit_code(), 0);
}

#[test]
fn a_running_host_ends_with_0_on_either_signal_and_leaves_nothing_behind() {
    for signal in ["TERM", "INT"] {
        let home = TestHome::with_config(WITH_KORA);
        home.install(&["kora"]);
        let host = home.start();
        host.signal(signal);
        assert_eq!(host.exit_code(), 0, "{signal}");
        assert!(!home.path().join("run/kora.sock").exists(), "the socket is gone");
        assert_eq!(home.problem(&["status"])["code"], "daemon.not_running");
    }
}

#[test]
fn each_run_of_the_host_has_a_name_of_its_own() {
    let home = TestHome::with_config("");
    let sessions: Vec<_> = (0..2)
        .map(|_| {
            let host = home.start();
            let session = host.json(&["status"])["daemon_session_id"]
                .as_str()
                .unwrap()
                .to_owned();
            assert_eq!(host.stop(), 0);
            session
        })
        .collect();
    assert_eq!((sessions[0].len(), sessions[0] == sessions[1]), (32, false));
}

#[test]
fn a_second_host_on_a_home_ends_with_2_and_names_the_first() {
    let home = TestHome::with_config("");
    let host = home.start();
    let second = home.kora(&["daemon"]);
    assert_eq!((second.code, second.stdout.as_str()), (2, ""), "{second:?}");
    let last = second
        .stderr
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap();
    assert!(last.contains(&host.pid().to_string()), "{last}");
    assert_eq!(
        host.json(&["status"])["state"],
        "running",
        "the first is not disturbed"
    );
    assert_eq!(host.stop(), 0);
}

/// A file where a directory should be stops even root.
#[test]
fn a_home_that_cannot_be_used_ends_with_2_and_names_the_place() {
    for place in ["run", "data", "cache", "plugins"] {
        let home = TestHome::with_config("");
        fs::remove_dir_all(home.path().join(place)).ok();
        fs::write(home.path().join(place), "in the way").unwrap();
        let ended = home.kora(&["daemon"]);
        assert_eq!(ended.code, 2, "{place}: {ended:?}");
        let error = ended.stderr.split("error: ").nth(1).unwrap();
        assert!(error.contains(&format!("/{place}`")), "{place}: {error}");
    }
}

#[test]
fn a_log_in_json_is_one_object_on_each_line_whatever_a_plugin_says() {
    let home = home_with_offenders(
        &[Offender::serving_acme("misbehave", "log_flood")],
        "timeout_seconds = 30",
    );
    let host = RunningHost::spawn(&home, &["--log-format", "json"]);
    host.wait_for_log(&["pretends", "to be three"]);
    let log = host.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| line["fields"]["plugin"] == "misbehave" || line["plugin"] == "misbehave"),
        "{log}"
    );
}

#[test]
fn a_host_takes_over_from_one_that_was_killed() {
    let home = TestHome::with_config("");
    home.start().kill();
    let host = home.start();
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_plugin_is_disabled_enabled_and_restarted_while_the_host_runs() {
    let home = TestHome::with_config(&format!("# kept\n{WITH_KORA}"));
    home.install(&["kora", "echo"]);
    let host = home.start();
    let disabled = host.json(&["plugins", "disable", "echo"]);
    assert_eq!(disabled["state"], "stopped");
    assert!(!running(&host).contains(&"echo/echo".to_owned()));
    assert!(
        fs::read_to_string(home.path().join("kora.toml"))
            .unwrap()
            .starts_with("# kept\n")
    );
    let enabled = host.json(&["plugins", "enable", "echo"]);
    assert_eq!(enabled["state"], "running", "{enabled}");
    assert!(running(&host).contains(&"echo/echo".to_owned()));
    assert_eq!(host.json(&["plugins", "restart", "echo"])["state"], "running");
    assert_eq!(
        host.problem(&["plugins", "restart", "zaphod"])["code"],
        "plugin.unknown"
    );

    host.json(&["plugins", "disable", "echo"]);
    assert_eq!(host.stop(), 0);
    let host = home.start();
    host.wait_for_refusal("libecho.so");
}
