//! What an ELF file says of itself: whether it is a shared library for this machine, what it needs, and the manifest inside.
//!
//! Every offset and count in it is a stranger's. Nothing of it is mapped or run, and the manifest's text is not judged here.

mod libc;
#[cfg(test)]
mod tests;

use object::{
    Endianness, SectionIndex, elf,
    read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, SectionTable},
};
use serde::{Deserialize, Serialize};

pub use self::libc::GlibcVersion;
use super::refusal::{Refusal, shown};

type Header = elf::FileHeader64<Endianness>;
type Sections<'a> = SectionTable<'a, Header>;

const MANIFEST_SECTION: &[u8] = b".kora.plugin";
const HEADER_BYTES: u64 = 64;
/// A library that needs more others than this is not made by any linker in use; the list is kept in memory and shown.
const MAX_NEEDED: usize = 256;

/// What this host can load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// The target triple.
    pub target: String,
    /// The C library that runs here, if it is glibc and could be found; else no library is refused for its floor.
    pub glibc: Option<GlibcVersion>,
}

impl Platform {
    /// Of this process. Reads `/proc/self/maps` and the C library named there: once is enough.
    pub fn current() -> Self {
        Self {
            target: triple(
                std::env::consts::ARCH,
                if cfg!(target_env = "musl") { "musl" } else { "gnu" },
            ),
            glibc: libc::running(),
        }
    }
}

/// What a library's own tables say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryFacts {
    /// The target triple it was built for.
    pub target: String,
    /// The lowest glibc that has all it needs; absent if it needs none.
    pub glibc_floor: Option<GlibcVersion>,
    /// The shared libraries that it needs, fit to be shown.
    pub needed: Vec<String>,
}

impl LibraryFacts {
    /// Checks that the C library that runs here is new enough.
    pub(super) fn check_libc(&self, platform: &Platform) -> Result<(), Refusal> {
        match (self.glibc_floor, platform.glibc) {
            (Some(required), Some(running)) if required > running => Err(Refusal::LibcTooOld {
                required: required.to_string(),
                running: running.to_string(),
            }),
            _ => Ok(()),
        }
    }
}

/// Reads a library whole: its facts, and the bytes of the manifest inside.
///
/// # Errors
/// For all that is no shared library of this machine's kind with a manifest.
pub(super) fn read<'a>(bytes: &'a [u8], platform: &Platform) -> Result<(LibraryFacts, &'a [u8]), Refusal> {
    check_identity(bytes, platform)?;
    let header = Header::parse(bytes).map_err(malformed)?;
    let endian = header.endian().map_err(malformed)?;
    check_kind(header.e_type(endian))?;
    check_whole(header, endian, bytes)?;

    let sections = header.sections(endian, bytes).map_err(malformed)?;
    let dynamic = read_dynamic(&sections, endian, bytes)?;
    let facts = LibraryFacts {
        target: triple(std::env::consts::ARCH, dynamic.libc(platform)),
        glibc_floor: libc::highest_needed(&sections, endian, bytes)?,
        needed: dynamic.needed,
    };
    if facts.target != platform.target {
        return Err(Refusal::WrongTarget {
            expected: platform.target.clone(),
            found: facts.target,
        });
    }
    let manifest = read_manifest(&sections, endian, bytes)?;
    Ok((facts, manifest))
}

/// The first twenty bytes: an ELF file, of this machine's class, byte order, system and processor.
fn check_identity(bytes: &[u8], platform: &Platform) -> Result<(), Refusal> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err(Refusal::NotElf {
            expected: platform.target.clone(),
            found: describe_stranger(bytes).to_owned(),
        });
    }
    if (bytes.len() as u64) < HEADER_BYTES {
        return Err(truncated(HEADER_BYTES, bytes));
    }
    let (class, order, system) = (bytes[4], bytes[5], bytes[7]);
    let machine = [bytes[18], bytes[19]];
    let machine = match order {
        2 => u16::from_be_bytes(machine),
        _ => u16::from_le_bytes(machine),
    };
    let (expected_machine, expected_order) = expected();
    // 0 is "System V", which Linux linkers write; 3 is Linux, which they write if an extension of GNU is used.
    if (class, order, machine) == (2, expected_order, expected_machine) && matches!(system, 0 | 3) {
        return Ok(());
    }
    let bits = if class == 1 { 32 } else { 64 };
    let order = if order == 2 { "big" } else { "little" };
    let system = match system {
        0 | 3 => "",
        9 => ", FreeBSD",
        _ => ", another system than Linux",
    };
    Err(Refusal::WrongTarget {
        expected: platform.target.clone(),
        found: format!(
            "{}, {bits}-bit, {order}-endian{system}",
            describe_machine(machine)
        ),
    })
}

fn expected() -> (u16, u8) {
    let machine = if cfg!(target_arch = "aarch64") {
        elf::EM_AARCH64
    } else {
        elf::EM_X86_64
    };
    (machine.0, if cfg!(target_endian = "big") { 2 } else { 1 })
}

fn describe_machine(machine: u16) -> String {
    match elf::Machine(machine) {
        elf::EM_386 => "i386".to_owned(),
        elf::EM_X86_64 => "x86_64".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_ARM => "arm".to_owned(),
        elf::EM_RISCV => "riscv".to_owned(),
        elf::EM_PPC64 => "powerpc64".to_owned(),
        elf::EM_S390 => "s390x".to_owned(),
        _ => format!("machine {machine}"),
    }
}

