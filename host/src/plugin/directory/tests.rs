//! What a plugin directory is found to hold, and what is heard when it changes.

use std::{fs, os::unix::fs::symlink};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::*;

struct Plugins(tempfile::TempDir);

impl Plugins {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    fn scan(&self) -> Vec<Candidate> {
        scan(self.0.path()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        names(&self.scan())
    }
}

fn names(candidates: &[Candidate]) -> Vec<String> {
    let names = candidates
        .iter()
        .map(|candidate| candidate.path.file_name().unwrap().to_string_lossy());
    names.map(String::from).collect()
}

#[test]
fn libraries_packages_and_folders_are_found_and_nothing_else() {
    let plugins = Plugins::new();
    for name in [
        "libb.so",
        "a.tar.zst",
        "notes.txt",
        "libc.d",
        "libd.rlib",
        "lib.so.1",
        "e.tar.gz",
    ] {
        plugins.write(name, "x");
    }
    for name in [
        ".libb.so",
        "libb.so~",
        "libb.so.tmp",
        "libb.so.part",
        ".libb.so.swp",
        "b.tar.zst.crdownload",
    ] {
        plugins.write(name, "x");
    }
    for folder in ["folder", "empty", ".hidden", "dir.so"] {
        fs::create_dir(plugins.path(folder)).unwrap();
    }
    plugins.write("folder/plugin.toml", "");
    plugins.write(".hidden/plugin.toml", "");
    let found = plugins.scan();
    assert_eq!(names(&found), ["a.tar.zst", "folder", "libb.so"]);
    assert_eq!(
        found.iter().map(|found| found.form).collect::<Vec<_>>(),
        [Form::Package, Form::Folder, Form::Library]
    );
}

#[test]
fn a_directory_that_does_not_exist_is_empty_and_a_file_in_its_place_an_error() {
    let plugins = Plugins::new();
    assert!(scan(&plugins.path("none")).unwrap().is_empty());
    plugins.write("file", "x");
    assert!(scan(&plugins.path("file")).is_err());
}

#[test]
fn links_that_leave_are_ignored_and_those_within_are_listed_once() {
    let plugins = Plugins::new();
    let outside = tempfile::NamedTempFile::new().unwrap();
    symlink(outside.path(), plugins.path("liboutside.so")).unwrap();
    symlink("nowhere", plugins.path("libdangling.so")).unwrap();
    symlink(".", plugins.path("libself.so")).unwrap();
    symlink("libloop.so", plugins.path("libloop.so")).unwrap();
    plugins.write("libz.so", "x");
    symlink("libz.so", plugins.path("liba.so")).unwrap();
    plugins.write(".1", "x");
    symlink(".1", plugins.path("libhidden.so")).unwrap();
    plugins.write("README", "x");
    plugins.write("half.so.part", "x");
    fs::create_dir(plugins.path("empty")).unwrap();
    assert_eq!(plugins.names(), ["libhidden.so", "libz.so"]);

    let ignored = ignored(&plugins.path("")).unwrap();
    let shown: Vec<_> = ignored
        .iter()
        .map(|ignored| {
            let name = ignored.path.file_name().unwrap().to_str().unwrap();
            (name, ignored.reason.split(':').next().unwrap())
        })
        .collect();
    let leaves = "a link that leaves the plugin directory";
    assert_eq!(
        shown,
        [
            ("README", "no plugin"),
            ("empty", "no plugin"),
            ("libdangling.so", "a link that leads nowhere"),
            ("libloop.so", "a link that leads nowhere"),
            ("liboutside.so", leaves),
            ("libself.so", leaves),
        ]
    );
}

/// One candidate that changes with `stamp`.
fn candidate(name: &str, stamp: u64) -> Candidate {
    Candidate {
        path: name.into(),
        form: Form::Library,
        stamp: Stamp {
            inode: stamp,
            entries: 1,
            bytes: 0,
            modified: Duration::ZERO,
            changed: Duration::ZERO,
            directory: (0, 0o755),
        },
    }
}

fn settled(change: DirectoryChange) -> Vec<String> {
    assert!(change.gone.is_empty(), "{change:?}");
    names(&change.settled)
}

#[test]
fn a_file_is_announced_once_it_has_stood_still_for_a_second() {
    let start = Instant::now();
    let at = |milliseconds| start + Duration::from_millis(milliseconds);
    let mut settle = Settle::default();
    assert!(settle.observe(at(0), vec![candidate("a.so", 1)]).is_empty());
    assert!(settle.is_waiting());
    assert!(
        settle.observe(at(900), vec![candidate("a.so", 2)]).is_empty(),
        "it is still written"
    );
    assert!(settle.observe(at(1800), vec![candidate("a.so", 2)]).is_empty());
    assert_eq!(
        settled(settle.observe(at(1900), vec![candidate("a.so", 2)])),
        ["a.so"]
    );
    assert!(!settle.is_waiting());
    assert!(
        settle.observe(at(9000), vec![candidate("a.so", 2)]).is_empty(),
        "once"
    );
}

#[test]
fn a_replaced_file_is_announced_again_and_a_removed_one_as_gone() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut settle = Settle::knowing(vec![candidate("a.so", 1), candidate("b.so", 1)], start);
    assert!(!settle.is_waiting(), "what is known is not announced");
    let listing = || vec![candidate("a.so", 2), candidate("b.so", 1)];
    assert!(settle.observe(at(1), listing()).is_empty());
    assert_eq!(settled(settle.observe(at(2), listing())), ["a.so"]);
    let change = settle.observe(at(3), vec![candidate("a.so", 3)]);
    assert_eq!(change.gone, [PathBuf::from("b.so")]);
    let change = settle.observe(at(3), Vec::new());
    assert_eq!(
        change.gone,
        [PathBuf::from("a.so")],
        "known, though it was being replaced"
    );
}

