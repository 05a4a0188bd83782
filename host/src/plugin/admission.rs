//! The gate: from a path in the plugin directory to a library in the cache that may be loaded, or to one refusal.
//!
//! In this order: path and owner, size, packing, target, manifest with its API requirement, floor of the C library, digest
//! and policy, copy. Nothing of the plugin runs. Layouts and registration are judged by who loads it.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    cache::Cache,
    directory::Form,
    elf::{self, LibraryFacts, Platform},
    manifest::{Manifest, Strictness},
    package::{self, Contents, Limits, Packing},
    policy::{self, Policy},
    refusal::{Refusal, shown_path},
};
use crate::domain::{Digest, EventType};

/// What the gate needs to know.
#[derive(Clone, Copy)]
pub struct AdmissionContext<'a> {
    /// The plugin directory, which bounds where a link may lead, and from which on owners and modes are checked.
    pub directory: &'a Path,
    /// Where admitted libraries are copied to.
    pub cache: &'a Cache,
    /// Whom the operator lets in.
    pub policy: &'a Policy,
    /// How large a plugin may be.
    pub limits: &'a Limits,
    /// What this host can load.
    pub platform: &'a Platform,
    /// Whether an event type is one of the host's own.
    pub is_host_event_type: &'a (dyn Fn(&EventType) -> bool + Sync),
}

/// A plugin that was looked at and is sound as far as can be told without running it.
#[derive(Debug, Clone, Serialize)]
pub struct Examined {
    /// Where it lies.
    pub path: PathBuf,
    /// In which form.
    pub form: Form,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What identifies the drop: the SHA-256 of the package file or bare library; for a folder, of its library.
    pub digest: Digest,
    /// The SHA-256 of the library.
    pub library_digest: Digest,
    /// What its tables say.
    pub facts: LibraryFacts,
    /// What is odd, one line each.
    pub warnings: Vec<String>,
    #[serde(skip)]
    library: Vec<u8>,
}

/// A plugin that may be loaded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Admitted {
    /// Where it was dropped.
    pub path: PathBuf,
    /// In which form.
    pub form: Form,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What identifies the drop: the SHA-256 of the package file or bare library; for a folder, of its library.
    pub digest: Digest,
    /// The SHA-256 of the library.
    pub library_digest: Digest,
    /// The copy to load: a path of its own for each content, never written again.
    pub library_path: PathBuf,
    /// What its tables say.
    pub facts: LibraryFacts,
    /// What is odd, one line each.
    pub warnings: Vec<String>,
}

/// Leads a plugin through the whole gate. Blocks, and holds the library in memory meanwhile: one at a time.
///
/// # Errors
/// The first refusal.
pub fn admit(path: &Path, context: &AdmissionContext<'_>) -> Result<Admitted, Refusal> {
    let place = policy::check_path(context.directory, path)?;
    // Of a folder, each level is checked before it is read.
    let check = |level: &Path| policy::check_path(context.directory, level).map(drop);
    let examined = examine_at(
        path,
        &place,
        Strictness::AtLoad,
        context.limits,
        context.platform,
        check,
    )?;
    let Examined {
        manifest,
        digest,
        library_digest,
        ..
    } = &examined;
    manifest.check_event_types(context.is_host_event_type)?;
    context.policy.check(&manifest.name, *digest, *library_digest)?;
    let library_path = context
        .cache
        .keep(&manifest.name, &examined.library, *library_digest)?;
    Ok(Admitted {
        path: path.to_owned(),
        form: examined.form,
        manifest: examined.manifest,
        digest: examined.digest,
        library_digest: examined.library_digest,
        library_path,
        facts: examined.facts,
        warnings: examined.warnings,
    })
}

/// Looks at a plugin anywhere, without asking whose it is or whether it is allowed, and without copying it. Blocks.
///
/// # Errors
/// The first refusal.
pub fn examine(
    path: &Path,
    strictness: Strictness,
    limits: &Limits,
    platform: &Platform,
) -> Result<Examined, Refusal> {
    let place = path
        .canonicalize()
        .map_err(|error| Refusal::unreadable(path, &error))?;
    examine_at(path, &place, strictness, limits, platform, |_| Ok(()))
}

