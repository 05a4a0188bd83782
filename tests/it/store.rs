//! `kora store`: a backup of a host that runs, back again in another home, and from SQLite to PostgreSQL; and what is refused, or was
//! killed on the way.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    sync::Arc,
};

use kora_host::{
    domain::{Actor, EventId, NewEvent, SystemClock, TenantId, Timestamp},
    engine::payload::normalise,
    store::{
        Batch, Store as _,
        sqlite::{SqliteOptions, SqliteStore},
    },
};
use serde_json::{Value, json};

use crate::{
    harness::{RunningHost, TestHome, eventually},
    postgres::server::Server,
};

const TENANT: &str = "[events]\ntypes = [\"ops.deployed\"]\n[tenants.acme]\nfallback_prompt = \"acme.md\"\n";

fn home(store: &str) -> TestHome {
    let home = TestHome::with_config(&format!("{store}{TENANT}"));
    fs::write(home.path().join("acme.md"), "You are patient.").unwrap();
    home
}

fn on(url: &str) -> String {
    format!("[store]\nurl = \"{url}\"\n")
}

/// Something of everything that an operator would miss.
fn use_it(host: &RunningHost<'_>) {
    host.json(&["tickets", "create", "Answer the letter"]);
    let claimed = host.json(&["tickets", "claim"]);
    assert_eq!(claimed["result"], "claimed", "{claimed}");
    host.json(&["tickets", "create", "Water the plants"]);
    for number in 0..3 {
        let payload = format!("{{\"number\":{number}}}");
        host.json(&["events", "append", "ops.deployed", &payload, "--tenant", "acme"]);
    }
}

/// What an operator would compare.
fn look(host: &RunningHost<'_>) -> Value {
    let identity = host.json(&["identity", "show", "acme"]);
    let mut tickets = host.json(&["tickets", "list"]);
    for ticket in tickets.as_array_mut().into_iter().flatten() {
        // What the sweep and the clock change.
        let ticket = ticket.as_object_mut().unwrap();
        ticket.retain(|name, _| {
            ["ticket_id", "title", "sea_status", "claim_fence_token"].contains(&name.as_str())
        });
    }
    json!({
        "generation": identity["generation"],
        "identity": identity["identity_hash"],
        "name": identity["agent_name"],
        "tickets": tickets,
        "deployed": host.payloads("acme", "ops.deployed"),
        "operations": host.json(&["operations", "list"]),
    })
}

fn sound(home: &TestHome) -> Value {
    let verified = home.json(&["events", "verify"]);
    assert_eq!(verified["status"], "sound", "{verified}");
    assert_eq!(verified["checkpoints"]["faults"], json!([]), "{verified}");
    verified["chains"].clone()
}

#[test]
fn a_backup_of_a_running_host_is_restored_to_another_home_and_holds_its_tenants_until_it_is_accepted() {
    let first = home("");
    let host = first.start();
    use_it(&host);
    let before = look(&host);
    let file = first.beside("backup.zst");
    let path = file.to_str().unwrap();
    let made = first.json(&["store", "backup", "--out", path]);
    assert_eq!(made["file"], path);
    assert_eq!(made["counts"]["tenants"], 1, "{made}");

    let refused = first.problem(&["store", "backup", "--out", path]);
    assert_eq!(refused["code"], "backup.exists", "{refused}");
    let refused = host.problem(&["store", "restore", path, "--force"]);
    assert_eq!(refused["code"], "store.held", "{refused}");
    assert_eq!(first.kora(&["store", "restore", path, "--force"]).code, 1);
    assert_eq!(host.stop(), 0);
    let refused = first.problem(&["store", "restore", path]);
    assert_eq!(refused["code"], "store.not_empty", "{refused}");

    let other = home("");
    let could = other.json(&["store", "restore", path, "--dry-run"]);
    assert_eq!(could["counts"], made["counts"]);
    assert!(could.get("would_set_aside").is_none(), "{could}");
    assert!(!other.database().exists());
    let restored = other.json(&["store", "restore", path]);
    assert_eq!(
        (&restored["counts"], &restored["sha256"]),
        (&made["counts"], &made["sha256"])
    );
    assert_eq!(restored["set_aside"], Value::Null);
    sound(&other);

    let host = other.start();
    assert_eq!(host.json(&["state", "show"])["primary_state"], "paused");
    assert_eq!(host.payloads("host", "kora.dr.observed").len(), 1);
    let blocked = host.problem(&["state", "resume"]);
    assert_eq!(blocked["code"], "state.blocked", "{blocked}");
    let epoch = restored["epoch"].as_str().unwrap();
    host.json(&["boot", "accept-epoch", epoch]);
    host.json(&["state", "resume"]);
    assert_eq!(look(&host), before);
    use_it(&host);
    assert_eq!(host.stop(), 0);
    sound(&other);
    assert_eq!(other.kora(&["boot", "--check-only"]).code, 0);
}

