//! The gate in front of a plugin's file: whatever lies in the directory, each refusal is one line with what was expected, what
//! was found and what to do, and nothing else is disturbed.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::Path,
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use crate::harness::{Entry, RunningHost, TestHome, elf, library, package_file, patched, renamed};

/// A home in which `marvin` speaks for `globex`.
fn home() -> TestHome {
    let home = TestHome::with_config("[tenants.globex]\nidentity = \"marvin\"\n");
    home.install(&["marvin"]);
    home
}

/// A line for each of these files: its name and why it was refused.
fn refusals(home: &TestHome, host: &RunningHost<'_>, files: &[&str]) -> String {
    let line = |file: &&str| {
        let refused = host.wait_for_refusal(file);
        let cause = refused["cause"].as_str().unwrap();
        assert!(!cause.contains(char::is_control), "expected one line: {cause:?}");
        format!("{file}: {cause}\n").replace(home.path().to_str().unwrap(), "<home>")
    };
    files.iter().map(line).collect()
}

#[test]
fn a_file_that_is_no_library_for_this_machine_is_refused_and_says_why() {
    let home = home();
    let echo = fs::read(library("echo")).unwrap();
    home.drop_file("libnotes.so", b"#!/bin/sh\necho hello\n");
    home.drop_file("libempty.so", b"");
    home.drop_file("libhalf.so", &echo[..echo.len() / 2]);
    home.drop_file("libheader.so", &echo[..100]);
    let with = |range: std::ops::Range<usize>, bytes: &[u8]| {
        let mut library = echo.clone();
        library[range].copy_from_slice(bytes);
        library
    };
    let foreign: u16 = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    home.drop_file("libforeign.so", &with(elf::MACHINE, &foreign.to_le_bytes()));
    home.drop_file("libobject.so", &with(elf::TYPE, &1_u16.to_le_bytes()));
    let host = home.start();
    let target = host.plugin("marvin").unwrap()["target"]
        .as_str()
        .unwrap()
        .to_owned();
    let said = refusals(&home, &host, &["libnotes.so", "libempty.so", "libobject.so"]);
    insta::assert_snapshot!(said.replace(&target, "<target>"), @r#"
    libnotes.so: not an ELF file: expected a shared library for <target>, found something else; build it for this machine
    libempty.so: not an ELF file: expected a shared library for <target>, found an empty file; build it for this machine
    libobject.so: not a shared library: expected a dynamic library, found an object file; build it with `crate-type = ["cdylib"]`
    "#);
    for (file, found) in [("libhalf.so", echo.len() / 2), ("libheader.so", 100)] {
        let cause = refusals(&home, &host, &[file]);
        assert!(
            cause.contains("the library is truncated: expected at least "),
            "{cause}"
        );
        assert!(
            cause.contains(&format!("found {found}; copy it again")),
            "{cause}"
        );
    }
    let foreign = refusals(&home, &host, &["libforeign.so"]);
    assert!(
        foreign.contains("built for another target: expected ")
            && foreign.contains("; build or fetch it for "),
        "{foreign}"
    );
    host.assert_that_others_go_on("globex");
}

#[test]
fn a_library_without_a_manifest_or_with_a_bad_one_is_refused_and_says_where() {
    let home = home();
    home.drop_file("libanother.so", &fs::read(any_other_library()).unwrap());
    let manifests = [
        ("libfuture.so", "api = \"^1\"", "api = \"^9\""),
        (
            "libslip.so",
            "api = \"^1\"\ndescription = ",
            "api = \"~1.0\"\ndescripton = ",
        ),
        ("libtyped.so", "version = \"0.1.0\"", "version = 1"),
        ("libstolen.so", "\"echo.ticked\"", "\"marvin.ticked\""),
        (
            "libnamed.so",
            "name = \"echo\"\nversion",
            "name = \"Echo!\"\nversion",
        ),
        ("libgarbage.so", "name = ", "name ; "),
    ];
    for (file, from, to) in manifests {
        let bytes = patched(&library("echo"), |manifest| {
            assert!(manifest.contains(from));
            // Room for what is longer.
            manifest
                .replacen(from, to, 1)
                .replace("a third plugin for tests and for the demo", "")
        });
        home.drop_file(file, &bytes);
    }
    let host = home.start();
    let files = manifests.map(|(file, ..)| file);
    insta::assert_snapshot!(refusals(&home, &host, &files), @r"
    libfuture.so: built for another plugin API: expected a requirement that 1.0.0 satisfies, found `^9`; use a build for this API, or another host
    libslip.so: the manifest is not valid, line 4, column 1: `descripton`: expected a key of plugin API 1.0.0, found `descripton`; check its spelling
    libtyped.so: the manifest is not valid, line 2, column 11: invalid type: integer `1`, expected semver version
    libstolen.so: the manifest is not valid, line 7, column 1: `event_types`: expected event types that begin with `echo.`, found `marvin.ticked`; rename it
    libnamed.so: the manifest is not valid, line 1, column 8: plugin name `Echo!` is not valid: expected 1 to 32 lower-case letters, digits and `_`, the first a letter
    libgarbage.so: the manifest is not valid, line 1, column 6: key with no value, expected `=`
    ");
    insta::assert_snapshot!(refusals(&home, &host, &["libanother.so"]), @"libanother.so: a library without a manifest: expected a section `.kora.plugin`, found none, so it is not a kora plugin; export the plugin with `export_plugin!`");
    host.assert_that_others_go_on("globex");
}

#[test]
fn a_key_that_a_later_host_may_know_is_a_warning() {
    let home = home();
    let bytes = patched(&library("echo"), |manifest| {
        manifest.replacen("license = ", "licence = ", 1)
    });
    home.drop_file("libecho.so", &bytes);
    let host = home.start();
    let echo = host.wait_for_plugin("echo", "running");
    insta::assert_snapshot!(echo["warnings"][0].as_str().unwrap(), @"manifest line 5: `licence` is not known to plugin API 1.0.0 and has no effect");
}

/// A shared library that is no plugin: the C library that this process runs with.
fn any_other_library() -> String {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut loaded = maps.lines().filter_map(|line| line.split_whitespace().last());
    loaded
        .find(|path| path.contains("libc.so") || path.contains("libc-"))
        .expect("runs with a C library")
        .to_owned()
}

#[test]
fn an_event_type_of_the_host_cannot_be_claimed() {
    let home = home();
    let bytes =
        patched(&library("kora"), |manifest| {
            manifest.replace("\"kora.cost.recorded\"", "\"kora.boot.ready\"").replace(
            "The identity Kora, with a heartbeat, a snapshot file for other programs and cost telemetry",
            "x",
        )
        });
    home.drop_file("libkora.so", &bytes);
    let host = home.start();
    insta::assert_snapshot!(refusals(&home, &host, &["libkora.so"]), @"libkora.so: the manifest claims `kora.boot.ready`, expected types of the plugin's own, found one of the host's; choose another name");
    host.assert_that_others_go_on("globex");
}

fn manifest() -> String {
    "name = \"evil\"\nversion = \"0.1.0\"\napi = \"^1\"\n".to_owned()
}

#[test]
fn a_hostile_package_is_refused_and_nothing_of_it_is_unpacked() {
    let home = home();
    let manifest = manifest();
    let toml = Entry::File("plugin.toml", manifest.as_bytes());
    let pages: Vec<String> = (0..90).map(|page| format!("page-{page}")).collect();
    let packages: Vec<(&str, Vec<Entry<'_>>)> = vec![
        ("parent", vec![Entry::File("../evil.txt", b"evil")]),
        ("deep", vec![Entry::File("a/../../../evil.txt", b"evil")]),
        ("absolute", vec![Entry::File("/tmp/kora-evil.txt", b"evil")]),
        (
            "symlink",
            vec![Entry::Link("libevil.so", EntryType::Symlink, "/etc/passwd")],
        ),
        (
            "hardlink",
            vec![Entry::Link("libevil.so", EntryType::Link, "/etc/passwd")],
        ),
        ("device", vec![Entry::Link("libevil.so", EntryType::Char, "")]),
        ("pipe", vec![Entry::Link("libevil.so", EntryType::Fifo, "")]),
        (
            "twice",
            vec![
                Entry::File("plugin.toml", b"name = \"a\""),
                Entry::File("plugin.toml", b"name = \"b\""),
            ],
        ),
        ("hidden", vec![Entry::File("dir\\evil\x1b[31m.txt", b"evil")]),
        (
            "bomb",
            pages.iter().map(|page| Entry::Zeros(page, 4 << 20)).collect(),
        ),
        ("long", vec![Entry::Zeros("README", 5 << 20)]),
        ("library_bomb", vec![Entry::Zeros("libevil.so", 300 << 20)]),
        (
            "two_libraries",
            vec![Entry::File("liba.so", b"a"), Entry::File("libb.so", b"b")],
        ),
        ("no_library", vec![toml]),
    ];
    for (name, entries) in &packages {
        home.drop_file(&format!("{name}.tar.zst"), &package_file(entries));
    }
    let names: Vec<String> = (0..2000).map(|n| format!("f{n}")).collect();
    let many: Vec<_> = names.iter().map(|name| Entry::File(name, b"")).collect();
    home.drop_file("many.tar.zst", &package_file(&many));
    home.drop_file("garbage.tar.zst", b"not compressed");
    home.drop_file(
        "tail.tar.zst",
        &package_file(&[Entry::File("README", b"read me")])[..40],
    );

    let host = home.start();
    let mut files: Vec<String> = packages
        .iter()
        .map(|(name, _)| format!("{name}.tar.zst"))
        .collect();
    files.extend(["many", "garbage", "tail"].map(|name| format!("{name}.tar.zst")));
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    insta::assert_snapshot!(refusals(&home, &host, &files), @r"
    parent.tar.zst: the package holds `../evil.txt`: expected only regular files and folders below one root, found a path with `..`; pack it again without it
    deep.tar.zst: the package holds `a/../../../evil.txt`: expected only regular files and folders below one root, found a path that is too long or too deep; pack it again without it
    absolute.tar.zst: the package holds `/tmp/kora-evil.txt`: expected only regular files and folders below one root, found an absolute path; pack it again without it
    symlink.tar.zst: the package holds `libevil.so`: expected only regular files and folders below one root, found a link; pack it again without it
    hardlink.tar.zst: the package holds `libevil.so`: expected only regular files and folders below one root, found a link; pack it again without it
    device.tar.zst: the package holds `libevil.so`: expected only regular files and folders below one root, found a device; pack it again without it
    pipe.tar.zst: the package holds `libevil.so`: expected only regular files and folders below one root, found a pipe; pack it again without it
    twice.tar.zst: the package holds `plugin.toml`: expected only regular files and folders below one root, found the same path twice; pack it again without it
    hidden.tar.zst: the package holds `dir\evil\u{1b}[31m.txt`: expected only regular files and folders below one root, found a path with control characters or backslashes; pack it again without it
    bomb.tar.zst: the package is too large once unpacked: expected at most 335544320 bytes, found more; pack only what a plugin needs
    long.tar.zst: `README` is too large: expected at most 4194304 bytes, found 5242880; make it smaller
    library_bomb.tar.zst: `libevil.so` is too large: expected at most 268435456 bytes, found 314572800; make it smaller
    two_libraries.tar.zst: several libraries: expected exactly one `.so`, found `liba.so` and `libb.so`; one package for each plugin
    no_library.tar.zst: the package is not complete: expected `lib<name>.so` at its root, found none; pack it again
    many.tar.zst: the package is too large once unpacked: expected at most 256 files and folders, found more; pack only what a plugin needs
    garbage.tar.zst: the package cannot be unpacked: expected a tar archive compressed with zstd, found: Unknown frame descriptor; fetch or pack it again
    tail.tar.zst: the package cannot be unpacked: expected a tar archive compressed with zstd, found: incomplete frame; fetch or pack it again
    ");
    assert!(!Path::new("/tmp/kora-evil.txt").exists() && !home.beside("evil.txt").exists());
    assert!(!home.path().join("evil.txt").exists());
    host.assert_that_others_go_on("globex");
}

#[test]
fn a_package_whose_parts_do_not_agree_is_refused() {
    let home = home();
    let echo = fs::read(library("echo")).unwrap();
    let embedded = embedded_manifest(&echo);
    let other = embedded.replace("A third", "Another").replace("0.1.0", "0.2.0");
    let package = |library_name: &str, manifest: &str| {
        package_file(&[
            Entry::File(library_name, &echo),
            Entry::File("plugin.toml", manifest.as_bytes()),
        ])
    };
    home.drop_file("differs.tar.zst", &package("libecho.so", &other));
    home.drop_file("misnamed.tar.zst", &package("libother.so", &embedded));
    let sound = package("libecho.so", &embedded);
    home.drop_file("flipped.tar.zst", &with_another_library_byte(&sound));
    let host = home.start();
    insta::assert_snapshot!(refusals(&home, &host, &["differs.tar.zst", "misnamed.tar.zst"]), @r"
    differs.tar.zst: two manifests: expected `plugin.toml` to equal the one inside the library, found another; build and pack again
    misnamed.tar.zst: the library has another name: expected `libecho.so`, as the manifest says, found `libother.so`; pack it again
    ");
    let flipped = refusals(&home, &host, &["flipped.tar.zst"]);
    assert!(
        flipped.contains("`libecho.so` is not what was packed: expected SHA-256 "),
        "{flipped}"
    );
    home.drop_file("sound.tar.zst", &sound);
    host.wait_for_plugin("echo", "running");
    host.assert_that_others_go_on("globex");
}

fn embedded_manifest(library: &[u8]) -> String {
    use object::{Object as _, ObjectSection as _};
    let file = object::File::parse(library).unwrap();
    let section = file.section_by_name(".kora.plugin").unwrap();
    String::from_utf8(section.data().unwrap().to_vec()).unwrap()
}

/// The last byte of the library in a package is another; the digests are as they were.
fn with_another_library_byte(package: &[u8]) -> Vec<u8> {
    let mut archive = zstd::decode_all(package).unwrap();
    let elf = archive
        .windows(4)
        .position(|window| window == b"\x7fELF")
        .unwrap();
    archive[elf + 5000] ^= 1;
    zstd::encode_all(archive.as_slice(), 1).unwrap()
}

#[test]
fn what_others_can_write_or_own_is_refused_and_taken_once_it_is_mended() {
    let home = home();
    let loose = home.drop_file("libecho.so", &fs::read(library("echo")).unwrap());
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o666)).unwrap();
    let host = home.start();
    insta::assert_snapshot!(refusals(&home, &host, &["libecho.so"]), @"libecho.so: `<home>/plugins/libecho.so` can be written by others: expected a mode without write permission for group and others, found 0666; check its content and run `chmod go-w` on it");
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o644)).unwrap();
    host.wait_for_plugin("echo", "running");

    // Only root can give a file away; everybody else cannot have such a file here at all.
    let strange = home.drop_file("libstrange.so", &renamed("echo", "strange"));
    if chown(&strange, Some(4711), None).is_ok() {
        let cause = refusals(&home, &host, &["libstrange.so"]);
        assert!(
            cause.contains("belongs to a stranger") && cause.contains("found uid 4711"),
            "{cause}"
        );
    }
    host.assert_that_others_go_on("globex");
}

