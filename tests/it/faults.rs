//! What becomes of a host whose store cannot be written: the disk is full, nothing may be written, another host has the file.
//!
//! "Full" is a limit on the size of files that the system puts on the running host (`RLIMIT_FSIZE`) and lifts again: every user may
//! do that, while mounting a small file system needs rights. "Read-only" are modes; where the tests run as root, the
//! right to pass over modes is taken from the host.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    thread,
};

use rustix::{
    process::{Pid, Resource, Rlimit, prlimit},
    thread::{CapabilitySet, capability_is_in_bounding_set, remove_capability_from_bounding_set},
};
use serde_json::{Value, json};

use crate::harness::{Finished, RunningHost, TestHome, eventually};

const TRANSITIONED: &str = "kora.operational_state.transitioned";

fn home_with_store(store: &str) -> TestHome {
    let home = TestHome::with_config(&format!(
        "[events]\ntypes = [\"acme.ticket.opened\"]\n[tenants.acme]\nfallback_prompt = \"acme.md\"\n[tenants.globex]\nfallback_prompt = \"acme.md\"\n[store]\npath = \"{store}\"\n"
    ));
    fs::write(home.path().join("acme.md"), "You are patient.").unwrap();
    home
}

fn home() -> TestHome {
    home_with_store("data/kora.db")
}

/// Room for the spool, and not for the store.
const ROOM_BYTES: u64 = 100_000;

/// A host that outlives the signal by which the system tells that a file may grow no more.
fn start(home: &TestHome) -> RunningHost<'_> {
    let daemon = home.command(&["daemon"]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(daemon.get_program())
        .args(daemon.get_args())
        .env_clear();
    for (name, value) in daemon.get_envs() {
        shell.envs(value.map(|value| (name, value)));
    }
    let host = RunningHost::spawn_command(home, shell, &[]);
    host.wait_until_running();
    host
}

