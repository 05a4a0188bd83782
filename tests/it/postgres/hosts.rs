//! Several hosts on one database: one holds a tenant, the others know of it, and take it up when that one is gone.

use std::fs;

use serde_json::{Value, json};

use super::server::Server;
use crate::harness::{HttpClient, RunningHost, TestHome, add_caller, eventually};

/// Two plugins that can speak, and a host that holds `acme`.
fn home_on(url: &str) -> TestHome {
    let home = TestHome::with_config(&format!(
        "default_identity = \"kora/kora\"\n[store]\nurl = \"{url}\"\n[tenants.acme]\n[health]\nprobe_interval_seconds = 1\n"
    ));
    home.install(&["kora", "marvin"]);
    home
}

fn tenant(host: &RunningHost<'_>, tenant: &str) -> Option<Value> {
    let listed = host.json(&["tenants", "list"]);
    let mut listed = listed.as_array().unwrap().iter();
    listed.find(|found| found["tenant"] == tenant).cloned()
}

fn waits_for_state(host: &RunningHost<'_>, id: &str, state: &str) -> Value {
    eventually(&format!("`{id}` is `{state}`"), || {
        tenant(host, id).filter(|found| found["primary_state"] == state)
    })
}

#[test]
fn what_one_host_changes_the_other_shows_soon() {
    let url = Server::shared().database();
    let (home, other_home) = (home_on(&url), home_on(&url));
    let host = home.start();
    let other = other_home.start();
    let generation = |host: &RunningHost<'_>| host.json(&["identity", "show", "acme"])["generation"].clone();
    assert_eq!((generation(&host), generation(&other)), (json!(1), json!(1)));

    host.json(&["identity", "swap", "acme", "marvin"]);
    let shown = eventually("the other host shows who speaks now", || {
        let shown = other.json(&["identity", "show", "acme"]);
        (shown["generation"] == 2).then_some(shown)
    });
    assert_eq!(shown["agent_name"], "Marvin");
    // And the other way round: the store decides, whoever asks.
    other.json(&[
        "identity",
        "swap",
        "acme",
        "kora/kora",
        "--expect-generation",
        "2",
    ]);
    eventually(
        "the host that holds the tenant speaks as it was told elsewhere",
        || (generation(&host) == 3).then_some(()),
    );

    host.json(&["tenants", "add", "globex"]);
    let added = eventually("the other host knows the new tenant", || tenant(&other, "globex"));
    assert_eq!(
        (&added["active"], &added["primary_state"]),
        (&json!(true), &Value::Null)
    );
    other.json(&["tenants", "disable", "globex"]);
    eventually("who holds it runs it no longer", || {
        tenant(&host, "globex").filter(|found| found["active"] == false && found["primary_state"].is_null())
    });
    other.json(&["tenants", "enable", "globex"]);
    eventually("one of them runs it again", || {
        [&host, &other]
            .iter()
            .find_map(|host| tenant(host, "globex").filter(|found| found["primary_state"] == "ready"))
    });
}