#[test]
fn an_old_backup_in_the_same_home_says_which_checkpoints_to_move_and_keeps_the_store_from_before() {
    let home = home("");
    let host = home.start();
    let file = home.beside("backup.zst");
    let path = file.to_str().unwrap();
    home.json(&["store", "backup", "--out", path]);
    use_it(&host);
    let before = look(&host);
    assert_eq!(host.stop(), 0);

    let would = ["store", "restore", path, "--force", "--dry-run"];
    let could = home.json(&would);
    assert!(
        could["would_set_aside"].as_str().unwrap().contains("event"),
        "{could}"
    );
    let said = home.kora(&would).stdout;
    assert!(
        said.contains("would be set aside for it, which holds") && !said.contains("is free"),
        "{said}"
    );
    let restored = home.json(&["store", "restore", path, "--force"]);
    assert_eq!(
        restored["contradicted_chains"],
        json!(["acme", "host"]),
        "{restored}"
    );
    assert!(
        restored["next"].to_string().contains("audit/checkpoints"),
        "{restored}"
    );
    let host = home.start();
    assert_eq!(host.json(&["state", "show"])["primary_state"], "paused");
    assert_eq!(host.json(&["tickets", "list"]), json!([]));
    assert_eq!(host.stop(), 0);

    // The way back: the file that was set aside is the store it was.
    let aside = restored["set_aside"].as_str().unwrap();
    fs::rename(aside, home.database()).unwrap();
    assert_eq!(
        home.kora(&["boot", "--check-only"]).code,
        0,
        "it is in the known epoch"
    );
    assert_eq!(look(&home.start()), before);
}

#[test]
fn a_store_that_was_moved_to_a_database_goes_on_there_as_if_nothing_had_happened() {
    let home = home("");
    let host = home.start();
    use_it(&host);
    let before = look(&host);
    let url = Server::shared().database();
    let refused = host.problem(&["store", "migrate", "--to", &url]);
    assert_eq!(refused["code"], "store.held", "{refused}");
    assert_eq!(host.stop(), 0);
    let chains = sound(&home);
    let file = fs::read(home.database()).unwrap();

    let moved = home.json(&["store", "migrate", "--to", &url]);
    assert_eq!(moved["config"], format!("url = \"{url}\""));
    assert_eq!(
        fs::read(home.database()).unwrap(),
        file,
        "the old one is as it was"
    );
    home.configure(&format!("{}{TENANT}", on(&url)));
    assert_eq!(sound(&home), chains);
    let host = home.start();
    let state = host.json(&["state", "show"]);
    assert_ne!(state["primary_state"], "paused", "{state}");
    assert_eq!(look(&host), before);
    let held = host.problem(&["store", "migrate", "--to", "sqlite:data/back.db"]);
    assert_eq!(held["code"], "store.held", "{held}");
    use_it(&host);
    let after = look(&host);
    assert_eq!(host.stop(), 0);
    sound(&home);

    // And back again.
    home.json(&["store", "migrate", "--to", "sqlite:data/back.db"]);
    home.configure(&format!("{}{TENANT}", on("sqlite:data/back.db")));
    sound(&home);
    assert_eq!(look(&home.start()), after);
}

