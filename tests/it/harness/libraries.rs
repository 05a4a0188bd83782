//! The libraries of the plugins, as the build left them, and copies of them with another manifest.

use std::{
    fs,
    path::{Path, PathBuf},
};

use object::{Object as _, ObjectSection as _};

/// The library of a plugin that is a dev-dependency of these tests: it lies beside the test executable.
///
/// # Panics
/// If it was not built.
pub fn library(name: &str) -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let path = executable.parent().unwrap().join(format!("lib{name}.so"));
    assert!(
        path.exists(),
        "{} is missing: is it a dev-dependency of kora-tests?",
        path.display()
    );
    path
}

/// The bytes of a library whose manifest is replaced. The section has room for as many bytes as it had: the rest is filled
/// with line ends.
///
/// # Panics
/// If the new manifest is longer than the old one.
pub fn patched(path: &Path, manifest: impl FnOnce(String) -> String) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let (start, length) = {
        let file = object::File::parse(&*bytes).unwrap();
        let section = file.section_by_name(".kora.plugin").unwrap();
        section.file_range().unwrap()
    };
    let (start, length) = (usize::try_from(start).unwrap(), usize::try_from(length).unwrap());
    let old = String::from_utf8(bytes[start..start + length].to_vec()).unwrap();
    let mut new = manifest(old).trim_end().as_bytes().to_vec();
    assert!(
        new.len() <= length,
        "the new manifest has {} bytes, there is room for {length}",
        new.len()
    );
    new.resize(length, b'\n');
    bytes[start..start + length].copy_from_slice(&new);
    bytes
}

/// A package of a library, as `cargo xtask package` makes it, written into `folder`.
pub fn package_of(library: &Path, folder: &Path) -> PathBuf {
    xtask::package::pack_library(library, folder).unwrap()
}
