//! Packages and folders, hostile ones too.

use std::path::PathBuf;

use tar::EntryType;

use super::*;
use crate::plugin::fixture::{self, Pack};

const SMALL: Limits = Limits {
    library_bytes: 64 * 1024,
    package_bytes: 256 * 1024,
    unpacked_bytes: 512 * 1024,
    other_file_bytes: 16 * 1024,
    entries: 16,
};

fn manifest() -> String {
    fixture::manifest("echo", "1.0.0", "")
}

fn pack() -> Pack {
    Pack::of("echo", &manifest())
}

struct Dropped {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Dropped {
    fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("echo.tar.zst");
        fixture::write(&path, bytes);
        Self {
            _folder: folder,
            path,
        }
    }

    fn read(&self) -> Result<Contents, Refusal> {
        read_package(&self.path, &SMALL)
    }
}

fn refusal(bytes: &[u8]) -> Refusal {
    match Dropped::new(bytes).read() {
        Ok(_) => panic!("the package was accepted"),
        Err(refusal) => refusal,
    }
}

/// What a package is refused for that is sound but for this change; the checksums list what is in it.
fn assert_refused(spoil: impl FnOnce(&mut Pack), kind: &str, found: &str) {
    let mut pack = pack();
    spoil(&mut pack);
    let refusal = refusal(&pack.with_sums().bytes());
    assert_eq!(refusal.kind(), kind, "{refusal}");
    let line = refusal.to_string();
    assert!(line.contains(found) && !line.contains(char::is_control), "{line}");
}

#[test]
fn a_package_gives_its_library_and_is_named_by_the_digest_of_its_file() {
    let bytes = pack().with_sums().bytes();
    let contents = Dropped::new(&bytes).read().unwrap();
    let library = fixture::library(&manifest());
    assert_eq!(contents.digest, Digest::of(&bytes));
    assert_eq!(contents.library_digest, Digest::of(&library));
    assert_eq!(contents.library, library);
    let packing = contents.packing.unwrap();
    assert_eq!(packing.manifest, manifest().as_bytes());
    assert_eq!(packing.library_name, "libecho.so");
}

#[test]
fn what_follows_the_archive_is_part_of_the_digest() {
    let mut bytes = pack().with_sums().bytes();
    bytes.extend_from_slice(&[7; 100_000]);
    assert_eq!(Dropped::new(&bytes).read().unwrap().digest, Digest::of(&bytes));
}

#[test]
fn everything_may_lie_in_one_folder() {
    let flat = pack();
    let mut nested = Pack { entries: Vec::new() };
    nested.entry(b"./", EntryType::Directory, b"");
    nested.entry(b"echo-1.0.0/", EntryType::Directory, b"");
    for (header, content) in &flat.entries {
        let name = header.path_bytes();
        nested.file(
            &format!("./echo-1.0.0/{}", String::from_utf8_lossy(&name)),
            content,
        );
    }
    nested.file("echo-1.0.0/SHA256SUMS", flat.sums().as_bytes());
    let contents = Dropped::new(&nested.bytes()).read().unwrap();
    assert_eq!(contents.packing.unwrap().library_name, "libecho.so");

    nested.file("beside", b"x");
    assert_eq!(
        refusal(&nested.bytes()).to_string(),
        "the package holds `beside`: expected only regular files and folders below one root, found a path beside its root folder; pack it again without it"
    );
}

#[test]
fn paths_that_could_lead_elsewhere_are_refused() {
    for (path, found) in [
        ("/etc/passwd", "an absolute path"),
        ("../evil", "a path with `..`"),
        ("a/../../evil", "a path with `..`"),
        ("a//b", "an empty part"),
        ("a/./b", "an empty part"),
        ("..\\evil", "backslashes"),
        ("a\n\u{1b}[2J", "control characters"),
        ("a/b/c/d/e", "too long or too deep"),
    ] {
        assert_refused(|pack| pack.file(path, b"x"), "entry_refused", found);
        assert_refused(
            |pack| pack.entry(path.as_bytes(), EntryType::Directory, b""),
            "entry_refused",
            found,
        );
    }
    assert_refused(
        |pack| pack.entry(b"\xff\xfe", EntryType::Regular, b"x"),
        "entry_refused",
        "not UTF-8",
    );
}

