//! Why a plugin was refused: one variant for each cause, each shown as one line that says what was expected, what was found
//! and what to do.
//!
//! It decides nothing. Text that comes out of a plugin's file passes [`shown`] on its way in, so that no file can break a
//! line, colour a terminal or fill a log.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::{Digest, EventType, PluginName};

/// Why a plugin was refused.
///
/// Paths and names are kept as text to be shown, not to be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the message of each variant says what its fields are")]
pub enum Refusal {
    // The path.
    #[error(
        "`{path}` is not a plugin: expected a library (`.so`), a folder with a `plugin.toml`, or a package (`.tar.zst`), found {found}"
    )]
    NotAPlugin { path: String, found: String },
    #[error(
        "`{path}` cannot be read: {detail}; make it readable for the user that runs the host, or remove it"
    )]
    Unreadable { path: String, detail: String },
    #[error(
        "`{path}` can be written by others: expected a mode without write permission for group and others, found {mode:04o}; check its content and run `chmod go-w` on it"
    )]
    WritableByOthers { path: String, mode: u32 },
    #[error(
        "`{path}` belongs to a stranger: expected root or the user that runs the host (uid {expected_uid}), found uid {found_uid}; check its content and run `chown` on it"
    )]
    ForeignOwner {
        path: String,
        expected_uid: u32,
        found_uid: u32,
    },
    #[error(
        "`{path}` is too large: expected at most {limit_bytes} bytes, found {found_bytes}; make it smaller"
    )]
    TooLarge {
        path: String,
        limit_bytes: u64,
        found_bytes: u64,
    },

    // The library.
    #[error(
        "not an ELF file: expected a shared library for {expected}, found {found}; build it for this machine"
    )]
    NotElf { expected: String, found: String },
    #[error("built for another target: expected {expected}, found {found}; build or fetch it for {expected}")]
    WrongTarget { expected: String, found: String },
    #[error(
        "not a shared library: expected a dynamic library, found {found}; build it with `crate-type = [\"cdylib\"]`"
    )]
    NotALibrary { found: String },
    #[error(
        "the library is truncated: expected at least {expected_bytes} bytes by its own headers, found {found_bytes}; copy it again"
    )]
    LibraryTruncated { expected_bytes: u64, found_bytes: u64 },
    #[error("the library is malformed: expected sound ELF tables, found: {detail}; build it again")]
    LibraryMalformed { detail: String },
    #[error(
        "a library without a manifest: expected a section `.kora.plugin`, found none, so it is not a kora plugin; export the plugin with `export_plugin!`"
    )]
    NoManifest,
    #[error(
        "the library needs a newer C library: expected at most glibc {running}, which runs here, found {required}; build it on an older system or update this one"
    )]
    LibcTooOld { required: String, running: String },

    // The manifest.
    #[error(
        "the manifest is too large: expected at most {limit_bytes} bytes, found {found_bytes}; shorten it"
    )]
    ManifestTooLarge { limit_bytes: u64, found_bytes: u64 },
    #[error("the manifest is not valid, line {line}, column {column}: {message}")]
    ManifestInvalid {
        line: usize,
        column: usize,
        message: String,
    },
    #[error(
        "built for another plugin API: expected a requirement that {offered} satisfies, found `{required}`; use a build for this API, or another host"
    )]
    ApiNotOffered { required: String, offered: String },
    #[error(
        "the manifest claims `{event_type}`, expected types of the plugin's own, found one of the host's; choose another name"
    )]
    EventTypeOfHost { event_type: EventType },

    // The package.
    #[error(
        "the package cannot be unpacked: expected a tar archive compressed with zstd, found: {detail}; fetch or pack it again"
    )]
    ArchiveUnreadable { detail: String },
    #[error(
        "the package is too large once unpacked: expected at most {limit} {what}, found more; pack only what a plugin needs"
    )]
    ArchiveTooLarge { what: String, limit: u64 },
    #[error(
        "the package holds `{entry}`: expected only regular files and folders below one root, found {found}; pack it again without it"
    )]
    EntryRefused { entry: String, found: String },
    #[error("the package is not complete: expected `{missing}` at its root, found none; pack it again")]
    PackageIncomplete { missing: String },
    #[error(
        "several libraries: expected exactly one `.so`, found `{first}` and `{second}`; one package for each plugin"
    )]
    SeveralLibraries { first: String, second: String },
    #[error(
        "the library has another name: expected `{expected}`, as the manifest says, found `{found}`; pack it again"
    )]
    LibraryMisnamed { expected: String, found: String },
    #[error(
        "`SHA256SUMS` is not valid: expected lines of digest, two spaces and name, {detail}; pack it again"
    )]
    ChecksumsInvalid { detail: String },
    #[error(
        "`{file}` is not what was packed: expected SHA-256 {expected}, found {found}; fetch the package again"
    )]
    ChecksumMismatch {
        file: String,
        expected: Digest,
        found: Digest,
    },
    #[error(
        "two manifests: expected `plugin.toml` to equal the one inside the library, found another; build and pack again"
    )]
    ManifestsDiffer,

    // The policy.
    #[error(
        "the plugin `{name}` is not allowed here: expected a name or digest that `[plugins] allow` lists, found `{name}` with {digest}; add either to the list"
    )]
    NotAllowed { name: PluginName, digest: Digest },
    #[error("the plugin `{name}` is disabled by `[plugins] disable`; `kora plugins enable {name}` lifts it")]
    Disabled { name: PluginName },
    #[error(
        "another file of the same name goes first: expected the highest version of `{name}`, and of equal ones the first path, found {version} beside {chosen_version} in `{chosen_path}`; remove one of them"
    )]
    Superseded {
        name: PluginName,
        version: semver::Version,
        chosen_version: semver::Version,
        chosen_path: String,
    },
    #[error("the copy in the cache cannot be made: `{path}`: {detail}; free or repair the cache directory")]
    CacheFailed { path: String, detail: String },

    // Loading.
    #[error("the library cannot be loaded: {detail}")]
    LoadFailed { detail: String },
    #[error(
        "the library's root does not fit this host: {summary}; build it with a plugin API that this host offers"
    )]
    RootMismatch { summary: String },
    #[error(
        "the extension `{extension}` has another layout: {summary}; build it with a plugin API that this host offers"
    )]
    LayoutMismatch { extension: String, summary: String },
    #[error("the plugin's `register` failed: {message}")]
    RegisterFailed { message: String },
    #[error(
        "the plugin registers the {what} `{name}`: expected only what its manifest provides, found one that is not listed; list it under `[provides]`"
    )]
    NotProvided { what: String, name: String },
    #[error(
        "the plugin registers the {what} `{name}`: expected a name that no other plugin has, found that of `{owner}`; rename one, or remove one of the plugins"
    )]
    NameTaken {
        what: String,
        name: String,
        owner: PluginName,
    },
    #[error("what the plugin registers is not valid: {detail}")]
    BadRegistration { detail: String },
    #[error(
        "the configuration of `{name}` is not what its manifest takes: {detail}; change it in `kora.toml`"
    )]
    BadConfig { name: PluginName, detail: String },
}

