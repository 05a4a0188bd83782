//! Labels: the names of callers, and what they may do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest name, label and capability.
const NAME_MAX_CHARS: usize = 64;

/// A text that is no name of a caller, or no capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} is not valid: expected 1 to 64 letters, digits, `_`, `-`, `.` and `:`, the first a letter or a digit"
)]
pub struct InvalidLabel {
    /// What the text is for.
    pub what: &'static str,
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = InvalidLabel;
            fn from_str(text: &str) -> Result<Self, InvalidLabel> {
                if is_label(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidLabel { what: $what })
                }
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidLabel;
            fn try_from(text: String) -> Result<Self, InvalidLabel> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

label! {
    /// The name of a caller: what the operator calls it. Unique in the file.
    CallerName, "the name of a caller"
}
label! {
    /// The label of a caller in answers and in the audit, such as `operator` or `ci`.
    CallerKind, "the kind of a caller"
}
label! {
    /// A right to call one tool, by the name that the tool asks for. No capability implies another.
    Capability, "a capability"
}

/// Whether `text` is a label.
pub fn is_label(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    text.len() <= NAME_MAX_CHARS
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(is_part)
}
