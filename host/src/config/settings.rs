//! Single values by key, each with where it came from: what layers are made of, and what is shown and compared.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Serialize};
use toml::Value;

use super::problem::Place;

/// A key as it stands in the file, segment by segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct KeyPath(Vec<String>);

impl KeyPath {
    /// From segments joined by dots, none of which holds one.
    pub fn dotted(text: &str) -> Self {
        Self(text.split('.').map(str::to_owned).collect())
    }

    pub fn child(&self, segment: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment.to_owned());
        Self(segments)
    }

    pub fn segments(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !segment.is_empty() && segment.chars().all(bare) {
                write!(f, "{dot}{segment}")?;
            } else {
                write!(f, "{dot}{segment:?}")?;
            }
        }
        Ok(())
    }
}

/// Where a value came from. A later one wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The file, at this line.
    File {
        /// Counted from 1.
        line: usize,
    },
    /// This variable of the environment.
    Environment(String),
    /// This flag of the command.
    Flag(String),
    /// This command, while the host ran: until it is restarted or reads its configuration again.
    Command(String),
}

impl Origin {
    /// Where that is, if what is in the file is in this one.
    pub(super) fn place(&self, file: PathBuf) -> Place {
        match self {
            Self::Default => Place::File(file),
            Self::File { line } => Place::Line { file, line: *line },
            Self::Environment(name) => Place::Variable(name.clone()),
            Self::Flag(name) | Self::Command(name) => Place::Flag(name.clone()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line } => write!(f, "file, line {line}"),
            Self::Environment(name) => write!(f, "environment, {name}"),
            Self::Flag(name) => write!(f, "flag, {name}"),
            Self::Command(name) => write!(f, "`{name}`, until a reload or restart"),
        }
    }
}

/// One value.
#[derive(Clone, PartialEq)]
pub(super) struct Setting {
    pub value: Value,
    pub origin: Origin,
    /// It names a secret: only the kind of its source may be shown.
    pub hidden: bool,
}

impl Setting {
    /// As it may be shown: as in the file, or only the kind of a secret's source.
    pub fn shown(&self) -> String {
        match (&self.value, self.hidden) {
            (Value::String(text), true) => text.split(':').next().unwrap_or_default().to_owned(),
            (_, true) => "(hidden)".to_owned(),
            (value, false) => value.to_string(),
        }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.shown(), self.origin)
    }
}

/// Values by key.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Settings(BTreeMap<KeyPath, Setting>);

impl Settings {
    /// Sets `key`, over whatever was there. A table becomes its leaves, so that each can be shown and compared.
    pub fn set(&mut self, key: KeyPath, setting: Setting) {
        let mut found = Vec::new();
        leaves(key, setting, &mut found);
        self.0.extend(found);
    }

    pub fn get(&self, key: &KeyPath) -> Option<&Setting> {
        self.0.get(key)
    }

    /// The value at `key`, or else the first one below it.
    pub fn below(&self, key: &KeyPath) -> Option<&Setting> {
        let (found, setting) = self.0.range(key..).next()?;
        found.segments().starts_with(key.segments()).then_some(setting)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&KeyPath, &Setting)> {
        self.0.iter()
    }

    /// As one document.
    pub fn to_table(&self) -> toml::Table {
        let sorted: Vec<_> = self.0.iter().collect();
        table_of(&sorted, 0)
    }
}

/// As if each were [set](Settings::set) after the other, but for the look for each one's place: of settings that come in order, as they
/// do from a file, there may be very many.
impl FromIterator<(KeyPath, Setting)> for Settings {
    fn from_iter<I: IntoIterator<Item = (KeyPath, Setting)>>(settings: I) -> Self {
        let mut found = Vec::new();
        for (key, setting) in settings {
            leaves(key, setting, &mut found);
        }
        Self(found.into_iter().collect())
    }
}

fn leaves(key: KeyPath, setting: Setting, found: &mut Vec<(KeyPath, Setting)>) {
    match setting.value {
        Value::Table(table) if !table.is_empty() => {
            for (name, value) in table {
                let part = Setting {
                    value,
                    origin: setting.origin.clone(),
                    hidden: setting.hidden,
                };
                leaves(key.child(&name), part, found);
            }
        }
        value => found.push((key, Setting { value, ..setting })),
    }
}

/// The table of settings that have the first `depth` segments of their keys in common, and are sorted. Keys are checked before they get
/// here: none is both a value and a table, except that a plugin's own key which a variable sets may be a table in the file. The variable
/// is the later layer; its value stands.
fn table_of(sorted: &[(&KeyPath, &Setting)], depth: usize) -> toml::Table {
    let name_of = |(key, _): &(&KeyPath, &Setting)| key.segments().get(depth).cloned();
    let same = |one: &(&KeyPath, &Setting), other: &(&KeyPath, &Setting)| {
        one.0.segments().get(depth) == other.0.segments().get(depth)
    };
    let entry = |group: &[(&KeyPath, &Setting)]| {
        let (first, below) = group.split_first()?;
        let is_named_here = first.0.segments().len() == depth + 1;
        let value = match &first.1.value {
            Value::Table(_) if is_named_here => Value::Table(table_of(below, depth + 1)),
            value if is_named_here => value.clone(),
            _ => Value::Table(table_of(group, depth + 1)),
        };
        Some((name_of(first)?, value))
    };
    sorted.chunk_by(same).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(text: &str) -> Setting {
        let table: toml::Table = format!("v = {text}").parse().unwrap();
        Setting {
            value: table["v"].clone(),
            origin: Origin::Default,
            hidden: false,
        }
    }

    #[test]
    fn a_table_is_kept_as_its_leaves_and_becomes_a_table_again() {
        let mut settings = Settings::default();
        settings.set(
            KeyPath::dotted("plugins.kora"),
            setting("{ a = 1, b = { c = [2] } }"),
        );
        let keys: Vec<_> = settings.iter().map(|(key, _)| key.to_string()).collect();
        assert_eq!(keys, ["plugins.kora.a", "plugins.kora.b.c"]);
        assert_eq!(
            settings.to_table()["plugins"]["kora"]["b"]["c"][0].as_integer(),
            Some(2)
        );
    }

    #[test]
    fn a_key_that_is_not_bare_is_quoted() {
        assert_eq!(KeyPath::dotted("a").child("b c").to_string(), "a.\"b c\"");
    }

    #[test]
    fn a_hidden_value_shows_the_kind_of_its_source() {
        let hidden = Setting {
            hidden: true,
            ..setting("'env:PASSWORD'")
        };
        assert_eq!(hidden.shown(), "env");
        assert!(!format!("{hidden:?}").contains("PASSWORD"));
    }
}
