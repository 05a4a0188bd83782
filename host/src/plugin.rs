//! Plugins: from a file in a directory to code that runs.

mod admission;
mod cache;
mod directory;
mod elf;
#[cfg(test)]
mod fixture;
mod manifest;
mod package;
mod policy;
mod refusal;

pub use admission::{AdmissionContext, Admitted, Examined, admit, choose, examine};
pub use cache::Cache;
pub use directory::{Candidate, DirectoryChange, Form, Settle, Stamp, Watcher, scan, scan_settled};
pub use elf::{GlibcVersion, LibraryFacts, Platform};
pub use manifest::{HOST_API, Manifest, Permissions, Provides, Strictness};
pub use package::Limits;
pub use policy::Policy;
pub use refusal::Refusal;
