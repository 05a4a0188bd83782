//! The key that signs checkpoints, as C2SP's signed notes name and number it.
//!
//! ```text
//! key id   = the first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)
//! public   = name+key id (hexadecimal)+base64(0x01 ‖ public key)
//! secret   = PRIVATE+KEY+name+key id (hexadecimal)+base64(0x01 ‖ seed)
//! ```
//!
//! 0x01 means Ed25519. Whoever reads either form checks the id, so that a name which was changed is seen.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::Signer as _;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};

/// Ed25519, among the kinds of signature of a note.
const ED25519: u8 = 0x01;
const PRIVATE: &str = "PRIVATE+KEY+";
/// As long as the name of a machine may be in the domain name system.
const MAX_NAME_BYTES: usize = 253;

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKey(&'static str);

/// The name of a key: letters, digits, `.`, `-`, `_` and `/`, at most 253 bytes. Best a part of a web address that its owner has.
///
/// Notes allow more, but this goes into lines that people compare by eye.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(Arc<str>);

impl KeyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that comes closest to `text`; `kora` if nothing of it can be in a name.
    pub fn near(text: &str) -> Self {
        let kept: String = text
            .chars()
            .filter(char::is_ascii)
            .map(|c| if is_allowed(c as u8) { c } else { '-' })
            .take(MAX_NAME_BYTES)
            .collect();
        kept.parse().unwrap_or_else(|_| Self("kora".into()))
    }
}

const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/')
}

impl FromStr for KeyName {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let fits = !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.bytes().all(is_allowed);
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(InvalidKey(
                "the name of a key: expected 1 to 253 letters, digits, `.`, `-`, `_` and `/`",
            ))
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The number of a key. It tells keys of one name apart; it proves nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 4]);

impl KeyId {
    pub(super) const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The public part: with it anybody checks a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    key: ed25519_dalek::VerifyingKey,
}

impl VerifierKey {
    fn new(name: KeyName, key: ed25519_dalek::VerifyingKey) -> Self {
        let hasher = Sha256::new_with_prefix(name.as_str())
            .chain_update([b'\n', ED25519])
            .chain_update(key.as_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        let id = KeyId([hash[0], hash[1], hash[2], hash[3]]);
        Self { name, id, key }
    }

    /// Its name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Its number.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Whether this key signed `text`; strictly: keys and points of small order, under which anything holds, are refused.
    pub fn verifies(&self, text: &str, signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.key.verify_strict(text.as_bytes(), &signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[ED25519][..], self.key.as_bytes()].concat());
        write!(f, "{}+{}+{key}", self.name, self.id)
    }
}

impl FromStr for VerifierKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        const FORM: InvalidKey =
            InvalidKey("expected a public key as `kora events key` prints it: `name+id+base64`");
        if text.starts_with(PRIVATE) {
            return Err(InvalidKey(
                "that is the secret part of a key: expected the public one, which `kora events key` prints",
            ));
        }
        let (name, id, bytes) = parts(text).ok_or(FORM)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| FORM)?;
        if key.is_weak() {
            return Err(InvalidKey("that key is weak: anything would hold under it"));
        }
        let key = Self::new(name, key);
        if key.id.to_string() == id {
            Ok(key)
        } else {
            Err(InvalidKey(
                "the number in the key is not that of its name and bytes: it was changed, or not copied whole",
            ))
        }
    }
}

