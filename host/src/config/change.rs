//! What differs between two configurations, and when each difference takes effect.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    Applies, Config, KEYS, Key,
    settings::{KeyPath, Setting},
};

/// A key whose value changed. Values are as they may be shown; two that look alike are places of a secret that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyChange {
    /// The key.
    pub key: String,
    /// What it was; absent if it was not set and has no default.
    pub old: Option<String>,
    /// What it is; absent if it is not set any more and has no default.
    pub new: Option<String>,
    /// When it takes effect.
    pub applies: Applies,
}

/// What changed from `old` to `new`, sorted by key. A value that was written out and equals the default is no change.
pub fn diff(old: &Config, new: &Config) -> Vec<KeyChange> {
    let keys: BTreeSet<&KeyPath> = old
        .settings
        .iter()
        .chain(new.settings.iter())
        .map(|(key, _)| key)
        .collect();
    keys.into_iter()
        .filter_map(|key| change(key, old.settings.get(key), new.settings.get(key)))
        .collect()
}

fn change(key: &KeyPath, old: Option<&Setting>, new: Option<&Setting>) -> Option<KeyChange> {
    if old.map(|setting| &setting.value) == new.map(|setting| &setting.value) {
        return None;
    }
    let row = row_of(key);
    let shown = |setting: Option<&Setting>| match setting {
        Some(setting) => Some(setting.shown()),
        None => row.and_then(|row| row.default).map(str::to_owned),
    };
    let (old_shown, new_shown) = (shown(old), shown(new));
    let both_set = old.is_some() && new.is_some();
    (both_set || old_shown != new_shown).then(|| KeyChange {
        key: key.to_string(),
        old: old_shown,
        new: new_shown,
        // A key that the table does not have cannot be set; were it, a restart would be the safe answer.
        applies: row.map_or(Applies::NeedsRestart, |row| row.applies),
    })
}

/// The row that describes `key`: one of its fixed names before one of its free ones; below a plugin's own key, that key's. A
/// table of the operator's naming has none of its own and is taken as the first of its keys.
fn row_of(key: &KeyPath) -> Option<&'static Key> {
    let freedom = |row: &&Key| {
        row.segments()
            .map(|segment| segment.starts_with('<'))
            .collect::<Vec<_>>()
    };
    KEYS.iter()
        .filter(|row| describes(row, key))
        .min_by_key(freedom)
        .or_else(|| KEYS.iter().find(|row| begins_with(row, key)))
}

fn describes(row: &Key, key: &KeyPath) -> bool {
    let length = row.segments().count();
    let own = row.segments().last() == Some("<key>");
    let long_enough = key.segments().len() == length || (own && key.segments().len() > length);
    long_enough
        && key
            .segments()
            .iter()
            .zip(row.segments())
            .all(|(found, segment)| stands_for(segment, found))
}

fn begins_with(row: &Key, key: &KeyPath) -> bool {
    row.segments().count() > key.segments().len()
        && key
            .segments()
            .iter()
            .zip(row.segments())
            .all(|(found, segment)| stands_for(segment, found))
}

fn stands_for(segment: &str, found: &str) -> bool {
    segment == found || segment.starts_with('<')
}
