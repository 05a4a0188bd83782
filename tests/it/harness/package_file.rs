//! Package files that no careful tool would write.

use std::io::Write as _;

use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

/// Something in an archive.
pub enum Entry<'a> {
    /// A file. The path is written as it is, however bad.
    File(&'a str, &'a [u8]),
    /// Something else than a file, that leads to the other path.
    Link(&'a str, EntryType, &'a str),
    /// A file of this many zeros: many in the archive, few in the package.
    Zeros(&'a str, u64),
}

/// A package of these, with a `SHA256SUMS` that fits the plain files among them.
pub fn package_file(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut sums = String::new();
    for entry in entries {
        if let Entry::File(path, content) = entry {
            let digest: String = Sha256::digest(content)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            sums.push_str(&format!("{digest}  {path}\n"));
        }
    }
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    for entry in entries {
        write(&mut encoder, entry);
    }
    write(&mut encoder, &Entry::File("SHA256SUMS", sums.as_bytes()));
    encoder.write_all(&[0; 1024]).unwrap();
    encoder.finish().unwrap()
}

const BLOCK: usize = 512;

fn write(into: &mut impl std::io::Write, entry: &Entry<'_>) {
    let (path, kind, target, size) = match entry {
        Entry::File(path, content) => (*path, EntryType::Regular, "", content.len() as u64),
        Entry::Link(path, kind, target) => (*path, *kind, *target, 0),
        Entry::Zeros(path, size) => (*path, EntryType::Regular, "", *size),
    };
    into.write_all(header(path, kind, target, size).as_bytes())
        .unwrap();
    match entry {
        Entry::File(_, content) => into.write_all(content).unwrap(),
        Entry::Link(..) => {}
        Entry::Zeros(_, size) => {
            std::io::copy(&mut std::io::Read::take(std::io::repeat(0), *size), into).unwrap();
        }
    }
    let rest = usize::try_from(size).unwrap() % BLOCK;
    if rest > 0 {
        into.write_all(&vec![0; BLOCK - rest]).unwrap();
    }
}

/// The tar crate refuses such paths, so the bytes are put where they belong.
fn header(path: &str, kind: EntryType, target: &str, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    let ustar = header.as_ustar_mut().unwrap();
    ustar.name[..path.len()].copy_from_slice(path.as_bytes());
    ustar.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    header
}
