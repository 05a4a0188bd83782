//! Boots: what is checked without starting, a store that is another one, what the history shows, and very many tenants.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::Value;

use crate::harness::{RunningHost, TestHome, eventually};

const PROMPT: &str = "[tenants.acme]\nfallback_prompt = \"prompt.md\"\n";

/// A home whose tenant `acme` is spoken for by its fallback prompt: no plugin is needed.
fn home() -> TestHome {
    let home = TestHome::with_config(PROMPT);
    fs::write(home.path().join("prompt.md"), "You speak when nobody else does.").unwrap();
    home
}

fn gate<'v>(gates: &'v Value, id: &str) -> &'v Value {
    let gates = gates.as_array().unwrap();
    gates
        .iter()
        .find(|gate| gate["gate_id"] == id)
        .unwrap_or_else(|| panic!("no gate `{id}`: {gates:?}"))
}

fn outcomes(gates: &Value) -> Vec<String> {
    let gates = gates.as_array().unwrap().iter();
    gates
        .map(|gate| {
            format!(
                "{}: {}",
                gate["gate_id"].as_str().unwrap(),
                gate["outcome"].as_str().unwrap()
            )
        })
        .collect()
}

/// Everything in a folder with its bytes.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        // SQLite's index of the log is no data, and made by who reads.
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_file() && !name.ends_with("-shm") && !name.ends_with("-wal") {
            found.push((name, fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_fresh_home_without_credentials_boots_to_ready_and_its_boots_are_remembered() {
    let home = home();
    let host = home.start();
    let expected = [
        "home_modes: pass",
        "store: pass",
        "schema: pass",
        "chain_tail: pass",
        "epoch: pass",
        "store_rights: pass",
        "plugins_admitted: pass",
        "callers: pass",
        "secrets: pass",
        "fatal_daemons_up: pass",
    ];
    assert_eq!(outcomes(&host.json(&["status"])["gates"]), expected);
    let state = host.json(&["state", "show"]);
    assert_eq!(state["primary_state"], "ready", "{state}");
    let types: Vec<_> = host
        .events("acme")
        .iter()
        .map(|event| event["event_type"].as_str().unwrap().to_owned())
        .collect();
    let of_state: Vec<_> = types.iter().filter(|name| !name.contains("identity")).collect();
    assert_eq!(
        of_state,
        ["kora.operational_state.transitioned", "kora.boot.ready"],
        "a clean boot appends exactly two state events"
    );
    let boots = eventually("the boot is in the history", || {
        let boots = host.json(&["boot", "history", "--tenant", "acme"]);
        (boots.as_array()?.len() == 1).then_some(boots)
    });
    assert_eq!(boots[0]["result"], "ready", "{boots}");
    let own = [
        "chain_tail: pass",
        "canonical_actor: pass",
        "tenant_identity: pass",
    ];
    assert!(
        outcomes(&boots[0]["gates"]).ends_with(&own.map(str::to_owned)),
        "{boots}"
    );
    let boot_id = boots[0]["boot_id"].as_str().unwrap().to_owned();
    assert!(boot_id.starts_with("boot_") && boot_id.len() == 13, "{boot_id}");
    assert_eq!(host.stop(), 0);

    let offline = home.json(&["boot", "history", "--limit", "5"]);
    assert_eq!(offline[0]["boot_id"], boot_id.as_str(), "{offline}");
    assert_eq!(offline[0]["tenant"], "host", "{offline}");
}

#[test]
fn a_store_of_another_epoch_pauses_its_tenants_until_an_operator_has_accepted_it() {
    let (home, other) = (home(), home());
    for home in [&home, &other] {
        assert_eq!(home.start().stop(), 0);
    }
    // As if a copy of another life of the store had been put back.
    fs::copy(other.database(), home.database()).unwrap();

    let before = contents(&home.path().join("data"));
    let checked = home.kora(&["boot", "--check-only", "--json"]);
    assert_eq!(checked.code, 3, "{checked:?}");
    assert_eq!(checked.parsed()["outcome"], "epoch_pause");
    assert_eq!(contents(&home.path().join("data")), before, "nothing was changed");

    let host = home.start();
    let state = host.json(&["state", "show"]);
    assert_eq!(state["primary_state"], "paused", "{state}");
    assert_eq!(state["degradation_reasons"], serde_json::json!(["substrate"]));
    let observed = host.payloads("host", "kora.dr.observed");
    assert_eq!(observed.len(), 1, "{observed:?}");
    let epoch = observed[0]["observed_substrate_epoch"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(observed[0]["last_known_epoch"], epoch.as_str());
    assert_eq!(host.problem(&["state", "resume"])["code"], "state.blocked");

    // A restart forgets neither the pause nor why.
    assert_eq!(host.stop(), 0);
    let host = home.start();
    assert_eq!(host.problem(&["state", "resume"])["code"], "state.blocked");
    let boots = host.json(&["boot", "history", "--tenant", "acme"]);
    assert_eq!(boots[0]["result"], "paused", "{boots}");
    assert_eq!(boots[0]["failed_gate_id"], "epoch", "{boots}");

    let wrong = host.problem(&["boot", "accept-epoch", "epoch_0"]);
    assert_eq!(wrong["code"], "boot.epoch_other", "{wrong}");
    let accepted = host.json(&["boot", "accept-epoch", &epoch]);
    assert_eq!(
        accepted["may_be_resumed"],
        serde_json::json!(["acme"]),
        "{accepted}"
    );
    assert_eq!(host.payloads("host", "host.epoch.accepted").len(), 1);
    assert_eq!(gate(&host.json(&["status"])["gates"], "epoch")["outcome"], "pass");
    let paused = host.json(&["state", "show"]);
    assert_eq!(paused["primary_state"], "paused", "an operator resumes: {paused}");
    assert_eq!(host.json(&["state", "resume"])["to_state"], "ready");
    assert_eq!(
        host.problem(&["boot", "accept-epoch", &epoch])["code"],
        "boot.epoch_known"
    );
    assert_eq!(host.stop(), 0);
    assert_eq!(home.kora(&["boot", "--check-only"]).code, 0);
    assert_eq!(home.start().json(&["state", "show"])["primary_state"], "ready");
}

#[test]
fn a_store_that_does_not_refuse_changes_is_tried_again_and_then_stops_the_boot() {
    let home = home();
    assert_eq!(home.start().stop(), 0);
    let trigger = |sql: &str| {
        rusqlite::Connection::open(home.database())
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    };
    trigger("DROP TRIGGER events_are_never_deleted");
    let checked = home.kora(&["boot", "--check-only", "--json"]);
    assert_eq!(checked.code, 2, "{checked:?}");
    assert_eq!(checked.parsed()["outcome"], "transient_failed");

    let host = RunningHost::spawn(&home, &[]);
    let waiting = eventually("the tenant shows what the boot waits for", || {
        let state = home.kora(&["state", "show", "--json"]);
        let state: Value = serde_json::from_str(&state.stdout).ok()?;
        (state["degradation_reasons"][0] == "dispatch").then_some(state)
    });
    assert_eq!(waiting["primary_state"], "booting", "{waiting}");
    host.signal("INT");
    assert_eq!(host.exit_code(), 130, "a boot that waits is interrupted at once");
}

#[test]
fn a_store_that_cannot_be_reached_is_not_waited_for_once_the_host_is_to_stop() {
    for (signal, code) in [("TERM", 0), ("INT", 130)] {
        // Nobody listens there.
        let home =
            TestHome::with_config("[store]\nurl = \"postgres://kora@127.0.0.1:1/kora?sslmode=disable\"\n");
        let host = RunningHost::spawn(&home, &[]);
        host.wait_for_log(&["a boot gate failed and is tried again", "attempts=4"]);
        // The next attempt would come after 16 s, and is not made any more.
        host.signal(signal);
        assert_eq!(host.exit_code(), code, "{signal}");
        let log = home.daemon_log();
        assert!(!log.contains("attempts=5"), "{signal}: {log}");
    }
}

#[test]
fn what_an_earlier_gate_kept_from_being_looked_at_does_not_pass() {
    let home = home();
    assert_eq!(home.start().stop(), 0);
    fs::write(home.database(), "this was a database").unwrap();
    let not_looked_at = [
        "epoch: not_looked_at",
        "store_rights: not_looked_at",
        "chain_tail: not_looked_at",
        "canonical_actor: not_looked_at",
        "plugins_admitted: pass",
        "callers: not_looked_at",
        "secrets: pass",
        "tenant_identity:acme: pass",
    ];
    let found = |first: [&'static str; 3]| [&first[..], &not_looked_at].concat();
    let checked = home.kora(&["boot", "--check-only", "--json"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    assert_eq!(
        outcomes(&checked.parsed()["gates"]),
        found(["home_modes: pass", "store: pass", "schema: fail"])
    );

    // Nobody listens on port 1.
    home.configure(&format!(
        "[store]\nurl = \"postgres://kora@127.0.0.1:1/kora?sslmode=disable\"\n{PROMPT}"
    ));
    let checked = home.kora(&["boot", "--check-only", "--json"]);
    assert_eq!(checked.code, 2, "{checked:?}");
    let gates = &checked.parsed()["gates"];
    assert_eq!(
        outcomes(gates),
        found(["home_modes: pass", "store: fail", "schema: not_looked_at"])
    );
    let detail = gate(gates, "store")["detail"].as_str().unwrap();
    for part in ["127.0.0.1:1", "as the role `kora`", "pg_hba.conf"] {
        assert!(detail.contains(part), "{detail}");
    }
    let problem = home.problem(&["events", "verify"]);
    let message = problem["message"].as_str().unwrap();
    assert_eq!(message.matches("127.0.0.1:1").count(), 1, "{message}");
    assert!(problem["hints"].to_string().contains("pg_hba.conf"), "{problem}");
}

#[test]
fn what_others_may_read_or_write_of_a_home_is_told_at_boot_and_by_the_check() {
    let home = home();
    assert_eq!(home.start().stop(), 0);
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(&home.path().join("data"), 0o777);
    open(&home.database(), 0o644);
    let expected = [
        format!("chmod 700 {}", home.path().join("data").display()),
        format!("chmod 600 {}", home.database().display()),
    ];
    let checked = home.kora(&["boot", "--check-only", "--json"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let host = home.start();
    let status = host.json(&["status"]);
    let log = home.daemon_log();
    for part in &expected {
        for gates in [&checked.parsed()["gates"], &status["gates"]] {
            let detail = gate(gates, "home_modes")["detail"].as_str().unwrap();
            assert!(detail.contains(part.as_str()), "{detail}");
        }
        assert!(
            log.lines()
                .any(|line| line.contains("[kora.home.open]") && line.contains(part.as_str())),
            "{log}"
        );
    }
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_broken_chain_of_one_tenant_stops_that_tenant_alone() {
    let home = TestHome::with_config(
        "[tenants.acme]\nfallback_prompt = \"prompt.md\"\n[tenants.globex]\nfallback_prompt = \"prompt.md\"\n",
    );
    fs::write(home.path().join("prompt.md"), "You speak when nobody else does.").unwrap();
    assert_eq!(home.start().stop(), 0);
    rusqlite::Connection::open(home.database())
        .unwrap()
        .execute_batch(
            "DROP TRIGGER events_are_never_changed;
             UPDATE events SET payload = '{}' WHERE tenant = 'acme' AND seq = 1;
             CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events BEGIN
                 SELECT RAISE(ABORT, 'an event is never changed');
             END;",
        )
        .unwrap();
    let count = || -> u32 {
        rusqlite::Connection::open(home.database())
            .unwrap()
            .query_row("SELECT count(*) FROM events WHERE tenant = 'acme'", [], |row| {
                row.get(0)
            })
            .unwrap()
    };
    let before = count();
    let host = home.start();
    let state = |tenant: &str| host.json(&["state", "show", "--tenant", tenant])["primary_state"].clone();
    assert_eq!(
        (state("acme"), state("globex")),
        ("stopped".into(), "ready".into())
    );
    let boots = eventually("the boot is in the history", || {
        let boots = host.json(&["boot", "history", "--tenant", "acme"]);
        (boots.as_array()?.len() == 2).then_some(boots)
    });
    assert_eq!(boots[0]["failed_gate_id"], "chain_tail", "{boots}");
    assert_eq!(host.stop(), 0);
    assert_eq!(
        count(),
        before,
        "nothing is written behind a record that nobody can vouch for"
    );
}

#[test]
fn very_many_tenants_boot_while_the_host_runs_and_who_is_asked_for_comes_first() {
    let home = TestHome::with_config("");
    let tenants: String = (0..300)
        .map(|number| format!("[tenants.t{number:03}]\nfallback_prompt = \"prompt.md\"\n"))
        .collect();
    home.configure(&tenants);
    fs::write(home.path().join("prompt.md"), "You speak when nobody else does.").unwrap();
    let host = home.start();
    let last = eventually("the last tenant is there", || {
        let state = home.kora(&["state", "show", "--tenant", "t299", "--json"]);
        serde_json::from_str::<Value>(&state.stdout).ok()
    });
    assert_eq!(last["primary_state"], "ready", "{last}");
    let unnamed = host.problem(&["state", "show"]);
    let message = unnamed["message"].as_str().unwrap();
    assert!(message.ends_with("`t009`, and 290 more"), "{message}");
    eventually("no tenant is booting", || {
        let status = host.json(&["status"]);
        let tenants = status["tenants"].as_array()?;
        let ready = tenants.iter().filter(|tenant| tenant["primary_state"] == "ready");
        (ready.count() == 300).then_some(())
    });
    assert_eq!(host.stop(), 0);
}
