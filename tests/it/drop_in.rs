//! A plugin that is dropped into the directory of a running host runs, without a restart; and what happens to its file afterwards
//! does not disturb the code that runs.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{RunningHost, TestHome, library, package_of, patched, renamed};

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A second is what a file must stand still; the rest is far more than judging and loading take on a machine that has other
/// things to do.
const A_FEW_SECONDS: Duration = Duration::from_secs(15);

/// Waits until `marvin` runs, and lets it speak for `acme`; its generation names this digest.
fn runs_and_speaks(host: &RunningHost<'_>, dropped: Instant, form: &str, digest: &str) {
    let marvin = host.wait_for_plugin("marvin", "running");
    assert!(dropped.elapsed() < A_FEW_SECONDS, "{:?}", dropped.elapsed());
    assert_eq!(
        (&marvin["form"], &marvin["digest"]),
        (&json!(form), &json!(digest))
    );
    let swapped = host.json(&["identity", "swap", "acme", "marvin"]);
    assert_eq!(swapped["agent_name"], "Marvin");
    assert_eq!(host.json(&["identity", "show", "acme"])["plugin_digest"], digest);
    let why = host.json(&["identity", "why", "acme"]);
    assert_eq!(
        (&why["proved"], &why["plugin_digest"]),
        (&json!(true), &json!(digest)),
        "{why}"
    );
}

fn home_of_kora() -> TestHome {
    let home = TestHome::with_config("[tenants.acme]\nidentity = \"kora\"\n");
    home.install(&["kora"]);
    home
}

#[test]
fn the_files_of_a_package_are_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let package = package_of(&library("marvin"), folder.path());
    let name = package.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        name,
        format!(
            "marvin-0.1.0-{}-unknown-linux-gnu.tar.zst",
            std::env::consts::ARCH
        )
    );
    let unpacked = zstd::decode_all(fs::File::open(package).unwrap()).unwrap();
    let mut archive = tar::Archive::new(unpacked.as_slice());
    let paths = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string());
    let expected = [
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "SHA256SUMS",
        "libmarvin.so",
        "plugin.toml",
    ];
    assert_eq!(paths.collect::<Vec<_>>(), expected);
}

#[test]
fn a_library_that_is_dropped_runs_within_seconds_and_can_speak() {
    let home = home_of_kora();
    let host = home.start();
    let dropped = Instant::now();
    home.install(&["marvin"]);
    runs_and_speaks(
        &host,
        dropped,
        "library",
        &hex_digest(&fs::read(library("marvin")).unwrap()),
    );
}

#[test]
fn a_package_that_is_dropped_runs_within_seconds_and_its_digest_is_the_one_that_is_named() {
    let home = home_of_kora();
    let host = home.start();
    let package = package_of(&library("marvin"), &home.beside("out"));
    let dropped = Instant::now();
    // As most people would copy it.
    fs::copy(&package, home.plugins().join("marvin.tar.zst")).unwrap();
    runs_and_speaks(
        &host,
        dropped,
        "package",
        &hex_digest(&fs::read(&package).unwrap()),
    );
    let marvin = host.plugin("marvin").unwrap();
    assert_eq!(
        marvin["library_digest"],
        hex_digest(&fs::read(library("marvin")).unwrap())
    );
    assert!(
        marvin["warnings"][0]
            .as_str()
            .unwrap()
            .starts_with("the file is named `marvin.tar.zst`"),
        "{marvin}"
    );
}

#[test]
fn a_folder_that_is_dropped_runs_within_seconds() {
    let home = home_of_kora();
    let host = home.start();
    let package = package_of(&library("marvin"), &home.beside("out"));
    let dropped = Instant::now();
    unpack(&package, &home.plugins().join("marvin"));
    runs_and_speaks(
        &host,
        dropped,
        "folder",
        &hex_digest(&fs::read(library("marvin")).unwrap()),
    );
}

fn unpack(package: &Path, into: &Path) {
    let archive = zstd::decode_all(File::open(package).unwrap()).unwrap();
    fs::create_dir(into).unwrap();
    tar::Archive::new(archive.as_slice()).unpack(into).unwrap();
}

/// Writes a file as a slow copy would, in pieces; answers the longest time between two of them.
fn copy_slowly(from: &[u8], to: &Path, pieces: usize, mut after_each: impl FnMut()) -> Duration {
    let mut file = File::create(to).unwrap();
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    for piece in from.chunks(from.len().div_ceil(pieces)) {
        file.write_all(piece).unwrap();
        longest = longest.max(last.elapsed());
        last = Instant::now();
        after_each();
        std::thread::park_timeout(Duration::from_millis(200));
    }
    longest
}

/// A copy whose pauses are shorter than this is not judged half way. On a machine that has other things to do, the tests cannot
/// promise to be faster.
const STEADY: Duration = Duration::from_millis(900);

fn assert_that_nothing_was_refused(host: &RunningHost<'_>) {
    let states = host.payloads("host", "host.plugin.state_changed");
    assert!(
        states.iter().all(|change| change["to"] != "refused"),
        "half a file was judged: {states:?}"
    );
}

