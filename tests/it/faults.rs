//! What becomes of a host whose store cannot be written: the disk is full, nothing may be written, another host has the file.
//!
//! "Full" is a limit on the size of files that the system puts on the running host (`RLIMIT_FSIZE`) and lifts again: every user may
//! do that, while mounting a small file system needs rights. "Read-only" are modes; where the tests run as root, the
//! right to pass over modes is taken from the host.

mod audit;

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

use crate::harness::{Finished, RunningHost, TestHome, eventually, finish};

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

/// A command that outlives the signal by which the system tells that a file may grow no more; `first` is what the shell does before it.
fn unsignalled(home: &TestHome, first: &str, arguments: &[&str]) -> Command {
    let command = home.command(arguments);
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("trap '' XFSZ; {first} exec \"$0\" \"$@\""))
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .env_clear();
    for (name, value) in command.get_envs() {
        shell.envs(value.map(|value| (name, value)));
    }
    shell
}

/// A host whose files can be limited.
fn start(home: &TestHome) -> RunningHost<'_> {
    let host = RunningHost::spawn_command(home, unsignalled(home, "", &["daemon"]), &[]);
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

/// No file may grow beyond 50 or 100 KiB, whichever unit the shell counts in: room for everything but what a store needs to go on.
const NEARLY_FULL: &str = "ulimit -S -f 100;";

#[test]
fn a_boot_without_room_does_not_pass_and_says_how_much_there_is() {
    let home = home();
    assert_eq!(home.start().stop(), 0);
    let checked = finish(unsignalled(
        &home,
        NEARLY_FULL,
        &["boot", "--check-only", "--json"],
    ));
    assert_eq!(checked.code, 2, "{checked:?}");
    let report = checked.parsed();
    let gates = report["gates"].as_array().unwrap();
    let failed: Vec<_> = gates.iter().filter(|gate| gate["outcome"] != "pass").collect();
    assert_eq!(failed.len(), 1, "{report}");
    assert_eq!(failed[0]["gate_id"], "store_rights", "{report}");
    let detail = failed[0]["detail"].as_str().unwrap();
    assert!(detail.contains("bytes are free: free some room"), "{detail}");
    assert_eq!(home.kora(&["boot", "--check-only"]).code, 0, "with room again");

    let daemon = unsignalled(&home, NEARLY_FULL, &["daemon"]);
    let host = RunningHost::spawn_command(&home, daemon, &[]);
    let refused = host.wait_for_log(&["a boot gate failed and is tried again", "store_rights"]);
    assert!(refused.contains("bytes are free where"), "{refused}");
    limit_files(&host, None);
    host.wait_until_running();
    assert_eq!(host.stop(), 0);
}

/// As if by an operator who takes a database that runs for a file like any other.
fn taken_away(expected: &str, take: impl FnOnce(&Path)) {
    let home = home();
    let host = home.start();
    append(&host).ok();
    take(&home.database());
    let left = fs::read(home.database()).ok();
    let (_, problem) = append_until_refused(&host);
    assert_eq!(problem["code"], "store.unavailable", "{problem}");
    let message = problem["message"].as_str().unwrap();
    assert!(message.contains(expected), "{message}");
    assert_eq!(
        message.matches("the store is unavailable").count(),
        1,
        "{message}"
    );
    let status = host.json(&["status"]);
    assert_eq!(status["store"], "unavailable", "{status}");
    assert!(
        status["store_cause"].as_str().unwrap().contains(expected),
        "{status}"
    );
    eventually("nothing is claimed, and the host is not healthy", || {
        let health = host.kora(&["health", "--json", "--tenant", "acme"]).parsed();
        let is_well = health["overall_status"] == "healthy" || reasons(&host) != json!(["substrate"]);
        (!is_well).then_some(())
    });
    assert_eq!(host.stop(), 0);
    assert_eq!(
        fs::read(home.database()).ok(),
        left,
        "what lies there is left alone"
    );
}

#[test]
fn a_host_whose_database_is_removed_acknowledges_nothing_more_and_says_so() {
    taken_away("was removed or renamed while the host had it open", |database| {
        fs::remove_file(database).unwrap();
    });
}

#[test]
fn a_host_whose_database_is_written_over_acknowledges_nothing_more_and_says_so() {
    let other = home();
    assert_eq!(other.start().stop(), 0);
    taken_away("was overwritten while the host had it open", |database| {
        fs::copy(other.database(), database).unwrap();
    });
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
