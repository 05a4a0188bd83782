//! The package file: a tar of a few files, compressed, with the same bytes for the same files.

use std::{collections::BTreeMap, fmt::Write as _, fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

const SUMS_FILE: &str = "SHA256SUMS";

/// The first of January 2000, for every file: tar complains about 1970.
const MTIME_SECONDS: u64 = 946_684_800;
const MODE: u32 = 0o644;
/// How hard to compress. The host's limit on the decoder's window (8 MiB) holds for each.
#[derive(Debug, Clone, Copy)]
pub enum Effort {
    /// As small as can be.
    Small,
    /// As quick as can be.
    Quick,
}

impl Effort {
    const fn zstd_level(self) -> i32 {
        match self {
            Self::Small => 19,
            Self::Quick => 1,
        }
    }
}

/// A package.
pub struct Packed {
    /// The file.
    pub bytes: Vec<u8>,
    /// What it holds, in order.
    pub files: Vec<String>,
}

/// Packs the files, sorted by name, and their digests as `sha256sum --check` reads them.
pub fn pack(mut files: BTreeMap<String, Vec<u8>>, effort: Effort) -> Result<Packed> {
    let mut sums = String::new();
    for (name, content) in &files {
        writeln!(sums, "{}  {name}", sha256_hex(content))?;
    }
    files.insert(SUMS_FILE.to_owned(), sums.into_bytes());
    Ok(Packed {
        bytes: compress(&tar(&files)?, effort)?,
        files: files.into_keys().collect(),
    })
}

/// SHA-256 in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a `String` does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Puts a file at `path` in one step, so that a host which watches that folder never sees half of it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().context("expected a path in a folder")?;
    fs::create_dir_all(directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
    let written = || -> Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".")
            .suffix(".tmp")
            .tempfile_in(directory)?;
        file.write_all(bytes)?;
        set_mode(file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    written().with_context(|| format!("cannot write `{}`", path.display()))
}

/// A temporary file can be read by its owner alone; a package is for others too.
#[cfg(unix)]
fn set_mode(file: &fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(MODE))
}

#[cfg(not(unix))]
fn set_mode(_file: &fs::File) -> std::io::Result<()> {
    Ok(())
}

fn tar(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    // A library with holes would be written otherwise, depending on the file system; and these bytes are in memory anyway.
    builder.sparse(false);
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(MODE);
        header.set_mtime(MTIME_SECONDS);
        header.set_uid(0);
        header.set_gid(0);
        header
            .set_path(name)
            .with_context(|| format!("cannot pack `{name}`"))?;
        header.set_cksum();
        builder.append(&header, content.as_slice())?;
    }
    Ok(builder.into_inner()?)
}

/// On one thread: with several, the result depends on how many.
fn compress(bytes: &[u8], effort: Effort) -> Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), effort.zstd_level())?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(bytes.len() as u64))?;
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn files() -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([
            ("plugin.toml".to_owned(), b"name = \"x\"".to_vec()),
            ("libx.so".to_owned(), vec![0; 100_000]),
            ("LICENSE-MIT".to_owned(), b"do as you like".to_vec()),
        ])
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        assert_eq!(
            pack(files(), Effort::Small).expect("packs").bytes,
            pack(files(), Effort::Small).expect("packs").bytes
        );
    }

    #[test]
    fn a_package_holds_the_files_in_order_and_says_nothing_of_this_machine() {
        let packed = pack(files(), Effort::Small).expect("packs");
        assert_eq!(
            packed.files,
            ["LICENSE-MIT", "SHA256SUMS", "libx.so", "plugin.toml"]
        );
        let unpacked = zstd::decode_all(packed.bytes.as_slice()).expect("decompresses");
        let mut archive = tar::Archive::new(unpacked.as_slice());
        let mut names = Vec::new();
        for entry in archive.entries().expect("lists") {
            let mut entry = entry.expect("reads");
            let header = entry.header();
            assert_eq!(header.entry_type(), tar::EntryType::Regular);
            let attributes = (header.mtime(), header.uid(), header.gid(), header.mode());
            let attributes = [
                attributes.0.expect("is set"),
                attributes.1.expect("is set"),
                attributes.2.expect("is set"),
                u64::from(attributes.3.expect("is set")),
            ];
            assert_eq!(attributes, [MTIME_SECONDS, 0, 0, u64::from(MODE)]);
            assert_eq!(header.username().expect("is text"), Some(""));
            names.push(entry.path().expect("is a path").display().to_string());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("reads");
        }
        assert_eq!(names, packed.files);
    }

    #[test]
    fn the_digests_name_every_other_file_in_the_form_of_sha256sum() {
        let packed = pack(BTreeMap::from([("a".to_owned(), Vec::new())]), Effort::Small).expect("packs");
        let unpacked = zstd::decode_all(packed.bytes.as_slice()).expect("decompresses");
        let text = String::from_utf8_lossy(&unpacked).into_owned();
        let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(text.contains(&format!("{of_nothing}  a\n")));
    }
}
