//! Reading the database from beside, as the role that may read everything and change nothing: for the command line, whether hosts run
//! or not.

use std::{
    io::{BufWriter, Write},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{
    PostgresPlace,
    fault::store_error,
    pool::Readers,
    reads, rights,
    rows::{self, position},
    scan, schema,
    session::{Role, Session},
};
use crate::{
    domain::{Hash, TenantId, TenantRecord, Timestamp},
    store::{
        Document, DocumentFilter, DocumentKey, EventFilter, Head, Inspector, Order, Scope, StoreError,
        export::{ChainExport, ExportError, Exported},
        verify::{Found, Plan, RowRange, VerifyError, VerifyOptions, VerifyReport},
    },
};

/// Reads a store's database. It holds no connection between calls, and blocks: call it where blocking is allowed.
#[derive(Debug, Clone)]
pub struct PostgresReader {
    place: PostgresPlace,
}

impl PostgresReader {
    /// The store in the database at `place`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it cannot be reached or holds no store, [`StoreError::SchemaTooNew`] if a later release wrote it.
    pub fn open(place: PostgresPlace) -> Result<Self, StoreError> {
        let reader = Self { place };
        if reader.version()? == 0 {
            let place = &reader.place;
            let message = format!("there is no store in the {place} yet: the first `kora daemon` makes it");
            return Err(StoreError::Unavailable(message));
        }
        Ok(reader)
    }

    /// Whether there is a store in the database at `place`, of whatever release.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it cannot be reached.
    pub fn is_made(place: PostgresPlace) -> Result<bool, StoreError> {
        match (Self { place }).version() {
            Ok(version) => Ok(version > 0),
            Err(StoreError::SchemaTooNew { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The schema's; 0 if there is none.
    fn version(&self) -> Result<u32, StoreError> {
        self.work(async |reader| schema::version(&Session::bare(&reader.place).await?.client).await)
    }

    /// Does it on a thread of its own, which may block whatever the caller is.
    fn work<T: Send, E: From<StoreError> + Send>(
        &self,
        work: impl AsyncFnOnce(&Self) -> Result<T, E> + Send,
    ) -> Result<T, E> {
        thread::scope(|scope| {
            let working = scope.spawn(move || on_a_runtime(work(self)));
            working
                .join()
                .unwrap_or_else(|fault| std::panic::resume_unwind(fault))
        })
    }

    /// Connections for one call.
    fn readers(&self) -> Result<Readers, StoreError> {
        Readers::new(&self.place, 1)
    }

    async fn connect(&self) -> Result<Session, StoreError> {
        Session::open(&self.place, Role::Auditor).await
    }

    async fn verify_scope(
        &self,
        scope: &Scope,
        options: &VerifyOptions,
    ) -> Result<VerifyReport, VerifyError> {
        let failed = |error| store_error(&error);
        let session = self.connect().await?;
        session
            .client
            .batch_execute(scan::ONE_MOMENT)
            .await
            .map_err(failed)?;
        // The readers see what this transaction sees; it stays open until the last of them has begun.
        let moment = session
            .client
            .query_one("SELECT pg_export_snapshot()", &[])
            .await
            .map_err(failed)?;
        let plan = scan::plan(&session.client, scope).await?;
        let pieces = plan.rows.pieces(options.threads.get());
        let found = self.read_pieces(&plan, &pieces, moment.get(0), options.threads.get())?;
        Ok(plan.join(found))
    }

    /// What was found in each piece, in their order. Blocks.
    fn read_pieces(
        &self,
        plan: &Plan,
        pieces: &[(i64, i64)],
        moment: &str,
        threads: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let next = AtomicUsize::new(0);
        let work = || {
            on_a_runtime(async {
                let session = self.connect().await?;
                let join = format!("{}; SET TRANSACTION SNAPSHOT '{moment}'", scan::ONE_MOMENT);
                session
                    .client
                    .batch_execute(&join)
                    .await
                    .map_err(|error| store_error(&error))?;
                let mut done = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = pieces.get(index) else {
                        return Ok(done);
                    };
                    done.push((index, read_piece(&session, &plan.rows, *piece).await?));
                }
            })
        };
        let mut found = thread::scope(|scope| {
            let readers: Vec<_> = (0..threads.min(pieces.len()))
                .map(|_| scope.spawn(work))
                .collect();
            let mut found = Vec::new();
            for reader in readers {
                let theirs = reader.join();
                found.extend(
                    theirs.map_err(|_| StoreError::Unavailable("a verifying thread failed".to_owned()))??,
                );
            }
            Ok::<_, StoreError>(found)
        })?;
        found.sort_unstable_by_key(|(index, _)| *index);
        Ok(found.into_iter().map(|(_, found)| found).collect())
    }

    async fn export_scope(
        &self,
        scope: &Scope,
        exported_at: Timestamp,
        out: &mut dyn Write,
    ) -> Result<Exported, ExportError> {
        let session = self.connect().await?;
        let begun = session.client.batch_execute(scan::ONE_MOMENT).await;
        begun.map_err(|error| store_error(&error))?;
        let known = scan::chains(&session.client).await?;
        let chains: Vec<(TenantId, u64, u64)> = match scope {
            Scope::All => known.into_iter().map(|tenant| (tenant, 1, u64::MAX)).collect(),
            Scope::Chain(tenant) | Scope::Range { tenant, .. } if !known.contains(tenant) => {
                let tenant = tenant.clone();
                return Err(ExportError::TenantUnknown { tenant });
            }
            Scope::Chain(tenant) => vec![(tenant.clone(), 1, u64::MAX)],
            Scope::Range { tenant, from, to } => vec![(tenant.clone(), *from, *to)],
        };
        let mut out = BufWriter::new(out);
        let mut exported = Exported::default();
        for (tenant, from, to) in chains {
            let mut export = ChainExport::begin(&mut out, &tenant, exported_at)?;
            let range: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [&tenant.as_str(), &position(from), &position(to)];
            let each = |row: &_| -> Result<(), ExportError> { Ok(export.event(&rows::event(row)?)?) };
            scan::stream(&session.client, scan::BY_CHAIN, &range, each).await?;
            exported.chains += 1;
            exported.events += export.end()?;
        }
        out.flush()?;
        Ok(exported)
    }
}

impl Inspector for PostgresReader {
    fn verify(&self, scope: &Scope, options: &VerifyOptions) -> Result<VerifyReport, VerifyError> {
        self.work(async |reader| reader.verify_scope(scope, options).await)
    }

    fn export(
        &self,
        scope: &Scope,
        exported_at: Timestamp,
        out: &mut dyn Write,
    ) -> Result<Exported, ExportError> {
        // Not on a thread of its own: who writes may not go there.
        on_a_runtime(self.export_scope(scope, exported_at, out))
    }

    fn heads(&self) -> Result<Vec<Head>, StoreError> {
        self.work(async |reader| {
            let query = "SELECT tenant, seq, hash FROM heads WHERE seq > 0 ORDER BY tenant";
            let heads = reader.connect().await?.client.query(query, &[]).await;
            heads
                .map_err(|error| store_error(&error))?
                .iter()
                .map(rows::head)
                .collect()
        })
    }

    fn check_tails(&self, records: u64) -> Result<Option<String>, StoreError> {
        self.work(async |reader| {
            scan::first_fault_at_the_ends(&reader.connect().await?.client, records).await
        })
    }

    fn missing_guard(&self) -> Result<Option<String>, StoreError> {
        self.work(async |reader| {
            let session = reader.connect().await?;
            match rights::first_missing_guard(&session.client).await? {
                Some(fault) => Ok(Some(fault)),
                None => rights::read_only_fault(&session.client).await,
            }
        })
    }

    fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        self.work(async |reader| reads::tenants(&reader.readers()?).await)
    }

    fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        self.work(async |reader| reads::document(&reader.readers()?, key).await)
    }

    fn documents(&self, filter: &DocumentFilter) -> Result<Vec<Document>, StoreError> {
        self.work(async |reader| reads::documents(&reader.readers()?, filter).await)
    }

    fn hashes_at(&self, tenant: &TenantId, seqs: &[u64]) -> Result<Vec<Option<Hash>>, StoreError> {
        self.work(async |reader| {
            let session = reader.connect().await?;
            let mut hashes = Vec::with_capacity(seqs.len());
            for seq in seqs {
                hashes.push(match seq {
                    0 => None,
                    seq => scan::hash_before(&session.client, tenant.as_str(), seq.saturating_add(1)).await?,
                });
            }
            Ok(hashes)
        })
    }

    fn begun_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let first = EventFilter {
            limit: 1,
            order: Order::OldestFirst,
            ..EventFilter::default()
        };
        let events =
            self.work(async |reader| reads::events(&reader.readers()?, &TenantId::host(), &first).await)?;
        Ok(events.first().map(|event| event.occurred_at))
    }
}

async fn read_piece(
    session: &Session,
    rows: &RowRange,
    (first, last): (i64, i64),
) -> Result<Found, StoreError> {
    let mut found = Found::default();
    let (client, scanned) = (&session.client, &mut found.scanned);
    match rows {
        RowRange::Positions { .. } => scan::read(client, scanned, scan::BY_POSITION, &[&first, &last]).await,
        RowRange::Chain { tenant, .. } => {
            scan::read(client, scanned, scan::BY_CHAIN, &[tenant, &first, &last]).await
        }
    }?;
    Ok(found)
}

/// Runs it to its end on this thread.
fn on_a_runtime<T, E: From<StoreError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| StoreError::Unavailable(format!("cannot start a runtime: {error}")))?
        .block_on(work)
}
