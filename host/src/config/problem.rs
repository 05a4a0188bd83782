//! What is wrong with a configuration: where, what was expected, what was found, what may have been meant. Rendering only;
//! what is right or wrong is decided elsewhere.

use std::{
    fmt, iter,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// A longer line would hide what it should show.
const MAX_EXCERPT_CHARS: usize = 160;

/// Where a value came from that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The file as a whole.
    File(PathBuf),
    /// A place in the file, both counted from 1, the column in characters.
    Position {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// A line of the file, counted from 1.
    Line {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
    },
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Position { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Line { file, line } => write!(f, "{}:{line}", file.display()),
            Self::Variable(name) => write!(f, "environment variable `{name}`"),
            Self::Flag(name) => write!(f, "flag `{name}`"),
        }
    }
}

/// One thing that is wrong. Shown as `place: message`, the offending text and a hint on lines of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What was expected and what was found.
    pub message: String,
    /// What may have been meant, or what to do.
    pub hint: Option<String>,
    /// The line of the file with the offending part marked. Absent where a secret could stand.
    pub excerpt: Option<String>,
}

impl Problem {
    /// At `place`, without hint and excerpt.
    pub(super) fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            hint: None,
            excerpt: None,
        }
    }

    /// With what may have been meant, or what to do.
    pub fn hinting(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{excerpt}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, in the order of the file. Nothing of it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigProblems {
    problems: Vec<Problem>,
}

impl ConfigProblems {
    /// Sorted by place. `problems` must not be empty.
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self { problems }
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}\n")?;
        }
        let count = self.problems.len();
        write!(
            f,
            "{count} problem{} in the configuration; nothing of it was applied",
            if count == 1 { "" } else { "s" }
        )
    }
}

impl std::error::Error for ConfigProblems {}

/// The text of a file, to point into.
pub(super) struct SourceText<'a> {
    pub file: &'a Path,
    pub text: &'a str,
    /// Where each line begins: every key of the file has its line looked up.
    line_starts: Vec<usize>,
}

impl<'a> SourceText<'a> {
    pub fn new(file: &'a Path, text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let line_starts = iter::once(0).chain(after_newlines).collect();
        Self {
            file,
            text,
            line_starts,
        }
    }

    /// The place where `span` begins.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let (line, column) = self.position(span.start);
        Place::Position {
            file: self.file.to_owned(),
            line,
            column,
        }
    }

    /// The line where `span` begins with the span marked, unless it is too long or a secret could stand there.
    pub fn excerpt(&self, span: &Range<usize>) -> Option<String> {
        let (number, column) = self.position(span.start);
        let line = self.text[self.line_starts[number - 1]..].lines().next()?;
        if self.may_show_a_secret(span.start) || line.chars().count() > MAX_EXCERPT_CHARS {
            return None;
        }
        let shown: String = line
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let room = shown.chars().count().saturating_sub(column - 1);
        let marked = self
            .text
            .get(span.clone())
            .map_or(1, |text| text.chars().count())
            .min(room)
            .max(1);
        let gutter = " ".repeat(number.to_string().len());
        Some(format!(
            " {number} | {shown}\n {gutter} | {}{}",
            " ".repeat(column - 1),
            "^".repeat(marked)
        ))
    }

    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = self.line_starts.partition_point(|start| *start <= before.len());
        let line_start = self.line_starts[line - 1];
        (line, before[line_start..].chars().count() + 1)
    }

    /// Whether the section up to this line speaks of secrets. Who writes a secret where its source belongs must not find
    /// it in a log, so this errs on the side of showing less.
    fn may_show_a_secret(&self, offset: usize) -> bool {
        let rest = self.text.get(offset..).unwrap_or_default();
        let line_end = offset + rest.find('\n').unwrap_or(rest.len());
        let upto = self.text.get(..line_end).unwrap_or(self.text);
        let header = upto.rfind("\n[").map_or(0, |newline| newline + 1);
        // An address may have been written with a password in it, which is one of the faults to be shown.
        ["secrets", "password", "://"]
            .iter()
            .any(|sign| upto[header..].contains(sign))
    }
}
