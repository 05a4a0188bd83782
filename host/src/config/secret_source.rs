//! Where a secret comes from, as the configuration names it. Reading it is [`secrets`](crate::secrets).

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};

/// The place of a secret. Shown and logged as its kind alone: somebody may have written the secret where its source
/// belongs.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SecretSource {
    /// `env:NAME`: a variable of the host's environment.
    Environment(String),
    /// `file:/path`: a file that only its owner can read.
    File(PathBuf),
    /// `credential:NAME`: a file in the directory that systemd gives to the service.
    Credential(String),
}

/// A text that names no place of a secret. Holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected `env:NAME`, `file:/path` or `credential:NAME` (the place of the secret, never the secret); found another text"
)]
pub struct InvalidSecretSource;

impl SecretSource {
    /// `env`, `file` or `credential`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Environment(_) => "env",
            Self::File(_) => "file",
            Self::Credential(_) => "credential",
        }
    }
}

impl FromStr for SecretSource {
    type Err = InvalidSecretSource;

    fn from_str(text: &str) -> Result<Self, InvalidSecretSource> {
        match text.split_once(':') {
            Some(("env", name)) if is_variable(name) => Ok(Self::Environment(name.to_owned())),
            Some(("file", path)) if path.starts_with('/') && !path.contains('\0') => {
                Ok(Self::File(path.into()))
            }
            Some(("credential", name)) if is_credential(name) => Ok(Self::Credential(name.to_owned())),
            _ => Err(InvalidSecretSource),
        }
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// One component of a path, so that it cannot leave the directory.
fn is_credential(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= 255 && !name.contains(['/', '\0'])
}

impl TryFrom<String> for SecretSource {
    type Error = InvalidSecretSource;
    fn try_from(text: String) -> Result<Self, InvalidSecretSource> {
        text.parse()
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.kind())
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretSource({})", self.kind())
    }
}

impl Serialize for SecretSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_a_place_and_nothing_else_is_one() {
        assert_eq!("env:A_B".parse(), Ok(SecretSource::Environment("A_B".to_owned())));
        assert_eq!("file:/run/t".parse(), Ok(SecretSource::File("/run/t".into())));
        assert_eq!(
            "credential:smtp".parse(),
            Ok(SecretSource::Credential("smtp".to_owned()))
        );
        for bad in [
            "",
            "hunter2",
            "env:",
            "env:A B",
            "env:9",
            "file:relative",
            "credential:../x",
            "credential:..",
            "vault:x",
        ] {
            assert_eq!(bad.parse::<SecretSource>(), Err(InvalidSecretSource), "{bad}");
        }
    }

    #[test]
    fn a_source_shows_only_its_kind() {
        let source: SecretSource = "env:sk_live_123".parse().unwrap();
        assert_eq!(format!("{source} {source:?}"), "env SecretSource(env)");
        assert_eq!(serde_json::to_string(&source).unwrap(), "\"env\"");
    }
}
