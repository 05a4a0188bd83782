//! The text of a manifest with the places of its keys, for errors that say where.

use std::{fmt, ops::Range};

use semver::VersionReq;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{HOST_API, Manifest};
use crate::plugin::refusal::{Refusal, shown};

/// A manifest that is sound TOML.
pub(super) struct Document<'a> {
    text: &'a str,
    table: Spanned<DeTable<'a>>,
}

/// A key that this host does not know.
pub(super) struct UnknownKey {
    table: Option<&'static str>,
    key: String,
}

impl UnknownKey {
    pub(super) fn path(&self) -> Vec<&str> {
        self.table.into_iter().chain([self.key.as_str()]).collect()
    }
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.table {
            Some(table) => write!(f, "`{}` in `[{table}]`", shown(&self.key)),
            None => write!(f, "`{}`", shown(&self.key)),
        }
    }
}

impl<'a> Document<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let sound = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            refuse(
                place(&sound, sound.len()),
                "expected UTF-8, found other bytes; save it as UTF-8",
            )
        })?;
        let table = DeTable::parse(text).map_err(|error| describe(text, &error))?;
        Ok(Self { text, table })
    }

    /// Judges the requirement on the API, if one can be read; if none can, reading the whole tells why.
    pub(super) fn check_api(&self) -> Result<(), Refusal> {
        let Some(required) = self
            .table
            .get_ref()
            .get("api")
            .and_then(|api| api.get_ref().as_str())
        else {
            return Ok(());
        };
        match required.parse::<VersionReq>() {
            Ok(requirement) if !requirement.matches(&HOST_API) => Err(Refusal::ApiNotOffered {
                required: shown(required),
                offered: HOST_API.to_string(),
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn read(&self) -> Result<Manifest, Refusal> {
        toml::from_str(self.text).map_err(|error| describe(self.text, &error))
    }

    /// The keys that writing `manifest` would not bring back. What is below `config` is the plugin's own.
    pub(super) fn unknown_keys(&self, manifest: &Manifest) -> Vec<UnknownKey> {
        let known = serde_json::json!({
            "": manifest,
            "provides": manifest.provides,
            "permissions": manifest.permissions,
        });
        let mut unknown = Vec::new();
        for table in [None, Some("provides"), Some("permissions")] {
            let known = &known[table.unwrap_or_default()];
            let found = match table {
                None => Some(self.table.get_ref()),
                Some(name) => self
                    .table
                    .get_ref()
                    .get(name)
                    .and_then(|value| value.get_ref().as_table()),
            };
            let keys = found
                .into_iter()
                .flat_map(|found| found.keys())
                .map(Spanned::get_ref);
            unknown.extend(
                keys.filter(|key| known.get(key.as_ref()).is_none())
                    .map(|key| UnknownKey {
                        table,
                        key: key.to_string(),
                    }),
            );
        }
        unknown
    }

    /// Line and column of the last key of `path` that is there.
    pub(super) fn place_of(&self, path: &[&str]) -> (usize, usize) {
        let mut span = 0..0;
        let mut table = Some(self.table.get_ref());
        for name in path {
            let Some((key, value)) = table.and_then(|table| table.get_key_value(*name)) else {
                break;
            };
            span = key.span();
            table = DeValue::as_table(value.get_ref());
        }
        place(self.text, span.start)
    }

    pub(super) fn invalid(&self, path: &[&str], message: String) -> Refusal {
        let key = path.join(".");
        refuse(self.place_of(path), &format!("`{}`: {message}", shown(&key)))
    }
}

fn describe(text: &str, error: &toml::de::Error) -> Refusal {
    let Range { start, .. } = error.span().unwrap_or(0..0);
    refuse(place(text, start), &error.message().trim().replace('\n', "; "))
}

fn refuse((line, column): (usize, usize), message: &str) -> Refusal {
    Refusal::ManifestInvalid {
        line,
        column,
        message: shown(message),
    }
}

/// Line and column, both from 1, the column in characters.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}
