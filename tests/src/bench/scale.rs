//! Whether appends and reads cost the same in a long chain as in a short one: ten thousand events beside five million, on either store.
//!
//! The chains are written directly, in large groups. Payloads are small there: what grows is the number of records and the depth of
//! the indexes. What is measured goes into both chains in turn.

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
        Batch, Store,
        postgres::{PostgresOptions, PostgresPlace, PostgresStore},
        sqlite::{SqliteOptions, SqliteStore},
    },
};
use tokio::runtime::Runtime;

use super::{
    Surroundings,
    events::{Author, EVENT_TYPE, adding, tenants},
    measure::{count, in_turn, nanoseconds},
    postgres,
    row::{Budget, Row},
};

const FEW: u64 = 10_000;
const MANY: u64 = 5_000_000;
const MANY_QUICKLY: u64 = 200_000;
/// After so many it is said how far the filling is.
const PROGRESS: u64 = 1_000_000;
/// Written as one transaction while the chains grow.
const FILL: u64 = 2048;
/// As many as one group holds under load.
const GROUP: usize = 256;
/// Of a read.
const RECENT: usize = 50;
/// A type that only the oldest events of a chain have, a page of them.
const RARE_TYPE: &str = "scale.rare";
/// A type that no event has: what a host looks for that nobody ever did.
const ABSENT_TYPE: &str = "scale_absent.happened";

const SHORT: &str = "a chain of ten thousand";

pub fn bench(surroundings: &Surroundings) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = surroundings.folder("scale")?;
    let in_file = |name: &str, events| {
        let path = folder.join(name);
        let store = SqliteStore::open(&path, SqliteOptions::default(), Arc::new(SystemClock::new()))?;
        Chain::write(&runtime, Arc::new(store), &path, events)
    };
    let many = surroundings.choose(MANY, MANY_QUICKLY);
    let chains = [in_file("few.db", FEW)?, in_file("many.db", many)?];
    let figures = Figures::of(surroundings, &runtime, &chains)?;
    let flat = Budget::AtMost(1.5);
    let row = |bench, (few, many)| Row::new(bench, "µs", (many, few), SHORT).budget(flat);
    let mut rows = vec![
        row("scale/append", figures.append),
        row("scale/append_in_groups", figures.append_in_groups),
        row("scale/recent", figures.recent),
        row("scale/recent_of_a_rare_type", figures.recent_of_a_rare_type),
        row("scale/recent_of_no_type", figures.recent_of_no_type),
    ];
    for chain in chains {
        runtime.block_on(chain.store.close());
    }
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;

    let figures = in_postgres(surroundings, &runtime)?;
    rows.extend([
        row("scale/postgres_append", figures.append),
        row("scale/postgres_append_in_groups", figures.append_in_groups),
        row("scale/postgres_recent", figures.recent),
        row(
            "scale/postgres_recent_of_a_rare_type",
            figures.recent_of_a_rare_type,
        ),
        row("scale/postgres_recent_of_no_type", figures.recent_of_no_type),
    ]);
    Ok(rows)
}

/// In databases of a server that is thrown away; not numbers if none is installed, which is said.
fn in_postgres(surroundings: &Surroundings, runtime: &Runtime) -> Result<Figures> {
    let Some(server) = postgres::start() else {
        return Ok(Figures::none());
    };
    // For their spools.
    let folder = surroundings.folder("scale_in_postgres")?;
    let in_database = |name: &str, events| {
        let place = PostgresPlace::parse(&server.database())?;
        let store = runtime.block_on(PostgresStore::open(place, PostgresOptions::default()))?;
        Chain::write(runtime, Arc::new(store), &folder.join(name), events)
    };
    let many = surroundings.choose(MANY, MANY_QUICKLY);
    let chains = [in_database("few", FEW)?, in_database("many", many)?];
    let figures = Figures::of(surroundings, runtime, &chains)?;
    for chain in chains {
        runtime.block_on(chain.store.close());
    }
    Ok(figures)
}

/// Microseconds of each, in the short chain and in the long one.
struct Figures {
    append: (f64, f64),
    append_in_groups: (f64, f64),
    recent: (f64, f64),
    recent_of_a_rare_type: (f64, f64),
    recent_of_no_type: (f64, f64),
}

impl Figures {
    fn none() -> Self {
        let none = (f64::NAN, f64::NAN);
        Self {
            append: none,
            append_in_groups: none,
            recent: none,
            recent_of_a_rare_type: none,
            recent_of_no_type: none,
        }
    }

    fn of(surroundings: &Surroundings, runtime: &Runtime, [few, many]: &[Chain; 2]) -> Result<Self> {
        let slice = surroundings.choose(Duration::from_millis(300), Duration::from_millis(50));
        let alone = |chain: &Chain| chain.each(runtime, slice, 1, async || chain.append(1).await);
        let grouped = |chain: &Chain| chain.each(runtime, slice, GROUP, async || chain.append(GROUP).await);
        let recent =
            |chain: &Chain| chain.each(runtime, slice, 1, async || chain.recent("bench", RECENT).await);
        let rare =
            |chain: &Chain| chain.each(runtime, slice, 1, async || chain.recent("scale", RECENT).await);
        let none = |chain: &Chain| chain.each(runtime, slice, 1, async || chain.recent(ABSENT_TYPE, 0).await);
        let figures = in_turn(
            surroundings.choose(9, 3),
            [
                &mut || alone(few),
                &mut || alone(many),
                &mut || grouped(few),
                &mut || grouped(many),
                &mut || recent(few),
                &mut || recent(many),
                &mut || rare(few),
                &mut || rare(many),
                &mut || none(few),
                &mut || none(many),
            ],
        )?;
        Ok(Self {
            append: (figures[0], figures[1]),
            append_in_groups: (figures[2], figures[3]),
            recent: (figures[4], figures[5]),
            recent_of_a_rare_type: (figures[6], figures[7]),
            recent_of_no_type: (figures[8], figures[9]),
        })
    }
}

/// A store with one chain.
struct Chain {
    store: Arc<dyn Store>,
    log: EventLog,
    tenant: TenantId,
    author: Author,
}

impl Chain {
    /// Writes so many events to a new store. The spool lies beside `path`.
    fn write(runtime: &Runtime, store: Arc<dyn Store>, path: &Path, events: u64) -> Result<Self> {
        let log = EventLog::open(LogParts {
            store: store.clone(),
            clock: Arc::new(SystemClock::new()),
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
        let (began, mut written) = (Instant::now(), 0);
        while written < events {
            if written > 0 && written % PROGRESS < FILL {
                eprintln!(
                    "{written} of {events} events after {} s",
                    began.elapsed().as_secs()
                );
            }
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

    async fn recent(&self, prefix: &str, expected: usize) -> Result<()> {
        let query = RecentQuery {
            prefix: Some(prefix.to_owned()),
            limit: u32::try_from(RECENT).ok(),
        };
        let found = self.log.recent(&self.tenant, query).await?.len();
        ensure!(found == expected, "expected {expected} events, found {found}");
        Ok(())
    }
}
