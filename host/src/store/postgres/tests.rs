//! What only this backend can show, on a server of the tests' own: what the database refuses, what verification finds in one that was
//! tampered with, what two hosts on one server do to each other, and what becomes of a store whose server goes away.

mod conforms;
mod failures;
mod inspecting;
mod planning;
mod refusals;
mod sharing;
mod tls;

use super::{PostgresOptions, PostgresPlace, PostgresReader, PostgresStore, testing::Server};
use crate::store::{
    Inspector as _, Scope,
    verify::{VerifyOptions, VerifyReport},
};

/// A database of its own, on the server of this process or on another.
struct Database {
    server: &'static Server,
    url: String,
}

impl Database {
    fn new() -> Self {
        Self::on(Server::shared())
    }

    fn on(server: &'static Server) -> Self {
        let url = server.database();
        Self { server, url }
    }

    fn place(&self) -> PostgresPlace {
        PostgresPlace::parse(&self.url).unwrap()
    }

    async fn store(&self) -> PostgresStore {
        PostgresStore::open(self.place(), PostgresOptions::default())
            .await
            .unwrap()
    }

    fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap()
    }

    /// Runs SQL as the owner, whom nothing but the triggers hold back.
    fn sql(&self, sql: &str) -> String {
        self.server.sql(self.name(), sql)
    }

    /// Runs SQL as one of the roles, and gives what the server says against it.
    async fn refusal(&self, role: &str, sql: &str) -> String {
        let session = super::session::Session::bare(&self.place()).await.unwrap();
        let all = format!("SET search_path = kora; SET ROLE {role}; BEGIN; {sql}");
        match session.client.batch_execute(&all).await {
            Ok(()) => panic!("{role} may `{sql}`"),
            Err(error) => super::fault::words(&error),
        }
    }

    fn verify(&self, scope: &Scope) -> VerifyReport {
        let reader = PostgresReader::open(self.place()).unwrap();
        reader.verify(scope, &VerifyOptions::default()).unwrap()
    }
}
