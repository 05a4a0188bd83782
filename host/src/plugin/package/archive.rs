//! A package file, `NAME-VERSION-TARGET.tar.zst`: read once, from its first byte to its last, hashing what is read.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    rc::Rc,
};

use sha2::Digest as _;
use tar::EntryType;

use super::{
    Contents, Limits,
    collect::{Checksums, Collection},
    refuse_entry,
};
use crate::{
    domain::Digest,
    plugin::{
        policy::open_regular,
        refusal::{Refusal, shown, shown_path},
    },
};

/// What the decoder may have to keep in memory: 8 MiB, which every level up to 19 stays within and which RFC 8878 asks every
/// decoder for. `--ultra` and `--long` go beyond.
const WINDOW_LOG_MAX: u32 = 23;

/// Reads a package.
pub(in crate::plugin) fn read_package(path: &Path, limits: &Limits) -> Result<Contents, Refusal> {
    let (file, metadata) = open_regular(path)?;
    if metadata.len() > limits.package_bytes {
        return Err(Refusal::TooLarge {
            path: shown_path(path),
            limit_bytes: limits.package_bytes,
            found_bytes: metadata.len(),
        });
    }
    let compressed = Hashing::new(file.take(limits.package_bytes));
    let unpacked = Bounded::new(decoder(compressed).map_err(unreadable)?, limits.unpacked_bytes);
    let exhausted = Rc::clone(&unpacked.exhausted);
    let failed = |error: io::Error| {
        if exhausted.get() {
            Refusal::ArchiveTooLarge {
                what: "bytes".to_owned(),
                limit: limits.unpacked_bytes,
            }
        } else {
            unreadable(error)
        }
    };

    let mut archive = tar::Archive::new(unpacked);
    let mut collection = Collection::new(limits);
    for entry in archive.entries().map_err(failed)?.raw(true) {
        add(&mut collection, entry.map_err(failed)?, failed)?;
    }
    let collected = collection.finish(Checksums::Required)?;

    let compressed = archive.into_inner().inner.finish().into_inner();
    Ok(Contents {
        digest: compressed
            .digest_of_all()
            .map_err(|error| Refusal::unreadable(path, &error))?,
        library: collected.library,
        library_digest: collected.library_digest,
        packing: Some(collected.packing),
    })
}

type Compressed = Hashing<io::Take<File>>;
type Decoder = zstd::Decoder<'static, BufReader<Compressed>>;

fn decoder(compressed: Compressed) -> io::Result<Decoder> {
    let mut decoder = Decoder::new(compressed)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// Entries come raw: long names, sparse files and extended headers are entries of types of their own, and refused.
fn add(
    collection: &mut Collection<'_>,
    entry: tar::Entry<'_, Bounded<Decoder>>,
    failed: impl FnOnce(io::Error) -> Refusal,
) -> Result<(), Refusal> {
    let path = entry.path_bytes().into_owned();
    let path = match std::str::from_utf8(&path) {
        Ok(path) => path,
        Err(_) => {
            return Err(refuse_entry(
                &String::from_utf8_lossy(&path),
                "a name that is not UTF-8",
            ));
        }
    };
    let kind = entry.header().entry_type();
    let size_bytes = entry.header().entry_size().map_err(unreadable)?;
    match (kind, path.strip_prefix("./").unwrap_or(path)) {
        // `tar -C folder .` begins with the folder itself.
        (EntryType::Directory, "" | ".") => Ok(()),
        (EntryType::Directory, path) if size_bytes == 0 => collection.add_folder(path),
        (EntryType::Regular, path) => collection.add_file(path, size_bytes, entry, failed),
        (kind, path) => Err(refuse_entry(path, describe(kind))),
    }
}

fn describe(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink | EntryType::Link => "a link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        EntryType::Directory => "a folder with content",
        EntryType::GNUSparse => "a sparse file",
        EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName | EntryType::GNULongLink => {
            "an extended header (pack plain ustar entries with names of at most 100 bytes)"
        }
        _ => "an entry of an unknown type",
    }
}

fn unreadable(error: io::Error) -> Refusal {
    Refusal::ArchiveUnreadable {
        detail: shown(&error.to_string()),
    }
}

/// Hashes what passes.
struct Hashing<R> {
    inner: R,
    sha256: sha2::Sha256,
}

impl<R: Read> Hashing<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            sha256: sha2::Sha256::new(),
        }
    }

    /// Of all that came and is still to come: the decoder stops at the archive's end, a file may go on.
    fn digest_of_all(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Digest::from_bytes(self.sha256.finalize().into()))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sha256.update(&buffer[..read]);
        Ok(read)
    }
}

/// Fails once more than so many bytes have passed, and remembers that this was why.
struct Bounded<R> {
    inner: R,
    left_bytes: u64,
    exhausted: Rc<Cell<bool>>,
}

impl<R> Bounded<R> {
    fn new(inner: R, limit_bytes: u64) -> Self {
        Self {
            inner,
            left_bytes: limit_bytes,
            exhausted: Rc::default(),
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left_bytes.checked_sub(read as u64) {
            Some(left) => {
                self.left_bytes = left;
                Ok(read)
            }
            None => {
                self.exhausted.set(true);
                Err(io::Error::other("larger than the limit"))
            }
        }
    }
}
