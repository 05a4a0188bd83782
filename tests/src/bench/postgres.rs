//! A PostgreSQL server for the benches that want one: thrown away afterwards, and as durable as in earnest.

#[path = "../../../host/src/store/postgres/testing.rs"]
#[expect(
    dead_code,
    reason = "tests stop their server and start it again, benches do not"
)]
mod server;

pub(crate) use self::server::{OWNER, Server};

/// Room for a connection of each writer, and for more than the tests' few pages: what is measured is not how small it is.
const SETTINGS: &str = "
max_connections = 100
shared_buffers = 256MB
max_wal_size = 2GB
min_wal_size = 1GB
autovacuum = on
fsync = on
synchronous_commit = on
";

/// Starts a server; nothing if none is installed, which is said.
pub(crate) fn start() -> Option<Server> {
    if server::find_binaries().is_none() {
        eprintln!(
            "no PostgreSQL server is installed, so nothing is measured on one; on Debian: apt-get install postgresql, or name the \
             folder of its binaries in `KORA_TEST_POSTGRES_BIN`"
        );
        return None;
    }
    Some(Server::start_with(SETTINGS, &[]))
}