/// The secret part. Its bytes are overwritten when it is dropped, and shown nowhere.
pub struct SigningKey {
    public: VerifierKey,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// The key of this name that these 32 random bytes make.
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = VerifierKey::new(name, key.verifying_key());
        Self { public, key }
    }

    /// The public part.
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// The key as it is kept; the text is overwritten when it is dropped.
    pub fn secret_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([ED25519; 33]);
        bytes[1..].copy_from_slice(self.key.as_bytes());
        let encoded = Zeroizing::new(STANDARD.encode(&bytes[..]));
        let VerifierKey { name, id, .. } = &self.public;
        Zeroizing::new([PRIVATE, name.as_str(), "+", &id.to_string(), "+", &encoded].concat())
    }

    /// The key that was kept so.
    ///
    /// # Errors
    /// If it is none; the text is not told.
    pub fn from_secret_text(text: &str) -> Result<Self, InvalidKey> {
        const FORM: InvalidKey = InvalidKey("expected `PRIVATE+KEY+name+id+base64`");
        let (name, id, seed) = text.strip_prefix(PRIVATE).and_then(parts).ok_or(FORM)?;
        let key = Self::from_seed(name, &Zeroizing::new(seed));
        if key.public.id.to_string() == id {
            Ok(key)
        } else {
            Err(InvalidKey(
                "the number in the key is not that of its name and bytes",
            ))
        }
    }

    pub(super) fn sign(&self, text: &str) -> [u8; 64] {
        self.key.sign(text.as_bytes()).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// Name, number and the 32 bytes of a key. Base64 has no `+` before its first letter's place, but may hold some: cut from the left.
fn parts(text: &str) -> Option<(KeyName, &str, [u8; 32])> {
    let (name, rest) = text.split_once('+')?;
    let (id, encoded) = rest.split_once('+')?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let (kind, key) = bytes.split_first()?;
    (*kind == ED25519).then_some(())?;
    Some((name.parse().ok()?, id, key.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed("logs.example.com".parse().unwrap(), &[7; 32])
    }

    // From the documentation of Go's `golang.org/x/mod/sumdb/note`, which signed notes come from.
    const GO_PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    #[test]
    fn a_key_of_another_implementation_is_read_and_gives_its_public_part() {
        let key = SigningKey::from_secret_text(GO_SECRET).unwrap();
        assert_eq!(key.public().to_string(), GO_PUBLIC);
        assert_eq!(*key.secret_text(), GO_SECRET);
        assert_eq!(GO_PUBLIC.parse::<VerifierKey>().unwrap(), *key.public());
    }

    #[test]
    fn a_key_with_another_name_number_or_kind_is_refused() {
        let changed = [
            ("Peter", "Petra"),
            ("c74f20a3", "c74f20a4"),
            ("c74f20a3", "C74F20A3"),
            ("+ARpc", "+AhpC"),
            ("10TW", "10T"),
            ("PeterNeumann+", "+"),
            ("PeterNeumann", "Peter Neumann"),
        ];
        for (from, to) in changed {
            let text = GO_PUBLIC.replacen(from, to, 1);
            assert!(text.parse::<VerifierKey>().is_err(), "{text}");
        }
        let secret = GO_SECRET.parse::<VerifierKey>().unwrap_err();
        assert!(secret.to_string().contains("secret part"), "{secret}");
    }

    #[test]
    fn a_key_under_which_anything_holds_is_refused() {
        let mut identity = [0; 33];
        (identity[0], identity[1]) = (ED25519, 1);
        let name = "weak";
        let hash = Sha256::digest([name.as_bytes(), b"\n", &identity].concat());
        let id: String = hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{name}+{id}+{}", STANDARD.encode(identity));
        assert!(
            text.parse::<VerifierKey>()
                .unwrap_err()
                .to_string()
                .contains("weak")
        );
    }

    #[test]
    fn no_secret_byte_is_shown() {
        let shown = format!("{:?}", key());
        let secret = key().secret_text();
        let encoded = secret.rsplit('+').next().unwrap();
        assert!(!shown.contains(encoded) && !shown.contains("7, 7"), "{shown}");
    }

    #[test]
    fn the_name_of_a_machine_becomes_the_name_of_a_key() {
        for (machine, name) in [
            ("box.example.com", "box.example.com"),
            ("my box+1", "my-box-1"),
            ("", "kora"),
            ("ü", "kora"),
        ] {
            assert_eq!(KeyName::near(machine).as_str(), name);
        }
    }
}