#[test]
fn a_copy_in_progress_is_not_read_half_way() {
    let home = home_of_kora();
    let host = home.start();
    let marvin = fs::read(library("marvin")).unwrap();
    let mut was_listed = false;
    let longest = copy_slowly(&marvin, &home.plugins().join("libmarvin.so"), 12, || {
        was_listed |= host.plugin("marvin").is_some();
    });
    assert!(!was_listed, "it runs before it is whole");
    host.wait_for_plugin("marvin", "running");
    if longest < STEADY {
        assert_that_nothing_was_refused(&host);
    }
}

/// A copy that pauses for longer than a file must stand still is judged too early, and again once it is whole.
#[test]
fn a_copy_that_stalls_is_refused_as_truncated_and_taken_once_it_is_whole() {
    let home = home_of_kora();
    let host = home.start();
    let marvin = fs::read(library("marvin")).unwrap();
    let path = home.plugins().join("libmarvin.so");
    fs::write(&path, &marvin[..marvin.len() / 2]).unwrap();
    let refused = host.wait_for_refusal("libmarvin.so");
    assert!(
        refused["cause"]
            .as_str()
            .unwrap()
            .starts_with("the library is truncated"),
        "{refused}"
    );
    File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(&marvin[marvin.len() / 2..])
        .unwrap();
    host.wait_for_plugin("marvin", "running");
    let files = host.json(&["plugins", "list"]).as_array().unwrap().len();
    assert_eq!(files, 2, "the refusal is forgotten");
}

#[test]
fn a_file_that_is_replaced_while_it_is_copied_runs_as_what_it_is_at_last() {
    let home = home_of_kora();
    let host = home.start();
    let (marvin, echo) = (
        fs::read(library("marvin")).unwrap(),
        fs::read(library("echo")).unwrap(),
    );
    let path = home.plugins().join("libsomebody.so");
    let longest = copy_slowly(&marvin[..marvin.len() / 2], &path, 4, || ());
    home.drop_file("libsomebody.so", &echo);
    host.wait_for_plugin("echo", "running");
    assert_eq!(host.plugin("marvin"), None);
    if longest < STEADY {
        assert_that_nothing_was_refused(&host);
    }
}

#[test]
fn a_file_that_is_replaced_or_removed_does_not_disturb_the_code_that_runs() {
    let home = TestHome::with_config("[tenants.acme]\nidentity = \"marvin\"\n");
    home.install(&["marvin"]);
    let host = home.start();
    let before = host.plugin("marvin").unwrap();
    let newer = patched(&library("marvin"), |manifest| {
        manifest.replace("version = \"0.1.0\"", "version = \"0.2.0\"")
    });
    home.drop_file("libmarvin.so", &newer);
    let noted = |note: &str| {
        crate::harness::eventually(note, || {
            host.plugin("marvin").filter(|plugin| plugin["note"] == note)
        })
    };
    let waiting = noted("update waiting");
    for field in ["state", "digest", "version"] {
        assert_eq!(waiting[field], before[field], "{field}");
    }
    fs::remove_file(home.plugins().join("libmarvin.so")).unwrap();
    let gone = noted("file gone");
    assert_eq!(
        (&gone["state"], &gone["digest"]),
        (&json!("running"), &before["digest"])
    );
    host.assert_that_others_go_on("acme");

    home.drop_file("libmarvin.so", &newer);
    noted("update waiting");
    assert_eq!(host.stop(), 0);
    let host = home.start();
    assert_eq!(host.wait_for_plugin("marvin", "running")["version"], "0.2.0");
}

#[test]
fn a_file_that_comes_back_as_it_was_is_no_news() {
    let home = TestHome::with_config("[tenants.acme]\nidentity = \"marvin\"\n");
    home.install(&["marvin"]);
    let host = home.start();
    fs::remove_file(home.plugins().join("libmarvin.so")).unwrap();
    crate::harness::eventually("file gone", || {
        host.plugin("marvin")
            .filter(|plugin| plugin["note"] == "file gone")
    });
    home.install(&["marvin"]);
    let marvin = crate::harness::eventually("nothing is to be said", || {
        host.plugin("marvin")
            .filter(|plugin| plugin["note"] == Value::Null)
    });
    assert_eq!(marvin["state"], "running");
}

/// An entry of a plugin that was added to a running host never takes the host down, fatal or not.
#[test]
fn a_plugin_that_is_dropped_and_cannot_start_is_taken_back_and_the_host_goes_on() {
    let home = TestHome::with_config(
        "[plugins.misbehave]\nmode = \"panic_in_startup\"\nfatal = true\n[tenants.acme]\nidentity = \"marvin\"\n",
    );
    home.install(&["marvin"]);
    let host = home.start();
    home.install(&["misbehave"]);
    let cause = host.wait_for_cause(
        "misbehave",
        "failed",
        "panicked: misbehaves on purpose in Startup",
    );
    assert!(cause.contains("misbehave/misbehave"), "{cause}");
    host.assert_that_others_go_on("acme");
}

#[test]
fn a_crowd_that_is_dropped_at_once_runs() {
    let home = home_of_kora();
    let host = home.start();
    home.install(&["marvin"]);
    let names = ["one", "two", "three", "four", "five"];
    for name in names {
        home.drop_file(&format!("lib{name}.so"), &renamed("echo", name));
    }
    for name in names {
        host.wait_for_plugin(name, "running");
    }
    host.assert_that_others_go_on("acme");
}