#[test]
fn what_vanishes_before_it_was_announced_is_not_mentioned() {
    let mut settle = Settle::default();
    let now = Instant::now();
    settle.observe(now, vec![candidate("a.so", 1)]);
    assert!(settle.observe(now, Vec::new()).is_empty());
}

#[test]
fn a_change_of_content_mode_or_directory_changes_the_stamp() {
    use std::os::unix::fs::PermissionsExt as _;
    let chmod = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let plugins = Plugins::new();
    plugins.write("liba.so", "x");
    fs::create_dir_all(plugins.path("folder/deep")).unwrap();
    plugins.write("folder/plugin.toml", "");
    let changes: [(&str, &dyn Fn()); 4] = [
        ("content", &|| plugins.write("liba.so", "longer")),
        ("directory", &|| chmod(plugins.path(""), 0o711)),
        ("replaced", &|| {
            plugins.write("new", "longer");
            fs::rename(plugins.path("new"), plugins.path("liba.so")).unwrap();
        }),
        ("deep", &|| plugins.write("folder/deep/file", "x")),
    ];
    for (what, change) in changes {
        let before = plugins.scan();
        change();
        assert_ne!(plugins.scan(), before, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_at_rest_is_listed_at_once() {
    let plugins = Plugins::new();
    plugins.write("liba.so", "x");
    let mut found = plugins.scan();
    assert!(
        !found[0]
            .stamp
            .is_quiet(SystemTime::now() - Duration::from_secs(60)),
        "from the future"
    );
    assert!(
        found
            .remove(0)
            .stamp
            .is_quiet(SystemTime::now() + Duration::from_secs(2))
    );
    let started = Instant::now();
    assert!(
        scan_settled(&plugins.path("none"), Duration::from_secs(5))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_was_just_written_is_waited_for() {
    let plugins = Plugins::new();
    plugins.write("liba.so", "x");
    let started = Instant::now();
    let found = scan_settled(plugins.0.path(), Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(names(&found), ["liba.so"]);
    assert!(started.elapsed() <= Duration::from_millis(1500));
}

#[tokio::test(start_paused = true)]
async fn patience_ends() {
    let plugins = Plugins::new();
    plugins.write("liba.so", "x");
    let found = scan_settled(plugins.0.path(), Duration::ZERO).await.unwrap();
    assert!(found.is_empty(), "it is left to the watcher");
}

struct Watching {
    changes: mpsc::Receiver<DirectoryChange>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn watch(directory: &Path, known: Vec<Candidate>) -> Watching {
    let (sender, changes) = mpsc::channel(4);
    let stop = CancellationToken::new();
    let task = tokio::spawn(Watcher::new(directory, known).run(sender, stop.clone()));
    Watching { changes, stop, task }
}

impl Watching {
    async fn next(&mut self) -> DirectoryChange {
        const DEADLINE: Duration = Duration::from_secs(30);
        timeout(DEADLINE, self.changes.recv())
            .await
            .expect("in time")
            .expect("still watching")
    }
}

#[tokio::test]
async fn what_is_dropped_replaced_and_removed_is_announced() {
    let plugins = Plugins::new();
    plugins.write("libknown.so", "x");
    let mut watching = watch(plugins.0.path(), plugins.scan());
    let dropped_at = Instant::now();
    plugins.write("libnew.so", "x");
    assert_eq!(names(&watching.next().await.settled), ["libnew.so"]);
    assert!(dropped_at.elapsed() >= QUIET);

    plugins.write(".new", "other");
    fs::rename(plugins.path(".new"), plugins.path("libknown.so")).unwrap();
    assert_eq!(names(&watching.next().await.settled), ["libknown.so"]);

    fs::remove_file(plugins.path("libnew.so")).unwrap();
    assert_eq!(watching.next().await.gone, [plugins.path("libnew.so")]);
    watching.stop.cancel();
    watching.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_file_is_announced_within_two_seconds_even_without_hints() {
    let plugins = Plugins::new();
    // The directory appears only now, so no hints come from it at first.
    let later = plugins.path("later");
    let mut watching = watch(&later, Vec::new());
    tokio::time::sleep(Duration::from_millis(10)).await;
    fs::create_dir(&later).unwrap();
    fs::write(later.join("liba.so"), "x").unwrap();
    let dropped_at = Instant::now();
    assert_eq!(names(&watching.next().await.settled), ["liba.so"]);
    assert!(
        dropped_at.elapsed() < Duration::from_secs(2),
        "{:?}",
        dropped_at.elapsed()
    );
    watching.stop.cancel();
    watching.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn watching_ends_when_nobody_listens() {
    let plugins = Plugins::new();
    let watching = watch(plugins.0.path(), Vec::new());
    drop(watching.changes);
    plugins.write("liba.so", "x");
    watching.task.await.unwrap();
}
