//! Plugins: from a file in a directory to code that runs.
mod cache;
mod elf;
#[cfg(test)]
mod fixture;
mod manifest;
mod policy;
mod refusal;
pub use cache::Cache;
pub use elf::{GlibcVersion, LibraryFacts, Platform};
pub use manifest::{HOST_API, Manifest, Permissions, Provides, Strictness};
pub use policy::Policy;
pub use refusal::Refusal;
