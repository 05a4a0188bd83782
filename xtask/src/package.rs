//! `cargo xtask package`: builds a plugin into one file that another machine can install and check.
//!
//! The file depends on the sources, the lock file and the toolchain alone: not on where the sources, the cargo home and the
//! toolchain lie, nor on the time or the user. Cross-compiling and signing are not done here.

mod archive;
mod build;
mod library;
mod manifest;
mod plugin;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;

pub(crate) use self::manifest::is_word as is_plugin_name;
use self::{archive::Effort, library::Library, manifest::Manifest, plugin::PluginSource};
use crate::workspace::{host_target, repository};

/// Build a plugin into one file: NAME-VERSION-TARGET.tar.zst
///
/// Each plugin is built by a cargo invocation of its own, so that the features of one do not leak into another. The file holds
/// the library, its manifest, its licences and their digests, and has the same bytes wherever it is built from the same
/// sources with the same toolchain.
#[derive(Args)]
pub struct Package {
    /// The plugin, by the name in its `plugin.toml`. Without it: all in `plugins/`, or the one at --manifest-path
    plugin: Option<String>,
    /// Where to put the files [default: target/packages]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A plugin outside of this repository: the folder with its `Cargo.toml` and `plugin.toml`
    #[arg(long, value_name = "DIR")]
    manifest_path: Option<PathBuf>,
    /// The cargo profile. Only `release` is meant for other machines
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
    /// Print one JSON object a line, for each plugin
    #[arg(long)]
    json: bool,
}

/// How a plugin is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Small, fast, slow to build
    Release,
    /// Quick to build, some twenty times as large
    Dev,
}

impl Profile {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "dev",
        }
    }

    const fn effort(self) -> Effort {
        match self {
            Self::Release => Effort::Small,
            Self::Dev => Effort::Quick,
        }
    }
}

/// A package that was written.
#[derive(Serialize)]
struct Written {
    name: String,
    version: String,
    target: String,
    path: PathBuf,
    size_bytes: usize,
    sha256: String,
    library_size_bytes: usize,
    library_sha256: String,
    /// The oldest glibc that the library runs with; absent if it needs none.
    glibc_floor: Option<String>,
    files: Vec<String>,
}

impl Package {
    /// Builds, packs and reports one after another.
    pub fn run(self) -> Result<()> {
        let target = host_target()?;
        let sources = match &self.manifest_path {
            Some(directory) => plugin::outside(directory, &target, self.plugin.as_deref())?,
            None => plugin::inside(&repository(), &target, self.plugin.as_deref())?,
        };
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| repository().join("target/packages"));
        for source in sources {
            let name = source.manifest.name.clone();
            let written = pack(&source, &target, self.profile, &out)
                .with_context(|| format!("cannot package `{name}`"))?;
            self.report(&written)?;
        }
        Ok(())
    }

    fn report(&self, written: &Written) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(written)?);
            return Ok(());
        }
        println!("{} {} for {}", written.name, written.version, written.target);
        println!("  file     {}", written.path.display());
        println!("  sha256   {}", written.sha256);
        println!(
            "  size     {} bytes, library {} bytes",
            written.size_bytes, written.library_size_bytes
        );
        println!("  holds    {}", written.files.join(", "));
        match &written.glibc_floor {
            Some(floor) => println!("  needs    glibc {floor} or newer"),
            None => println!("  needs    no glibc"),
        }
        Ok(())
    }
}

/// Builds and packs a plugin of this repository, as the command does.
///
/// # Errors
/// If there is none of that name, or it cannot be built or written.
pub fn package(name: &str, profile: Profile, out: &Path) -> Result<PathBuf> {
    let target = host_target()?;
    let sources = plugin::inside(&repository(), &target, Some(name))?;
    let source = sources.first().context("expected a plugin, found none")?;
    let written = pack(source, &target, profile, out).with_context(|| format!("cannot package `{name}`"))?;
    Ok(written.path)
}

