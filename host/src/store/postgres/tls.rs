//! TLS to the server: what an address asks for, and how a connection is made so. Every connection goes through here, those that need no TLS
//! too.
//!
//! The files are read anew for each connection: certificates that are renewed need no restart.

mod files;
mod trust;
mod wish;

use std::{
    fmt,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error as HandshakeError, RootCertStore,
    crypto::{CryptoProvider, ring},
};
use tokio_postgres::{
    Socket,
    config::SslMode,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;

pub(super) use self::wish::{Reach, Wish};
use self::{files::FileError, trust::Trust};

/// What servers of version 17 and later expect to be asked for.
const PROTOCOL: &[u8] = b"postgresql";

/// What is demanded of the server, by the names that libpq's users know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// No TLS.
    Disable,
    /// TLS if the server offers it; nothing is verified.
    Prefer,
    /// TLS; nothing is verified unless authorities are named.
    Require,
    /// TLS, with a certificate of an authority that was named.
    VerifyCa,
    /// The same, made for the name that was asked for.
    VerifyFull,
}

/// Whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Authorities {
    /// Those whom the machine trusts.
    Platform,
    /// Those of a file.
    File(PathBuf),
}

/// How connections to one place are made. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tls(Arc<Terms>);

struct Terms {
    mode: Mode,
    authorities: Authorities,
    /// Certificate and key of this host.
    client: Option<(PathBuf, PathBuf)>,
    /// The machine's, read once: there are many.
    platform: OnceLock<Arc<RootCertStore>>,
}

/// Why there is no TLS with the server. Holds no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    /// Something on this side.
    #[error(transparent)]
    File(#[from] FileError),
    /// Certificate and key, or versions, do not go together.
    #[error("expected a certificate and a key that go together in `sslcert` and `sslkey`, found others: {0}")]
    Client(#[source] HandshakeError),
    /// Something on the other.
    #[error("{0}")]
    Server(String),
}

impl Tls {
    pub(super) fn new(mode: Mode, authorities: Authorities, client: Option<(PathBuf, PathBuf)>) -> Self {
        Self(Arc::new(Terms {
            mode,
            authorities,
            client,
            platform: OnceLock::new(),
        }))
    }

    /// As the library knows it. What it calls `Require` is everything from there on: what is verified is decided here.
    pub(super) fn ssl_mode(&self) -> SslMode {
        match self.0.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }

    fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let terms = &self.0;
        let provider = Arc::new(ring::default_provider());
        let trust = Arc::new(terms.trust(&provider)?);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Client)?
            .dangerous()
            .with_custom_certificate_verifier(trust);
        let mut config = match &terms.client {
            Some((certificate, key)) if terms.mode != Mode::Disable => {
                let (chain, key) = (files::certificates("sslcert", certificate)?, files::key(key)?);
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(TlsError::Client)?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(config)
    }
}

impl Terms {
    fn trust(&self, provider: &CryptoProvider) -> Result<Trust, TlsError> {
        let algorithms = provider.signature_verification_algorithms;
        let authorities = match (self.mode, &self.authorities) {
            // Nobody is asked.
            (Mode::Disable, _) => Some(Arc::new(RootCertStore::empty())),
            (Mode::Prefer, _) | (Mode::Require, Authorities::Platform) => None,
            (Mode::VerifyCa | Mode::VerifyFull, Authorities::Platform) => Some(self.of_platform()?),
            (_, Authorities::File(path)) => Some(Arc::new(files::authorities(path)?)),
        };
        let checks_name = self.mode == Mode::VerifyFull;
        Ok(Trust::new(authorities, checks_name, algorithms))
    }

    fn of_platform(&self) -> Result<Arc<RootCertStore>, TlsError> {
        if let Some(read) = self.platform.get() {
            return Ok(read.clone());
        }
        let read = Arc::new(files::authorities_of_platform()?);
        Ok(self.platform.get_or_init(|| read).clone())
    }

    /// What the handshake failed of, and what to do.
    fn failure(&self, host: &str, error: &std::io::Error) -> TlsError {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<HandshakeError>());
        let said = match inner {
            Some(HandshakeError::InvalidCertificate(fault)) => self.bad_certificate(host, fault),
            Some(HandshakeError::AlertReceived(alert)) => self.alert(host, *alert),
            _ => format!("cannot agree on TLS with `{host}`: {error}"),
        };
        TlsError::Server(said)
    }

    fn bad_certificate(&self, host: &str, fault: &CertificateError) -> String {
        match fault {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
                "expected a certificate of `{host}` that is signed by {}, found one of somebody else: name the file with the certificate of \
                 its authority in `sslrootcert`",
                self.authorities
            ),
            CertificateError::NotValidForNameContext { presented, .. } => format!(
                "expected a certificate for `{host}`, found one for {}: put a name in the address that is in the certificate, or have one \
                 made with this name as a subject alternative name",
                named(presented)
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!(
                    "expected a certificate of `{host}` that is valid now, found one that has expired: have it renewed ({fault})"
                )
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => format!(
                "expected a certificate of `{host}` that is valid now, found one of the future: look at the clock of this machine ({fault})"
            ),
            other if other.to_string().contains("CaUsedAsEndEntity") => format!(
                "expected a server's certificate from `{host}`, found an authority's, as `openssl req -x509` makes it: have the server's \
                 signed by it, or make it with `-addext basicConstraints=critical,CA:FALSE`"
            ),
            other => {
                format!("expected a certificate of `{host}` that can be verified, found another: {other}")
            }
        }
    }

    fn alert(&self, host: &str, alert: AlertDescription) -> String {
        let whose = match self.client {
            Some(_) => "with the certificate in `sslcert`",
            None => {
                "without a certificate of this host: name one in `sslcert`, and its key in `sslkey`, if the server demands that"
            }
        };
        format!("expected `{host}` to accept the connection, found the answer {alert:?}, {whose}")
    }
}

fn named(presented: &[String]) -> String {
    match presented {
        [] => "no name (a common name alone does not count)".to_owned(),
        names => names.join(", "),
    }
}

impl fmt::Display for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("an authority that this machine trusts"),
            Self::File(path) => write!(f, "an authority in `{}`", path.display()),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("mode", &self.0.mode)
            .field("authorities", &self.0.authorities)
            .field("client", &self.0.client)
            .finish()
    }
}

/// Makes one connection.
pub(super) struct Connector {
    made: <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect,
    host: String,
    terms: Arc<Terms>,
}

/// What TLS goes over.
pub(super) type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Stream;
    type TlsConnect = Connector;
    type Error = TlsError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Connector, TlsError> {
        let mut maker = MakeRustlsConnect::new(self.client_config()?);
        let Ok(made) = MakeTlsConnect::<Socket>::make_tls_connect(&mut maker, host);
        Ok(Connector {
            made,
            host: host.to_owned(),
            terms: self.0.clone(),
        })
    }
}

impl TlsConnect<Socket> for Connector {
    type Stream = Stream;
    type Error = TlsError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, TlsError>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let Self { made, host, terms } = self;
        Box::pin(async move {
            let connected = made.connect(socket).await;
            connected.map_err(|error| terms.failure(&host, &error))
        })
    }
}