#[test]
fn a_directory_that_others_can_write_lets_nothing_in_and_is_named() {
    let home = home();
    fs::set_permissions(home.plugins(), fs::Permissions::from_mode(0o777)).unwrap();
    let host = home.start();
    insta::assert_snapshot!(refusals(&home, &host, &["libmarvin.so"]), @"libmarvin.so: `<home>/plugins` can be written by others: expected a mode without write permission for group and others, found 0777; check its content and run `chmod go-w` on it");
    let state = host.json(&["state", "show", "--tenant", "globex"]);
    assert_eq!(state["primary_state"], "stopped", "nobody speaks for it");
    fs::set_permissions(home.plugins(), fs::Permissions::from_mode(0o700)).unwrap();
    host.json(&["config", "reload"]);
    host.wait_for_plugin("marvin", "running");
    host.assert_that_others_go_on("globex");
}

#[test]
fn links_that_leave_the_directory_and_unfinished_files_are_ignored() {
    let home = home();
    symlink(library("echo"), home.plugins().join("libecho.so")).unwrap();
    symlink("/nowhere/at/all", home.plugins().join("libdangling.so")).unwrap();
    fs::write(home.plugins().join("libhalf.so.part"), b"half").unwrap();
    fs::write(home.plugins().join(".libhidden.so"), b"hidden").unwrap();
    fs::write(home.plugins().join("README"), b"what lies here").unwrap();
    let host = home.start();
    let listed = host.json(&["plugins", "list"]);
    let shown: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|plugin| {
            let path = plugin["path"].as_str().unwrap();
            (
                path.rsplit('/').next().unwrap(),
                plugin["state"].as_str().unwrap(),
            )
        })
        .collect();
    // They are shown to whoever asks, and are no event.
    let expected = [
        ("libmarvin.so", "running"),
        ("README", "ignored"),
        ("libdangling.so", "ignored"),
        ("libecho.so", "ignored"),
    ];
    assert_eq!(shown, expected);
    let changes = host.payloads("host", "host.plugin.state_changed");
    assert!(
        changes.iter().all(|change| change["plugin"] == "marvin"),
        "{changes:?}"
    );
}