/// No file of the host may grow beyond this any more.
fn limit_files(host: &RunningHost<'_>, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(host.pid()).unwrap());
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

fn append(host: &RunningHost<'_>) -> Finished {
    let payload = json!({"text": "x".repeat(50_000)}).to_string();
    host.kora(&[
        "events",
        "append",
        "acme.ticket.opened",
        &payload,
        "--tenant",
        "acme",
        "--json",
    ])
}

/// Appends until it is refused, and answers the ids that were acknowledged and the problem.
fn append_until_refused(host: &RunningHost<'_>) -> (Vec<Value>, Value) {
    let mut acknowledged = Vec::new();
    loop {
        let finished = append(host);
        if finished.code != 0 {
            return (acknowledged, finished.problem());
        }
        acknowledged.push(finished.json()["event_id"].clone());
        assert!(acknowledged.len() < 1000, "it is never full");
    }
}

fn reasons(host: &RunningHost<'_>) -> Value {
    host.json(&["state", "show", "--tenant", "acme"])["degradation_reasons"].clone()
}

fn wait_until_nothing_waits(host: &RunningHost<'_>) {
    eventually("the store is back and nothing waits", || {
        let status = host.json(&["status"]);
        (status["store"] == "available" && status["spooled_events"] == 0).then_some(())
    });
}

#[test]
fn while_the_disk_is_full_nothing_is_claimed_or_lost_and_with_room_the_host_goes_on_by_itself() {
    let home = home();
    let host = start(&home);
    let mut acknowledged = vec![append(&host).json()["event_id"].clone()];
    limit_files(&host, Some(ROOM_BYTES));
    let (more, problem) = append_until_refused(&host);
    acknowledged.extend(more);
    assert_eq!(problem["kind"], "unavailable", "{problem}");
    eventually("nothing is claimed", || {
        (reasons(&host) == json!(["substrate"])).then_some(())
    });
    // The host's own account waits in the spool; and in memory, once nothing at all can be written.
    let waiting = || host.json(&["status"])["spooled_events"].as_u64().unwrap();
    eventually("that nothing is claimed waits, of each tenant", || {
        (waiting() == 2).then_some(())
    });
    for (tenant, bytes) in [("acme", ROOM_BYTES), ("globex", 0)] {
        limit_files(&host, Some(bytes));
        let changed = host.json(&["state", "pause", "--tenant", tenant, "--reason", "no room"]);
        assert_eq!(changed["pending"], true, "{changed}");
    }
    assert_eq!(waiting(), 4);
    let status = host.json(&["status"]);
    assert_eq!(status["store"], "unavailable", "{status}");
    assert!(status["store_cause"].is_string(), "{status}");

    limit_files(&host, None);
    wait_until_nothing_waits(&host);
    eventually("the operator alone holds it", || {
        (reasons(&host) == json!(["operator"])).then_some(())
    });
    acknowledged.push(append(&host).json()["event_id"].clone());
    for tenant in ["acme", "globex"] {
        let told = host.payloads(tenant, TRANSITIONED);
        let pauses = told
            .iter()
            .filter(|told| told["to_primary_state"] == "paused" && told["from_primary_state"] == "ready");
        assert_eq!(pauses.count(), 1, "{told:?}");
    }
    let kept: Vec<_> = host
        .events("acme")
        .iter()
        .map(|event| event["event_id"].clone())
        .collect();
    for id in &acknowledged {
        assert_eq!(kept.iter().filter(|kept| *kept == id).count(), 1, "{id}");
    }
    assert_eq!(host.stop(), 0);
    assert_eq!(home.kora(&["events", "verify"]).code, 0);
}

/// Runs it as somebody whom modes hold back.
fn without_privileges<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    let as_others = || {
        let passes_over_modes = CapabilitySet::DAC_OVERRIDE;
        // Of this thread alone, and of what it starts.
        if capability_is_in_bounding_set(passes_over_modes).unwrap() && rustix::process::geteuid().is_root() {
            remove_capability_from_bounding_set(passes_over_modes).unwrap();
        }
        run()
    };
    thread::scope(|scope| scope.spawn(as_others).join().unwrap())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_host_that_may_not_write_its_store_does_not_start_says_which_and_leaves_it_as_it_is() {
    let home = home();
    let host = home.start();
    append(&host).ok();
    assert_eq!(host.stop(), 0);
    let before = fs::read(home.database()).unwrap();
    let data = home.path().join("data");
    for (path, mode, usual) in [(&home.database(), 0o400, 0o600), (&data, 0o500, 0o700)] {
        set_mode(path, mode);
        let (code, verified) = without_privileges(|| {
            let code = RunningHost::spawn(&home, &[]).exit_code();
            (code, home.kora(&["events", "verify"]))
        });
        set_mode(path, usual);
        assert_eq!(code, 2, "mode {mode:o}");
        let log = home.daemon_log();
        let error = log.rsplit("error: ").next().unwrap();
        assert!(error.contains(home.database().to_str().unwrap()), "{error}");
        // What cannot be written can be read, and nothing is left beside it that would be in the way of a host.
        assert_eq!(verified.code, 0, "{verified:?}");
        assert!(!data.join("kora.db-shm").exists());
    }
    assert_eq!(fs::read(home.database()).unwrap(), before);
    let host = without_privileges(|| RunningHost::spawn(&home, &[]));
    host.wait_until_running();
    append(&host).ok();
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_second_host_on_one_store_ends_with_2_and_names_the_one_that_has_it() {
    let first = home();
    let host = first.start();
    append(&host).ok();
    let second = home_with_store(first.database().to_str().unwrap());
    let ended = second.kora(&["daemon"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    let error = ended.stderr.split("error: ").nth(1).unwrap();
    assert!(
        error.contains(&format!("process {} since", host.pid())),
        "{error}"
    );
    // The first is none the worse for it, and the second starts once the first has ended, however it did.
    append(&host).ok();
    host.kill();
    let host = second.start();
    append(&host).ok();
    assert_eq!(host.stop(), 0);
    assert_eq!(second.kora(&["events", "verify"]).code, 0);
}
