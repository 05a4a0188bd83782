//! What was acknowledged outlives a power cut: a library that is loaded into the process under test keeps what each change replaced
//! until it is synced, and takes it back once the process was killed. See `tests/powercut`; `cargo xtask torture power-cut` does
//! the same for longer.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use kora_host::{
    domain::SystemClock,
    engine::vocabulary::Vocabulary,
    events::{EventLog, LogParts},
    store::{
        Scope, Store as _,
        sqlite::{SqliteOptions, SqliteReader, SqliteStore},
        verify::{ChainStatus, VerifyOptions},
    },
};
use rusqlite::Connection;
use tempfile::TempDir;
use xtask::torture::power_cut::{Chance, Damage, Shim};

use crate::harness::{RunningHost, TestHome, library};

const ALL_DAMAGE: [Damage; 4] = [
    Damage::Everything,
    Damage::Suffix,
    Damage::Pages(512),
    Damage::Pages(4096),
];
/// So many events are acknowledged at least before the power is cut, and twice as many at most.
const ENOUGH: usize = 50;

/// A store of its own, whose power can be cut.
struct Disk {
    folder: TempDir,
    shim: Shim,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let shim = Shim::new(&library("powercut"), &data, &folder.path().join("power")).unwrap();
        Self { folder, shim }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("data/store.db")
    }

    /// Opens the store and appends what waits in the spool, as a host does when it boots.
    fn recover(&self) {
        let clock = Arc::new(SystemClock::new());
        let store = SqliteStore::open(&self.store(), SqliteOptions::default(), clock.clone()).unwrap();
        let store = Arc::new(store);
        let log = EventLog::open(LogParts {
            store: store.clone(),
            clock,
            vocabulary: Vocabulary::new(&[]).unwrap(),
            spool_path: self.store().with_file_name("spool.jsonl"),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            assert_eq!(log.unwrap().drain().await.waiting, 0);
            store.close().await;
        });
    }

    /// Lets the writer append, kills it in the middle, and cuts the power. Answers what was acknowledged.
    fn write_and_cut(&mut self, mode: &str, damage: Damage, seed: u64) -> Vec<String> {
        let mut writer = Command::new(env!("CARGO_BIN_EXE_kora-writer"))
            .arg(self.store())
            .arg(mode)
            .envs(self.shim.variables())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(writer.stdout.take().unwrap());
        let enough = ENOUGH + Chance::of_seed(seed).up_to(ENOUGH);
        let mut acknowledged = Vec::new();
        for line in told.by_ref().lines().take(enough) {
            acknowledged.push(line.unwrap());
        }
        assert_eq!(acknowledged.len(), enough, "the writer ended by itself");
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it told between is acknowledged as well.
        let mut rest = String::new();
        told.read_to_string(&mut rest).unwrap();
        acknowledged.extend(rest.lines().map(str::to_owned));
        let cut = self.shim.cut(damage, &mut Chance::of_seed(seed)).unwrap();
        assert!(cut.unsettled > 0, "the shim saw nothing: {cut:?}");
        acknowledged
    }

    /// How often each event is there.
    fn census(&self) -> BTreeMap<String, usize> {
        let connection = Connection::open(self.store()).unwrap();
        let mut events = connection.prepare("SELECT hex(event_id) FROM events").unwrap();
        let ids = events.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let mut census = BTreeMap::new();
        for id in ids {
            *census.entry(id.unwrap()).or_default() += 1;
        }
        census
    }

    fn lost(&self, acknowledged: &[String]) -> usize {
        let census = self.census();
        let is_there = |id: &String| census.get(&id.replace('-', "").to_uppercase()) == Some(&1);
        acknowledged.iter().filter(|id| !is_there(id)).count()
    }

    fn assert_sound(&self) {
        let reader = SqliteReader::open(&self.store()).unwrap();
        let report = reader.verify(&Scope::All, &VerifyOptions::default()).unwrap();
        assert_eq!(report.status(), ChainStatus::Sound, "{report:?}");
    }
}

/// Again and again on one disk, with every kind of damage.
fn check_that_nothing_is_lost(mode: &str) {
    let mut disk = Disk::new();
    let mut acknowledged = Vec::new();
    for (damage, seed) in ALL_DAMAGE.into_iter().zip(1..) {
        acknowledged.extend(disk.write_and_cut(mode, damage, seed));
        disk.recover();
        assert_eq!(disk.lost(&acknowledged), 0, "{damage:?}");
        disk.assert_sound();
    }
    assert!(disk.census().values().all(|count| *count == 1));
}

#[test]
fn what_was_acknowledged_outlives_a_power_cut_whatever_the_disk_kept_of_the_rest() {
    check_that_nothing_is_lost("synced");
}

#[test]
fn what_waits_in_the_spool_of_a_full_store_outlives_a_power_cut() {
    check_that_nothing_is_lost("spooled");
}

/// The proof that the tests above are not blind.
#[test]
fn without_syncs_a_power_cut_loses_what_was_acknowledged_and_it_is_noticed() {
    let mut disk = Disk::new();
    // Made as it should be, so that there is a store to look into.
    disk.recover();
    let acknowledged = disk.write_and_cut("unsynced", Damage::Everything, 1);
    disk.recover();
    assert_eq!(disk.lost(&acknowledged), acknowledged.len());
}

#[test]
fn a_host_loses_nothing_that_it_acknowledged_when_the_power_is_cut() {
    let home = TestHome::with_config(
        "[events]\ntypes = [\"acme.ticket.opened\"]\n[tenants.acme]\nfallback_prompt = \"acme.md\"\n",
    );
    std::fs::write(home.path().join("acme.md"), "You are patient.").unwrap();
    let data = home.path().join("data");
    let mut shim = Shim::new(&library("powercut"), &data, &home.beside("power")).unwrap();
    let mut acknowledged = Vec::new();
    for (damage, seed) in [Damage::Everything, Damage::Pages(512)].into_iter().zip(1..) {
        let mut daemon = home.command(&["daemon"]);
        daemon.envs(shim.variables());
        let host = RunningHost::spawn_command(&home, daemon, &[]);
        host.wait_until_running();
        for number in 0..10 {
            let payload = format!("{{\"number\":{number}}}");
            let appended = host.json(&["events", "append", "acme.ticket.opened", &payload]);
            acknowledged.push(appended["event_id"].clone());
        }
        host.kill();
        shim.cut(damage, &mut Chance::of_seed(seed)).unwrap();
        assert_eq!(home.kora(&["events", "verify"]).code, 0);
    }
    let host = home.start();
    let kept: Vec<_> = host
        .events("acme")
        .iter()
        .map(|event| event["event_id"].clone())
        .collect();
    assert!(acknowledged.iter().all(|id| kept.contains(id)), "{kept:?}");
}