#[test]
fn of_two_files_with_one_name_the_highest_version_runs_and_the_other_is_shown() {
    let home = home();
    home.install(&["echo"]);
    let newer = patched(&library("echo"), |manifest| {
        manifest.replace("version = \"0.1.0\"", "version = \"0.2.0\"")
    });
    home.drop_file("libecho-next.so", &newer);
    let host = home.start();
    assert_eq!(host.wait_for_plugin("echo", "running")["version"], "0.2.0");
    insta::assert_snapshot!(refusals(&home, &host, &["libecho.so"]), @"libecho.so: another file of the same name goes first: expected the highest version of `echo`, and of equal ones the first path, found 0.1.0 beside 0.2.0 in `<home>/plugins/libecho-next.so`; remove one of them");
}

#[test]
fn the_operator_narrows_what_is_let_in_by_name_or_digest() {
    let digest: String = Sha256::digest(fs::read(library("echo")).unwrap())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let home = TestHome::with_config(&format!(
        "[plugins]\nallow = [\"marvin\", \"{digest}\"]\n[tenants.globex]\nidentity = \"marvin\"\n"
    ));
    home.install(&["marvin", "echo", "kora"]);
    let host = home.start();
    host.wait_for_plugin("echo", "running");
    let refused = host.wait_for_refusal("libkora.so");
    let cause = refused["cause"].as_str().unwrap();
    assert!(
        cause.starts_with(
            "the plugin `kora` is not allowed here: expected a name or digest that `[plugins] allow` lists"
        ),
        "{cause}"
    );
    host.assert_that_others_go_on("globex");
}

