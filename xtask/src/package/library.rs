//! What is read from a built library: its manifest section, and the glibc that it needs.

use std::fmt;

use anyhow::{Context as _, Result};
use object::{
    Endianness, Object as _, ObjectSection as _,
    read::elf::{ElfFile64, FileHeader as _},
};

/// A version of glibc: `2.34` or `2.3.4`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GlibcVersion(Vec<u32>);

impl GlibcVersion {
    /// From the name of a symbol version. `GLIBC_PRIVATE` and the versions of other libraries are none.
    fn of_symbol_version(name: &[u8]) -> Option<Self> {
        let numbers = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
        numbers
            .split('.')
            .map(|number| number.parse().ok())
            .collect::<Option<_>>()
            .map(Self)
    }
}

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// A library, read without running anything of it.
pub struct Library {
    manifest: Option<Vec<u8>>,
    glibc_floor: Option<GlibcVersion>,
}

impl Library {
    /// Reads a 64-bit ELF file.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let elf = ElfFile64::<Endianness>::parse(bytes).context("the library is not a 64-bit ELF file")?;
        let section = elf
            .section_by_name(".kora.plugin")
            .map(|section| section.data().map(<[u8]>::to_vec));
        Ok(Self {
            manifest: section
                .transpose()
                .context("cannot read the section `.kora.plugin`")?,
            glibc_floor: glibc_floor(bytes)
                .context("cannot read which versions of other libraries it needs")?,
        })
    }

    /// The manifest that it carries.
    pub fn manifest(&self) -> Option<&[u8]> {
        self.manifest.as_deref()
    }

    /// The oldest glibc that has all it needs.
    pub fn glibc_floor(&self) -> Option<&GlibcVersion> {
        self.glibc_floor.as_ref()
    }
}

fn glibc_floor(bytes: &[u8]) -> Result<Option<GlibcVersion>> {
    let header = object::elf::FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let Some((mut needed, link)) = sections.gnu_verneed(endian, bytes)? else {
        return Ok(None);
    };
    let strings = sections.strings(endian, bytes, link)?;
    let mut floor = None;
    while let Some((_, mut versions)) = needed.next()? {
        while let Some(version) = versions.next()? {
            floor = floor.max(GlibcVersion::of_symbol_version(version.name(endian, strings)?));
        }
    }
    Ok(floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str) -> Option<GlibcVersion> {
        GlibcVersion::of_symbol_version(name.as_bytes())
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("GLIBC_2.34") > version("GLIBC_2.4"));
        assert!(version("GLIBC_2.3.4") > version("GLIBC_2.3"));
        assert_eq!(version("GLIBC_2.3.4").expect("is one").to_string(), "2.3.4");
    }

    #[test]
    fn versions_of_other_libraries_and_private_ones_are_none() {
        for name in ["GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR", "GCC_3.0", "GLIBCXX_3.4"] {
            assert_eq!(version(name), None, "{name}");
        }
    }

    #[test]
    fn this_executable_needs_some_glibc_and_carries_no_manifest() {
        let bytes = std::fs::read(std::env::current_exe().expect("has a path")).expect("reads");
        let library = Library::parse(&bytes).expect("is ELF");
        assert_eq!(library.manifest(), None);
        assert_eq!(library.glibc_floor().is_some(), cfg!(target_env = "gnu"));
    }

    #[test]
    fn what_is_no_library_is_an_error() {
        assert!(Library::parse(b"#!/bin/sh\n").is_err());
    }
}