#[test]
fn what_is_named_wrongly_is_told_and_nothing_is_made() {
    let home = home("");
    let missing = home.problem(&["store", "backup"]);
    assert_eq!(missing["code"], "store.missing", "{missing}");
    assert_eq!(home.start().stop(), 0);
    for (to, code) in [
        ("mysql://x", "store.url"),
        ("postgres://u:secret@localhost/db", "store.url"),
        ("sqlite:data/kora.db", "store.same"),
    ] {
        let refused = home.kora(&["store", "migrate", "--to", to, "--json"]);
        assert_eq!(
            (refused.code, &refused.problem()["code"]),
            (2, &json!(code)),
            "{refused:?}"
        );
        assert!(!refused.stderr.contains("secret"));
    }
    let file = home.beside("no-backup");
    fs::write(&file, "hello").unwrap();
    let refused = home.kora(&["store", "restore", file.to_str().unwrap(), "--force", "--json"]);
    assert_eq!(
        (refused.code, &refused.problem()["code"]),
        (1, &json!("backup.not_one"))
    );
    assert_eq!(
        home.kora(&["boot", "--check-only"]).code,
        0,
        "the epoch is as it was"
    );
    let named = home.json(&["store", "backup", "--out", home.path().to_str().unwrap()]);
    let name = named["file"].as_str().unwrap();
    assert!(
        name.contains("/home/kora-store-20") && name.ends_with("Z.jsonl.zst"),
        "{name}"
    );
}

/// A store with so many events that restoring it takes a while, as a backup beside `home`.
fn long_backup(home: &TestHome) -> String {
    const EVENTS: usize = 12_000;
    let file = home.beside("long.db");
    let store = SqliteStore::open(&file, SqliteOptions::default(), Arc::new(SystemClock::new())).unwrap();
    let event = || NewEvent {
        tenant: TenantId::host(),
        event_id: EventId::new(),
        event_type: "ops.deployed".parse().unwrap(),
        occurred_at: Timestamp::from_micros(1),
        actor: Actor::host(),
        source: "kora-host@test".to_owned(),
        identity_generation: None,
        idempotency_key: None,
        payload: normalise(b"{\"text\":\"long\"}").unwrap(),
    };
    let batch = Batch {
        events: (0..EVENTS).map(|_| event()).collect(),
        ..Batch::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        store.commit(batch).await.unwrap();
        store.close().await;
    });
    let long = TestHome::with_config(&on(&format!("sqlite:{}", file.display())));
    let backup = home.beside("long.zst").to_str().unwrap().to_owned();
    long.json(&["store", "backup", "--out", &backup]);
    backup
}

fn spawn_restore(home: &TestHome, backup: &str) -> Child {
    let mut command = home.command(&["store", "restore", backup, "--force"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Kills a restore that is under way, as `is_under_way` tells, and looks that the store is the one from before; then lets one end.
fn killed_on_the_way(home: &TestHome, is_under_way: impl Fn() -> bool) {
    let host = home.start();
    use_it(&host);
    assert_eq!(host.stop(), 0);
    let chains = sound(home);
    let backup = long_backup(home);
    let mut restore = spawn_restore(home, &backup);
    eventually("the restore has begun to write", || {
        assert!(restore.try_wait().unwrap().is_none(), "it has ended already");
        is_under_way().then_some(())
    });
    restore.kill().unwrap();
    restore.wait().unwrap();
    assert_eq!(sound(home), chains);
    assert_eq!(
        home.kora(&["boot", "--check-only"]).code,
        0,
        "and in the epoch it was"
    );

    let restored = home.json(&["store", "restore", &backup, "--force"]);
    assert_eq!(restored["counts"]["events"], 12_000);
    let verified = home.kora(&["events", "verify", "--json"]).parsed();
    assert_eq!(verified["chains"][0]["to"], 12_000, "{verified}");
}

#[test]
fn a_restore_that_is_killed_leaves_the_file_as_it_was() {
    let home = home("");
    let building = home.path().join("data/kora.db.restoring");
    let begun = |building: &Path| fs::metadata(building).is_ok_and(|file| file.len() > 0);
    killed_on_the_way(&home, || begun(&building));
    assert!(!building.exists());
}

#[test]
fn a_restore_that_is_killed_leaves_the_database_as_it_was() {
    let url = Server::shared().database();
    let name = url.rsplit('/').next().unwrap().to_owned();
    let home = home(&on(&url));
    killed_on_the_way(&home, || {
        let writing = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL";
        Server::shared().sql(&name, writing) != "0"
    });
}
