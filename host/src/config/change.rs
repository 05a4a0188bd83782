//! What differs between two configurations, when each difference takes effect, and what is in force until then.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    Applies, Config, KEYS, Key, Sections,
    settings::{KeyPath, Setting, Settings},
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

/// Who works with a configuration already. What is said of others takes effect when they come, and so with a reload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AtWork {
    /// Plugins that are loaded.
    pub plugins: BTreeSet<String>,
    /// Tenants for whom somebody speaks, as they are [folded](crate::domain::TenantId::folded).
    pub tenants: BTreeSet<String>,
}

impl AtWork {
    fn applies(&self, key: &KeyPath) -> Applies {
        // A key that the table does not have cannot be set; were it, a restart would be the safe answer.
        let listed = row_of(key).map_or(Applies::NeedsRestart, |row| row.applies);
        let segments: Vec<&str> = key.segments().iter().map(String::as_str).collect();
        let is_at_work = match segments.as_slice() {
            ["plugins", plugin, _, ..] | ["tenants", _, "config", plugin, ..] => {
                self.plugins.contains(*plugin)
            }
            ["tenants", tenant, _, ..] => self.tenants.contains(&tenant.to_ascii_lowercase()),
            _ => true,
        };
        if is_at_work { listed } else { Applies::Live }
    }
}

/// What changed from `old` to `new`, sorted by key. A value that was written out and equals the default is no change.
pub fn diff(old: &Config, new: &Config, at_work: &AtWork) -> Vec<KeyChange> {
    let keys: BTreeSet<&KeyPath> = old
        .settings
        .iter()
        .chain(new.settings.iter())
        .map(|(key, _)| key)
        .collect();
    keys.into_iter()
        .filter_map(|key| change(key, old.settings.get(key), new.settings.get(key), at_work))
        .collect()
}

impl Config {
    /// What is in force once this was read again as `fresh`: the fresh value of each key that applies with a reload, and this
    /// one's of each that needs a restart. Where both together would contradict each other, the fresh one, which was judged whole.
    #[must_use]
    pub fn reloaded(&self, fresh: Self, at_work: &AtWork) -> Self {
        let layers = [(&fresh, Applies::Live), (self, Applies::NeedsRestart)];
        let settings: Settings = layers
            .into_iter()
            .flat_map(|(from, applies)| {
                let of_layer = from.settings.iter();
                of_layer.filter(move |(key, _)| at_work.applies(key) == applies)
            })
            .map(|(key, setting)| (key.clone(), setting.clone()))
            .collect();
        let sections: Result<Sections, _> = toml::Value::Table(settings.to_table()).try_into();
        match sections {
            Ok(sections) if sections.tenants_differ() => Self {
                tenant_ids: sections.tenant_ids(),
                sections,
                settings,
                ..fresh
            },
            _ => fresh,
        }
    }
}

fn change(
    key: &KeyPath,
    old: Option<&Setting>,
    new: Option<&Setting>,
    at_work: &AtWork,
) -> Option<KeyChange> {
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
        applies: at_work.applies(key),
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
