//! Loading a library: `dlopen`, the root module, and the two calls on it. The one place of the host with `unsafe`.
//!
//! Libraries are kept for ever: threads and thread locals of a plugin may outlive any unload. A library is opened by the path
//! of its content-addressed copy, never by a path that somebody may write again, since the system's loader answers a path
//! that it knows with the code that it has.

use std::{path::Path, time::Duration};

use abi_stable::library::{AbiHeaderRef, ROOT_MODULE_LOADER_NAME_WITH_NUL};
use kora_plugin_abi::{self as abi, Bytes, HostRef, LayoutMismatch, RootRef, abi_stable::StableAbi};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::call::CallError;

/// The library stays mapped whatever happens to its handle. (Linux and the BSDs; `libloading` does not name it.)
const RTLD_NODELETE: std::os::raw::c_int = 0x1000;

/// Why a library could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The system's loader refused it.
    #[error("the system's loader refused it: {0}")]
    Open(String),
    /// It exports no root module.
    #[error("it exports no kora root module: build it with `kora_plugin_api::export_plugin!`")]
    NoRoot,
    /// The root module is of another interface.
    #[error("its root module does not fit this host: {summary}")]
    Root {
        /// One line.
        summary: String,
        /// The full text.
        full: String,
    },
}

/// A library that was loaded and whose root module fits. Nothing of it has been called but its constructors.
#[derive(Clone, Copy)]
pub struct LoadedLibrary {
    root: RootRef,
}

impl std::fmt::Debug for LoadedLibrary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoadedLibrary")
    }
}

impl LoadedLibrary {
    /// Opens the library at `path`, which must be absolute. Blocks: the library's constructors run.
    ///
    /// # Errors
    /// [`LoadError`]; the library may stay mapped all the same.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        if !path.is_absolute() {
            // A bare name would make the loader search the system's folders.
            return Err(LoadError::Open(format!(
                "`{}` is not an absolute path",
                path.display()
            )));
        }
        // SAFETY: constructors of the file run here. It was accepted by manifest, target, digest and policy before, and it
        // is a private copy that nobody writes again.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) }
            .map_err(|error| LoadError::Open(root_cause(&error)))?;
        // SAFETY: the export macro makes this symbol a `LibHeader` static, and an `AbiHeaderRef` is the address of one,
        // which is what the value of a symbol is.
        let header = unsafe { library.get::<AbiHeaderRef>(ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes()) };
        let header = *header.map_err(|_| LoadError::NoRoot)?;
        std::mem::forget(library);
        let header = header
            .upgrade()
            .map_err(|error| root_mismatch(&error.to_string()))?;
        let root = header
            .init_root_module::<RootRef>()
            .map_err(|error| root_mismatch(&error.to_string()))?;
        Ok(Self { root })
    }

    /// Lets the plugin register. Blocks for as long as the plugin likes; the answer is raw and unchecked.
    pub(super) fn register(&self, host: HostRef) -> Result<Vec<u8>, CallError> {
        self.root.register()(host)
            .into_result()
            .map(Into::into)
            .map_err(CallError::from_abi)
    }

    /// Ends the plugin's own threads. Blocks for about `limit` if the plugin keeps its word.
    pub(super) fn deinit(&self, limit: Duration) -> Result<(), CallError> {
        let limit_us = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        self.root.deinit()(limit_us)
            .into_result()
            .map_err(CallError::from_abi)
    }

    /// The extension `id`, if the plugin has it and its layout is the one compiled here.
    pub(super) fn extension<T: StableAbi>(&self, id: &str) -> Option<Result<&'static T, LayoutMismatch>> {
        let found = self.root.get_extension()(Bytes::from(id.as_bytes()));
        // SAFETY: the library is never unloaded, and a plugin that was built with the SDK answers with
        // `Extension::of`. One that was not could lie; a drop is code execution already.
        unsafe { abi::query::<T>(found) }
    }
}

fn root_mismatch(full: &str) -> LoadError {
    let summary = summarise(full);
    LoadError::Root {
        summary,
        full: full.to_owned(),
    }
}

/// What of abi_stable's text says what differs. The text goes on for pages; in it, the first thing that differs is marked by
/// `Error:`, with the first line of what was expected and of what was found. Text of another form is cut.
fn summarise(full: &str) -> String {
    const LIMIT: usize = 240;
    let lines: Vec<&str> = full
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let error = lines
        .iter()
        .position(|line| line.starts_with("Error:"))
        .unwrap_or(0);
    let text = difference(&lines[error..]).unwrap_or_else(|| lines[error..].join(" "));
    match text.char_indices().nth(LIMIT) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

fn difference(lines: &[&str]) -> Option<String> {
    let what = lines.first()?.strip_prefix("Error:")?;
    let after = |mark: &str| {
        let line = lines.iter().skip_while(|line| **line != mark).nth(1)?;
        Some(line.trim_start_matches("field_name:"))
    };
    let (expected, found) = (after("Expected:")?, after("Found:")?);
    Some(format!("{what}: expected `{expected}`, found `{found}`"))
}

/// The loader's own words, which `libloading` keeps as the source of its error.
fn root_cause(error: &libloading::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().replace('\n', " ")
}
