//! Signed checkpoints, what they make visible, and the independent verifier, which must say what `kora` says.

use std::{
    fs,
    io::{BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use kora_host::store::verify::verify_export;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Finished, RunningHost, TestHome, eventually, finish};

const CONFIG: &str = "[events]\ntypes = [\"acme.note\"]\n[tenants.acme]\nfallback_prompt = \"acme.md\"\n";

fn home() -> TestHome {
    let home = TestHome::with_config(CONFIG);
    fs::write(home.path().join("acme.md"), "You are patient.").unwrap();
    home
}

fn append(host: &RunningHost<'_>, count: u64) {
    for number in 0..count {
        host.json(&["events", "append", "acme.note", &format!("{{\"ä\":{number}.0}}")]);
    }
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verify")
}

/// # Panics
/// If there is no Python.
fn python() -> Command {
    let found = Command::new("python3").arg("--version").output();
    assert!(
        found.is_ok_and(|found| found.status.success()),
        "`python3` is missing, and the independent verifier needs it: install it, on Debian with `apt-get install python3`"
    );
    let mut command = Command::new("python3");
    command.arg("-B").env_remove("PYTHONPATH").stdin(Stdio::null());
    command
}

fn independent(arguments: &[&str]) -> Finished {
    let mut command = python();
    command.arg(docs().join("kora_verify.py")).args(arguments);
    finish(command)
}

/// What third parties are given.
struct Evidence {
    home: TestHome,
    export: PathBuf,
    checkpoint: PathBuf,
    key: String,
}

impl Evidence {
    /// Of a host that has run and ended.
    fn of_a_host() -> Self {
        let home = home();
        let host = home.start();
        append(&host, 6);
        let checkpoint = home.beside("checkpoint.txt");
        let note = host
            .kora(&["events", "checkpoint", "--tenant", "acme"])
            .ok()
            .stdout;
        fs::write(&checkpoint, note).unwrap();
        let key = home.kora(&["events", "key"]).ok().stdout.trim().to_owned();
        let export = home.beside("export.jsonl");
        let file = export.to_str().unwrap();
        home.kora(&["events", "export", "--output", file]).ok();
        assert_eq!(host.stop(), 0);
        Self {
            home,
            export,
            checkpoint,
            key,
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.export).unwrap()
    }

    /// What both say of an export, which must be the same; with the checkpoint and a key.
    #[track_caller]
    fn verdict_with_key(&self, export: &[u8], key: &str) -> Finished {
        let file = self.home.beside("given.jsonl");
        fs::write(&file, export).unwrap();
        let (file, checkpoint) = (file.to_str().unwrap(), self.checkpoint.to_str().unwrap());
        let own = [
            "events",
            "verify",
            "--export",
            file,
            "--checkpoint",
            checkpoint,
            "--key",
            key,
            "--json",
        ];
        let mut own = self.home.command(&own);
        own.env("KORA_HOME", self.home.beside("nowhere"));
        let own = finish(own);
        let other = independent(&[file, "--checkpoint", checkpoint, "--key", key, "--json"]);
        assert_eq!(own.code, other.code, "{own:?}\n{other:?}");
        if !own.stdout.is_empty() || !other.stdout.is_empty() {
            assert_eq!(own.parsed(), other.parsed());
        }
        own
    }

    #[track_caller]
    fn verdict(&self, export: &[u8]) -> Finished {
        self.verdict_with_key(export, &self.key)
    }
}

/// The chain of `acme` in a report.
fn acme(report: &Value) -> Value {
    let chains = report["chains"].as_array().unwrap();
    chains
        .iter()
        .find(|chain| chain["tenant"] == "acme")
        .unwrap()
        .clone()
}

#[test]
fn the_independent_verifier_passes_its_own_test_and_the_vectors_of_the_documentation() {
    let tested = independent(&["--self-test"]);
    assert_eq!(
        (tested.code, tested.stdout.as_str()),
        (0, "self-test passed\n"),
        "{tested:?}"
    );
    let vector = |name: &str| docs().join("vectors").join(name).to_str().unwrap().to_owned();
    let key = fs::read_to_string(vector("key.txt")).unwrap();
    let verified = independent(&[
        &vector("export.jsonl"),
        "--checkpoint",
        &vector("checkpoint.txt"),
        "--key",
        &key,
    ]);
    insta::assert_snapshot!(verified.ok().stdout, @r"
    sound: `acme`, 3 records, signed up to record 3
    sound: `host`, 1 records, no checkpoint
    ");
}

#[test]
fn an_export_is_verified_by_both_with_a_checkpoint_and_a_key_and_no_home() {
    let given = Evidence::of_a_host();
    let report = given.verdict(given.text().as_bytes()).json();
    let chain = acme(&report);
    assert_eq!(
        (&report["status"], &chain["status"]),
        (&json!("sound"), &json!("sound")),
        "{report}"
    );
    assert_eq!(chain["signed_to"], chain["records"]);

    // The same record is named, wherever a byte was changed.
    let text = given.text();
    let lines: Vec<_> = text.lines().collect();
    let sixth = lines.iter().position(|line| line.contains("acme.note")).unwrap();
    for field in [
        "\"payload\":\"",
        "\"this_hash\":\"",
        "\"occurred_at_us\":",
        "\"source\":\"",
        "\"event_id\":\"",
    ] {
        let begin: usize = lines[..sixth].iter().map(|line| line.len() + 1).sum();
        let at = begin + lines[sixth].find(field).unwrap() + field.len() + 2;
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let broken = given.verdict(&bytes);
        assert_eq!(broken.code, 1, "{field}: {broken:?}");
        let bad = acme(&broken.parsed())["first_bad"].clone();
        assert_eq!(
            (&bad["line"], &bad["seq"]),
            (&json!(sixth + 1), &json!(sixth)),
            "{field}: {bad}"
        );
    }
}

#[test]
fn both_say_the_same_wherever_a_byte_is_changed() {
    const SCRIPT: &str = r"
import io, json, sys
sys.path.insert(0, sys.argv[1])
import kora_verify
data = open(sys.argv[2], 'rb').read()
for at in json.load(open(sys.argv[3])):
    changed = bytearray(data)
    changed[at] ^= 1 << at % 8
    lines = kora_verify.bounded_lines(io.BytesIO(bytes(changed)))
    print(json.dumps(kora_verify.verify(lines, None, None)[1], ensure_ascii=False))
";
    let given = Evidence::of_a_host();
    let text = given.text().into_bytes();
    // A prime step: every field of every line is met, each bit in turn.
    let places: Vec<usize> = (0..text.len()).step_by(23).collect();
    let file = given.home.beside("places.json");
    fs::write(&file, serde_json::to_vec(&places).unwrap()).unwrap();
    let mut command = python();
    command
        .args(["-c", SCRIPT])
        .args([docs(), given.export.clone(), file]);
    let told = finish(command).ok().stdout;
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told.len(), places.len());
    for (at, told) in places.iter().zip(told) {
        let mut changed = text.clone();
        changed[*at] ^= 1 << (at % 8);
        let own = verify_export(BufReader::new(changed.as_slice()), &[]).unwrap();
        let told: Value = serde_json::from_str(told).unwrap();
        assert_eq!(serde_json::to_value(own).unwrap(), told, "byte {at}");
    }
}

#[test]
fn an_export_that_is_shorter_than_what_was_signed_is_broken_although_its_trailer_fits() {
    let given = Evidence::of_a_host();
    let chain = given
        .home
        .kora(&["events", "export", "--tenant", "acme"])
        .ok()
        .stdout;
    let mut lines: Vec<_> = chain.lines().collect();
    let last = lines.len() - 2;
    let before: Value = serde_json::from_str(lines[last - 1]).unwrap();
    let trailer = lines[last + 1].replace(
        &format!("\"last_seq\":{last},\"count\":{last}"),
        &format!("\"last_seq\":{0},\"count\":{0}", last - 1),
    );
    let (begin, _) = trailer.split_once("\"last_hash\":").unwrap();
    let trailer = format!("{begin}\"last_hash\":{}}}", before["this_hash"]);
    lines.truncate(last);
    lines.push(&trailer);
    let cut = given.verdict(format!("{}\n", lines.join("\n")).as_bytes());
    assert_eq!(cut.code, 1, "{cut:?}");
    let faults = acme(&cut.parsed())["checkpoint_faults"].clone();
    assert_eq!(
        (&faults[0]["seq"], &faults[0]["fault"]),
        (&json!(last), &json!("truncated"))
    );
}

#[test]
fn another_key_or_another_tenant_is_told_from_a_sound_export() {
    let given = Evidence::of_a_host();
    let other = TestHome::with_config("");
    let key = other
        .kora(&["events", "key", "--name", "other.example.com"])
        .ok()
        .stdout;
    let refused = given.verdict_with_key(given.text().as_bytes(), key.trim());
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("signed by another key"), "{refused:?}");

    let host_alone = given
        .home
        .kora(&["events", "export", "--tenant", "host"])
        .ok()
        .stdout;
    let unchecked = given.verdict(host_alone.as_bytes());
    assert_eq!(
        (unchecked.code, &unchecked.parsed()["without_chain"]),
        (2, &json!(["acme"]))
    );

    let note = fs::read_to_string(&given.checkpoint).unwrap();
    // A line of somebody else's signature is passed over, and one that is none makes the note unreadable.
    for (name, code) in [
        ("witness", 0),
        ("wit\u{a0}ness", 2),
        ("wit\u{2003}ness", 2),
        ("wit+ness", 2),
    ] {
        fs::write(&given.checkpoint, format!("{note}\u{2014} {name} YWJjZGVmZ2g=\n")).unwrap();
        let verdict = given.verdict(given.text().as_bytes());
        assert_eq!(verdict.code, code, "{name}: {verdict:?}");
    }
    let origin = note.lines().next().unwrap();
    fs::write(
        &given.checkpoint,
        note.replace(origin, &origin.replace("/acme", "/host")),
    )
    .unwrap();
    let forged = given.verdict(given.text().as_bytes());
    assert_eq!(
        forged.code, 1,
        "a checkpoint that was changed is no checkpoint of another tenant"
    );
}

