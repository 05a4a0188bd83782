//! Which version of glibc a library needs, and which one runs here.
//!
//! The running one is read from the file that this process has mapped: asking it would be a foreign call, and what `ldd` says
//! may be about another one.

use std::{fmt, io::Read, path::Path, str::FromStr};

use object::{Endianness, read::elf::FileHeader};
use serde::{Deserialize, Serialize};

use super::{Header, Sections, malformed, strings_of};
use crate::plugin::refusal::Refusal;

/// A C library has about two megabytes; this only bounds a mistake.
const MAX_LIBC_BYTES: u64 = 64 * 1024 * 1024;
/// Real libraries need some dozens of versions; the tables of a hostile one may claim thousands of millions.
const MAX_VERSIONS: usize = 4096;

/// A version of glibc. Written `2.36`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GlibcVersion(pub u32, pub u32);

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for GlibcVersion {
    type Err = String;

    /// Reads `2.36`; a third number, which old versions have, is left out.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut numbers = text.split('.').map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) if numbers.all(|number| number.is_ok()) => {
                Ok(Self(major, minor))
            }
            _ => Err(format!("expected a glibc version such as `2.36`, found `{text}`")),
        }
    }
}

impl TryFrom<String> for GlibcVersion {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<GlibcVersion> for String {
    fn from(version: GlibcVersion) -> Self {
        version.to_string()
    }
}

/// `GLIBC_2.36` and the like; not `GLIBC_PRIVATE`, not the versions of other libraries.
fn symbol_version(name: &[u8]) -> Option<GlibcVersion> {
    std::str::from_utf8(name)
        .ok()?
        .strip_prefix("GLIBC_")?
        .parse()
        .ok()
}

/// The highest version of glibc that any symbol needs.
pub(super) fn highest_needed(
    sections: &Sections<'_>,
    endian: Endianness,
    bytes: &[u8],
) -> Result<Option<GlibcVersion>, Refusal> {
    let Some((mut files, strings)) = sections.gnu_verneed(endian, bytes).map_err(malformed)? else {
        return Ok(None);
    };
    let strings = strings_of(sections, endian, bytes, strings)?;
    let mut highest = None;
    let mut left = MAX_VERSIONS;
    while let Some((_, mut versions)) = files.next().map_err(malformed)? {
        // Counted for each file too: one without versions costs a step as well.
        left = left.checked_sub(1).ok_or_else(too_many)?;
        while let Some(version) = versions.next().map_err(malformed)? {
            left = left.checked_sub(1).ok_or_else(too_many)?;
            highest = highest.max(symbol_version(version.name(endian, strings).map_err(malformed)?));
        }
    }
    Ok(highest)
}

/// The highest version that a C library defines, which is its own.
fn highest_defined(bytes: &[u8]) -> Result<Option<GlibcVersion>, Refusal> {
    let header = Header::parse(bytes).map_err(malformed)?;
    let endian = header.endian().map_err(malformed)?;
    let sections = header.sections(endian, bytes).map_err(malformed)?;
    let Some((mut definitions, strings)) = sections.gnu_verdef(endian, bytes).map_err(malformed)? else {
        return Ok(None);
    };
    let strings = strings_of(&sections, endian, bytes, strings)?;
    let mut highest = None;
    let mut left = MAX_VERSIONS;
    while let Some((_, mut names)) = definitions.next().map_err(malformed)? {
        left = left.checked_sub(1).ok_or_else(too_many)?;
        // The first is the version's own name, the others are those that it builds on.
        if let Some(name) = names.next().map_err(malformed)? {
            highest = highest.max(symbol_version(name.name(endian, strings).map_err(malformed)?));
        }
    }
    Ok(highest)
}

fn too_many() -> Refusal {
    malformed(format!("more than {MAX_VERSIONS} symbol versions"))
}

/// The glibc that this process runs on. None with another C library, or where it cannot be read: then the dynamic loader
/// will say what is missing.
pub(super) fn running() -> Option<GlibcVersion> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().find_map(mapped_libc)?;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_LIBC_BYTES).read_to_end(&mut bytes))
        .inspect_err(
            |error| tracing::debug!(%error, ?path, "the C library cannot be read; floors are not checked"),
        )
        .ok()?;
    highest_defined(&bytes).ok().flatten()
}

fn mapped_libc(line: &str) -> Option<&Path> {
    let path = Path::new(&line[line.find('/')?..]);
    let name = path.file_name()?.to_str()?;
    let is_libc = name == "libc.so.6" || (name.starts_with("libc-2.") && name.ends_with(".so"));
    is_libc.then_some(path)
}