#[test]
fn a_tenant_is_held_by_the_host_where_it_was_added_or_enabled_however_quick_the_other_is() {
    let url = Server::shared().database();
    let (home, other_home) = (home_on(&url), home_on(&url));
    let (host, other) = (home.start(), other_home.start());
    let names: Vec<_> = (0..8).map(|number| format!("t{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let by = [&host, &other][number % 2];
        by.json(&["tenants", "add", name]);
        by.json(&["tenants", "disable", name]);
        by.json(&["tenants", "enable", name]);
        assert_eq!(tenant(by, name).unwrap()["held_by"], Value::Null, "{name}");
        waits_for_state(by, name, "ready");
    }
    let taken = host.problem(&["tenants", "add", "T1"]);
    assert_eq!(taken["code"], "tenant.exists", "{taken}");
    for (number, name) in names.iter().enumerate() {
        eventually("the other one says who holds it", || {
            tenant([&other, &host][number % 2], name).filter(|there| there["held_by"].is_string())
        });
    }
}

#[test]
fn a_tenant_runs_on_one_host_and_the_other_says_on_which() {
    let url = Server::shared().database();
    let (home, other_home) = (home_on(&url), home_on(&url));
    let host = home.start();
    let other = other_home.start();
    waits_for_state(&host, "acme", "ready");
    let there = tenant(&other, "acme").unwrap();
    let holder = there["held_by"].as_str().unwrap().to_owned();
    assert!(holder.ends_with(&home.path().display().to_string()), "{holder}");
    assert_eq!(there["primary_state"], Value::Null);
    eventually("who speaks for it is known", || {
        tenant(&other, "acme").filter(|there| there["generation"] == 1)
    });
    for call in [
        ["state", "pause", "--tenant", "acme"].as_slice(),
        &["state", "show", "--tenant", "acme"],
        &["health", "--tenant", "acme"],
    ] {
        let problem = other.problem(call);
        assert_eq!(problem["code"], "tenant.held_elsewhere", "{call:?}: {problem}");
        assert!(
            problem["message"].as_str().unwrap().contains(&holder),
            "{problem}"
        );
    }

    let at_a_glance = |state: &str| {
        eventually("the other host shows what the tenant does, and where", || {
            let status = other.json(&["status"]);
            let shown = &status["tenants"][0];
            (shown["primary_state"] == state && shown["held_by"] == *holder).then_some(())
        });
        let text = other.kora(&["status"]).stdout;
        assert!(text.contains(&format!("{state} on {holder}")), "{text}");
    };
    at_a_glance("ready");
    // Where the other host runs is not a tenant's to know.
    let own = add_caller(&other_home, "own", &[], &["acme"], None);
    let all = add_caller(&other_home, "all", &[], &["*"], None);
    let http = HttpClient::of(&other);
    let state = |token: &str| {
        let answer = http
            .get("/api/operational-state?tenant=acme")
            .bearer(token)
            .send();
        (answer.expect(409)["code"].clone(), answer.body)
    };
    let (code, told) = state(&own);
    assert_eq!(code, "tenant.held_elsewhere");
    let tenants = http.get("/api/tenants").bearer(&own).send();
    assert_eq!(
        tenants.expect(200)["tenants"][0]["held_by"],
        "another host of this store"
    );
    let status = http.get("/api/status").bearer(&own).send();
    assert_eq!(
        status.expect(200)["tenants"][0]["held_by"],
        "another host of this store"
    );
    for told in [told, tenants.body, status.body] {
        assert!(!told.contains(&holder), "{told}");
    }
    assert!(state(&all).1.contains(&holder));

    // A stop command given to either reaches the tenant.
    other.json(&[
        "state", "stop", "--level", "2", "--tenant", "acme", "--reason", "smoke",
    ]);
    waits_for_state(&host, "acme", "paused");
    at_a_glance("paused");
    assert_eq!(host.json(&["status"])["tenants"][0]["held_by"], Value::Null);
    eventually("the command is carried out", || {
        let commands = other.json(&["state", "commands", "--tenant", "acme"]).to_string();
        commands.contains("\"enforced\"").then_some(())
    });

    let boots = |home: &TestHome| home.json(&["events", "tail", "--tenant", "acme", "--prefix", "kora.boot"]);
    assert_eq!(boots(&home).as_array().unwrap().len(), 1, "it booted once");
    let probes = eventually("the host tells how it is", || {
        let probes = host.payloads("host", "kora.health.probe");
        (probes.len() >= 2).then_some(probes)
    });
    assert!(probes.iter().all(|probe| probe["host"] == *holder), "{probes:?}");
}

#[test]
fn a_boot_reads_nothing_of_the_tenants_of_other_hosts_and_looks_at_a_chain_before_it_appends_to_it() {
    const TENANTS: usize = 60;
    let server = Server::shared();
    let url = server.database();
    let home = || {
        let tenants =
            (0..TENANTS).map(|number| format!("[tenants.t{number:02}]\nfallback_prompt = \"prompt.md\"\n"));
        let home = TestHome::with_config(&format!(
            "[store]\nurl = \"{url}\"\n[events]\ntypes = [\"ops.deployed\"]\n{}",
            tenants.collect::<String>()
        ));
        fs::write(home.path().join("prompt.md"), "You are patient.").unwrap();
        home
    };
    let (home, other_home) = (home(), home());
    let host = home.start();
    let all = |host: &RunningHost<'_>, what: &str, is_so: fn(&Value) -> bool| {
        eventually(what, || {
            let listed = host.json(&["tenants", "list"]);
            let there = listed.as_array()?.iter().filter(|tenant| is_so(tenant)).count();
            (there == TENANTS).then_some(())
        });
    };
    all(&host, "all tenants have booted", |tenant| {
        tenant["primary_state"] == "ready"
    });

    // Looking at the end of a chain takes a session of its own.
    let database = url.rsplit('/').next().unwrap();
    let sessions = || -> usize {
        let count = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
        server.sql(database, count).parse().unwrap()
    };
    let before = sessions();
    let other = other_home.start();
    all(&other, "who speaks for them is known", |tenant| {
        tenant["held_by"].is_string() && tenant["generation"] == 1
    });
    let taken = sessions() - before;
    assert!(taken < TENANTS, "{taken} sessions");
    assert_eq!(other.json(&["identity", "show", "t09"])["generation"], 1);

    server.sql(
        database,
        "SET search_path = kora; ALTER TABLE events DISABLE TRIGGER USER; \
         UPDATE events SET payload = '{}' WHERE tenant = 't07' AND seq = 1; ALTER TABLE events ENABLE TRIGGER USER",
    );
    let append =
        |tenant: &str| ["events", "append", "ops.deployed", "{}", "--tenant", tenant].map(str::to_owned);
    let [broken, sound] = ["t07", "t08"].map(append);
    let refused = other.problem(&broken.each_ref().map(String::as_str));
    assert_eq!(refused["code"], "events.sealed", "{refused}");
    let appended = other.json(&sound.each_ref().map(String::as_str));
    assert_eq!(appended["pending"], false, "{appended}");
}

