//! Writing a backup file: under another name beside, synced, and only then under its own.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process,
};

use super::{Edge, Header, HeaderLine, TrailerLine};
use crate::store::transfer::{Sink, TransferError, check::Summary, row::Row};

/// It holds what a store holds, so it is as private as one.
const FILE_MODE: u32 = 0o600;

/// What zstd itself takes for a good compromise: a store shrinks to about a fifth, at the speed of the medium.
const COMPRESSION: i32 = 3;

/// A backup file that is being written. Dropped before it has its name, it is removed.
pub(in crate::store::transfer) struct NewFile {
    path: PathBuf,
    partial: PathBuf,
    header: Vec<u8>,
    /// None once it is whole.
    out: Option<zstd::Encoder<'static, BufWriter<File>>>,
    is_named: bool,
}

impl NewFile {
    /// Begins the file that will be at `path`.
    pub(in crate::store::transfer) fn begin(path: &Path, header: &Header) -> Result<Self, TransferError> {
        let partial = partial(path);
        // Nobody knows the other name.
        let failed = |cause: io::Error| match path.parent() {
            Some(directory) if cause.kind() == ErrorKind::NotFound => TransferError::file(directory, cause),
            _ => TransferError::file(path, cause),
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&partial)
            .map_err(failed)?;
        let mut new = Self {
            path: path.to_owned(),
            partial: partial.clone(),
            header: line(&Edge::Header(HeaderLine::from(header))),
            out: None,
            is_named: false,
        };
        let mut out = zstd::Encoder::new(BufWriter::new(file), COMPRESSION).map_err(failed)?;
        out.include_checksum(true).map_err(failed)?;
        out.write_all(&new.header).map_err(failed)?;
        new.out = Some(out);
        Ok(new)
    }

    /// All rows were put: ends the file and syncs it. Answers where it is until it is [named](Self::name).
    pub(in crate::store::transfer) fn finish(&mut self, summary: &Summary) -> Result<&Path, TransferError> {
        let trailer = line(&Edge::Trailer(TrailerLine::of(summary, &self.header)));
        let written = self.out.take().map_or(Ok(()), |mut out| {
            out.write_all(&trailer)?;
            let mut file = out.finish()?;
            file.flush()?;
            file.get_ref().sync_all()
        });
        written.map_err(|cause| TransferError::file(&self.path, cause))?;
        Ok(&self.partial)
    }

    /// Gives it its name.
    pub(in crate::store::transfer) fn name(mut self, overwrite: bool) -> Result<(), TransferError> {
        refuse_existing(&self.path, overwrite)?;
        let named = fs::rename(&self.partial, &self.path).and_then(|()| sync_directory(&self.path));
        named.map_err(|cause| TransferError::file(&self.path, cause))?;
        self.is_named = true;
        Ok(())
    }
}

/// # Errors
/// If there is such a file and it is not to be overwritten, or nobody can tell.
pub(in crate::store::transfer) fn refuse_existing(path: &Path, overwrite: bool) -> Result<(), TransferError> {
    let exists = path
        .try_exists()
        .map_err(|cause| TransferError::file(path, cause))?;
    if exists && !overwrite {
        let path = path.display().to_string();
        return Err(TransferError::Exists { path });
    }
    Ok(())
}

/// Beside it, hidden, and of this process: two backups to one name do not write into one another.
fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.partial", process::id()))
}

fn line(edge: &Edge) -> Vec<u8> {
    let mut line = serde_json::to_vec(edge).expect("texts and numbers can always be written");
    line.push(b'\n');
    line
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_named {
            // Half a backup is worse than none; why there is none was said.
            let _left = fs::remove_file(&self.partial);
        }
    }
}

impl Sink for NewFile {
    fn put(&mut self, _row: &Row, line: &[u8]) -> Result<(), TransferError> {
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        out.write_all(line)
            .map_err(|cause| TransferError::file(&self.path, cause))
    }
}
