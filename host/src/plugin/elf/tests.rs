//! What is read from a library before anything of it runs.

use super::*;
use crate::plugin::fixture;

fn sample() -> Vec<u8> {
    fixture::library(&fixture::manifest("echo", "1.0.0", ""))
}

fn refusal(bytes: &[u8]) -> Refusal {
    read(bytes, &Platform::current()).unwrap_err()
}

fn assert_refused(bytes: &[u8], kind: &str, found: &str) {
    let refusal = refusal(bytes);
    assert_eq!(refusal.kind(), kind, "{refusal}");
    assert!(refusal.to_string().contains(found), "{refusal}");
}

#[test]
fn a_library_gives_its_manifest_and_what_it_needs() {
    let bytes = sample();
    let platform = Platform::current();
    let (facts, manifest) = read(&bytes, &platform).unwrap();
    assert!(manifest.starts_with(b"name = \"echo\"\nversion = "));
    assert_eq!(facts.target, platform.target);
    if cfg!(target_env = "gnu") {
        assert_eq!(facts.needed, ["libc.so.6"]);
        assert!(facts.glibc_floor >= Some(GlibcVersion(2, 2)), "{facts:?}");
        assert!(platform.glibc >= facts.glibc_floor, "{platform:?}");
    }
    facts.check_libc(&platform).unwrap();
}

#[test]
fn what_is_no_elf_file_is_named() {
    assert_refused(b"", "not_elf", "an empty file");
    assert_refused(b"#!/bin/sh\n", "not_elf", "something else");
    assert_refused(b"MZ\x90", "not_elf", "a Windows library");
    assert_refused(&[0xcf, 0xfa, 0xed, 0xfe, 0], "not_elf", "a macOS library");
    assert_refused(
        &zstd::encode_all(&b"x"[..], 0).unwrap(),
        "not_elf",
        "must be named `.tar.zst`",
    );
}

#[test]
fn another_machine_is_refused_with_both_names() {
    let patched = |at: usize, with: &[u8]| {
        let mut bytes = sample();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let other = if cfg!(target_arch = "x86_64") {
        (183u16, "aarch64")
    } else {
        (62, "x86_64")
    };
    assert_refused(&patched(18, &other.0.to_le_bytes()), "wrong_target", other.1);
    assert_refused(
        &patched(18, &other.0.to_le_bytes()),
        "wrong_target",
        &Platform::current().target,
    );
    assert_refused(&patched(18, &[3, 0]), "wrong_target", "found i386, 64-bit");
    assert_refused(&patched(4, &[1]), "wrong_target", "32-bit");
    assert_refused(&patched(5, &[2]), "wrong_target", "big-endian");
    assert_refused(&patched(7, &[9]), "wrong_target", "FreeBSD");
}

#[test]
fn an_executable_is_no_library() {
    let executable = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_refused(&executable, "not_a_library", "an executable");
    let mut bytes = sample();
    bytes[16] = 1;
    assert_refused(&bytes, "not_a_library", "an object file");
}

#[test]
fn a_truncated_library_is_refused_wherever_it_ends() {
    let bytes = sample();
    for end in [4, 20, 63, 64, 100, bytes.len() / 2, bytes.len() - 1] {
        assert_refused(&bytes[..end], "library_truncated", &format!("found {end};"));
    }
}

#[test]
fn a_library_without_a_manifest_is_not_a_plugin() {
    assert_refused(&fixture::compile("int x;\n"), "no_manifest", ".kora.plugin");
}

#[test]
fn a_section_without_bytes_is_refused() {
    let source = "__attribute__((section(\".kora.plugin,\\\"aw\\\",@nobits#\"), used)) char manifest[64];\n";
    assert_refused(&fixture::compile(source), "library_malformed", "no plain bytes");
}

#[test]
fn a_library_for_a_newer_libc_is_refused() {
    let bytes = sample();
    let (mut facts, _) = read(&bytes, &Platform::current()).unwrap();
    facts.glibc_floor = Some(GlibcVersion(2, 99));
    let platform = Platform {
        glibc: Some(GlibcVersion(2, 36)),
        ..Platform::current()
    };
    let refusal = facts.check_libc(&platform).unwrap_err();
    assert_eq!(refusal.kind(), "libc_too_old");
    assert!(refusal.to_string().contains("at most glibc 2.36") && refusal.to_string().contains("found 2.99"));
}

#[test]
fn the_floor_is_the_highest_version_and_not_the_greatest_text() {
    assert!("2.4".parse::<GlibcVersion>().unwrap() < "2.34".parse().unwrap());
    assert_eq!("2.2.5".parse(), Ok(GlibcVersion(2, 2)));
    assert!("PRIVATE".parse::<GlibcVersion>().is_err());
}

#[test]
fn a_library_for_another_libc_is_refused() {
    let musl = Platform {
        target: Platform::current().target.replace("gnu", "musl"),
        glibc: None,
    };
    let refusal = read(&sample(), &musl).unwrap_err();
    assert_eq!(refusal.kind(), "wrong_target", "{refusal}");
}

#[test]
fn no_single_changed_byte_of_the_tables_brings_the_reader_down() {
    let bytes = sample();
    let sections_at = usize::try_from(u64::from_le_bytes(bytes[40..48].try_into().unwrap())).unwrap();
    let platform = Platform::current();
    for at in (0..600).chain(sections_at..bytes.len()) {
        for value in [0x00, 0x7f, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            // Any answer will do, as long as there is one.
            drop(read(&bytes, &platform).map(|(facts, manifest)| (facts, manifest.len())));
        }
    }
}