#[test]
fn a_configuration_that_the_plugin_does_not_take_refuses_the_plugin() {
    let home = TestHome::with_config(
        "[plugins.echo]\ntick_seconds = \"often\"\n[tenants.globex]\nidentity = \"marvin\"\n",
    );
    home.install(&["marvin", "echo"]);
    let host = home.start();
    let cause = host.wait_for_cause("echo", "refused", "kora.toml");
    assert!(cause.contains("tick_seconds"), "{cause}");
    host.assert_that_others_go_on("globex");

    // A reload says the same, until it is mended; then the plugin is let in.
    let problem = host.problem(&["config", "reload"]);
    let message = problem["message"].as_str().unwrap();
    assert!(
        message.contains("kora.toml:2: `plugins.echo.tick_seconds`: expected type"),
        "{problem}"
    );
    home.configure("[plugins.echo]\ntick_seconds = 5\n[tenants.globex]\nidentity = \"marvin\"\n");
    host.json(&["config", "reload"]);
    host.wait_for_plugin("echo", "running");
}

#[test]
fn each_refusal_stands_in_the_chain_of_the_host() {
    let home = home();
    home.drop_file("libnotes.so", b"notes");
    let host = home.start();
    host.wait_for_refusal("libnotes.so");
    let changes = host.payloads("host", "host.plugin.state_changed");
    let refusal = changes.iter().find(|change| change["to"] == "refused").unwrap();
    assert_eq!(
        (&refusal["file"], &refusal["plugin"]),
        (&"libnotes.so".into(), &Value::Null)
    );
    assert!(
        refusal["cause"].as_str().unwrap().starts_with("not an ELF file"),
        "{refusal}"
    );
    let marvin: Vec<_> = changes
        .iter()
        .filter(|change| change["plugin"] == "marvin")
        .map(|change| change["to"].as_str().unwrap())
        .collect();
    assert_eq!(
        marvin,
        [
            "discovered",
            "verified",
            "loaded",
            "registered",
            "starting",
            "running"
        ]
    );
}