/// What lies there instead, as far as its first bytes tell.
fn describe_stranger(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "an empty file",
        [b'M', b'Z', ..] => "a Windows library",
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "a macOS library",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd archive, which must be named `.tar.zst`",
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "a static library",
        _ => "something else",
    }
}

fn check_kind(kind: elf::FileType) -> Result<(), Refusal> {
    let found = match kind {
        elf::ET_DYN => return Ok(()),
        elf::ET_EXEC => "an executable",
        elf::ET_REL => "an object file",
        elf::ET_CORE => "a core dump",
        _ => "an ELF file of an unknown type",
    };
    Err(Refusal::NotALibrary {
        found: found.to_owned(),
    })
}

/// Checks that the file reaches as far as its own headers say: first the tables, then what they point to.
fn check_whole(header: &Header, endian: Endianness, bytes: &[u8]) -> Result<(), Refusal> {
    let reaches = |end: u64| {
        if end > bytes.len() as u64 {
            Err(truncated(end, bytes))
        } else {
            Ok(())
        }
    };
    let table_end =
        |offset: u64, size: u16, count: u16| offset.saturating_add(u64::from(size) * u64::from(count));
    reaches(table_end(
        header.e_phoff(endian),
        header.e_phentsize(endian),
        header.e_phnum(endian),
    ))?;
    reaches(table_end(
        header.e_shoff(endian),
        header.e_shentsize(endian),
        header.e_shnum(endian),
    ))?;
    for segment in header.program_headers(endian, bytes).map_err(malformed)? {
        reaches(segment.p_offset(endian).saturating_add(segment.p_filesz(endian)))?;
    }
    for section in header.section_headers(endian, bytes).map_err(malformed)? {
        if let Some((offset, size)) = section.file_range(endian) {
            reaches(offset.saturating_add(size))?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Dynamic {
    needed: Vec<String>,
}

impl Dynamic {
    /// Which C library it was linked with; the platform's own if none is named.
    fn libc(&self, platform: &Platform) -> &'static str {
        let own = if platform.target.ends_with("musl") {
            "musl"
        } else {
            "gnu"
        };
        let named = self.needed.iter().find_map(|name| match name.as_str() {
            "libc.so.6" => Some("gnu"),
            "libc.so" => Some("musl"),
            name if name.starts_with("libc.musl-") => Some("musl"),
            _ => None,
        });
        named.unwrap_or(own)
    }
}

fn read_dynamic(sections: &Sections<'_>, endian: Endianness, bytes: &[u8]) -> Result<Dynamic, Refusal> {
    let mut dynamic = Dynamic::default();
    let Some((entries, strings)) = sections.dynamic(endian, bytes).map_err(malformed)? else {
        return Err(malformed("no dynamic section"));
    };
    let strings = sections.strings(endian, bytes, strings).map_err(malformed)?;
    for entry in entries {
        match entry.d_tag(endian) {
            elf::DT_NULL => break,
            elf::DT_FLAGS_1 if entry.val(endian) & elf::DF_1_PIE.0 != 0 => {
                return Err(Refusal::NotALibrary {
                    found: "an executable".to_owned(),
                });
            }
            elf::DT_NEEDED => {
                let name = entry.string(endian, strings).map_err(malformed)?;
                dynamic.needed.push(shown(&String::from_utf8_lossy(name)));
            }
            _ => {}
        }
        if dynamic.needed.len() > MAX_NEEDED {
            return Err(malformed(format!("more than {MAX_NEEDED} needed libraries")));
        }
    }
    Ok(dynamic)
}

fn read_manifest<'a>(
    sections: &Sections<'a>,
    endian: Endianness,
    bytes: &'a [u8],
) -> Result<&'a [u8], Refusal> {
    let mut named = sections
        .iter()
        .filter(|section| sections.section_name(endian, section) == Ok(MANIFEST_SECTION));
    let section = named.next().ok_or(Refusal::NoManifest)?;
    if named.next().is_some() {
        return Err(malformed("two sections `.kora.plugin`"));
    }
    if section.sh_type(endian) != elf::SHT_PROGBITS
        || section.compression(endian, bytes).map_err(malformed)?.is_some()
    {
        return Err(malformed("a section `.kora.plugin` that holds no plain bytes"));
    }
    section.data(endian, bytes).map_err(malformed)
}

fn strings_of<'a>(
    sections: &Sections<'a>,
    endian: Endianness,
    bytes: &'a [u8],
    index: SectionIndex,
) -> Result<object::StringTable<'a>, Refusal> {
    sections.strings(endian, bytes, index).map_err(malformed)
}

fn triple(arch: &str, libc: &str) -> String {
    format!("{arch}-unknown-linux-{libc}")
}

fn truncated(expected_bytes: u64, bytes: &[u8]) -> Refusal {
    Refusal::LibraryTruncated {
        expected_bytes,
        found_bytes: bytes.len() as u64,
    }
}

fn malformed(detail: impl ToString) -> Refusal {
    Refusal::LibraryMalformed {
        detail: shown(&detail.to_string()),
    }
}
