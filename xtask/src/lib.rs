//! What of the xtask its own commands and the tests share: where the repository is, and packing a plugin into one file.

pub mod package;
pub mod workspace;
