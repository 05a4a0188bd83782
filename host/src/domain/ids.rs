//! Names and ids, each checked where it is made.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A name that does not have the form it must have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{found}` is not valid: expected {expected}")]
pub struct InvalidName {
    /// What the name is for, for example `tenant`.
    pub what: &'static str,
    /// What was given, cut to a sensible length.
    pub found: String,
    /// The form it must have.
    pub expected: &'static str,
}

impl InvalidName {
    fn new(what: &'static str, found: &str, expected: &'static str) -> Self {
        const SHOWN: usize = 80;
        Self {
            what,
            found: found.chars().take(SHOWN).collect(),
            expected,
        }
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.to_string()
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }
    };
}

name! {
    /// A tenant: `^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`. Parsing refuses `host`, which names the host's own chain.
    TenantId
}
name! {
    /// A plugin: `^[a-z][a-z0-9_]{0,31}$`. It is also the first word of the plugin's event types, so the first words that the
    /// system keeps for itself are refused, as are the words that `[plugins]` of the configuration has for other things; `kora` is
    /// the plugin of that name.
    PluginName
}
name! {
    /// An identity provider as `plugin/provider`, both of the form of [`PluginName`].
    ProviderId
}

name! {
    /// A daemon entry or a listener of a plugin: the same form as [`PluginName`], unique within its plugin.
    EntryName
}
name! {
    /// A secret that a plugin requires: `^[A-Za-z][A-Za-z0-9_-]{0,63}$`.
    SecretName
}

name! {
    /// A tool: `^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`, unique in a host.
    ToolName
}
name! {
    /// A prompt: the same form as [`ToolName`], unique in a host.
    PromptName
}
name! {
    /// The URI of a resource, or the template of many (`notes://{id}`): a scheme, and at most 512 characters of ASCII without
    /// white space. Unique in a host.
    ResourceUri
}

const HOST: &str = "host";

/// The first words of event types that the system keeps for itself.
pub const RESERVED_FIRST_WORDS: [&str; 4] = ["kora_control", "sea_ticket", "kronicle", HOST];

/// What `[plugins]` of the configuration means by these words is not a plugin: one so named could not be configured.
const CONFIGURATION_WORDS: [&str; 3] = ["directory", "allow", "disable"];

impl TenantId {
    /// The host's own chain.
    pub fn host() -> Self {
        Self(HOST.into())
    }

    /// Whether this is the host's own chain.
    pub fn is_host(&self) -> bool {
        &*self.0 == HOST
    }

    /// The form in which two ids are compared for uniqueness: without regard to case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for TenantId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if !is_label(text) {
            return Err(InvalidName::new("tenant", text, LABEL_FORM));
        }
        if text.eq_ignore_ascii_case(HOST) {
            return Err(InvalidName::new(
                "tenant",
                text,
                "another name: `host` is the host's own chain",
            ));
        }
        Ok(Self(text.into()))
    }
}

fn is_label(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && text.len() <= 64
}

const LABEL_FORM: &str = "1 to 64 letters, digits, `_` and `-`, the first a letter or digit";

fn is_word(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && text.len() <= 32
}

const WORD_FORM: &str = "1 to 32 lower-case letters, digits and `_`, the first a letter";

impl FromStr for PluginName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if !is_word(text) {
            return Err(InvalidName::new("plugin name", text, WORD_FORM));
        }
        if RESERVED_FIRST_WORDS.contains(&text) || CONFIGURATION_WORDS.contains(&text) {
            return Err(InvalidName::new(
                "plugin name",
                text,
                "a name that the host does not keep for itself",
            ));
        }
        Ok(Self(text.into()))
    }
}

impl ProviderId {
    /// The provider `provider` of `plugin`.
    ///
    /// # Errors
    /// If `provider` has not the form of a name.
    pub fn new(plugin: &PluginName, provider: &str) -> Result<Self, InvalidName> {
        if is_word(provider) {
            Ok(Self(format!("{plugin}/{provider}").into()))
        } else {
            Err(InvalidName::new("identity provider", provider, WORD_FORM))
        }
    }

    /// The plugin's part.
    pub fn plugin(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(plugin, _)| plugin)
    }

    /// The provider's part.
    pub fn provider(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, provider)| provider)
    }
}

impl FromStr for ProviderId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.split_once('/') {
            Some((plugin, provider)) if is_word(plugin) && is_word(provider) => Ok(Self(text.into())),
            _ => Err(InvalidName::new("identity provider", text, "`plugin/provider`")),
        }
    }
}

impl FromStr for EntryName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_word(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::new("name", text, WORD_FORM))
        }
    }
}

impl FromStr for ToolName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_label(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::new("tool name", text, LABEL_FORM))
        }
    }
}

impl FromStr for PromptName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_label(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::new("prompt name", text, LABEL_FORM))
        }
    }
}

impl ResourceUri {
    /// What stands before the first colon.
    pub fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |(scheme, _)| scheme)
    }
}

impl FromStr for ResourceUri {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        const LONGEST: usize = 512;
        let is_scheme = |scheme: &str| {
            scheme.starts_with(|c: char| c.is_ascii_lowercase())
                && scheme
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'))
        };
        let has_scheme = text
            .split_once(':')
            .is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty());
        if has_scheme && text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            let expected = "a scheme in lower case, a colon, and up to 512 characters of ASCII in all, without white space";
            Err(InvalidName::new("resource URI", text, expected))
        }
    }
}

impl FromStr for SecretName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let mut bytes = text.bytes();
        let fits = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            && text.len() <= 64;
        if fits {
            Ok(Self(text.into()))
        } else {
            let expected = "1 to 64 letters, digits, `_` and `-`, the first a letter";
            Err(InvalidName::new("secret name", text, expected))
        }
    }
}

/// The SHA-256 of a file or of canonical bytes. Shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// From the 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve digits, for humans.
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let fail = || InvalidName::new("digest", text, "64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(fail());
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| fail())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// An event's id: a UUIDv7, so ids sort by the time of their making.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Uuid);

impl EventId {
    /// A fresh one.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// From the 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl Default for EventId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_ids_are_refused_unless_they_have_the_form() {
        for good in ["a", "Acme", "0-x_Y", &"a".repeat(64)] {
            assert!(good.parse::<TenantId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "_a",
            "a b",
            "a/b",
            "..",
            "ä",
            "host",
            "HOST",
            &"a".repeat(65),
        ] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_plugin_cannot_take_a_first_word_of_the_host() {
        assert!("kora".parse::<PluginName>().is_ok());
        for bad in [
            "host",
            "kora_control",
            "sea_ticket",
            "kronicle",
            "Marvin",
            "my-plugin",
            "directory",
            "allow",
            "disable",
            "",
            "9x",
        ] {
            assert!(bad.parse::<PluginName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_resource_has_a_scheme_and_no_white_space() {
        for good in ["test://static-text", "kora:state", "notes://{id}/data"] {
            assert!(good.parse::<ResourceUri>().is_ok(), "{good}");
        }
        let long = format!("a:{}", "x".repeat(511));
        for bad in [
            "",
            "notes",
            ":x",
            "notes:",
            "Notes:x",
            "notes://a b",
            "n\u{e4}:x",
            "n:\u{7f}",
            &long,
        ] {
            assert!(bad.parse::<ResourceUri>().is_err(), "{bad}");
        }
        assert_eq!("kora:state".parse::<ResourceUri>().unwrap().scheme(), "kora");
    }

    #[test]
    fn a_digest_reads_back_what_it_shows() {
        let digest = Digest::of(b"marvin");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("xyz".parse::<Digest>().is_err());
    }
}
