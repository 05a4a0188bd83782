//! Lines of bounded length out of a stream of bytes. A longer one is skipped without being kept.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its end.
    Whole(Vec<u8>),
    /// One that was too long.
    TooLong,
}

/// Reads lines.
pub(super) struct Lines<R> {
    reader: R,
    limit_bytes: usize,
    /// What there is of the line so far.
    begun: Vec<u8>,
    /// The line so far is too long; the rest of it is not kept.
    skipping: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub const fn new(reader: R, limit_bytes: usize) -> Self {
        Self {
            reader,
            limit_bytes,
            begun: Vec::new(),
            skipping: false,
        }
    }

    /// The reader, right after a line.
    pub fn into_reader(self) -> R {
        self.reader
    }

    /// The next line; `None` at the end. A last line without an end counts as one. Cancel safe: what was read of a line is
    /// kept for the next call.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let (used, ended) = {
                let available = self.reader.fill_buf().await?;
                if available.is_empty() {
                    return Ok(self.last());
                }
                let end = available.iter().position(|byte| *byte == b'\n');
                let part = &available[..end.unwrap_or(available.len())];
                if self.skipping || self.begun.len() + part.len() > self.limit_bytes {
                    self.skipping = true;
                    self.begun = Vec::new();
                } else {
                    self.begun.extend_from_slice(part);
                }
                (part.len() + usize::from(end.is_some()), end.is_some())
            };
            self.reader.consume(used);
            if ended {
                return Ok(Some(self.take()));
            }
        }
    }

    fn last(&mut self) -> Option<Line> {
        (self.skipping || !self.begun.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Line {
        let line = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.skipping) {
            Line::TooLong
        } else {
            Line::Whole(line)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str, limit_bytes: usize) -> Vec<String> {
        // A tiny buffer, so that lines arrive in pieces.
        let reader = tokio::io::BufReader::with_capacity(3, text.as_bytes());
        let mut lines = Lines::new(reader, limit_bytes);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push(match line {
                Line::Whole(bytes) => String::from_utf8(bytes).unwrap(),
                Line::TooLong => "(too long)".to_owned(),
            });
        }
        found
    }

    #[tokio::test]
    async fn lines_come_one_by_one_and_the_last_needs_no_end() {
        assert_eq!(read("one\n\nthree\nfour", 10).await, ["one", "", "three", "four"]);
        assert!(read("", 10).await.is_empty());
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_skipped_and_the_next_is_read() {
        assert_eq!(
            read("12345\n123456\nnext\n", 5).await,
            ["12345", "(too long)", "next"]
        );
        assert_eq!(read("1234567", 5).await, ["(too long)"]);
    }
}
