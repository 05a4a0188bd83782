//! The lines of an export, one at a time, none longer than is allowed, each accepted only in its one form.

use std::io::{self, BufRead, Read as _};

use crate::store::export::Line;

/// A payload has at most 64 KiB, which escapes can make six times longer.
const MAX_LINE_BYTES: usize = 1024 * 1024;

pub(super) struct Lines<R> {
    read: R,
    line: Vec<u8>,
    rendered: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(read: R) -> Self {
        Self {
            read,
            line: Vec::new(),
            rendered: Vec::new(),
        }
    }

    /// The next line; the inner `None` if it is not, byte for byte, what an export writes of its values.
    pub(super) fn next(&mut self) -> io::Result<Option<Option<Line<'static>>>> {
        self.line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        let read = (&mut self.read).take(limit).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        if self.line.len() > MAX_LINE_BYTES && self.line.last() != Some(&b'\n') {
            self.skip_line()?;
        }
        Ok(Some(self.read_line()))
    }

    fn read_line(&mut self) -> Option<Line<'static>> {
        let text = self.line.strip_suffix(b"\n")?;
        if self.line.len() > MAX_LINE_BYTES {
            return None;
        }
        let line: Line<'static> = serde_json::from_slice(text).ok()?;
        self.rendered.clear();
        serde_json::to_writer(&mut self.rendered, &line).ok()?;
        (self.rendered == text).then_some(line)
    }

    /// The rest of a line that is too long, without keeping it.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let found = self.read.fill_buf()?;
            if found.is_empty() {
                return Ok(());
            }
            let end = found.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(found.len(), |end| end + 1);
            self.read.consume(taken);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}