#[test]
fn a_host_signs_when_it_stops_and_verify_holds_what_was_kept_against_the_chains() {
    let home = home();
    let host = home.start();
    append(&host, 3);
    assert_eq!(host.stop(), 0);
    let verified = home.json(&["events", "verify"]);
    assert_eq!(verified["status"], "sound");
    assert_eq!(verified["checkpoints"]["faults"], json!([]));
    assert!(
        verified["checkpoints"]["held"].as_u64().unwrap() >= 2,
        "{verified}"
    );
    let last = home.json(&["events", "checkpoint", "--tenant", "acme"]);
    let end = home.kora(&["events", "export", "--tenant", "acme"]).ok().stdout;
    let end: Value = serde_json::from_str(end.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last[0]["seq"], &last[0]["head"]),
        (&end["last_seq"], &end["last_hash"])
    );
    for (path, mode) in [
        ("keys/checkpoint.key", 0o600),
        ("audit/checkpoints/acme.txt", 0o600),
        ("keys", 0o700),
    ] {
        let found = fs::metadata(home.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
}

/// Cuts the newest records of `acme` off, as somebody can who can write the file and puts everything else back as it was: the chain
/// that is left is sound.
fn cut_off(home: &TestHome, records: u64) {
    let connection = Connection::open(home.database()).unwrap();
    let mut triggers = connection
        .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        .unwrap();
    let triggers: Vec<(String, String)> = triggers
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (name, _) in &triggers {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    let sql = format!(
        "DELETE FROM events WHERE tenant = 'acme' AND seq > (SELECT seq FROM heads WHERE tenant = 'acme') - {records};
         UPDATE heads SET (seq, hash) = (SELECT seq, this_hash FROM events WHERE tenant = 'acme' ORDER BY seq DESC LIMIT 1)
         WHERE tenant = 'acme'"
    );
    connection.execute_batch(&sql).unwrap();
    for (_, definition) in &triggers {
        connection.execute_batch(definition).unwrap();
    }
}

#[test]
fn an_end_that_was_cut_off_is_seen_and_such_a_chain_is_not_signed_again() {
    let home = home();
    let host = home.start();
    append(&host, 5);
    assert_eq!(host.stop(), 0);
    cut_off(&home, 2);
    let verified = home.kora(&["events", "verify"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.stdout.contains("its end was cut off"), "{verified:?}");
    assert_eq!(home.kora(&["events", "verify", "--tenant", "host"]).code, 0);

    let host = home.start();
    let fault = eventually("the host says what it does not sign", || {
        let faults = host.json(&["status"])["checkpoint_faults"].clone();
        faults.as_array()?.first()?.as_str().map(str::to_owned)
    });
    assert!(fault.contains("`acme` is not signed"), "{fault}");
    assert_eq!(
        host.problem(&["events", "checkpoint", "--tenant", "acme"])["code"],
        "checkpoint.contradiction"
    );
    assert_eq!(host.kora(&["events", "checkpoint", "--tenant", "host"]).code, 0);
    let doctor = home.kora(&["doctor"]);
    assert!(
        doctor.code == 1 && doctor.stdout.contains("is not signed"),
        "{doctor:?}"
    );
}

#[test]
fn a_chain_that_was_written_anew_is_seen() {
    let home = home();
    let host = home.start();
    append(&host, 1);
    assert_eq!(host.stop(), 0);
    let (kept, aside) = (home.path().join("audit/checkpoints"), home.beside("checkpoints"));
    let before = fs::read(home.database()).unwrap();
    let host = home.start();
    append(&host, 3);
    assert_eq!(host.stop(), 0);
    // Back to what was, and then another story.
    fs::write(home.database(), before).unwrap();
    fs::rename(&kept, &aside).unwrap();
    let host = home.start();
    append(&host, 6);
    assert_eq!(host.stop(), 0);
    assert_eq!(home.kora(&["events", "verify"]).code, 0, "by itself it is sound");
    fs::remove_dir_all(&kept).unwrap();
    fs::rename(&aside, &kept).unwrap();
    let verified = home.kora(&["events", "verify"]);
    assert!(
        verified.code == 1 && verified.stdout.contains("written anew"),
        "{verified:?}"
    );
}

#[test]
fn a_kept_checkpoint_that_somebody_wrote_is_not_believed() {
    let home = home();
    let host = home.start();
    append(&host, 1);
    assert_eq!(host.stop(), 0);
    let path = home.path().join("audit/checkpoints/acme.txt");
    let kept = fs::read_to_string(&path).unwrap();
    let seq = kept.lines().nth(1).unwrap();
    fs::write(&path, kept.replacen(&format!("\n{seq}\n"), "\n1\n", 1)).unwrap();
    let verified = home.kora(&["events", "verify", "--json"]);
    assert_eq!(
        (
            verified.code,
            &verified.parsed()["checkpoints"]["faults"][0]["fault"]
        ),
        (1, &json!("forged"))
    );
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    file.write_all(b"nonsense\n\nmore of it\n").unwrap();
    let faults = home.kora(&["events", "verify", "--json"]).parsed()["checkpoints"]["faults"].clone();
    assert!(
        faults
            .as_array()
            .unwrap()
            .iter()
            .any(|fault| fault["fault"] == "unreadable"),
        "{faults}"
    );
}

#[test]
fn a_host_does_not_sign_with_a_key_that_others_can_read() {
    let home = home();
    let key = home.kora(&["events", "key"]).ok().stdout;
    assert_eq!(home.kora(&["events", "key"]).ok().stdout, key, "it is made once");
    let path = home.path().join("keys/checkpoint.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = home.kora(&["daemon"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused
            .stderr
            .contains("mode 0644: expected a file that only its owner can read"),
        "{refused:?}"
    );
    let secret = fs::read_to_string(&path).unwrap();
    assert!(!refused.stderr.contains(secret.trim().rsplit('+').next().unwrap()));
}

#[test]
fn a_disk_that_is_nearly_full_is_told_by_the_log_the_status_and_the_doctor() {
    let home = TestHome::with_config("[disk]\nwarn_free_percent = 100\n");
    let host = home.start();
    host.wait_for_log(&["WARN", "[kora.disk]", "nearly full"]);
    let disk = host.json(&["status"])["disk"].clone();
    assert_eq!(disk["is_low"], true, "{disk}");
    assert!(disk["store_bytes"].as_u64() > Some(0), "{disk}");
    let findings = home.kora(&["doctor", "--json"]).parsed();
    let finding = findings
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["check"] == "disk")
        .unwrap();
    assert_eq!(finding["level"], "warn", "{finding}");
}
