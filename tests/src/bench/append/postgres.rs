//! PostgreSQL: our store in a database, and its peer in another one on the same server: a function that locks where the chain ends,
//! computes the next record and inserts it, called by as many connections as there are writers.
//!
//! The server syncs each commit before it answers, for both.

use std::sync::Arc;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use kora_host::store::postgres::{PostgresOptions, PostgresPlace, PostgresStore};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, Statement};

use super::{Lane, WRITERS, store::StoreLane};
use crate::{
    events::{EVENT_TYPE, payload_text},
    postgres::{self, OWNER, Server},
};

/// The chain of the peer. It has what ours has: a record with its place, its link and its hash, no id and no number twice.
const PEER: &str = r"
CREATE TABLE heads (tenant text PRIMARY KEY, seq bigint NOT NULL, hash bytea NOT NULL) WITH (fillfactor = 50);
CREATE TABLE events (
    tenant text NOT NULL, seq bigint NOT NULL, event_id uuid NOT NULL UNIQUE, event_type text NOT NULL,
    occurred_at timestamptz NOT NULL, payload text NOT NULL, prev_hash bytea NOT NULL, this_hash bytea NOT NULL,
    PRIMARY KEY (tenant, seq)
);
INSERT INTO heads VALUES ('tenant-0', 0, sha256('tenant-0'));
CREATE FUNCTION append(chain text, kind text, content text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    head      heads;
    next_id   uuid := gen_random_uuid();
    next_hash bytea;
BEGIN
    SELECT * INTO STRICT head FROM heads WHERE tenant = chain FOR UPDATE;
    next_hash := sha256(head.hash || convert_to(concat_ws(' ', chain, head.seq + 1, next_id, kind, content), 'UTF8'));
    INSERT INTO events VALUES (chain, head.seq + 1, next_id, kind, now(), content, head.hash, next_hash);
    UPDATE heads SET seq = head.seq + 1, hash = next_hash WHERE tenant = chain;
    RETURN head.seq + 1;
END $$;
";

/// All lanes of one server, which ends when this is dropped.
pub struct PostgresLanes {
    /// Our store with one tenant.
    pub one: Arc<dyn Lane>,
    /// Our store with many.
    pub many: Arc<dyn Lane>,
    /// The function, on one tenant.
    pub function: Arc<dyn Lane>,
    _server: Server,
}

impl PostgresLanes {
    /// On a server of their own; nothing if none is installed, which is said.
    pub fn start(runtime: &Runtime, tenants: usize) -> Result<Option<Self>> {
        let Some(server) = postgres::start() else {
            return Ok(None);
        };
        let store = |number| {
            let place = PostgresPlace::parse(&server.database())?;
            let store = runtime.block_on(PostgresStore::open(place, PostgresOptions::default()))?;
            anyhow::Ok(StoreLane::over(runtime, Arc::new(store), number)?.lane())
        };
        Ok(Some(Self {
            one: store(1)?,
            many: store(tenants)?,
            function: Arc::new(runtime.block_on(FunctionLane::connect(&server))?),
            _server: server,
        }))
    }
}

/// One connection for each writer.
struct FunctionLane {
    connections: Vec<(Client, Statement)>,
    payload: String,
}

impl FunctionLane {
    async fn connect(server: &Server) -> Result<Self> {
        server.sql("postgres", "CREATE DATABASE peer");
        server.sql("peer", PEER);
        let url = server.url(OWNER, "peer");
        let mut connections = Vec::with_capacity(WRITERS);
        for _ in 0..WRITERS {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
            // It ends with its client.
            tokio::spawn(connection);
            let call = client.prepare("SELECT append('tenant-0', $1, $2)").await?;
            connections.push((client, call));
        }
        let settings = "SELECT current_setting('fsync') || ' ' || current_setting('synchronous_commit')";
        let found: String = connections[0].0.query_one(settings, &[]).await?.get(0);
        ensure!(
            found == "on on",
            "expected a server that syncs commits, found {found}"
        );
        Ok(Self {
            connections,
            payload: payload_text(),
        })
    }
}

#[async_trait]
impl Lane for FunctionLane {
    async fn append(&self, writer: usize, _number: usize) -> Result<()> {
        let (client, call) = &self.connections[writer];
        client.execute(call, &[&EVENT_TYPE, &self.payload]).await?;
        Ok(())
    }
}
