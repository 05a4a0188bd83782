//! Who an agent is, as data: what a provider's answer must look like, its canonical bytes and their hash.
//!
//! A provider's answer is hostile input. Whether it is *wanted* is not decided here.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{canonical, strict};

/// The most bytes of the soul text, and of the system prompt: far above what models take as a prompt, far below what would
/// hurt a store that keeps every generation for ever.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;
/// The most bytes of the metadata as canonical JSON: it describes an identity, it does not carry one.
pub const MAX_METADATA_BYTES: usize = 64 * 1024;
/// The most levels of the metadata, itself counted: what a human could still read.
pub const MAX_METADATA_DEPTH: usize = 16;
/// The most characters of the agent's name, and of its version: one line of a table.
pub const MAX_NAME_CHARS: usize = 128;
/// The most bytes of an answer: both texts and the metadata with every character escaped in six, rounded up.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A complete identity.
#[derive(Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// The agent's name.
    pub agent_name: String,
    /// The version of the identity, in whatever form its author likes; may be empty.
    pub agent_version: String,
    /// The soul text; may be empty.
    pub soul_md: String,
    /// The system prompt.
    pub system_prompt: String,
    /// Whatever else should be known of it.
    pub metadata: Map<String, Value>,
}

/// Why an answer is no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The answer as a whole is too long.
    #[error("the answer has {found} bytes: expected at most {MAX_ANSWER_BYTES}")]
    AnswerTooLong {
        /// Its bytes.
        found: usize,
    },
    /// The answer is not one JSON document, or has a key twice.
    #[error("the answer is not sound JSON: {detail}")]
    NotJson {
        /// What is wrong, and where.
        detail: String,
    },
    /// A field, or the answer itself, is of another type.
    #[error("{field} is {found}: expected {expected}")]
    WrongType {
        /// Which; `the answer` for the whole.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A field is not there. A partial identity is no identity.
    #[error(
        "{field} is missing: a snapshot has agent_name, agent_version, soul_md, system_prompt and metadata, or is null"
    )]
    Missing {
        /// Which.
        field: &'static str,
    },
    /// A field that snapshots do not have.
    #[error("`{field}` is no field of a snapshot: whatever else should be known belongs into metadata")]
    UnknownField {
        /// Its name, clipped.
        field: String,
    },
    /// A field that must say something is empty. A partial identity is no identity.
    #[error("{field} is empty: a partial identity is no identity; answer null for no claim")]
    Empty {
        /// Which.
        field: &'static str,
    },
    /// A field is too long.
    #[error("{field} has {found} {unit}: expected at most {limit}")]
    TooLong {
        /// Which.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The most it may be.
        limit: usize,
        /// In what it is counted.
        unit: &'static str,
    },
    /// A name would not print on one line as it is.
    #[error("{field} holds the control character U+{found:04X}: expected characters that print on one line")]
    ControlCharacter {
        /// Which.
        field: &'static str,
        /// The character.
        found: u32,
    },
}

impl Snapshot {
    /// Reads a provider's answer; `None` is "no claim".
    ///
    /// # Errors
    /// If it is anything but `null` or a complete identity within the limits.
    pub fn parse(answer: &[u8]) -> Result<Option<Self>, SnapshotError> {
        if answer.len() > MAX_ANSWER_BYTES {
            return Err(SnapshotError::AnswerTooLong { found: answer.len() });
        }
        let value = read(answer)?;
        if value.is_null() {
            return Ok(None);
        }
        let snapshot = Self::from_value(value)?;
        snapshot.check()?;
        Ok(Some(snapshot))
    }

    /// Reads what [`to_canonical`](Self::to_canonical) wrote. The limits are not applied again: what was accepted once can
    /// be restored by every later release.
    ///
    /// # Errors
    /// If it has not the shape of a snapshot.
    pub fn from_canonical(text: &str) -> Result<Self, SnapshotError> {
        Self::from_value(read(text.as_bytes())?)
    }

    /// The canonical JSON: what is stored and hashed. Its SHA-256 is the snapshot's hash.
    pub fn to_canonical(&self) -> String {
        let Self {
            agent_name,
            agent_version,
            soul_md,
            system_prompt,
            metadata,
        } = self;
        canonical::text(&json!({
            "agent_name": agent_name,
            "agent_version": agent_version,
            "soul_md": soul_md,
            "system_prompt": system_prompt,
            "metadata": metadata,
        }))
    }

