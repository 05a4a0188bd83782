//! The gate over files of every form: what is let in, and in which words the rest is refused.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

use super::*;
use crate::plugin::{
    directory::scan,
    fixture::{self, Pack, manifest},
};

struct Host {
    home: tempfile::TempDir,
    cache: Cache,
    policy: Policy,
    limits: Limits,
    platform: Platform,
}

impl Host {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let plugins = home.path().join("plugins");
        std::fs::create_dir(&plugins).unwrap();
        std::fs::set_permissions(&plugins, Permissions::from_mode(0o755)).unwrap();
        Self {
            cache: Cache::new(home.path().join("cache")),
            home,
            policy: Policy::default(),
            limits: Limits::default(),
            platform: Platform::current(),
        }
    }

    fn plugins(&self) -> PathBuf {
        self.home.path().join("plugins")
    }

    fn drop_file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.plugins().join(name);
        fixture::write(&path, bytes);
        path
    }

    fn admit(&self, path: &Path) -> Result<Admitted, Refusal> {
        let directory = self.plugins();
        admit(
            path,
            &AdmissionContext {
                directory: &directory,
                cache: &self.cache,
                policy: &self.policy,
                limits: &self.limits,
                platform: &self.platform,
                is_host_event_type: &|event_type| event_type.as_str() == "kora.boot.ready",
            },
        )
    }

    fn refusal(&self, path: &Path) -> Refusal {
        let refusal = self.admit(path).unwrap_err();
        assert!(!refusal.to_string().contains('\n'), "{refusal}");
        refusal
    }

    fn admit_library(&self, file: &str, manifest: &str) -> Admitted {
        self.admit(&self.drop_file(file, &fixture::library(manifest)))
            .unwrap()
    }
}

#[test]
fn a_bare_library_is_admitted_and_its_copy_is_what_was_judged() {
    let host = Host::new();
    let text = manifest("echo", "1.0.0", "later = 1\n");
    let bytes = fixture::library(&text);
    let path = host.drop_file("libecho.so", &bytes);
    let admitted = host.admit(&path).unwrap();
    assert_eq!((admitted.form, admitted.path), (Form::Library, path.clone()));
    assert_eq!(admitted.digest, Digest::of(&bytes));
    assert_eq!(admitted.library_digest, admitted.digest);
    assert_eq!(admitted.warnings.len(), 1, "a key of a later API is a warning");
    assert!(
        admitted
            .library_path
            .ends_with(format!("{}/libecho.so", admitted.digest))
    );
    std::fs::write(&path, b"replaced").unwrap();
    assert_eq!(std::fs::read(&admitted.library_path).unwrap(), bytes);
}

#[test]
fn a_package_and_a_folder_are_admitted_and_share_the_copy() {
    let host = Host::new();
    let text = manifest("echo", "1.0.0", "");
    let name = format!("echo-1.0.0-{}.tar.zst", host.platform.target);
    let bytes = Pack::of("echo", &text).with_sums().bytes();
    let package = host.admit(&host.drop_file(&name, &bytes)).unwrap();
    assert_eq!(package.form, Form::Package);
    assert_eq!(package.digest, Digest::of(&bytes));
    assert!(package.warnings.is_empty(), "{:?}", package.warnings);
    let renamed = host.admit(&host.drop_file("mine.tar.zst", &bytes)).unwrap();
    assert!(renamed.warnings[0].contains(&name), "{:?}", renamed.warnings);

    let folder = host.plugins().join("echo");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    host.drop_file("echo/plugin.toml", text.as_bytes());
    host.drop_file("echo/libecho.so", &fixture::library(&text));
    let folder = host.admit(&folder).unwrap();
    assert_eq!(folder.form, Form::Folder);
    assert_eq!(folder.library_path, package.library_path);
    assert_eq!(folder.digest, package.library_digest);
}

#[test]
fn what_is_no_plugin_is_refused_by_name() {
    let host = Host::new();
    for (name, bytes, kind) in [
        ("notes.txt", b"x".as_slice(), "not_a_plugin"),
        ("libx.so", b"x", "not_elf"),
        ("x.tar.zst", b"x", "archive_unreadable"),
        ("liby.so", &fixture::compile("int x;\n"), "no_manifest"),
    ] {
        assert_eq!(host.refusal(&host.drop_file(name, bytes)).kind(), kind);
    }
    assert_eq!(host.refusal(&host.plugins()).kind(), "not_a_plugin");
    assert_eq!(host.refusal(&host.plugins().join("none.so")).kind(), "unreadable");
}

#[test]
fn the_packing_must_agree_with_the_library() {
    let host = Host::new();
    let text = manifest("echo", "1.0.0", "");
    let mut other = Pack::of("echo", &text);
    other.entries.remove(1);
    other.file("plugin.toml", manifest("echo", "2.0.0", "").as_bytes());
    let path = host.drop_file("a.tar.zst", &other.with_sums().bytes());
    assert_eq!(host.refusal(&path), Refusal::ManifestsDiffer);
    let path = host.drop_file("b.tar.zst", &Pack::of("marvin", &text).with_sums().bytes());
    let refusal = host.refusal(&path);
    assert!(
        refusal
            .to_string()
            .contains("expected `libecho.so`, as the manifest says, found `libmarvin.so`")
    );
}

