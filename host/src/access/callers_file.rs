//! `callers.toml`: who may call, as it is written down. One bad entry is left out and named; a file that cannot be read as a whole
//! admits nobody.

mod change;

use std::{
    collections::BTreeSet,
    fs, io,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};
use uuid::Uuid;

use super::{
    Caller, CallerName, Capability, Tenancy, Token,
    token::{REVOKED, read_hash},
};
use crate::domain::{EventType, TenantId, is_label};

/// Larger than any file of callers that somebody keeps by hand.
pub(super) const FILE_MAX_BYTES: u64 = 1024 * 1024;
/// Stands for every tenant.
const ALL_TENANTS: &str = "*";
/// The keys of an entry.
const KEYS: [&str; 8] = [
    "name",
    "kind",
    "token_hash",
    "capabilities",
    "actor_id",
    "tenants",
    "allowed_events",
    "requests_per_second",
];

/// Why the file as a whole says nothing. Holds nothing of what is written in it.
#[derive(Debug, thiserror::Error)]
pub enum CallersFileError {
    /// It cannot be read or written.
    #[error("`{}` cannot be {doing}: {why}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `written` or `locked`.
        doing: &'static str,
        /// What the system said.
        why: io::Error,
    },
    /// Others could write it.
    #[error(
        "`{}` is not safe: {found}; expected a file of the user who runs the host that nobody else may write (`chmod 600`)",
        path.display()
    )]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// It is no TOML, or has another form.
    #[error("`{}` is not valid at line {line}: expected tables `[[callers]]`", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
    },
    /// The name is no name.
    #[error(
        "the name of the caller is not valid: expected 1 to 64 letters, digits, `_`, `-`, `.` and `:`, the first a letter or a digit"
    )]
    Name,
    /// There is one of that name.
    #[error(
        "there is a caller `{0}` already: `kora callers rotate {0}` gives it a new token, `kora callers revoke {0}` removes it"
    )]
    Exists(CallerName),
    /// There is none of that name.
    #[error("there is no caller `{0}`: `kora callers list` shows those there are")]
    Missing(String),
    /// The system gives no random bytes.
    #[error("no token can be made: {0}")]
    NoToken(io::Error),
}

/// An entry that was left out, and why. Holds nothing of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFault {
    /// Its name, as it is written.
    pub name: String,
    /// What was expected.
    pub why: String,
}

/// What a new caller is to be.
#[derive(Debug, Clone)]
pub struct CallerDraft {
    /// Its label in answers and in the audit.
    pub actor_kind: String,
    /// What it may do.
    pub capabilities: BTreeSet<Capability>,
    /// The actor that it stands for.
    pub actor_id: Option<Uuid>,
    /// For whom.
    pub tenancy: Tenancy,
    /// Event types that it may append beside the operator's.
    pub allowed_events: BTreeSet<EventType>,
    /// How often it may ask, where that is otherwise than for all.
    pub requests_per_second: Option<u32>,
}

/// The file, with its comments.
#[derive(Debug)]
pub struct CallersDocument {
    path: PathBuf,
    document: DocumentMut,
}