/// `path` is what it is called, which tells its form; `place` is where that leads, and has no links in it.
fn examine_at(
    path: &Path,
    place: &Path,
    strictness: Strictness,
    limits: &Limits,
    platform: &Platform,
    check: impl Fn(&Path) -> Result<(), Refusal>,
) -> Result<Examined, Refusal> {
    let form = form_of(path, place)?;
    let contents = match form {
        Form::Library => package::read_library(place, limits)?,
        Form::Folder => package::read_folder(place, limits, check)?,
        Form::Package => package::read_package(place, limits)?,
    };
    let Contents {
        digest,
        library,
        library_digest,
        packing,
    } = contents;
    let (facts, embedded) = elf::read(&library, platform)?;
    let (manifest, mut warnings) = Manifest::parse(embedded, strictness)?;
    facts.check_libc(platform)?;
    if let Some(packing) = packing {
        agree(&packing, embedded, &manifest)?;
    }
    if form == Form::Package {
        warnings.extend(check_package_name(path, &manifest, &facts));
    }
    Ok(Examined {
        path: path.to_owned(),
        form,
        manifest,
        digest,
        library_digest,
        facts,
        warnings,
        library,
    })
}

fn form_of(path: &Path, place: &Path) -> Result<Form, Refusal> {
    let metadata = place
        .metadata()
        .map_err(|error| Refusal::unreadable(place, &error))?;
    Form::of(path, &metadata).ok_or_else(|| Refusal::NotAPlugin {
        path: shown_path(path),
        found: match metadata.is_dir() {
            true => "a folder without one".to_owned(),
            false => "another kind of file".to_owned(),
        },
    })
}

/// What the packing says must be what the library says.
fn agree(packing: &Packing, embedded: &[u8], manifest: &Manifest) -> Result<(), Refusal> {
    if packing.manifest.trim_ascii_end() != embedded.trim_ascii_end() {
        return Err(Refusal::ManifestsDiffer);
    }
    let expected = format!("lib{}.so", manifest.name);
    if packing.library_name != expected {
        return Err(Refusal::LibraryMisnamed {
            expected,
            found: super::refusal::shown(&packing.library_name),
        });
    }
    Ok(())
}

/// A package may be renamed; but then its name says something else than its content.
fn check_package_name(path: &Path, manifest: &Manifest, facts: &LibraryFacts) -> Option<String> {
    let expected = format!("{}-{}-{}.tar.zst", manifest.name, manifest.version, facts.target);
    let found = path.file_name()?;
    (found != expected.as_str()).then(|| {
        format!(
            "the file is named `{}`, its content `{expected}`",
            shown_path(Path::new(found))
        )
    })
}

/// Of several files with one plugin's name keeps the highest version, and of equal ones the first path. The others come back
/// with a refusal that names the chosen one.
pub fn choose(admitted: Vec<Admitted>) -> (Vec<Admitted>, Vec<(Admitted, Refusal)>) {
    let mut by_name: BTreeMap<_, Vec<Admitted>> = BTreeMap::new();
    for plugin in admitted {
        by_name
            .entry(plugin.manifest.name.clone())
            .or_default()
            .push(plugin);
    }
    let (mut chosen, mut others) = (Vec::new(), Vec::new());
    for (_, mut rivals) in by_name {
        rivals.sort_by(|a, b| {
            let by_version = b.manifest.version.cmp(&a.manifest.version);
            by_version.then_with(|| a.path.cmp(&b.path))
        });
        let mut rivals = rivals.into_iter();
        let Some(first) = rivals.next() else { continue };
        others.extend(rivals.map(|other| {
            let refusal = superseded(&other, &first);
            (other, refusal)
        }));
        chosen.push(first);
    }
    (chosen, others)
}

fn superseded(other: &Admitted, chosen: &Admitted) -> Refusal {
    Refusal::Superseded {
        name: other.manifest.name.clone(),
        version: other.manifest.version.clone(),
        chosen_version: chosen.manifest.version.clone(),
        chosen_path: shown_path(&chosen.path),
    }
}
