//! Reads the text of `kora.toml` into settings against the table of keys. Finds everything that is wrong, not the first
//! thing; knows nothing of defaults, of the environment, or of what one key means for another.

use std::{ops::Range, sync::LazyLock};

use serde::Deserialize as _;
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    KEYS, Key, Kind,
    near_miss::near_miss,
    problem::{Problem, SourceText},
    settings::{KeyPath, Origin, Setting, Settings},
};
use crate::domain::{PluginName, TenantId};

/// What a file says, and where each key stands in it.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub settings: Settings,
    pub problems: Vec<Problem>,
}

impl Document {
    /// Reads it. Where it is not TOML, the problems are those of its form alone: what a broken file says about keys
    /// cannot be trusted.
    pub fn read(source: &SourceText<'_>) -> Self {
        let (root, errors) = DeTable::parse_recoverable(source.text);
        if errors.is_empty() {
            let mut reader = Reader {
                source,
                found: Vec::new(),
                problems: Vec::new(),
            };
            reader.table(
                &KeyPath::default(),
                &ROWS.iter().collect::<Vec<_>>(),
                root.get_ref(),
            );
            return Self {
                settings: reader.found.into_iter().collect(),
                problems: reader.problems,
            };
        }
        let problems = errors.iter().map(|error| not_toml(source, error)).collect();
        Self {
            problems,
            ..Self::default()
        }
    }
}

/// What was found to be wrong with keys of a text that had been read, each where its key stands in it. The text is read again for that:
/// to remember where every key stands would cost each start of a host with many tenants more than all that is kept.
pub(super) fn placed(source: &SourceText<'_>, problems: Vec<(KeyPath, String)>) -> Vec<Problem> {
    if problems.is_empty() {
        return Vec::new();
    }
    let (root, _) = DeTable::parse_recoverable(source.text);
    let placed = |(key, message): (KeyPath, String)| {
        let span = span_of(root.get_ref(), key.segments()).unwrap_or(0..0);
        let mut problem = Problem::new(source.place(&span), message);
        problem.excerpt = source.excerpt(&span);
        problem
    };
    problems.into_iter().map(placed).collect()
}

fn span_of(table: &DeTable<'_>, key: &[String]) -> Option<Range<usize>> {
    let (first, below) = key.split_first()?;
    let (name, value) = table.get_key_value(first.as_str())?;
    match value.get_ref() {
        _ if below.is_empty() => Some(name.span()),
        DeValue::Table(table) => span_of(table, below),
        _ => None,
    }
}

fn not_toml(source: &SourceText<'_>, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let mut problem = Problem::new(
        source.place(&span),
        format!("this is not TOML: {}", error.message()),
    );
    problem.excerpt = source.excerpt(&span);
    problem
}

/// A key of the table, its path in pieces: each key of a file is held against many.
struct Row {
    segments: Vec<&'static str>,
    kind: Kind,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let row = |key: &'static Key| Row {
        segments: key.segments().collect(),
        kind: key.kind,
    };
    KEYS.iter().map(row).collect()
});

