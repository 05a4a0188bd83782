//! Reading a backup file: whole and in its one form, or not at all.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read as _, Seek as _},
    path::{Path, PathBuf},
};

use super::{Edge, FORMAT, Header, HeaderLine, TrailerLine, known_schema};
use crate::{
    domain::Digest,
    store::transfer::{
        Each, Origin, Source, TransferError, check::Summary, pipe::pour, progress::Progress, row::Row,
    },
};

/// The longest line: a plugin's value has at most 16 MiB, a third more as text; identities and documents are far smaller.
const MAX_LINE_BYTES: u64 = 128 * 1024 * 1024;

/// A backup file that is open. It stays the same file even if another takes its name.
pub struct BackupFile {
    path: PathBuf,
    file: File,
    header: Header,
    header_sha256: Digest,
    /// What the trailer said, once all was read.
    trailer: Option<TrailerLine>,
}

impl fmt::Debug for BackupFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl BackupFile {
    /// Opens the file and reads its header. Whether the rest is whole is for [`check`](Self::check) to say.
    ///
    /// # Errors
    /// If it cannot be read, is no backup, or a later release made it.
    pub fn open(path: &Path) -> Result<Self, TransferError> {
        let file = File::open(path).map_err(|cause| TransferError::file(path, cause))?;
        let no_backup = |cause: String| TransferError::NoBackup {
            path: path.display().to_string(),
            cause,
        };
        let mut line = Vec::new();
        let read = lines(&file).and_then(|mut lines| next_line(&mut lines, &mut line));
        match read {
            Ok(true) => {}
            Ok(false) => return Err(no_backup("it is empty".to_owned())),
            Err(cause) if cause.kind() == io::ErrorKind::IsADirectory => {
                return Err(TransferError::file(path, cause));
            }
            Err(cause) => {
                return Err(no_backup(format!(
                    "expected lines of JSON compressed with zstd ({cause})"
                )));
            }
        }
        let edge = read_line(&line).map_err(|_| no_backup("it has no header of one".to_owned()))?;
        let Edge::Header(found) = edge else {
            return Err(no_backup("it does not begin with a header".to_owned()));
        };
        if found.format != FORMAT {
            return Err(no_backup(format!(
                "expected the format `{FORMAT}`, found another"
            )));
        }
        let header = HeaderLine::header(found).map_err(no_backup)?;
        let (found, known) = (header.origin.schema, known_schema());
        if found > known {
            let path = path.display().to_string();
            return Err(TransferError::BackupTooNew { path, found, known });
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            header,
            header_sha256: Digest::of(&line),
            trailer: None,
        })
    }

    /// What it says of itself.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Reads all of it and checks it: that it is whole, and that what it holds is sound.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(&mut self, progress: &Progress) -> Result<Summary, TransferError> {
        progress.checking();
        let shown = self.to_string();
        let summary = pour(self, &shown, None, progress)?;
        self.holds(&summary)?;
        Ok(summary)
    }

    /// Whether its trailer says the same as its rows.
    pub(in crate::store::transfer) fn holds(&self, summary: &Summary) -> Result<(), TransferError> {
        let Some(trailer) = &self.trailer else {
            return Err(self.not_whole("it has no trailer: it was cut"));
        };
        if trailer.header_sha256 != self.header_sha256 {
            return Err(self.not_whole("its header does not have the digest in its trailer: it was changed"));
        }
        if trailer.rows_sha256 != summary.sha256 || trailer.counts != summary.counts {
            return Err(self.not_whole("its rows do not have the digest in its trailer: it was changed"));
        }
        Ok(())
    }

    fn not_whole(&self, cause: impl Into<String>) -> TransferError {
        TransferError::NotWhole {
            path: self.path.display().to_string(),
            cause: cause.into(),
        }
    }

    /// Reads the lines behind the header to the trailer, and that nothing comes behind it.
    fn read_rows(&mut self, each: Each<'_>) -> Result<TrailerLine, TransferError> {
        let cut = |cause: io::Error| self.not_whole(format!("it was cut or changed ({cause})"));
        let mut lines = lines(&self.file).map_err(cut)?;
        let mut line = Vec::new();
        let mut number: u64 = 0;
        loop {
            number += 1;
            if !next_line(&mut lines, &mut line).map_err(cut)? {
                return Err(self.not_whole("it has no trailer: it was cut"));
            }
            if number == 1 {
                continue;
            }
            if line.starts_with(b"{\"trailer\":") {
                break;
            }
            let row: Row = read_line(&line)
                .map_err(|cause| self.not_whole(format!("line {number} is no row of a store: {cause}")))?;
            each(row)?;
        }
        let Ok(Edge::Trailer(trailer)) = read_line(&line) else {
            return Err(self.not_whole("its trailer is not one: it was changed"));
        };
        match next_line(&mut lines, &mut line) {
            Ok(false) => Ok(trailer),
            Ok(true) | Err(_) => Err(self.not_whole("something stands behind its trailer")),
        }
    }
}

impl fmt::Display for BackupFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the backup `{}`", self.path.display())
    }
}

impl Source for BackupFile {
    fn origin(&self) -> &Origin {
        &self.header.origin
    }

    fn rows(&mut self, each: Each<'_>) -> Result<(), TransferError> {
        self.trailer = None;
        self.trailer = Some(self.read_rows(each)?);
        Ok(())
    }
}

type Lines<'f> = BufReader<zstd::Decoder<'static, BufReader<&'f File>>>;

/// From the beginning of the file.
fn lines(mut file: &File) -> io::Result<Lines<'_>> {
    file.rewind()?;
    Ok(BufReader::new(zstd::Decoder::new(file)?))
}

/// The next line with its end; false at the end of the file.
fn next_line(lines: &mut Lines<'_>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = lines.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', line)?;
    if read as u64 > MAX_LINE_BYTES {
        let cause = format!("a line is longer than {MAX_LINE_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, cause));
    }
    Ok(read > 0)
}

/// What a line says, if it says it in the one form in which it is written.
fn read_line<T: serde::Serialize + serde::de::DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    let text = line.strip_suffix(b"\n").ok_or("it has no end")?;
    let value: T = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let mut written = Vec::with_capacity(line.len());
    serde_json::to_writer(&mut written, &value).map_err(|error| error.to_string())?;
    if written == text {
        Ok(value)
    } else {
        Err("it is not in the form in which it is written".to_owned())
    }
}
