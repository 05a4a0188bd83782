//! What the command writes: data to standard output, everything else to standard error. Nothing here knows a command.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    failure::Failure,
    view::text::{one_line, several_lines},
};
use crate::service::Problem;

/// Where output goes and how it looks.
pub(super) struct Ui<'a> {
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
    /// Data and errors as JSON.
    pub json: bool,
    /// Colour on standard error. Data has none: it is to be piped.
    pub colour: bool,
    /// Standard error is a terminal, so that progress may be shown and overwritten.
    pub progress: bool,
}

/// An error for programs.
#[derive(Serialize)]
struct ErrorLine<'a> {
    error: &'a Problem,
}

const RED: &str = "\x1b[1;31m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";
const ERASE_LINE: &str = "\r\x1b[2K";

impl Ui<'_> {
    /// Writes data as it is.
    pub fn data(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            self.out.write_all(b"\n")?;
        }
        Ok(self.out.flush()?)
    }

    /// Writes data as one JSON document, on several lines for eyes.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
        self.data(&text)
    }

    /// Writes data as one JSON document on one line, for streams.
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(io::Error::from)?;
        self.data(&text)
    }

    /// Writes `value` as JSON, or as `render` shows it to humans.
    pub fn show<T: Serialize>(
        &mut self,
        value: &T,
        render: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            self.json(value)
        } else {
            self.data(&render(value))
        }
    }

    /// Tells a human what is no data. Programs do not hear it.
    pub fn note(&mut self, text: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        Ok(writeln!(self.err, "{}", several_lines(text))?)
    }

    /// Asks for something to be typed: on standard error also where data is JSON, since somebody sits there.
    pub fn ask(&mut self, text: &str) -> Result<(), Failure> {
        write!(self.err, "{}", several_lines(text))?;
        Ok(self.err.flush()?)
    }

    /// Shows how far it is, over what was shown before, where that can be seen.
    pub fn progress(&mut self, text: &str) -> Result<(), Failure> {
        if self.progress && !self.json {
            write!(self.err, "{ERASE_LINE}{}", one_line(text))?;
            self.err.flush()?;
        }
        Ok(())
    }

    /// Removes what [`progress`](Self::progress) showed last.
    pub fn end_progress(&mut self) -> Result<(), Failure> {
        self.progress("")
    }

    /// Says what went wrong.
    pub fn problem(&mut self, problem: &Problem) -> Result<(), Failure> {
        if self.json {
            let line = serde_json::to_string(&ErrorLine { error: problem }).map_err(io::Error::from)?;
            return Ok(writeln!(self.err, "{line}")?);
        }
        let (error, hint) = (self.painted(RED, "error"), self.painted(CYAN, "hint"));
        writeln!(self.err, "{error}: {}", several_lines(&problem.message))?;
        if !problem.hints.is_empty() {
            writeln!(self.err)?;
        }
        for text in &problem.hints {
            writeln!(self.err, "{hint}: {}", several_lines(text))?;
        }
        Ok(())
    }

    fn painted(&self, colour: &str, word: &str) -> String {
        if self.colour {
            format!("{colour}{word}{PLAIN}")
        } else {
            word.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ProblemKind;

    fn shown(json: bool, colour: bool) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let problem = Problem::new(
            ProblemKind::NotFound,
            "tenant.unknown",
            "there is no tenant `a\u{1b}[2J`",
        )
        .hint("see `kora tenants list`");
        Ui {
            out: &mut out,
            err: &mut err,
            json,
            colour,
            progress: false,
        }
        .problem(&problem)
        .unwrap();
        assert!(out.is_empty(), "an error is no data");
        String::from_utf8(err).unwrap()
    }

    #[test]
    fn an_error_has_its_hints_after_a_blank_line_and_cannot_move_the_cursor() {
        insta::assert_snapshot!(shown(false, false), @r"
        error: there is no tenant `a\u{1b}[2J`

        hint: see `kora tenants list`
        ");
    }

    #[test]
    fn an_error_as_json_is_one_object_on_standard_error() {
        insta::assert_snapshot!(
            shown(true, true),
            @r#"{"error":{"code":"tenant.unknown","kind":"not_found","message":"there is no tenant `a\u001b[2J`","hints":["see `kora tenants list`"]}}"#
        );
    }

    #[test]
    fn colour_is_added_to_words_that_are_there_without_it() {
        assert_eq!(
            shown(false, true)
                .replace(RED, "")
                .replace(CYAN, "")
                .replace(PLAIN, ""),
            shown(false, false)
        );
    }
}
