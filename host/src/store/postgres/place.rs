//! Where a server is and as whom to go there. It never shows a password.

use std::{fmt, net::IpAddr, time::Duration};

use secrecy::{ExposeSecret as _, SecretSlice};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

/// How long the server may take to let one in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// After what silence the other end of a TCP connection is asked whether it is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);

/// A database on a PostgreSQL server, and as whom to use it.
#[derive(Clone)]
pub struct PostgresPlace {
    config: Box<Config>,
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
    /// It asks for TLS.
    #[error(
        "expected `sslmode=disable` or none; found one that asks for TLS, which this release does not speak: use a socket, or a \
         tunnel on this machine"
    )]
    Tls,
    /// It would go over the network in the clear.
    #[error(
        "expected a socket or an address of this machine; found another host, and this release does not speak TLS: use a tunnel \
         on this machine, or say `sslmode=disable` if the network may read along"
    )]
    Network,
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
        let mut config: Config = url.parse().map_err(|_| InvalidPlace::Form)?;
        let is_whole =
            config.get_user().is_some() && config.get_dbname().is_some() && !config.get_hosts().is_empty();
        if !is_url || !is_whole {
            return Err(InvalidPlace::Form);
        }
        if config.get_password().is_some() {
            return Err(InvalidPlace::Password);
        }
        match config.get_ssl_mode() {
            SslMode::Disable => {}
            SslMode::Prefer if config.get_hosts().iter().all(is_of_this_machine) => {}
            SslMode::Prefer => return Err(InvalidPlace::Network),
            _ => return Err(InvalidPlace::Tls),
        }
        config
            .ssl_mode(SslMode::Disable)
            .application_name("kora")
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(KEEPALIVE_AFTER);
        let shown = shown(&config);
        Ok(Self {
            config: Box::new(config),
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
    fn nothing_goes_over_a_network_unless_that_was_said() {
        assert_eq!(refusal("postgres://kora@db.example/kora"), InvalidPlace::Network);
        assert_eq!(
            refusal("postgres://kora@localhost,db.example/kora"),
            InvalidPlace::Network
        );
        assert_eq!(
            refusal("postgres://kora@localhost/kora?sslmode=require"),
            InvalidPlace::Tls
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
