//! The suite that every store passes: in groups, and one commit for each batch.

use std::sync::Arc;

use super::{Database, PostgresOptions, PostgresStore};
use crate::store::Store;

async fn fresh(options: PostgresOptions) -> (Arc<dyn Store>, ()) {
    let store = PostgresStore::open(Database::new().place(), options).await;
    (Arc::new(store.unwrap()), ())
}

mod in_groups {
    use super::*;
    use crate::store::conformance::store_conformance;

    async fn fresh() -> (Arc<dyn Store>, ()) {
        super::fresh(PostgresOptions::default()).await
    }

    store_conformance!(fresh);
}

mod one_by_one {
    use super::*;
    use crate::store::conformance::store_conformance;

    async fn fresh() -> (Arc<dyn Store>, ()) {
        super::fresh(PostgresOptions {
            group_limit: 1,
            ..PostgresOptions::default()
        })
        .await
    }

    store_conformance!(fresh);
}
