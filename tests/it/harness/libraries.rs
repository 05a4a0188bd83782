//! The libraries of the plugins, as the build left them, and copies of them with another manifest.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use object::{Object as _, ObjectSection as _};

/// Places in the header of an ELF file.
pub mod elf {
    /// `e_machine`, two bytes.
    pub const MACHINE: std::ops::Range<usize> = 18..20;
    /// `e_type`, two bytes.
    pub const TYPE: std::ops::Range<usize> = 16..18;
}

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
    let section = manifest_section(&bytes);
    let old = String::from_utf8(bytes[section.clone()].to_vec()).unwrap();
    let mut new = manifest(old).trim_end().as_bytes().to_vec();
    assert!(
        new.len() <= section.len(),
        "the new manifest has {} bytes, there is room for {}",
        new.len(),
        section.len()
    );
    new.resize(section.len(), b'\n');
    bytes[section].copy_from_slice(&new);
    bytes
}

fn manifest_section(library: &[u8]) -> Range<usize> {
    let file = object::File::parse(library).unwrap();
    let section = file.section_by_name(".kora.plugin").unwrap();
    let (start, length) = section.file_range().unwrap();
    let start = usize::try_from(start).unwrap();
    start..start + usize::try_from(length).unwrap()
}

/// A plugin under another name, so that one host can have it several times. What it provides keeps its name, but for tools, whose
/// names begin with the plugin's; it owns no event types any more.
pub fn renamed(plugin: &str, name: &str) -> Vec<u8> {
    patched(&library(plugin), |manifest| {
        without_padding(&manifest, plugin, name)
    })
}

/// The plugin `raw` under the name of what it does wrong from the moment on at which it is loaded.
pub fn wrong_at_load(mode: &str) -> Vec<u8> {
    patched(&library("raw"), |manifest| {
        without_padding(&manifest, "raw", mode) + &format!("\n# at load: {mode}\n")
    })
}

/// A plugin with other words in its manifest, which owns no event types any more.
///
/// # Panics
/// If something that is to be replaced is not there.
pub fn rewritten(plugin: &str, edits: &[(&str, &str)]) -> Vec<u8> {
    patched(&library(plugin), |manifest| {
        let manifest = without_padding(&manifest, plugin, plugin);
        edits.iter().fold(manifest, |manifest, (from, to)| {
            assert!(
                manifest.contains(from),
                "the manifest has no {from:?}: {manifest}"
            );
            manifest.replacen(from, to, 1)
        })
    })
}

fn without_padding(manifest: &str, plugin: &str, name: &str) -> String {
    let kept = manifest
        .lines()
        .filter(|line| !line.starts_with("# ") && !line.starts_with("event_types = "));
    let kept: Vec<_> = kept.collect();
    kept.join("\n")
        .replacen(&format!("name = \"{plugin}\""), &format!("name = \"{name}\""), 1)
        .replace(&format!("\"{plugin}__"), &format!("\"{name}__"))
}

/// A package of a library, as `cargo xtask package` makes it, written into `folder`.
pub fn package_of(library: &Path, folder: &Path) -> PathBuf {
    xtask::package::pack_library(library, folder).unwrap()
}
