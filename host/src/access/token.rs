//! Tokens: 32 random bytes as text. Only their SHA-256 is ever written down; being random, they need no slow hash.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::Digest;

/// What every token that this host makes begins with, so that it is known for one wherever it turns up.
pub(super) const TOKEN_PREFIX: &str = "koratok_";
/// Of the random part, in characters.
pub(super) const TOKEN_CHARS: usize = 43;
/// How a hash is written in `callers.toml`.
const HASH_PREFIX: &str = "sha256:";

/// A token. Shown once, when it is made.
pub struct Token(SecretString);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn new() -> std::io::Result<Self> {
        let mut bytes = [0_u8; 32];
        rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())?;
        let text = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        Ok(Self(text.into()))
    }

    /// The text, for showing it this once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// As it stands in `callers.toml`.
    pub fn written_hash(&self) -> String {
        format!("{HASH_PREFIX}{}", Digest::of(self.expose().as_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// What stands in the place of the hash of a token that was revoked with a stop command. `kora callers rotate` makes a new one.
pub(super) const REVOKED: &str = "revoked";

/// A hash as it stands in `callers.toml`. `None`: it has another form.
pub(super) fn read_hash(text: &str) -> Option<Digest> {
    text.strip_prefix(HASH_PREFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_random_and_its_written_hash_reads_back() {
        let (one, other) = (Token::new().unwrap(), Token::new().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), TOKEN_PREFIX.len() + TOKEN_CHARS);
        let digest = read_hash(&one.written_hash()).unwrap();
        assert_eq!(digest, Digest::of(one.expose().as_bytes()));
        assert_eq!(read_hash(&digest.to_string()), None);
        assert!(!format!("{one:?}").contains(one.expose()));
    }
}