impl CallersDocument {
    /// Reads the file; one that is not there is empty. Blocks.
    ///
    /// # Errors
    /// If it cannot be read, others could write it, or it has another form.
    pub fn read(path: &Path) -> Result<Self, CallersFileError> {
        let text = match read_safely(path) {
            Ok(text) => text,
            Err(CallersFileError::Io { why, .. }) if why.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, CallersFileError> {
        let form = |at: usize| CallersFileError::Form {
            path: path.to_owned(),
            line: text[..at.min(text.len())].matches('\n').count() + 1,
        };
        let document: DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| form(error.span().map_or(0, |span| span.start)))?;
        let others = document.iter().any(|(key, _)| key != "callers");
        let is_list = document
            .get("callers")
            .is_none_or(|item| item.as_array_of_tables().is_some());
        if others || !is_list {
            return Err(form(0));
        }
        Ok(Self {
            path: path.to_owned(),
            document,
        })
    }

    /// The callers whose entries are sound, and what is wrong with the others.
    pub fn callers(&self) -> (Vec<Caller>, Vec<EntryFault>) {
        let mut callers: Vec<Caller> = Vec::new();
        let mut faults = Vec::new();
        for (index, entry) in self.entries().enumerate() {
            if is_revoked(entry) {
                continue;
            }
            let name = shown_name(entry, index);
            match read_entry(entry) {
                Ok(caller) if callers.iter().any(|other| other.name == caller.name) => {
                    faults.push(fault(name, "its name is another caller's"));
                }
                Ok(caller) if callers.iter().any(|other| other.token_hash == caller.token_hash) => {
                    faults.push(fault(name, "its token is another caller's"));
                }
                Ok(caller) => callers.push(caller),
                Err(why) => faults.push(fault(name, why)),
            }
        }
        (callers, faults)
    }

    /// Adds a caller and answers its token. Nothing is written before [`write`](Self::write).
    ///
    /// # Errors
    /// If there is one of that name, or no token can be made.
    pub fn add(&mut self, name: &CallerName, draft: &CallerDraft) -> Result<Token, CallersFileError> {
        if self.entries().any(|entry| is_named(entry, name.as_str())) {
            return Err(CallersFileError::Exists(name.clone()));
        }
        let token = Token::new().map_err(CallersFileError::NoToken)?;
        let mut entry = Table::new();
        entry["name"] = value(name.as_str());
        entry["kind"] = value(&draft.actor_kind);
        entry["token_hash"] = value(token.written_hash());
        entry["capabilities"] = texts(draft.capabilities.iter().map(Capability::as_str));
        if let Some(id) = draft.actor_id {
            entry["actor_id"] = value(id.hyphenated().to_string());
        }
        entry["tenants"] = match &draft.tenancy {
            Tenancy::All => texts([ALL_TENANTS]),
            Tenancy::Only(tenants) => texts(tenants.iter().map(TenantId::as_str)),
        };
        if !draft.allowed_events.is_empty() {
            entry["allowed_events"] = texts(draft.allowed_events.iter().map(EventType::as_str));
        }
        if let Some(rate) = draft.requests_per_second {
            entry["requests_per_second"] = value(i64::from(rate));
        }
        // What was written at the end of the file stays where it is: before what comes now.
        let before = self.document.trailing().as_str().unwrap_or_default();
        entry.decor_mut().set_prefix(format!("{before}\n"));
        self.document.set_trailing("");
        self.list().push(entry);
        Ok(token)
    }

    /// Removes a caller.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn revoke(&mut self, name: &str) -> Result<(), CallersFileError> {
        let at = self.entries().position(|entry| is_named(entry, name));
        let at = at.ok_or_else(|| CallersFileError::Missing(name.to_owned()))?;
        self.list().remove(at);
        Ok(())
    }

    /// Gives a caller a new token in the place of its old one.
    ///
    /// # Errors
    /// If there is none of that name, or no token can be made.
    pub fn rotate(&mut self, name: &str) -> Result<Token, CallersFileError> {
        let token = Token::new().map_err(CallersFileError::NoToken)?;
        let entry = self.list().iter_mut().find(|entry| is_named(entry, name));
        let entry = entry.ok_or_else(|| CallersFileError::Missing(name.to_owned()))?;
        entry.insert("token_hash", value(token.written_hash()));
        Ok(token)
    }

    /// Lets nobody act for a tenant with the token that he has, and for the host (`TenantId::host`) nobody for anybody. Who acts for
    /// other tenants too loses this one; who acts for all keeps his token, for it is not this tenant's. Answers whom it concerns.
    pub fn revoke_tenant(&mut self, tenant: &TenantId) -> Vec<String> {
        let mut revoked = Vec::new();
        for (index, entry) in self.list().iter_mut().enumerate() {
            let tenants = list(entry.get("tenants"), "tenants").unwrap_or_default();
            let is_named = tenants.contains(&tenant.as_str());
            if is_revoked(entry) || !(tenant.is_host() || is_named) {
                continue;
            }
            let others: Vec<String> = tenants
                .into_iter()
                .filter(|other| !tenant.is_host() && *other != tenant.as_str())
                .map(str::to_owned)
                .collect();
            if others.is_empty() {
                entry.insert("token_hash", value(REVOKED));
            } else {
                entry.insert("tenants", texts(others.iter().map(String::as_str)));
            }
            revoked.push(shown_name(entry, index));
        }
        revoked
    }

    /// The names of callers whose tokens were revoked.
    pub fn revoked(&self) -> Vec<String> {
        let entries = self.entries().enumerate();
        entries
            .filter(|(_, entry)| is_revoked(entry))
            .map(|(index, entry)| shown_name(entry, index))
            .collect()
    }

    /// Replaces the file in one step, for its owner alone. Blocks until it is on the disk.
    ///
    /// # Errors
    /// If it cannot be written; the file is as it was.
    pub fn write(&self) -> Result<(), CallersFileError> {
        let beside = self.path.with_extension(format!("toml.{}", std::process::id()));
        let written = self.write_beside(&beside);
        if written.is_err() {
            // What is left of it would hold nothing of use.
            drop(fs::remove_file(&beside));
        }
        written.map_err(|why| CallersFileError::Io {
            path: self.path.clone(),
            doing: "written",
            why,
        })
    }

    fn write_beside(&self, beside: &Path) -> io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(beside)?;
        file.write_all(self.document.to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(beside, &self.path)?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::File::open(directory)?.sync_all()
    }

    fn entries(&self) -> impl Iterator<Item = &Table> {
        let list = self.document.get("callers").and_then(Item::as_array_of_tables);
        list.into_iter().flat_map(ArrayOfTables::iter)
    }