#[test]
fn a_host_that_was_taken_for_lost_boots_its_tenants_anew_also_if_nobody_has_them_by_then() {
    let server = Server::shared();
    let url = server.database();
    let home = home_on(&url);
    let host = home.start();
    waits_for_state(&host, "acme", "ready");
    server.sql(
        url.rsplit('/').next().unwrap(),
        "UPDATE kora.documents SET status = 'lost', revision = revision + 1 WHERE collection = 'members'",
    );
    host.wait_for_log(&["[kora.host.let_go]", "acme"]);
    eventually("the tenant has booted a second time", || {
        (host.payloads("acme", "kora.boot.ready").len() == 2).then_some(())
    });
    waits_for_state(&host, "acme", "ready");
}

#[test]
fn when_a_host_ends_or_is_killed_another_takes_up_its_tenants() {
    let url = Server::shared().database();
    let (home, other_home) = (home_on(&url), home_on(&url));
    let host = home.start();
    let other = other_home.start();
    host.json(&["state", "pause", "--tenant", "acme", "--reason", "for the tour"]);
    assert_eq!(host.stop(), 0);
    waits_for_state(&other, "acme", "paused");

    // It comes back, and finds its tenant with another.
    let host = home.start();
    assert!(tenant(&host, "acme").unwrap()["held_by"].is_string());
    other.kill();
    // Without waiting until anybody is sure that it was killed.
    let other = other_home.start();
    let held = eventually("the tenant is up", || {
        [&host, &other]
            .iter()
            .find_map(|host| tenant(host, "acme").filter(|found| found["primary_state"] == "paused"))
    });
    assert_eq!(held["held_by"], Value::Null);
    other.kill();
    waits_for_state(&host, "acme", "paused");
    host.json(&["state", "resume", "--tenant", "acme"]);
    assert_eq!(home.json(&["events", "verify"])["status"], "sound");
}

#[test]
fn what_another_host_counts_pauses_a_tenant_where_it_runs() {
    let url = Server::shared().database();
    let (home, other_home) = (home_on(&url), home_on(&url));
    let host = home.start();
    let other = other_home.start();
    waits_for_state(&host, "acme", "ready");
    let pauses = |expected: usize| {
        waits_for_state(&host, "acme", "paused");
        let shown = host.json(&["state", "show", "--tenant", "acme"]);
        assert_eq!(shown["degradation_reasons"], json!(["cost"]), "{shown}");
        eventually("the chain tells of the pause", || {
            (host.payloads("acme", "kora.paused.cost_limit").len() == expected).then_some(())
        });
    };
    let spent = other.json(&[
        "cost", "record", "--tenant", "acme", "--model", "opus", "--cost", "200",
    ]);
    assert_eq!(spent["rung"], "hard_stop_100", "{spent}");
    pauses(1);

    other.json(&["cost", "refresh", "--tenant", "acme"]);
    host.json(&["state", "resume", "--tenant", "acme"]);
    waits_for_state(&host, "acme", "ready");
    other.json(&["cost", "reconcile", "--tenant", "acme", "--spent", "200"]);
    pauses(2);
    // Looking at the account wrote nothing: it went up, down and up again.
    assert_eq!(host.payloads("acme", "kora.cost.rung_changed").len(), 3);
}