impl Refusal {
    /// A stable code of the cause, for programs: the variant's name in snake case.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotAPlugin { .. } => "not_a_plugin",
            Self::Unreadable { .. } => "unreadable",
            Self::WritableByOthers { .. } => "writable_by_others",
            Self::ForeignOwner { .. } => "foreign_owner",
            Self::TooLarge { .. } => "too_large",
            Self::NotElf { .. } => "not_elf",
            Self::WrongTarget { .. } => "wrong_target",
            Self::NotALibrary { .. } => "not_a_library",
            Self::LibraryTruncated { .. } => "library_truncated",
            Self::LibraryMalformed { .. } => "library_malformed",
            Self::NoManifest => "no_manifest",
            Self::LibcTooOld { .. } => "libc_too_old",
            Self::ManifestTooLarge { .. } => "manifest_too_large",
            Self::ManifestInvalid { .. } => "manifest_invalid",
            Self::ApiNotOffered { .. } => "api_not_offered",
            Self::EventTypeOfHost { .. } => "event_type_of_host",
            Self::ArchiveUnreadable { .. } => "archive_unreadable",
            Self::ArchiveTooLarge { .. } => "archive_too_large",
            Self::EntryRefused { .. } => "entry_refused",
            Self::PackageIncomplete { .. } => "package_incomplete",
            Self::SeveralLibraries { .. } => "several_libraries",
            Self::LibraryMisnamed { .. } => "library_misnamed",
            Self::ChecksumsInvalid { .. } => "checksums_invalid",
            Self::ChecksumMismatch { .. } => "checksum_mismatch",
            Self::ManifestsDiffer => "manifests_differ",
            Self::NotAllowed { .. } => "not_allowed",
            Self::Disabled { .. } => "disabled",
            Self::Superseded { .. } => "superseded",
            Self::CacheFailed { .. } => "cache_failed",
            Self::LoadFailed { .. } => "load_failed",
            Self::RootMismatch { .. } => "root_mismatch",
            Self::LayoutMismatch { .. } => "layout_mismatch",
            Self::RegisterFailed { .. } => "register_failed",
            Self::NotProvided { .. } => "not_provided",
            Self::NameTaken { .. } => "name_taken",
            Self::BadRegistration { .. } => "bad_registration",
            Self::BadConfig { .. } => "bad_config",
        }
    }

    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::Unreadable {
            path: shown_path(path),
            detail: shown(&error.to_string()),
        }
    }
}

/// Text of a stranger, fit for one line: control characters escaped, cut to a sensible length.
pub(super) fn shown(text: &str) -> String {
    const LONGEST_CHARS: usize = 300;
    let mut line = String::new();
    for character in text.chars().take(LONGEST_CHARS) {
        if character.is_control() || matches!(character, '\u{200e}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    if text.chars().nth(LONGEST_CHARS).is_some() {
        line.push('…');
    }
    line
}

/// A path, fit for one line.
pub(super) fn shown_path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_one_that_json_shows() {
        let refusal = Refusal::NotAPlugin {
            path: "x".into(),
            found: "nothing".into(),
        };
        let json = serde_json::to_value(&refusal).unwrap();
        assert_eq!(json["kind"], refusal.kind());
        assert_eq!(serde_json::from_value::<Refusal>(json).unwrap(), refusal);
        assert_eq!(
            serde_json::to_value(Refusal::NoManifest).unwrap()["kind"],
            Refusal::NoManifest.kind()
        );
    }

    #[test]
    fn a_hostile_name_stays_on_one_line_and_short() {
        let refusal = Refusal::EntryRefused {
            entry: shown(&format!("a\nb\u{1b}[31m\u{202e}{}", "x".repeat(10_000))),
            found: "a link".into(),
        };
        let line = refusal.to_string();
        assert!(line.contains(r"a\nb\u{1b}[31m\u{202e}x"), "{line}");
        assert!(!line.contains(char::is_control) && line.len() < 600);
    }
}