#[test]
fn nothing_is_copied_for_what_is_refused() {
    let mut host = Host::new();
    let bytes = fixture::library(&manifest("echo", "1.0.0", ""));
    let path = host.drop_file("libecho.so", &bytes);
    host.policy = Policy::new(Some(&[]), &[]).unwrap();
    let refusal = host.refusal(&path);
    assert_eq!(refusal.kind(), "not_allowed");
    assert!(
        refusal.to_string().contains(&Digest::of(&bytes).to_string()),
        "the digest can be copied from it"
    );
    host.policy = Policy::new(None, &["echo".to_owned()]).unwrap();
    assert_eq!(host.refusal(&path).kind(), "disabled");
    assert!(!host.home.path().join("cache").exists());
}

#[test]
fn a_future_api_a_newer_libc_and_a_type_of_the_host_are_refused() {
    let mut host = Host::new();
    let future = manifest("echo", "1.0.0", "").replace("^1", "^7");
    assert_eq!(
        host.refusal(&host.drop_file("a.so", &fixture::library(&future)))
            .kind(),
        "api_not_offered"
    );
    let claims = manifest("kora", "1.0.0", "event_types = [\"kora.boot.ready\"]");
    assert_eq!(
        host.refusal(&host.drop_file("b.so", &fixture::library(&claims)))
            .kind(),
        "event_type_of_host"
    );
    let sound = host.drop_file("c.so", &fixture::library(&manifest("echo", "1.0.0", "")));
    if host.platform.glibc.is_some() {
        host.platform.glibc = Some(crate::plugin::GlibcVersion(2, 0));
        assert_eq!(host.refusal(&sound).kind(), "libc_too_old");
    }
}

#[test]
fn a_directory_that_others_can_write_admits_nothing_until_it_is_mended() {
    let host = Host::new();
    let path = host.drop_file("libecho.so", &fixture::library(&manifest("echo", "1.0.0", "")));
    std::fs::set_permissions(host.plugins(), Permissions::from_mode(0o777)).unwrap();
    let refusal = host.refusal(&path);
    assert_eq!(refusal.kind(), "writable_by_others");
    assert!(
        refusal.to_string().contains("plugins` can be written"),
        "{refusal}"
    );
    std::fs::set_permissions(host.plugins(), Permissions::from_mode(0o755)).unwrap();
    host.admit(&path).unwrap();
}

#[test]
fn a_file_in_a_folder_that_others_can_write_is_refused() {
    let host = Host::new();
    let text = manifest("echo", "1.0.0", "");
    let folder = host.plugins().join("echo");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    host.drop_file("echo/plugin.toml", text.as_bytes());
    let library = host.drop_file("echo/libecho.so", &fixture::library(&text));
    std::fs::set_permissions(&library, Permissions::from_mode(0o664)).unwrap();
    assert_eq!(host.refusal(&folder).kind(), "writable_by_others");
}

#[test]
fn a_link_within_the_directory_is_admitted_under_its_own_name() {
    let host = Host::new();
    std::fs::create_dir(host.plugins().join(".versions")).unwrap();
    std::fs::set_permissions(host.plugins().join(".versions"), Permissions::from_mode(0o755)).unwrap();
    host.drop_file(".versions/1", &fixture::library(&manifest("echo", "1.0.0", "")));
    let link = host.plugins().join("libecho.so");
    std::os::unix::fs::symlink(".versions/1", &link).unwrap();
    let found = scan(&host.plugins()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(host.admit(&found[0].path).unwrap().path, link);
}

#[test]
fn the_highest_version_of_a_name_is_chosen_and_the_others_say_by_what() {
    let host = Host::new();
    let admitted = vec![
        host.admit_library("a.so", &manifest("echo", "1.9.0", "")),
        host.admit_library("b.so", &manifest("echo", "1.10.0", "")),
        host.admit_library("c.so", &manifest("marvin", "0.1.0", "")),
        host.admit_library("d.so", &manifest("echo", "1.10.0", "")),
    ];
    let (chosen, others) = choose(admitted);
    let files = |plugins: &[Admitted]| -> Vec<String> {
        let names = plugins
            .iter()
            .map(|plugin| plugin.path.file_name().unwrap().to_string_lossy());
        names.map(String::from).collect()
    };
    assert_eq!(files(&chosen), ["b.so", "c.so"]);
    let (plugins, refusals): (Vec<_>, Vec<_>) = others.into_iter().unzip();
    assert_eq!(files(&plugins), ["d.so", "a.so"]);
    let line = refusals[1].to_string();
    assert!(
        line.contains("found 1.9.0 beside 1.10.0 in `") && line.contains("b.so`"),
        "{line}"
    );
}

#[test]
fn looking_at_a_file_asks_neither_whose_it_is_nor_whether_it_is_allowed() {
    let host = Host::new();
    let path = host.drop_file(
        "libecho.so",
        &fixture::library(&manifest("echo", "1.0.0", "wat = 1")),
    );
    std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let look = |strictness| examine(&path, strictness, &host.limits, &host.platform);
    assert_eq!(look(Strictness::AtLoad).unwrap().manifest.name.as_str(), "echo");
    assert_eq!(look(Strictness::Strict).unwrap_err().kind(), "manifest_invalid");
    assert!(!host.home.path().join("cache").exists());
}
