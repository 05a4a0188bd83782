//! What only this backend can show, on a server of the tests' own: what the database refuses, and what becomes of a store whose server
//! goes away.

mod conforms;

use super::{PostgresOptions, PostgresPlace, PostgresStore, testing::Server};

/// An empty store of its own on the server of this process.
async fn fresh(options: PostgresOptions) -> (PostgresStore, PostgresPlace) {
    let place = PostgresPlace::parse(&Server::shared().database()).unwrap();
    (PostgresStore::open(place.clone(), options).await.unwrap(), place)
}
