//! The copies of libraries: named by their content, made whole or not at all.

use std::os::unix::fs::{MetadataExt as _, symlink};

use super::*;

const LIBRARY: &[u8] = b"the bytes of a library";

struct Fixture {
    home: tempfile::TempDir,
    cache: Cache,
}

impl Fixture {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path().canonicalize().unwrap().join("cache"));
        Self { home, cache }
    }

    fn keep(&self) -> Result<PathBuf, Refusal> {
        self.cache
            .keep(&"echo".parse().unwrap(), LIBRARY, Digest::of(LIBRARY))
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) {
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn a_copy_is_named_by_its_content_and_readable_by_the_host_alone() {
    let fixture = Fixture::new();
    let path = fixture.keep().unwrap();
    assert!(path.ends_with(format!("cache/{}/libecho.so", Digest::of(LIBRARY))));
    assert_eq!(std::fs::read(&path).unwrap(), LIBRARY);
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o400);
    assert_eq!(path.parent().unwrap().metadata().unwrap().mode() & 0o777, 0o700);
    let files = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "no temporary file is left");
}

#[test]
fn a_sound_copy_is_used_again_and_not_written() {
    let fixture = Fixture::new();
    let inode = fixture.keep().unwrap().metadata().unwrap().ino();
    assert_eq!(fixture.keep().unwrap().metadata().unwrap().ino(), inode);
}

#[test]
fn a_changed_copy_is_left_alone_and_replaced_under_a_fresh_name() {
    let fixture = Fixture::new();
    let first = fixture.keep().unwrap();
    let mut changed = LIBRARY.to_vec();
    changed[3] ^= 1;
    for bytes in [&changed[..], b"short", b""] {
        fixture.overwrite(&first, bytes);
        let fresh = fixture.keep().unwrap();
        assert_ne!(fresh, first);
        assert_eq!(std::fs::read(&fresh).unwrap(), LIBRARY);
        assert_eq!(std::fs::read(&first).unwrap(), bytes, "it may be mapped");
    }
}

#[test]
fn a_copy_that_others_can_write_or_that_is_a_link_is_not_used() {
    let fixture = Fixture::new();
    let first = fixture.keep().unwrap();
    std::fs::set_permissions(&first, Permissions::from_mode(0o666)).unwrap();
    let second = fixture.keep().unwrap();
    assert_ne!(second, first);
    std::fs::remove_file(&second).unwrap();
    symlink(&first, &second).unwrap();
    assert!(fixture.keep().unwrap().ends_with("libecho.2.so"));
}

#[test]
fn too_many_changed_copies_end_in_a_refusal() {
    let fixture = Fixture::new();
    for _ in 0..MAX_COPIES {
        fixture.overwrite(&fixture.keep().unwrap(), b"x");
    }
    assert_eq!(fixture.keep().unwrap_err().kind(), "cache_failed");
}

#[test]
fn a_cache_that_others_can_write_is_refused() {
    let fixture = Fixture::new();
    fixture.keep().unwrap();
    std::fs::set_permissions(&fixture.cache.directory, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(fixture.keep().unwrap_err().kind(), "writable_by_others");
}

#[test]
fn a_file_where_the_cache_should_be_is_named() {
    let fixture = Fixture::new();
    std::fs::write(fixture.home.path().join("cache"), "x").unwrap();
    let refusal = fixture.keep().unwrap_err();
    assert_eq!(refusal.kind(), "cache_failed");
    assert!(refusal.to_string().contains("/cache`"), "{refusal}");
}

#[test]
fn sweeping_takes_only_what_is_old_and_unused() {
    let fixture = Fixture::new();
    let path = fixture.keep().unwrap();
    let hour = Duration::from_secs(3600);
    let later = SystemTime::now() + hour * 2;
    let used = BTreeSet::from([Digest::of(LIBRARY)]);
    assert_eq!(fixture.cache.sweep(&used, hour, later).unwrap(), 0);
    assert_eq!(
        fixture
            .cache
            .sweep(&BTreeSet::new(), hour, SystemTime::now())
            .unwrap(),
        0
    );
    assert!(path.exists());
    std::fs::create_dir(fixture.cache.directory.join("something else")).unwrap();
    assert_eq!(fixture.cache.sweep(&BTreeSet::new(), hour, later).unwrap(), 1);
    assert!(!path.exists() && fixture.cache.directory.join("something else").exists());
    assert_eq!(Cache::new("/nonexistent").sweep(&used, hour, later).unwrap(), 0);
}