/// Builds and packs a plugin outside of this repository, as the command does with `--manifest-path`.
///
/// # Errors
/// If there is none in that folder, or it cannot be built or written.
pub fn package_outside(directory: &Path, profile: Profile, out: &Path) -> Result<PathBuf> {
    let target = host_target()?;
    let sources = plugin::outside(directory, &target, None)?;
    let source = sources.first().context("expected a plugin, found none")?;
    let written = pack(source, &target, profile, out)
        .with_context(|| format!("cannot package `{}`", directory.display()))?;
    Ok(written.path)
}

/// Packs a library that was built already, such as lies beside a test's executable, with the licences of this repository, and
/// answers the package file. What the library's manifest says is what counts; no sources are looked for.
///
/// # Errors
/// If it is no plugin's library, or the file cannot be written.
pub fn pack_library(library: &Path, out: &Path) -> Result<PathBuf> {
    let bytes = fs::read(library).with_context(|| format!("cannot read `{}`", library.display()))?;
    let parsed = Library::parse(&bytes)?;
    let text = parsed
        .manifest()
        .context("expected a section `.kora.plugin`, found none")?;
    let text = std::str::from_utf8(text)
        .context("expected text in the section `.kora.plugin`, found other bytes")?;
    let packing = Packing {
        manifest: &Manifest::parse(text)?,
        manifest_text: text,
        licences: plugin::licences_in(&repository())?,
        target: &host_target()?,
        effort: Effort::Quick,
    };
    Ok(packing.write(bytes.clone(), out)?.path)
}

fn pack(source: &PluginSource, target: &str, profile: Profile, out: &Path) -> Result<Written> {
    let (name, version) = (&source.manifest.name, &source.manifest.version);
    eprintln!("packaging {name} {version} for {target} ({})", profile.as_str());
    let bytes = build::build(source, target, profile)?;
    let found = Library::parse(&bytes)?.manifest().map(<[u8]>::to_vec);
    ensure!(
        found.as_deref() == Some(source.manifest_text.as_bytes()),
        "expected the bytes of `plugin.toml` in the library's section `.kora.plugin`, found {}; does the plugin call \
         `export_plugin!(…, manifest = \"plugin.toml\")`?",
        if found.is_some() { "others" } else { "none" }
    );
    Packing {
        manifest: &source.manifest,
        manifest_text: &source.manifest_text,
        licences: source.licences.clone(),
        target,
        effort: profile.effort(),
    }
    .write(bytes, out)
}

/// What goes into a package beside the library.
struct Packing<'a> {
    manifest: &'a Manifest,
    manifest_text: &'a str,
    licences: BTreeMap<String, Vec<u8>>,
    target: &'a str,
    effort: Effort,
}

impl Packing<'_> {
    fn write(self, library: Vec<u8>, out: &Path) -> Result<Written> {
        let Manifest { name, version, .. } = self.manifest;
        let library_size_bytes = library.len();
        let library_sha256 = archive::sha256_hex(&library);
        let glibc_floor = Library::parse(&library)?
            .glibc_floor()
            .map(|floor| floor.to_string());
        let mut files = self.licences;
        files.insert("plugin.toml".to_owned(), self.manifest_text.as_bytes().to_vec());
        files.insert(format!("lib{name}.so"), library);

        let package = archive::pack(files, self.effort)?;
        let path = out.join(format!("{name}-{version}-{}.tar.zst", self.target));
        archive::write(&path, &package.bytes)?;
        Ok(Written {
            name: name.clone(),
            version: version.to_string(),
            target: self.target.to_owned(),
            path: std::path::absolute(&path)?,
            size_bytes: package.bytes.len(),
            sha256: archive::sha256_hex(&package.bytes),
            library_size_bytes,
            library_sha256,
            glibc_floor,
            files: package.files,
        })
    }
}
