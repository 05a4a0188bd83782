//! Rows from one end to the other: read on a thread of their own, so that reading, and a database's wait for it, go beside writing.

use std::{
    fmt,
    sync::mpsc::{self, SyncSender},
    thread,
};

use super::{
    Each, Sink, Source, Target, TransferError,
    check::{Checker, Summary},
    progress::Progress,
    row::Row,
};

/// Rows that go over at once.
const CHUNK_ROWS: usize = 256;

/// Chunks on their way: with more, a quick end would only hold more memory.
const CHUNKS: usize = 4;

/// Reads all of `source`, checks it, and puts it into `sink`, if there is one. What `sink` was given is whole if this answers well.
pub(super) fn pour(
    source: &mut dyn Source,
    shown: &dyn fmt::Display,
    mut sink: Option<&mut dyn Sink>,
    progress: &Progress,
) -> Result<Summary, TransferError> {
    let mut checker = Checker::default();
    thread::scope(|scope| {
        let (sender, chunks) = mpsc::sync_channel(CHUNKS);
        let reading = scope.spawn(move || read(source, &sender));
        let mut take = |row: Row| {
            let line = checker.row(&row).map_err(|fault| broken(shown, fault))?;
            if let Some(sink) = &mut sink {
                sink.put(&row, line)?;
            }
            progress.row();
            Ok(())
        };
        let taken: Result<(), TransferError> = chunks.iter().flatten().try_for_each(&mut take);
        // The reader hears of it at its next chunk.
        drop(chunks);
        let read = reading
            .join()
            .unwrap_or_else(|fault| std::panic::resume_unwind(fault));
        taken.and(read)
    })?;
    checker.end().map_err(|fault| broken(shown, fault))
}

/// Reads back what `target` was given and checks it: it must come to `expected`.
pub(super) fn compare(
    target: &mut dyn Target,
    shown: &dyn fmt::Display,
    expected: &Summary,
    progress: &Progress,
) -> Result<(), TransferError> {
    let mut checker = Checker::default();
    let differs = |cause: String| TransferError::Differs {
        place: shown.to_string(),
        cause,
    };
    progress.reading_back();
    target.read_back(&mut |row| {
        progress.row();
        checker.row(&row).map(drop).map_err(differs)
    })?;
    let found = checker.end().map_err(differs)?;
    if found == *expected {
        return Ok(());
    }
    Err(differs(format!(
        "expected rows of the digest {}, found {}",
        expected.sha256, found.sha256
    )))
}

fn read(source: &mut dyn Source, sender: &SyncSender<Vec<Row>>) -> Result<(), TransferError> {
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    let send = |chunk: &mut Vec<Row>| {
        let full = std::mem::replace(chunk, Vec::with_capacity(CHUNK_ROWS));
        sender.send(full).map_err(|_| TransferError::Stopped)
    };
    let each: Each<'_> = &mut |row| {
        chunk.push(row);
        if chunk.len() == CHUNK_ROWS {
            send(&mut chunk)?;
        }
        Ok(())
    };
    source.rows(each)?;
    send(&mut chunk)
}

fn broken(shown: &dyn fmt::Display, fault: String) -> TransferError {
    TransferError::Broken {
        place: shown.to_string(),
        fault,
    }
}
