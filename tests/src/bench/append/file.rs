//! What there is to reach: a file that is there already, whose place is overwritten and synced, and nothing else. No store that answers after
//! a sync can be faster on the same disk with the same writers.

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Arc, mpsc},
    thread,
};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{Lane, WRITERS};
use crate::events::payload_text;

/// Written over and over: what grows would be more to sync.
const FILE_BYTES: usize = 64 * 1024 * 1024;

/// Whoever waits for the next sync.
type Waiting = oneshot::Sender<()>;

/// A thread writes what all have sent in one piece, syncs it, and answers all of them.
pub struct FileLane(mpsc::Sender<Waiting>);

impl FileLane {
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::create(path)?;
        file.write_all(&vec![0; FILE_BYTES])?;
        file.sync_all()?;
        let (sender, queue) = mpsc::channel();
        // It ends with the lane.
        thread::spawn(move || write_groups(&file, &queue));
        Ok(Self(sender))
    }

    pub fn lane(self) -> Arc<dyn Lane> {
        Arc::new(self)
    }
}

/// Where the disk fails, nobody is answered, which the lane tells.
fn write_groups(file: &File, queue: &mpsc::Receiver<Waiting>) {
    let payload = payload_text().into_bytes();
    let group_bytes = payload.len() * WRITERS;
    let mut place = 0;
    while let Ok(first) = queue.recv() {
        let waiting: Vec<_> = std::iter::once(first).chain(queue.try_iter()).collect();
        if place + group_bytes > FILE_BYTES {
            place = 0;
        }
        let bytes = payload.repeat(waiting.len());
        let written = file.write_all_at(&bytes, place as u64);
        if written.and_then(|()| file.sync_data()).is_err() {
            return;
        }
        place += bytes.len();
        for waiting in waiting {
            // A writer whose slice is over is gone.
            let _ = waiting.send(());
        }
    }
}

#[async_trait]
impl Lane for FileLane {
    async fn append(&self, _writer: usize, _number: usize) -> Result<()> {
        let (sender, answered) = oneshot::channel();
        self.0.send(sender).context("the thread that writes has ended")?;
        answered.await.context("the disk failed")
    }
}
