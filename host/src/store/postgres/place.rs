//! Where a server is and as whom to go there. It never shows a password.

use std::{fmt, net::IpAddr, time::Duration};

use secrecy::{ExposeSecret as _, SecretSlice};
use tokio_postgres::{Config, config::Host};

use super::tls::{Reach, Tls, Wish};

/// How long the server may take to let one in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// After what silence the other end of a TCP connection is asked whether it is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);

/// A database on a PostgreSQL server, and as whom to use it.
#[derive(Clone)]
pub struct PostgresPlace {
    config: Box<Config>,
    tls: Tls,
    shown: String,
}

/// A text that names no database that this release can use. Holds nothing of the text, in which somebody may have written a
/// password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlace {
    /// It has not the form.
    #[error(
        "expected `postgres://USER@HOST:PORT/DATABASE`, or `postgres://USER@%2Fpath%2Fof%2Fthe%2Fsocket/DATABASE` for a socket; \
         found another form"
    )]
    Form,
    /// It has a password in it.
    #[error(
        "expected an address without a password; found one with it: name the place of the password in `store.password`"
    )]
    Password,
    /// It asks for a mode of TLS that there is not.
    #[error(
        "expected `sslmode=` one of `disable`, `prefer`, `require`, `verify-ca` and `verify-full`; found another"
    )]
    SslMode,
    /// Whoever stands between could turn TLS off.
    #[error(
        "expected `sslmode=verify-full`, which it is without any, for a server on another machine; found `prefer`, with which whoever \
         stands between turns TLS off. `disable` says that the network may read along"
    )]
    Prefer,
    /// It would believe whoever has a certificate of any authority.
    #[error(
        "expected `sslrootcert=` the file with the server's authority; found none, and anybody gets a certificate from the authorities \
         that this machine trusts: name the file, or say `sslmode=verify-full`"
    )]
    AnybodyCertified,
    /// A file whose place depends on where the host was started.
    #[error(
        "expected an absolute path in `sslrootcert` (or `system`), `sslcert` and `sslkey`; found another"
    )]
    RelativeFile,
    /// A certificate without its key, or the other way round.
    #[error("expected `sslcert` and `sslkey` together, or none of them; found one")]
    HalfOfAPair,
}

impl PostgresPlace {
    /// Reads the address. Connects nowhere.
    ///
    /// # Errors
    /// If it has not the form, holds a password, or asks for what this release cannot do.
    pub fn parse(url: &str) -> Result<Self, InvalidPlace> {
        let is_url = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        let (rest, wish) = Wish::take_from(url)?;
        let mut config: Config = rest.parse().map_err(|_| InvalidPlace::Form)?;
        let is_whole =
            config.get_user().is_some() && config.get_dbname().is_some() && !config.get_hosts().is_empty();
        if !is_url || !is_whole {
            return Err(InvalidPlace::Form);
        }
        if config.get_password().is_some() {
            return Err(InvalidPlace::Password);
        }
        let tls = wish.decide(reach(&config))?;
        config
            .ssl_mode(tls.ssl_mode())
            .application_name("kora")
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(KEEPALIVE_AFTER);
        let shown = shown(&config);
        Ok(Self {
            config: Box::new(config),
            tls,
            shown,
        })
    }

    /// The same with a password.
    #[must_use]
    pub fn with_password(mut self, password: &SecretSlice<u8>) -> Self {
        self.config.password(password.expose_secret());
        self
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// How every connection to it is made.
    pub(super) fn tls(&self) -> Tls {
        self.tls.clone()
    }
}

/// As far as the farthest server.
fn reach(config: &Config) -> Reach {
    // These are where it goes, whatever the names are.
    let addresses = config.get_hostaddrs();
    let is_near = match addresses {
        [] => config.get_hosts().iter().all(is_of_this_machine),
        addresses => addresses.iter().all(IpAddr::is_loopback),
    };
    let is_socket = |host: &Host| matches!(host, Host::Unix(_));
    match is_near {
        true if addresses.is_empty() && config.get_hosts().iter().all(is_socket) => Reach::Socket,
        true => Reach::Machine,
        false => Reach::Network,
    }
}

fn is_of_this_machine(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    }
}

