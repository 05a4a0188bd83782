//! Whether appends and reads cost the same in a long chain as in a short one: ten thousand events beside five million.
//!
//! The chains are written directly, in large groups. Payloads are small there: what grows is the number of records and the depth of
//! the indexes. What is measured goes into both files in turn.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use kora_host::{
    domain::{EventType, NewEvent, SystemClock, TenantId},
    engine::{payload::normalise, vocabulary::Vocabulary},
    events::{EventLog, LogParts, RecentQuery},
    store::{
        Batch, Store as _,
        sqlite::{SqliteOptions, SqliteStore},
    },
};
use tokio::runtime::Runtime;

use super::{
    Surroundings,
    events::{Author, EVENT_TYPE, adding, tenants},
    measure::{count, in_turn, nanoseconds},
    row::{Budget, Row},
};

const FEW: u64 = 10_000;
const MANY: u64 = 5_000_000;
const MANY_QUICKLY: u64 = 200_000;
/// Written as one transaction while the chains grow.
const FILL: u64 = 2048;
/// As many as one group holds under load.
const GROUP: usize = 256;
/// Of a read.
const RECENT: usize = 50;
/// A type that only the oldest events of a chain have, a page of them.
const RARE_TYPE: &str = "scale.rare";

const SHORT: &str = "a chain of ten thousand";

pub fn bench(surroundings: &Surroundings) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = surroundings.folder("scale")?;
    let few = Chain::write(&runtime, &folder.join("few.db"), FEW)?;
    let many = surroundings.choose(MANY, MANY_QUICKLY);
    let many = Chain::write(&runtime, &folder.join("many.db"), many)?;

    let slice = surroundings.choose(Duration::from_millis(300), Duration::from_millis(50));
    let alone = |chain: &Chain| chain.each(&runtime, slice, 1, async || chain.append(1).await);
    let grouped = |chain: &Chain| chain.each(&runtime, slice, GROUP, async || chain.append(GROUP).await);
    let recent = |chain: &Chain| chain.each(&runtime, slice, 1, async || chain.recent("bench").await);
    let rare = |chain: &Chain| chain.each(&runtime, slice, 1, async || chain.recent("scale").await);
    let figures = in_turn(
        surroundings.choose(9, 3),
        [
            &mut || alone(&few),
            &mut || alone(&many),
            &mut || grouped(&few),
            &mut || grouped(&many),
            &mut || recent(&few),
            &mut || recent(&many),
        ],
    )?;
    // Once: it may take long.
    let rare = [rare(&few)?, rare(&many)?];
    let row = |bench, few, many| Row::new(bench, "µs", (many, few), SHORT);
    let flat = Budget::AtMost(1.5);
    let rows = vec![
        row("scale/append", figures[0], figures[1]).budget(flat),
        row("scale/append_in_groups", figures[2], figures[3]).budget(flat),
        row("scale/recent", figures[4], figures[5]).budget(flat),
        row("scale/recent_of_a_rare_type", rare[0], rare[1]),
    ];
    for chain in [few, many] {
        runtime.block_on(chain.store.close());
    }
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;
    Ok(rows)
}

/// A store with one chain.
struct Chain {
    store: Arc<SqliteStore>,
    log: EventLog,
    tenant: TenantId,
    author: Author,
}

impl Chain {
    fn write(runtime: &Runtime, path: &Path, events: u64) -> Result<Self> {
        let clock = Arc::new(SystemClock::new());
        let store = Arc::new(SqliteStore::open(path, SqliteOptions::default(), clock.clone())?);
        let log = EventLog::open(LogParts {
            store: store.clone(),
            clock,
            vocabulary: Vocabulary::new(&[EVENT_TYPE.parse()?, RARE_TYPE.parse()?])?,
            spool_path: path.with_extension("jsonl"),
        })?;
        let mut tenants = tenants(1)?;
        runtime.block_on(store.commit(adding(&tenants)))?;
        let chain = Self {
            store,
            log,
            tenant: tenants.remove(0),
            author: Author::new()?,
        };
        runtime.block_on(chain.fill(events))?;
        Ok(chain)
    }

    async fn fill(&self, events: u64) -> Result<()> {
        let payload = normalise(br#"{"what":"one of very many"}"#)?;
        let rare: EventType = RARE_TYPE.parse()?;
        let mut written = 0;
        while written < events {
            let numbers = written..events.min(written + FILL);
            written = numbers.end;
            let event = |number| {
                let event = self.author.event(&self.tenant);
                NewEvent {
                    payload: payload.clone(),
                    event_type: if number < RECENT as u64 {
                        rare.clone()
                    } else {
                        event.event_type
                    },
                    ..event
                }
            };
            let batch = Batch {
                events: numbers.map(event).collect(),
                ..Batch::default()
            };
            self.store.commit(batch).await?;
        }
        Ok(())
    }

    /// Microseconds of one, `at_once` done by each call.
    fn each(
        &self,
        runtime: &Runtime,
        slice: Duration,
        at_once: usize,
        operation: impl AsyncFn() -> Result<()>,
    ) -> Result<f64> {
        let (began, mut done) = (Instant::now(), 0);
        while done == 0 || began.elapsed() < slice {
            runtime.block_on(operation())?;
            done += at_once;
        }
        Ok(nanoseconds(began.elapsed()) / 1e3 / count(done as u64))
    }

    async fn append(&self, events: usize) -> Result<()> {
        let batch = Batch {
            events: (0..events).map(|_| self.author.event(&self.tenant)).collect(),
            ..Batch::default()
        };
        self.store.commit(batch).await?;
        Ok(())
    }

    async fn recent(&self, prefix: &str) -> Result<()> {
        let query = RecentQuery {
            prefix: Some(prefix.to_owned()),
            limit: u32::try_from(RECENT).ok(),
        };
        let found = self.log.recent(&self.tenant, query).await?.len();
        ensure!(found == RECENT, "expected {RECENT} events, found {found}");
        Ok(())
    }
}