#[test]
fn a_stop_of_all_hosts_is_not_enforced_while_a_tenant_of_another_works_and_an_abort_reaches_it() {
    let url = Server::shared().database();
    let (home, other_home) = (home_on(&url), home_on(&url));
    let host = home.start();
    let other = other_home.start();
    waits_for_state(&host, "acme", "ready");
    let ticket = host.json(&["tickets", "create", "--tenant", "acme", "Answer the letter"]);
    let ticket = ticket["ticket_id"].as_str().unwrap();
    let claimed = host.json(&["tickets", "claim", "--tenant", "acme"]);
    assert_eq!(claimed["result"], "claimed", "{claimed}");
    let session = other.json(&["status"])["daemon_session_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let stop = |level: &str| {
        other.json(&[
            "state",
            "stop",
            "--host",
            "--level",
            level,
            "--reason",
            "smoke",
            "--confirm",
            &session,
        ])
    };
    let drained = stop("2");
    assert_eq!(drained["lifecycle_state"], "enforcing", "work is held: {drained}");
    waits_for_state(&host, "acme", "paused");
    stop("3");
    let status = || host.json(&["tickets", "show", "--tenant", "acme", ticket])["sea_status"].clone();
    eventually("the claim is taken back", || (status() == "open").then_some(()));
    eventually("both are carried out", || {
        let commands = other.json(&["state", "commands", "--host"]);
        let history = commands["history"].as_array()?;
        let are_done = history
            .iter()
            .all(|command| command["lifecycle_state"] == "enforced");
        (history.len() == 2 && are_done).then_some(())
    });
}

#[test]
fn level_5_revokes_the_tokens_of_every_host_once() {
    let url = Server::shared().database();
    let (home, other_home) = (home_on(&url), home_on(&url));
    let host = home.start();
    let other = other_home.start();
    waits_for_state(&host, "acme", "ready");
    host.json(&["tenants", "add", "globex"]);
    waits_for_state(&host, "globex", "ready");
    let session = host.json(&["status"])["daemon_session_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let kill = |tenant: &str| {
        host.json(&[
            "state",
            "stop",
            "--level",
            "5",
            "--tenant",
            tenant,
            "--reason",
            "stolen",
            "--confirm",
            &session,
        ])
    };
    let is_known = |host: &RunningHost<'_>, token: &str| {
        let answer = HttpClient::of(host).get("/api/tenants").bearer(token).send();
        assert!([200, 401].contains(&answer.status), "{answer:?}");
        answer.status == 200
    };
    let is_revoked = |host: &RunningHost<'_>, token: &str| {
        eventually("the token is of no use", || {
            (!is_known(host, token)).then_some(())
        });
    };
    let add = |home: &TestHome, name: &str, tenant: &str| add_caller(home, name, &[], &[tenant], None);
    let (here, there) = (add(&home, "pm", "acme"), add(&other_home, "pm", "acme"));
    let untouched = add(&other_home, "ci", "globex");
    assert!(is_known(&host, &here) && is_known(&other, &there));

    kill("acme");
    is_revoked(&host, &here);
    is_revoked(&other, &there);
    assert!(is_known(&other, &untouched));

    // What is given since stays, also where the host is started again while the command is in force.
    let given = other
        .kora(&["callers", "rotate", "pm"])
        .ok()
        .stdout
        .trim()
        .to_owned();
    assert!(is_known(&other, &given));
    assert_eq!(other.stop(), 0);
    let other = other_home.start();
    kill("globex");
    is_revoked(&other, &untouched);
    assert!(is_known(&other, &given));
}
