//! The connections that read. Each read is a transaction that may see one tenant, or says that it wants to see all.
//!
//! All of a transaction is sent at once, its end with it: a read whose future is dropped gives back a connection that is at rest.

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Row, types::ToSql};

use super::{
    PostgresPlace,
    fault::{pool_error, store_error},
    session::Role,
    statements::PLANNING,
};
use crate::{domain::TenantId, store::StoreError};

/// How long a read may wait for a connection: others read meanwhile, each at most as long as a statement may take.
const WAIT_FOR_A_CONNECTION: Duration = Duration::from_secs(30);

/// How long an answer may take before the server counts as gone: longer than it lets any statement of a reader take.
const ANSWER_WITHIN: Duration = Duration::from_secs(45);

/// What a read may see.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sight<'t> {
    /// One tenant, whatever the query says.
    Of(&'t TenantId),
    /// Everybody.
    All,
    /// Everybody, and it may lock rows for the moment of the transaction.
    Locking,
}

/// Connections that read.
pub(super) struct Readers {
    pool: Pool,
}

impl Readers {
    /// Connects nowhere yet.
    pub(super) fn new(place: &PostgresPlace, most: usize) -> Result<Self, StoreError> {
        let config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(place.config().clone(), place.tls(), config);
        let settings = Role::Reader.settings();
        let set = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            let settings = format!("{settings}; {PLANNING}");
            Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager)
            .max_size(most)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT_FOR_A_CONNECTION))
            .create_timeout(Some(WAIT_FOR_A_CONNECTION))
            .post_create(set)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { pool })
    }

    /// The rows of one query in a transaction of its own.
    pub(super) async fn rows(
        &self,
        sight: Sight<'_>,
        query: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let client = self.pool.get().await.map_err(|error| pool_error(&error))?;
        match tokio::time::timeout(ANSWER_WITHIN, transaction(&client, sight, query, parameters)).await {
            Ok(read) => read.map_err(|error| store_error(&error)),
            Err(_) => {
                // What it still owes must not be the answer to the next one.
                drop(Object::take(client));
                Err(StoreError::Unavailable(format!(
                    "no answer within {} s",
                    ANSWER_WITHIN.as_secs()
                )))
            }
        }
    }

    /// At most one row.
    pub(super) async fn row(
        &self,
        sight: Sight<'_>,
        query: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sight, query, parameters).await?.pop())
    }

    /// Ends all reading. What is under way goes on to its end.
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

async fn transaction(
    client: &Object,
    sight: Sight<'_>,
    query: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    const SEE: &str = "SELECT set_config('kora.tenant', $1, true)";
    let query = client.prepare_cached(query).await?;
    let begin = match sight {
        Sight::Of(_) => "BEGIN READ ONLY",
        Sight::All => "BEGIN READ ONLY; SET LOCAL ROLE kora_auditor",
        Sight::Locking => "BEGIN; SET LOCAL ROLE kora_writer",
    };
    let Sight::Of(tenant) = sight else {
        let (begun, rows, ended) = tokio::join!(
            biased;
            client.batch_execute(begin),
            client.query(&query, parameters),
            client.batch_execute("COMMIT"),
        );
        begun?;
        ended?;
        return rows;
    };
    let see = client.prepare_cached(SEE).await?;
    let tenant: [&(dyn ToSql + Sync); 1] = [&tenant.as_str()];
    let (begun, seen, rows, ended) = tokio::join!(
        biased;
        client.batch_execute(begin),
        client.execute(&see, &tenant),
        client.query(&query, parameters),
        client.batch_execute("COMMIT"),
    );
    begun?;
    seen?;
    ended?;
    rows
}