/// For people: without a password, and without parameters.
fn shown(config: &Config) -> String {
    let port = config.get_ports().first();
    let host = |host: &Host| match (host, port) {
        (Host::Unix(folder), _) => folder.display().to_string(),
        (Host::Tcp(name), Some(port)) => format!("{name}:{port}"),
        (Host::Tcp(name), None) => name.clone(),
    };
    let hosts: Vec<_> = config.get_hosts().iter().map(host).collect();
    let database = config.get_dbname().unwrap_or_default();
    format!("PostgreSQL database `{database}` at {}", hosts.join(","))
}

impl PostgresPlace {
    /// What to look at if the server cannot be reached or lets nobody in. Without a password.
    pub(in crate::store) fn when_unreachable(&self) -> String {
        let role = self.config().get_user().unwrap_or_default();
        format!(
            "tried the {self} as the role `{role}`: see that the server runs and listens there (`pg_isready`, `listen_addresses`), that nothing              between here and there stops it, and that it lets the role in (`pg_hba.conf`, the password in `[store] password`)"
        )
    }
}

impl fmt::Display for PostgresPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown)
    }
}

impl fmt::Debug for PostgresPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresPlace").field(&self.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    fn refusal(url: &str) -> InvalidPlace {
        PostgresPlace::parse(url).unwrap_err()
    }

    #[test]
    fn an_address_needs_a_user_a_host_and_a_database() {
        for url in [
            "postgres://kora@localhost/kora",
            "postgresql://kora@127.0.0.1:5433/kora",
            "postgres://kora@%2Frun%2Fpostgresql/kora",
            "postgres://kora@db.example/kora?sslmode=disable",
        ] {
            assert!(PostgresPlace::parse(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "postgres://",
            "postgres://localhost/kora",
            "postgres://kora@localhost",
            "host=localhost user=k dbname=k",
        ] {
            assert_eq!(refusal(url), InvalidPlace::Form, "{url}");
        }
    }

    #[test]
    fn nothing_goes_over_a_network_in_the_clear_unless_that_was_said() {
        let mode = |url: &str| PostgresPlace::parse(url).unwrap().config.get_ssl_mode();
        for (url, expected) in [
            ("postgres://kora@db.example/kora", SslMode::Require),
            ("postgres://kora@localhost,db.example/kora", SslMode::Require),
            // The address counts, whatever it is called.
            (
                "postgres://kora@localhost/kora?hostaddr=192.0.2.1",
                SslMode::Require,
            ),
            (
                "postgres://kora@%2Frun%2Fpostgresql/kora?hostaddr=192.0.2.1",
                SslMode::Require,
            ),
            (
                "postgres://kora@db.example/kora?sslmode=disable",
                SslMode::Disable,
            ),
            (
                "postgres://kora@db.example/kora?hostaddr=127.0.0.1",
                SslMode::Disable,
            ),
            ("postgres://kora@[::1]/kora", SslMode::Disable),
            ("postgres://kora@localhost/kora?sslmode=prefer", SslMode::Prefer),
        ] {
            assert_eq!(mode(url), expected, "{url}");
        }
        assert_eq!(
            refusal("postgres://kora@db.example/kora?sslmode=prefer"),
            InvalidPlace::Prefer
        );
    }

    #[test]
    fn a_password_is_neither_taken_from_the_address_nor_shown() {
        assert_eq!(
            refusal("postgres://kora:hunter2@localhost/kora"),
            InvalidPlace::Password
        );
        assert_eq!(
            refusal("postgres://kora@localhost/kora?password=hunter2"),
            InvalidPlace::Password
        );
        let place = PostgresPlace::parse("postgres://kora@localhost:5433/kora").unwrap();
        let place = place.with_password(&SecretSlice::from(b"hunter2".to_vec()));
        let texts = [
            format!("{place}"),
            format!("{place:?}"),
            format!("{:?}", place.config()),
        ];
        assert!(texts.iter().all(|text| !text.contains("hunter2")), "{texts:?}");
        assert_eq!(texts[0], "PostgreSQL database `kora` at localhost:5433");
    }
}