struct Reader<'a> {
    source: &'a SourceText<'a>,
    found: Vec<(KeyPath, Setting)>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Reads the table at `path`. `rows` are the keys that may stand at or below it.
    fn table(&mut self, path: &KeyPath, rows: &[&'static Row], table: &DeTable<'_>) {
        for (name, value) in table {
            let key = path.child(name.get_ref());
            match rows_for(rows, path.segments().len(), name.get_ref()) {
                Ok(below) => self.entry(key, &below, name.span(), value),
                Err(problem) => self.unknown(&key, rows, name.span(), problem),
            }
        }
    }

    fn entry(
        &mut self,
        key: KeyPath,
        rows: &[&'static Row],
        name: Range<usize>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let depth = key.segments().len();
        if let Some(row) = rows.iter().find(|row| row.segments.len() == depth) {
            self.value(key, row.kind, name, value);
        } else if let DeValue::Table(table) = value.get_ref() {
            self.named_table(&key, rows, &name);
            self.table(&key, rows, table);
        } else if key.segments().first().is_some_and(|first| first == "plugins") && depth == 2 {
            // More likely a slip in one of the host's keys than a plugin that is no table.
            let all: Vec<_> = ROWS.iter().collect();
            self.unknown(&key, &all, name, None);
        } else {
            let message = format!("`{key}`: expected a table; found {}", value.get_ref().type_str());
            self.report(&value.span(), message, None);
        }
    }

    /// A table of the operator's naming says something even if nothing stands in it: `[tenants.acme]` makes a tenant.
    fn named_table(&mut self, key: &KeyPath, rows: &[&'static Row], name: &Range<usize>) {
        let last = key.segments().len() - 1;
        if rows
            .iter()
            .filter_map(|row| row.segments.get(last))
            .any(|segment| segment.starts_with('<'))
        {
            let (line, _) = self.source.position(name.start);
            let origin = Origin::File { line };
            let value = Value::Table(toml::Table::new());
            let hidden = false;
            self.found.push((
                key.clone(),
                Setting {
                    value,
                    origin,
                    hidden,
                },
            ));
        }
    }

    fn value(&mut self, key: KeyPath, kind: Kind, name: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let Some(plain) = self.plain(&key, kind, value) else {
            return;
        };
        if self.judge(&key, kind, &plain, value) {
            let (line, _) = self.source.position(name.start);
            let setting = Setting {
                value: plain,
                origin: Origin::File { line },
                hidden: kind.is_hidden(),
            };
            self.found.push((key, setting));
        }
    }

    /// Whether `plain` is of `kind`; what is wrong is reported where it stands.
    fn judge(&mut self, key: &KeyPath, kind: Kind, plain: &Value, value: &Spanned<DeValue<'_>>) -> bool {
        if let Err(mismatch) = kind.check(plain) {
            self.report(
                &value.span(),
                format!("`{key}`: {}", mismatch.message),
                mismatch.hint,
            );
            return false;
        }
        let (Kind::List(element), Value::Array(plain), DeValue::Array(array)) =
            (kind, plain, value.get_ref())
        else {
            return true;
        };
        let judged = plain.iter().zip(array.iter());
        judged.fold(true, |good, (plain, element_value)| {
            self.judge(key, *element, plain, element_value) && good
        })
    }

    /// Without positions, and for a plugin's own keys without what JSON cannot hold.
    fn plain(&mut self, key: &KeyPath, kind: Kind, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let plain = match Value::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(plain) => plain,
            Err(error) => {
                let why = match value.get_ref() {
                    DeValue::Integer(_) => {
                        let expected = kind.describe();
                        format!("expected {expected}; found a number that does not fit into 64 bits")
                    }
                    _ => error.message().to_owned(),
                };
                self.report(&value.span(), format!("`{key}`: {why}"), None);
                return None;
            }
        };
        if kind != Kind::Own {
            return Some(plain);
        }
        let as_json = json_compatible(plain);
        if as_json.is_none() {
            let message = format!("`{key}`: expected numbers that are finite; found `nan` or `inf`");
            self.report(&value.span(), message, None);
        }
        as_json
    }

    fn unknown(
        &mut self,
        key: &KeyPath,
        rows: &[&'static Row],
        name: Range<usize>,
        misnamed: Option<String>,
    ) {
        let Some((last, parents)) = key.segments().split_last() else {
            return;
        };
        let known = names_at(rows, parents);
        let near = near_miss(last, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let message = match misnamed {
            Some(misnamed) if near.is_none() => misnamed,
            _ if known.is_empty() => format!("unknown key `{key}`"),
            _ => format!(
                "unknown key `{key}`: expected {}",
                known
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        self.report(&name, message, near);
    }

    fn report(&mut self, span: &Range<usize>, message: String, hint: Option<String>) {
        let mut problem = Problem::new(self.source.place(span), message).hinting(hint);
        problem.excerpt = self.source.excerpt(span);
        self.problems.push(problem);
    }
}

/// Those of `rows` whose segment at `depth` is `name`, or else stands for any name of its sort. A fixed name goes before a
/// free one, so a plugin's own keys are those that are not the host's.
///
/// # Errors
/// If there is none; with the reason if `name` has not the form that a name has here.
fn rows_for(rows: &[&'static Row], depth: usize, name: &str) -> Result<Vec<&'static Row>, Option<String>> {
    let at = |segment: &str| -> Vec<_> {
        let there = rows.iter().copied();
        there
            .filter(|row| row.segments.get(depth).copied() == Some(segment))
            .collect()
    };
    let fixed = at(name);
    if !fixed.is_empty() {
        return Ok(fixed);
    }
    let mut there = rows.iter().filter_map(|row| row.segments.get(depth));
    let Some(free) = there.find(|segment| segment.starts_with('<')) else {
        return Err(None);
    };
    check_name(free, name).map_err(Some)?;
    Ok(at(free))
}

/// The fixed names that may stand below `parents`.
fn names_at(rows: &[&'static Row], parents: &[String]) -> Vec<&'static str> {
    let fits = |row: &&&'static Row| {
        let mut segments = row.segments.iter();
        parents.iter().all(|parent| {
            segments
                .next()
                .is_some_and(|segment| segment == parent || segment.starts_with('<'))
        })
    };
    let mut names: Vec<_> = rows
        .iter()
        .filter(fits)
        .filter_map(|row| row.segments.get(parents.len()).copied())
        .filter(|name| !name.starts_with('<'))
        .collect();
    names.dedup();
    names
}

fn check_name(sort: &str, name: &str) -> Result<(), String> {
    match sort {
        "<plugin>" => name
            .parse::<PluginName>()
            .map(drop)
            .map_err(|error| error.to_string()),
        "<tenant>" => name
            .parse::<TenantId>()
            .map(drop)
            .map_err(|error| error.to_string()),
        "<secret>" if !is_secret_name(name) => Err(
            "the name of a secret: expected 1 to 64 letters, digits, `_` and `-`, the first a letter"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

fn is_secret_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Dates become text; numbers that JSON has no words for make it nothing.
fn json_compatible(value: Value) -> Option<Value> {
    Some(match value {
        Value::Float(number) if !number.is_finite() => return None,
        Value::Datetime(time) => Value::String(time.to_string()),
        Value::Array(array) => Value::Array(array.into_iter().map(json_compatible).collect::<Option<_>>()?),
        Value::Table(table) => Value::Table(
            table
                .into_iter()
                .map(|(key, value)| Some((key, json_compatible(value)?)))
                .collect::<Option<_>>()?,
        ),
        other => other,
    })
}
