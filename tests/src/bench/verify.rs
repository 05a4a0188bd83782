//! Verifying a store against SHA-256 alone over the same bytes: record by record, from memory, on one core.
//!
//! "All cores" is held against that one core as well: what more cores bring is part of what is measured. The file lies in the
//! system's cache, as it does right after it was written.
//!
//! The budgets are of reading, hashing and joining every record. What `kora events verify` does is more: SQLite's `quick_check`
//! reads the whole file two times besides, which SHA-256 is no measure of. It has rows of its own, without a budget.

use std::{hint::black_box, num::NonZeroUsize, path::Path, sync::Arc, time::Instant};

use anyhow::{Result, ensure};
use kora_host::{
    domain::{NewEvent, SystemClock},
    engine::chain::{Record, RecordHasher},
    store::{
        Batch, Scope, Store as _,
        sqlite::{SqliteOptions, SqliteReader, SqliteStore},
        verify::{ChainStatus, VerifyOptions},
    },
};
use sha2::{Digest as _, Sha256};

use super::{
    Surroundings,
    events::{Author, adding, tenants},
    measure::{count, in_turn},
    row::{Budget, Row},
};

/// Chains in the store; their records lie mixed.
const TENANTS: usize = 4;
/// Written as one batch.
const BATCH: usize = 256;

const SHA256: &str = "SHA-256 alone, on one core";

pub fn bench(surroundings: &Surroundings) -> Result<Vec<Row>> {
    let path = surroundings.folder("verify")?.join("store.db");
    let lengths = write(&path, surroundings.choose(200_000, 20_000))?;
    let memory: Vec<u8> = (0..lengths.iter().sum())
        .map(|number: usize| number.to_le_bytes()[0])
        .collect();
    let reader = SqliteReader::open(&path)?;
    let all = VerifyOptions::default().threads;
    let read = |threads, quick_check| verify(&reader, &memory, VerifyOptions { threads, quick_check });
    let [alone, one, one_with_file, every, every_with_file] = in_turn(
        surroundings.choose(9, 3),
        [
            &mut || Ok(hash(&memory, &lengths)),
            &mut || read(NonZeroUsize::MIN, false),
            &mut || read(NonZeroUsize::MIN, true),
            &mut || read(all, false),
            &mut || read(all, true),
        ],
    )?;
    let row = |bench, ours| Row::new(bench, "MB/s", (ours, alone), SHA256);
    Ok(vec![
        row("verify/one_core", one).budget(Budget::AtLeast(0.3)),
        row("verify/all_cores", every).budget(Budget::AtLeast(0.5)),
        row("verify/one_core_with_file", one_with_file),
        row("verify/all_cores_with_file", every_with_file),
    ])
}

/// Writes a store with so many records, and answers how many bytes of each are hashed.
fn write(path: &Path, records: usize) -> Result<Vec<usize>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let store = SqliteStore::open(path, SqliteOptions::default(), Arc::new(SystemClock::new()))?;
    let (author, tenants) = (Author::new()?, tenants(TENANTS)?);
    let mut hasher = RecordHasher::new();
    let mut lengths = Vec::with_capacity(records);
    let write = async {
        store.commit(adding(&tenants)).await?;
        while lengths.len() < records {
            let events: Vec<NewEvent> = (0..BATCH)
                .map(|at| author.event(&tenants[at % TENANTS]))
                .collect();
            for event in &events {
                hasher.hash(&[0; 32], &Record::of_new(event, 1));
                lengths.push(usize::try_from(hasher.last_bytes())?);
            }
            let batch = Batch {
                events,
                ..Batch::default()
            };
            store.commit(batch).await?;
        }
        store.close().await;
        anyhow::Ok(())
    };
    runtime.block_on(write)?;
    Ok(lengths)
}

/// Megabytes a second.
fn hash(memory: &[u8], lengths: &[usize]) -> f64 {
    let (began, mut rest) = (Instant::now(), memory);
    for length in lengths {
        let (record, after) = rest.split_at(*length);
        black_box(Sha256::digest(record));
        rest = after;
    }
    rate(memory, began)
}

fn verify(reader: &SqliteReader, memory: &[u8], options: VerifyOptions) -> Result<f64> {
    let began = Instant::now();
    let report = reader.verify(&Scope::All, &options)?;
    let rate = rate(memory, began);
    ensure!(
        report.status() == ChainStatus::Sound,
        "expected sound chains, found {report:?}"
    );
    ensure!(
        report.bytes == memory.len() as u64,
        "expected {} bytes to be hashed, found {}",
        memory.len(),
        report.bytes
    );
    Ok(rate)
}

fn rate(bytes: &[u8], began: Instant) -> f64 {
    count(bytes.len() as u64) / 1e6 / began.elapsed().as_secs_f64()
}