#[test]
fn only_regular_files_and_folders_are_accepted() {
    for (kind, found) in [
        (EntryType::Symlink, "a link"),
        (EntryType::Link, "a link"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a pipe"),
        (EntryType::GNUSparse, "a sparse file"),
        (EntryType::XHeader, "an extended header"),
        (EntryType::XGlobalHeader, "an extended header"),
        (EntryType::GNULongName, "an extended header"),
        (EntryType::GNULongLink, "an extended header"),
        (EntryType::Continuous, "an unknown type"),
    ] {
        assert_refused(|pack| pack.entry(b"x", kind, b""), "entry_refused", found);
    }
    assert_refused(
        |pack| pack.entry(b"x", EntryType::Directory, b"content"),
        "entry_refused",
        "a folder with content",
    );
}

#[test]
fn an_extended_header_cannot_rename_or_resize_what_follows() {
    assert_refused(
        |pack| {
            pack.entry(b"pax", EntryType::XHeader, b"20 path=../../evil\n");
            pack.file("harmless", b"x");
        },
        "entry_refused",
        "an extended header",
    );
}

#[test]
fn a_path_cannot_come_twice() {
    assert_refused(
        |pack| pack.file("plugin.toml", b"other"),
        "entry_refused",
        "twice",
    );
    assert_refused(
        |pack| pack.file("./LICENSE-MIT", b"other"),
        "entry_refused",
        "twice",
    );
}

#[test]
fn a_package_holds_exactly_one_library_at_its_root() {
    assert_refused(
        |pack| pack.file("libtwo.so", b"x"),
        "several_libraries",
        "`libtwo.so`",
    );
    assert_refused(
        |pack| drop(pack.entries.remove(0)),
        "package_incomplete",
        "`lib<name>.so`",
    );
    assert_refused(
        |pack| {
            let (_, library) = pack.entries.remove(0);
            pack.file("deep/libecho.so", &library);
        },
        "entry_refused",
        "a folder of its own",
    );
}

#[test]
fn a_package_without_manifest_or_checksums_is_not_complete() {
    assert_refused(
        |pack| drop(pack.entries.remove(1)),
        "package_incomplete",
        "`plugin.toml`",
    );
    let refusal = refusal(&pack().bytes());
    assert!(
        refusal.to_string().contains("`SHA256SUMS` at its root"),
        "{refusal}"
    );
}

#[test]
fn the_checksums_list_every_other_file_and_hold() {
    let with = |sums: &str| {
        let mut pack = pack();
        pack.file("SHA256SUMS", sums.as_bytes());
        refusal(&pack.bytes())
    };
    let sums = pack().sums();
    let cut = sums.lines().skip(1).collect::<Vec<_>>().join("\n");
    assert_eq!(
        with(&cut).to_string(),
        "`SHA256SUMS` is not valid: expected lines of digest, two spaces and name, found none for `libecho.so`; pack it again"
    );
    let twice = format!("{sums}{sums}");
    assert!(with(&twice).to_string().contains("not there or listed twice"));
    assert!(
        with(&format!("{sums}hello\n"))
            .to_string()
            .contains("found `hello`")
    );
    let other = sums.replacen(&sums[..64], &"0".repeat(64), 1);
    let refusal = with(&other);
    assert_eq!(refusal.kind(), "checksum_mismatch");
    assert!(refusal.to_string().contains("`libecho.so`"), "{refusal}");
}

#[test]
fn an_archive_that_is_none_is_refused() {
    let whole = pack().with_sums().bytes();
    let tar = pack().with_sums().tar();
    let compress = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    for bytes in [
        b"".as_slice(),
        b"not an archive",
        &tar,
        &whole[..whole.len() / 2],
        &compress(b"not a tar archive, and longer than nothing"),
        &compress(&[0xff; 2048]),
    ] {
        let refusal = refusal(bytes);
        assert!(
            ["archive_unreadable", "package_incomplete"].contains(&refusal.kind()),
            "{refusal}"
        );
    }
}

#[test]
fn an_archive_cut_inside_a_file_is_refused() {
    let tar = pack().with_sums().tar();
    for end in [512 + 100, 600, tar.len() / 2] {
        let refusal = refusal(&zstd::encode_all(&tar[..end], 3).unwrap());
        assert!(!refusal.to_string().is_empty());
    }
}

#[test]
fn bombs_are_refused_before_they_unfold() {
    let zeros = |bytes: usize| vec![0; bytes];
    assert_refused(
        |pack| pack.file("NOTICE", &zeros(16 * 1024 + 1)),
        "too_large",
        "`NOTICE`",
    );
    assert_refused(
        |pack| pack.file("plugin.toml", &zeros(65 * 1024)),
        "entry_refused",
        "twice",
    );
    assert_refused(
        |pack| {
            pack.entries.remove(0);
            pack.file("libecho.so", &zeros(64 * 1024 + 1));
        },
        "too_large",
        "`libecho.so`",
    );
    assert_refused(
        |pack| (0..40).for_each(|n| pack.file(&format!("f{n}"), b"")),
        "archive_too_large",
        "at most 16 files and folders",
    );
    // After the end of the archive nothing is unpacked; within it, not more than the limit.
    let bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(0), 16 << 20), 19).unwrap();
    assert!(bomb.len() < 256 * 1024);
    assert!(["package_incomplete", "archive_too_large"].contains(&refusal(&bomb).kind()));
    let mut many = pack();
    for n in 0..12 {
        many.file(&format!("f{n}"), &zeros(16 * 1024));
    }
    let limits = Limits {
        unpacked_bytes: 128 * 1024,
        ..SMALL
    };
    let dropped = Dropped::new(&many.with_sums().bytes());
    let refusal = read_package(&dropped.path, &limits).err().unwrap();
    assert_eq!(
        refusal.to_string(),
        "the package is too large once unpacked: expected at most 131072 bytes, found more; pack only what a plugin needs"
    );
}