    fn list(&mut self) -> &mut ArrayOfTables {
        let item = self
            .document
            .entry("callers")
            .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        item.as_array_of_tables_mut()
            .expect("`parse` accepts nothing but a list of tables there")
    }
}

fn is_revoked(entry: &Table) -> bool {
    entry.get("token_hash").and_then(Item::as_str) == Some(REVOKED)
}

fn is_named(entry: &Table, name: &str) -> bool {
    entry.get("name").and_then(Item::as_str) == Some(name)
}

/// For messages: its name, or where it stands if it has none.
fn shown_name(entry: &Table, index: usize) -> String {
    match entry.get("name").and_then(Item::as_str) {
        Some(name) => name.chars().filter(|c| !c.is_control()).take(80).collect(),
        None => format!("number {}", index + 1),
    }
}

/// Refuses what others could have written, before a word of it is believed.
pub(super) fn read_safely(path: &Path) -> Result<String, CallersFileError> {
    let io = |why| CallersFileError::Io {
        path: path.to_owned(),
        doing: "read",
        why,
    };
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    let own = rustix::process::geteuid().as_raw();
    let found = if !metadata.is_file() {
        Some("it is no regular file".to_owned())
    } else if metadata.uid() != own && metadata.uid() != 0 {
        Some(format!("it belongs to uid {}", metadata.uid()))
    } else if metadata.mode() & 0o022 != 0 {
        Some(format!("its mode is {:03o}", metadata.mode() & 0o777))
    } else if metadata.len() > FILE_MAX_BYTES {
        Some(format!("it has {} bytes", metadata.len()))
    } else {
        None
    };
    match found {
        Some(found) => Err(CallersFileError::Unsafe {
            path: path.to_owned(),
            found,
        }),
        None => io::read_to_string(file).map_err(io),
    }
}

fn fault(name: String, why: impl Into<String>) -> EntryFault {
    EntryFault {
        name,
        why: why.into(),
    }
}

fn read_entry(entry: &Table) -> Result<Caller, String> {
    if let Some((key, _)) = entry.iter().find(|(key, _)| !KEYS.contains(key)) {
        let key: String = key.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(format!("unknown key `{key}`: expected {}", KEYS.join(", ")));
    }
    let text = |key: &str| match entry.get(key) {
        None => Ok(None),
        Some(item) => item.as_str().map(Some).ok_or(format!("`{key}`: expected text")),
    };
    let name: CallerName = text("name")?
        .and_then(|name| name.parse().ok())
        .ok_or("`name`: expected 1 to 64 letters, digits, `_`, `-`, `.` and `:`")?;
    let token_hash = text("token_hash")?
        .and_then(read_hash)
        .ok_or("`token_hash`: expected `sha256:` and 64 hexadecimal digits")?;
    let actor_kind = text("kind")?
        .filter(|kind| is_label(kind))
        .ok_or("`kind`: expected a label of letters, digits, `_`, `-`, `.` and `:`")?;
    let actor_id = text("actor_id")?
        .map(|text| Uuid::parse_str(text).map_err(|_| "`actor_id`: expected a UUID".to_owned()))
        .transpose()?;
    let tenants = list(entry.get("tenants"), "tenants")?;
    Ok(Caller {
        name,
        token_hash,
        actor_kind: actor_kind.to_owned(),
        capabilities: parsed(list(entry.get("capabilities"), "capabilities")?, "capabilities")?,
        actor_id,
        tenancy: if tenants == [ALL_TENANTS] {
            Tenancy::All
        } else {
            Tenancy::Only(parsed(tenants, "tenants")?)
        },
        allowed_events: parsed(
            list(entry.get("allowed_events"), "allowed_events")?,
            "allowed_events",
        )?,
        requests_per_second: entry.get("requests_per_second").map(rate).transpose()?,
    })
}

fn rate(item: &Item) -> Result<u32, String> {
    let number = item.as_integer().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| "`requests_per_second`: expected a whole number, 0 for no limit".to_owned())
}

fn list<'a>(item: Option<&'a Item>, key: &str) -> Result<Vec<&'a str>, String> {
    let Some(item) = item else { return Ok(Vec::new()) };
    let expected = || format!("`{key}`: expected a list of texts");
    let array = item.as_array().ok_or_else(expected)?;
    array
        .iter()
        .map(|value| value.as_str().ok_or_else(expected))
        .collect()
}

fn parsed<T: std::str::FromStr + Ord>(texts: Vec<&str>, key: &str) -> Result<BTreeSet<T>, String> {
    texts
        .into_iter()
        .map(|text| {
            text.parse()
                .map_err(|_| format!("`{key}`: one of its texts is not valid"))
        })
        .collect()
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Item {
    value(Array::from_iter(texts))
}

#[cfg(test)]
mod tests;
