//! Real libraries and manifests for tests. The libraries are made by the C compiler that building the host needs anyway.

use std::{path::Path, process::Command, sync::OnceLock};

/// Room for any manifest of a test. What is not used is padded with spaces, as a manifest may be.
const ROOM: usize = 4096;
const MARK: &str = "@@MANIFEST@@";

/// A manifest with this name and version, and more lines.
pub fn manifest(name: &str, version: &str, more: &str) -> String {
    format!("name = \"{name}\"\nversion = \"{version}\"\napi = \"^1\"\n{more}")
}

/// A shared library of this machine with the manifest in its section.
pub fn library(manifest: &str) -> Vec<u8> {
    static BLANK: OnceLock<Vec<u8>> = OnceLock::new();
    let blank = BLANK.get_or_init(|| {
        compile(&format!(
            "#include <stdio.h>\n\
             __attribute__((section(\".kora.plugin\"), used)) static const char manifest[{ROOM}] = \"{MARK:<ROOM$}\";\n\
             int run(void) {{ return puts(\"never called\"); }}\n"
        ))
    });
    let mut bytes = blank.clone();
    let at = find(&bytes, MARK.as_bytes()).expect("the mark is in the section");
    assert!(manifest.len() <= ROOM, "the manifest of a test fits");
    bytes[at..at + ROOM].copy_from_slice(format!("{manifest:<ROOM$}").as_bytes());
    bytes
}

/// A shared library from C source.
pub fn compile(source: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (input, output) = (folder.path().join("library.c"), folder.path().join("library.so"));
    std::fs::write(&input, source).expect("the source is written");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-Wl,--no-as-needed", "-o"])
        .arg(&output)
        .arg(&input);
    assert!(cc.status().expect("a C compiler is installed").success());
    std::fs::read(&output).expect("the library was made")
}

/// Where `needle` first is.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// Writes a file with a mode that the ownership check accepts, whatever the umask.
pub fn write(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, bytes).expect("the file is written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).expect("the mode is set");
}

/// A package in the making. Each step can be left out or spoilt.
pub struct Pack {
    pub entries: Vec<(tar::Header, Vec<u8>)>,
}

impl Pack {
    /// The library of `manifest` with its manifest and a licence, without checksums yet.
    pub fn of(name: &str, manifest: &str) -> Self {
        let mut pack = Self { entries: Vec::new() };
        pack.file(&format!("lib{name}.so"), &library(manifest));
        pack.file("plugin.toml", manifest.as_bytes());
        pack.file("LICENSE-MIT", b"do as you like");
        pack
    }

    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path.as_bytes(), tar::EntryType::Regular, content);
    }

    /// Writes the name as it is, whatever the library that makes archives would say to it.
    pub fn entry(&mut self, path: &[u8], kind: tar::EntryType, content: &[u8]) {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.entries.push((header, content.to_vec()));
    }

    /// The list of digests of all files so far.
    pub fn sums(&self) -> String {
        let lines = self.entries.iter().map(|(header, content)| {
            let path = header.path_bytes();
            let digest = crate::domain::Digest::of(content);
            format!("{digest}  {}\n", String::from_utf8_lossy(&path))
        });
        lines.collect()
    }

    pub fn with_sums(&mut self) -> &mut Self {
        let sums = self.sums();
        self.file("SHA256SUMS", sums.as_bytes());
        self
    }

    pub fn tar(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (header, content) in &self.entries {
            builder
                .append(header, content.as_slice())
                .expect("the entry is written");
        }
        builder.into_inner().expect("the archive ends")
    }

    pub fn bytes(&self) -> Vec<u8> {
        zstd::encode_all(self.tar().as_slice(), 3).expect("the archive is compressed")
    }
}
