//! The suite that every store passes: in groups, and one commit for each batch.

use std::sync::Arc;

use tempfile::TempDir;

use super::{Place, SqliteOptions};
use crate::store::Store;

async fn fresh(options: SqliteOptions) -> (Arc<dyn Store>, TempDir) {
    let place = Place::new();
    (Arc::new(place.try_open(options).unwrap()), place.dir)
}

mod in_groups {
    use super::*;
    use crate::store::conformance::store_conformance;

    async fn fresh() -> (Arc<dyn Store>, TempDir) {
        super::fresh(SqliteOptions::default()).await
    }

    store_conformance!(fresh);
}

mod one_by_one {
    use super::*;
    use crate::store::conformance::store_conformance;

    async fn fresh() -> (Arc<dyn Store>, TempDir) {
        super::fresh(SqliteOptions {
            group_limit: 1,
            ..SqliteOptions::default()
        })
        .await
    }

    store_conformance!(fresh);
}
