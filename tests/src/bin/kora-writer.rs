//! A process that appends to the host's chain and tells what was acknowledged, an id a line, until it is killed: what tests of
//! power cuts strike. `kora-writer FILE MODE`, where the mode is
//!
//! - `synced`: as a host does it;
//! - `unsynced`: without any sync, as no host does it, to show that the tests see what is lost then;
//! - `spooled`: again and again the store is full, so that events wait in the spool beside it until there is room.

use std::{
    error::Error,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use kora_host::{
    domain::{SystemClock, TenantId},
    engine::vocabulary::Vocabulary,
    events::{AppendRequest, EventLog, Kept, LogParts, Writer},
    store::{
        Store as _,
        sqlite::{SqliteOptions, SqliteStore},
    },
};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// So many appends are under way at once.
const WRITERS: usize = 8;
/// So many events wait in the spool before there is room again.
const SPOOLED: usize = 20;
const EVENT_TYPE: &str = "torture.wrote";
const PAYLOAD: &[u8] = br#"{"text":"what an agent did, with what came of it and what is still open"}"#;

#[tokio::main]
async fn main() -> Outcome {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(file), Some(mode)) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        return Err("expected a file and a mode".into());
    };
    match mode.to_str() {
        Some("synced") => append(&file, SqliteOptions::default()).await,
        Some("unsynced") => {
            let synced = false;
            append(
                &file,
                SqliteOptions {
                    synced,
                    ..SqliteOptions::default()
                },
            )
            .await
        }
        Some("spooled") => loop {
            spool(&file).await?;
        },
        _ => Err("expected the mode `synced`, `unsynced` or `spooled`".into()),
    }
}

async fn append(file: &Path, options: SqliteOptions) -> Outcome {
    let (_, log) = open(file, options)?;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let log = Arc::clone(&log);
        writers.spawn(async move {
            loop {
                let receipt = log.append(request()?).await?;
                tell(&receipt.event_id)?;
            }
        });
    }
    writers.join_next().await.unwrap_or(Ok(Ok(())))?
}

async fn spool(file: &Path) -> Outcome {
    let (store, log) = open(file, SqliteOptions::default())?;
    log.drain().await;
    store.close().await;
    // SQLite takes it for as many as there are: not one more.
    let full = SqliteOptions {
        max_pages: Some(1),
        ..SqliteOptions::default()
    };
    let (store, log) = open(file, full)?;
    while log.waiting_entries() < SPOOLED {
        let AppendRequest {
            tenant,
            event_type,
            payload,
            writer,
            ..
        } = request()?;
        let event = log.draft(&tenant, event_type, payload, &writer)?;
        let event_id = event.event_id;
        match log.emit(vec![event]).await {
            Ok(_) => tell(&event_id)?,
            Err(failure) if failure.kept == Kept::Durably => tell(&event_id)?,
            Err(failure) => return Err(failure.into()),
        }
    }
    store.close().await;
    Ok(())
}

fn open(file: &Path, options: SqliteOptions) -> Outcome<(Arc<SqliteStore>, Arc<EventLog>)> {
    let clock = Arc::new(SystemClock::new());
    let store = Arc::new(SqliteStore::open(file, options, clock.clone())?);
    let log = EventLog::open(LogParts {
        store: store.clone(),
        clock,
        vocabulary: Vocabulary::new(&[EVENT_TYPE.parse()?])?,
        spool_path: file.with_file_name("spool.jsonl"),
    })?;
    Ok((store, Arc::new(log)))
}

fn request() -> Outcome<AppendRequest> {
    let event_type = EVENT_TYPE.parse()?;
    Ok(AppendRequest::new(
        TenantId::host(),
        event_type,
        PAYLOAD,
        Writer::operator(0),
    ))
}

/// At once and whole.
fn tell(event_id: &impl std::fmt::Display) -> std::io::Result<()> {
    std::io::stdout()
        .lock()
        .write_all(format!("{event_id}\n").as_bytes())
}