#[test]
fn a_size_that_is_a_lie_is_refused() {
    let mut pack = pack();
    let (header, _) = &mut pack.entries[0];
    header.set_size(u64::MAX / 2);
    header.set_cksum();
    assert_eq!(refusal(&pack.bytes()).kind(), "too_large");
}

#[test]
fn a_window_that_needs_much_memory_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::Write::write_all(&mut encoder, &pack().with_sums().tar()).unwrap();
    let refusal = refusal(&encoder.finish().unwrap());
    assert_eq!(refusal.kind(), "archive_unreadable");
    assert!(refusal.to_string().contains("memory"), "{refusal}");
}

#[test]
fn a_package_file_that_is_too_large_is_not_opened_up() {
    let limits = Limits {
        package_bytes: 100,
        ..SMALL
    };
    let dropped = Dropped::new(&pack().with_sums().bytes());
    assert_eq!(
        read_package(&dropped.path, &limits).err().unwrap().kind(),
        "too_large"
    );
}

#[test]
fn a_library_that_is_too_large_is_refused() {
    let dropped = Dropped::new(&vec![0; 64 * 1024 + 1]);
    let refusal = read_library(&dropped.path, &SMALL).err().unwrap();
    assert!(
        refusal.to_string().contains("at most 65536 bytes, found 65537"),
        "{refusal}"
    );
}

mod folders {
    use std::os::unix::fs::symlink;

    use super::*;

    fn unpacked() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (header, content) in &pack().entries {
            let name = header.path_bytes();
            fixture::write(&folder.path().join(&*String::from_utf8_lossy(&name)), content);
        }
        folder
    }

    fn read(folder: &tempfile::TempDir) -> Result<Contents, Refusal> {
        read_folder(folder.path(), &SMALL, |_| Ok(()))
    }

    #[test]
    fn a_folder_needs_no_checksums_and_is_named_by_its_library() {
        let contents = read(&unpacked()).unwrap();
        assert_eq!(contents.digest, Digest::of(&fixture::library(&manifest())));
        assert_eq!(contents.digest, contents.library_digest);
    }

    #[test]
    fn checksums_in_a_folder_must_hold() {
        let folder = unpacked();
        let sums = folder.path().join("SHA256SUMS");
        fixture::write(&sums, pack().sums().as_bytes());
        assert!(read(&folder).is_ok());
        fixture::write(&folder.path().join("LICENSE-MIT"), b"do as we say");
        assert_eq!(read(&folder).err().unwrap().kind(), "checksum_mismatch");
    }

    #[test]
    fn links_and_temporary_files_are_no_part_of_it() {
        let folder = unpacked();
        symlink("/etc/passwd", folder.path().join("liblink.so")).unwrap();
        fixture::write(&folder.path().join(".libecho.so.swp"), b"x");
        fixture::write(&folder.path().join("libecho.so~"), b"x");
        assert!(read(&folder).is_ok());
    }

    #[test]
    fn each_level_is_checked_before_it_is_read() {
        let folder = unpacked();
        std::fs::create_dir(folder.path().join("licences")).unwrap();
        fixture::write(&folder.path().join("licences/MIT"), b"x");
        let stranger = folder.path().join("licences/MIT");
        let refused = read_folder(folder.path(), &SMALL, |level| match level == stranger {
            true => Err(Refusal::NoManifest),
            false => Ok(()),
        });
        assert_eq!(refused.err(), Some(Refusal::NoManifest));
    }

    #[test]
    fn a_folder_that_holds_too_much_is_refused() {
        let folder = unpacked();
        for n in 0..20 {
            fixture::write(&folder.path().join(format!("f{n}")), b"");
        }
        assert_eq!(read(&folder).err().unwrap().kind(), "archive_too_large");
    }
}
