//! An operator's token: made from the system's randomness, stored as its hash.

use std::{fs::File, io::Read as _};

use crate::domain::Digest;

/// More than anybody can guess; the hash of it needs no salt.
const TOKEN_BYTES: usize = 32;

/// A token. Shown once, by whoever asks for its text.
pub(super) struct Token(String);

impl Token {
    /// Sixty-four hexadecimal digits.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn new() -> std::io::Result<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// As it stands in `callers.toml`.
    pub fn hash(&self) -> String {
        format!("sha256:{}", Digest::of(self.0.as_bytes()))
    }

    /// The token itself.
    pub fn into_text(self) -> String {
        self.0
    }
}
