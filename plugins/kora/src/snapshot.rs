//! The daemon `snapshot`: a file that tells other programs how things stand, for each tenant.
//!
//! A part that cannot be told is the text `unknown`, and the rest stays: a reader must never take a gap for a calm.

mod sections;

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use kora_plugin_api::{
    Daemon, Host, Result, ServedTenant,
    serde_json::{Map, Value, json},
};

use crate::{atomic_file, cost::Book, moment};

/// The periodic task.
pub const TASK: &str = "snapshot.compute";

const FILE_NAME: &str = "daemon_snapshot.json";
const SCHEMA_VERSION: u64 = 4;
/// How long a reader may believe it: two intervals of the default, so that one missed run is no alarm.
const FRESH_FOR_SECONDS: u64 = 600;

pub struct SnapshotWriter {
    path: Option<PathBuf>,
    book: Arc<Book>,
}

impl SnapshotWriter {
    /// Writes to `path`, or to the default place.
    pub fn new(path: Option<PathBuf>, book: Arc<Book>) -> Self {
        Self { path, book }
    }

    async fn write(&self, host: &Host) -> Result {
        let path = match &self.path {
            Some(path) => path.clone(),
            None => host.info()?.cache_dir.join(FILE_NAME),
        };
        let bytes = self.compute(host, moment::now()).await?.to_string().into_bytes();
        host.spawn_blocking(move || atomic_file::write(&path, &bytes))
            .await??;
        Ok(())
    }

    async fn compute(&self, host: &Host, now: Timestamp) -> Result<Value> {
        let mut tenants = Map::new();
        for ServedTenant { tenant, .. } in host.tenants()? {
            let section = self.section(host, &tenant, now).await;
            tenants.insert(tenant, section);
        }
        Ok(file(tenants, now))
    }

    async fn section(&self, host: &Host, tenant: &str, now: Timestamp) -> Value {
        let costs = host.cost_state(tenant).await;
        sections::tenant(
            &host.state(tenant),
            &host.state_history(tenant),
            &host.daemon_health(),
            &costs,
            self.book.report(tenant, now),
        )
    }
}

impl Daemon for SnapshotWriter {
    async fn startup(&self, host: &Host) -> Result {
        self.write(host).await
    }

    async fn tick(&self, host: &Host, _task: &str) -> Result {
        self.write(host).await
    }
}

fn file(tenants: Map<String, Value>, now: Timestamp) -> Value {
    json!({
        "schema_version": SCHEMA_VERSION,
        "written_at": moment::text(now),
        "fresh_for_seconds": FRESH_FOR_SECONDS,
        "tenants": tenants,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_its_schema_its_age_and_how_long_it_holds() {
        let tenants = Map::from_iter([("acme".to_owned(), json!({}))]);
        let expected = json!({
            "schema_version": 4,
            "written_at": "1970-01-01T00:00:00Z",
            "fresh_for_seconds": 600,
            "tenants": {"acme": {}},
        });
        assert_eq!(file(tenants, Timestamp::UNIX_EPOCH), expected);
    }
}
