//! Reading the audit back, for people: the newest first, from the file that is written and from those that were put aside.

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{audit_file, entry::ReadLine, file::put_aside};
use crate::domain::TenantId;

/// Which lines to read.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Not before this, RFC 3339 in UTC as it stands in the lines.
    pub since: Option<String>,
    /// Only of this seam.
    pub seam: Option<String>,
    /// Only lines that hold this text.
    pub contains: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Lines of a tenant's audit, the newest first; lines that are none are left out and counted. Blocks.
///
/// # Errors
/// If a file is there and cannot be read.
pub fn read_audit(audit: &Path, tenant: &TenantId, filter: &AuditFilter) -> io::Result<(Vec<Value>, usize)> {
    let newest = audit_file(audit, tenant);
    let mut found = Vec::new();
    let mut malformed = 0;
    for path in newest_first(&newest)? {
        let (mut lines, bad) = read_file(&path, filter)?;
        malformed += bad;
        while let Some(line) = lines.pop_back() {
            if found.len() == filter.limit {
                return Ok((found, malformed));
            }
            found.push(line);
        }
    }
    Ok((found, malformed))
}

fn newest_first(newest: &Path) -> io::Result<Vec<PathBuf>> {
    let aside = match put_aside(newest) {
        Ok(aside) => aside,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = vec![newest.to_owned()];
    files.extend(aside.into_iter().rev());
    Ok(files)
}

fn read_file(path: &Path, filter: &AuditFilter) -> io::Result<(VecDeque<Value>, usize)> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((VecDeque::new(), 0)),
        Err(error) => return Err(error),
    };
    // The newest stand at the end: of those before, no more are kept than are wanted.
    let mut lines = VecDeque::new();
    let mut malformed = 0;
    for text in BufReader::new(file).split(b'\n') {
        let text = text?;
        if text.is_empty() {
            continue;
        }
        match read_line(&text, filter) {
            Ok(Some(line)) => {
                lines.push_back(line);
                if lines.len() > filter.limit {
                    lines.pop_front();
                }
            }
            Ok(None) => {}
            Err(_) => malformed += 1,
        }
    }
    Ok((lines, malformed))
}

/// A line, if it is one that is wanted.
pub(super) fn read_line(text: &[u8], filter: &AuditFilter) -> serde_json::Result<Option<Value>> {
    let line: ReadLine = serde_json::from_slice(text)?;
    if wanted(&line, text, filter) {
        serde_json::to_value(line).map(Some)
    } else {
        Ok(None)
    }
}

fn wanted(line: &ReadLine, text: &[u8], filter: &AuditFilter) -> bool {
    let is_since = filter
        .since
        .as_ref()
        .is_none_or(|since| line.emitted_at.as_str() >= since.as_str());
    let is_of_seam = filter.seam.as_ref().is_none_or(|seam| line.seam == *seam);
    let holds = filter
        .contains
        .as_ref()
        .is_none_or(|wanted| String::from_utf8_lossy(text).contains(wanted.as_str()));
    is_since && is_of_seam && holds
}