    /// Checks the limits.
    ///
    /// # Errors
    /// Names the first field that is outside them.
    pub fn check(&self) -> Result<(), SnapshotError> {
        check_filled("agent_name", &self.agent_name)?;
        check_name("agent_name", &self.agent_name)?;
        check_name("agent_version", &self.agent_version)?;
        check_bytes("soul_md", self.soul_md.len(), MAX_TEXT_BYTES)?;
        check_filled("system_prompt", &self.system_prompt)?;
        check_bytes("system_prompt", self.system_prompt.len(), MAX_TEXT_BYTES)?;
        check_metadata(&self.metadata)
    }

    fn from_value(value: Value) -> Result<Self, SnapshotError> {
        let mut fields = match value {
            Value::Object(fields) => fields,
            other => return Err(wrong_type("the answer", "an object or null", &other)),
        };
        let snapshot = Self {
            agent_name: take_text(&mut fields, "agent_name")?,
            agent_version: take_text(&mut fields, "agent_version")?,
            soul_md: take_text(&mut fields, "soul_md")?,
            system_prompt: take_text(&mut fields, "system_prompt")?,
            metadata: take_object(&mut fields, "metadata")?,
        };
        match fields.keys().next() {
            Some(field) => Err(SnapshotError::UnknownField {
                field: strict::clipped(field),
            }),
            None => Ok(snapshot),
        }
    }
}

/// Names it and gives the lengths: prompts are long, and not for logs.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("agent_name", &self.agent_name)
            .field("agent_version", &self.agent_version)
            .field("soul_md_bytes", &self.soul_md.len())
            .field("system_prompt_bytes", &self.system_prompt.len())
            .finish_non_exhaustive()
    }
}

fn read(bytes: &[u8]) -> Result<Value, SnapshotError> {
    strict::read(bytes).map_err(|error| SnapshotError::NotJson {
        detail: error.to_string(),
    })
}

fn take_text(fields: &mut Map<String, Value>, field: &'static str) -> Result<String, SnapshotError> {
    match fields.remove(field) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(wrong_type(field, "a text", &other)),
        None => Err(SnapshotError::Missing { field }),
    }
}

fn take_object(
    fields: &mut Map<String, Value>,
    field: &'static str,
) -> Result<Map<String, Value>, SnapshotError> {
    match fields.remove(field) {
        Some(Value::Object(object)) => Ok(object),
        Some(other) => Err(wrong_type(field, "an object", &other)),
        None => Err(SnapshotError::Missing { field }),
    }
}

fn wrong_type(field: &'static str, expected: &'static str, found: &Value) -> SnapshotError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    SnapshotError::WrongType {
        field,
        expected,
        found,
    }
}

fn check_filled(field: &'static str, text: &str) -> Result<(), SnapshotError> {
    if text.trim().is_empty() {
        return Err(SnapshotError::Empty { field });
    }
    Ok(())
}

fn check_name(field: &'static str, name: &str) -> Result<(), SnapshotError> {
    let found = name.chars().count();
    if found > MAX_NAME_CHARS {
        let (limit, unit) = (MAX_NAME_CHARS, "characters");
        return Err(SnapshotError::TooLong {
            field,
            found,
            limit,
            unit,
        });
    }
    match name.chars().find(|c| strict::is_unprintable(*c)) {
        Some(c) => Err(SnapshotError::ControlCharacter {
            field,
            found: u32::from(c),
        }),
        None => Ok(()),
    }
}

fn check_bytes(field: &'static str, found: usize, limit: usize) -> Result<(), SnapshotError> {
    if found > limit {
        let unit = "bytes";
        return Err(SnapshotError::TooLong {
            field,
            found,
            limit,
            unit,
        });
    }
    Ok(())
}

fn check_metadata(metadata: &Map<String, Value>) -> Result<(), SnapshotError> {
    let found = 1 + metadata.values().map(depth).max().unwrap_or(0);
    if found > MAX_METADATA_DEPTH {
        return Err(SnapshotError::TooLong {
            field: "metadata",
            found,
            limit: MAX_METADATA_DEPTH,
            unit: "levels",
        });
    }
    check_bytes(
        "metadata",
        canonical::object_text(metadata).len(),
        MAX_METADATA_BYTES,
    )
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
