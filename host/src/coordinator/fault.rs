//! Why an entry is not as it should be, in one line, whatever a plugin answered.

use std::{fmt, time::Duration};

use super::entry::EntryError;

/// The most characters of a cause that are shown: it is a line in a log, and it comes from a plugin.
const SHOWN_CHARS: usize = 400;

/// What went wrong in a hook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The hook said so.
    #[error("{0}")]
    Answered(EntryError),
    /// It did not end in time. The plugin's thread still takes turns.
    #[error("{hook} did not end within {deadline:?} and was cancelled")]
    TimedOut { hook: Hook, deadline: Duration },
    /// The plugin's thread does not take turns any more.
    #[error("{0}")]
    Wedged(String),
    /// A task timed out too often in a row.
    #[error("`{task}` did not end in time {count} times in a row")]
    TickTimeouts { task: String, count: u32 },
}

/// Which hook of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    Startup,
    Tick,
    Shutdown,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Startup => "startup",
            Self::Tick => "tick",
            Self::Shutdown => "shutdown",
        })
    }
}

impl Fault {
    /// As one line of bounded length.
    pub(super) fn line(&self) -> String {
        one_line(&self.to_string())
    }

    /// Whether nothing can be asked of the entry until it was started anew.
    pub(super) fn needs_new_start(&self) -> bool {
        match self {
            Self::Answered(error) => error.needs_new_start(),
            Self::TickTimeouts { .. } => true,
            Self::TimedOut { .. } | Self::Wedged(_) => false,
        }
    }

    /// The credential that is missing, if that is what went wrong.
    pub(super) fn missing_credential(&self) -> Option<&str> {
        match self {
            Self::Answered(EntryError::MissingCredential { name }) => Some(name),
            _ => None,
        }
    }
}

/// `text` without line breaks and other control characters, cut to what is shown.
pub(super) fn one_line(text: &str) -> String {
    let mut line: String = text
        .trim()
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(SHOWN_CHARS)
        .collect();
    if text.trim().chars().nth(SHOWN_CHARS).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_answers_cannot_break_or_flood_the_log() {
        let fault = Fault::Answered(EntryError::Failed("one\ntwo\u{1b}[31m".to_owned()));
        assert_eq!(fault.line(), "one two [31m");
        let long = one_line(&"ä".repeat(100_000));
        assert_eq!(long.chars().count(), SHOWN_CHARS + 1);
    }
}
