//! TLS with a real server: who is believed, and who is not.

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use secrecy::SecretSlice;

use super::{PostgresOptions, PostgresPlace, PostgresReader, PostgresStore, Server};
use crate::store::{
    Inspector as _, Scope, Store as _, StoreError,
    conformance::{add, append},
    postgres::{session::Session, testing::OWNER},
    verify::{ChainStatus, VerifyOptions},
};

/// Longer than a connection takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// In the certificate of the server; nobody asks a name server for it.
const NAME: &str = "db.test";

/// Who may log in how over TCP.
const RULES: &str = "
local all all trust
hostssl all certified 127.0.0.0/8 cert
host all secretive 127.0.0.0/8 scram-sha-256
host all all 127.0.0.0/8 trust
";

/// Somebody who signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::default()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// Certificate and key.
    fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A server that speaks TLS, and files for those who want to.
struct Encrypted {
    server: Server,
    address: Ipv4Addr,
    database: String,
    folder: tempfile::TempDir,
}

impl Encrypted {
    /// With a certificate of the authority for [`NAME`].
    fn by(authority: &Authority) -> Self {
        let (certificate, key) = authority.sign(&named(NAME));
        Self::with(authority, &certificate, &key)
    }

    fn with(authority: &Authority, certificate: &str, key: &str) -> Self {
        Self::start(authority, certificate, key, "on")
    }

    fn start(authority: &Authority, certificate: &str, key: &str, ssl: &str) -> Self {
        // Each server has an address of its own on this machine, so that none needs a port of its own.
        static SERVERS: AtomicU32 = AtomicU32::new(0);
        let process = std::process::id().to_be_bytes();
        let number = SERVERS.fetch_add(1, Ordering::Relaxed).to_be_bytes()[3];
        let address = Ipv4Addr::new(127, process[2], process[3], 100 + number);
        let settings = format!(
            "listen_addresses = '{address}'\nssl = {ssl}\nssl_ca_file = 'authority.pem'\nssl_cert_file = 'server.pem'\nssl_key_file = \
             'server.key'\n"
        );
        let files = [
            ("authority.pem", authority.pem.as_str()),
            ("server.pem", certificate),
            ("server.key", key),
            ("pg_hba.conf", RULES),
        ];
        let server = Server::start_with(&settings, &files);
        let url = server.database();
        let this = Self {
            server,
            address,
            database: url.rsplit('/').next().unwrap().to_owned(),
            folder: tempfile::tempdir().unwrap(),
        };
        this.file("authority.pem", &authority.pem);
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file for this side; answers its path.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// As `role`, at a name of the server's.
    fn place(&self, role: &str, name: &str, parameters: &str) -> PostgresPlace {
        let (address, database) = (self.address, &self.database);
        let url = format!("postgres://{role}@{name}/{database}?hostaddr={address}&{parameters}");
        PostgresPlace::parse(&url).unwrap()
    }

    /// The parameters that believe this authority's file.
    fn believing(&self, mode: &str, authority: &str) -> String {
        let path = self.path(authority);
        format!("sslmode={mode}&sslrootcert={}", path.display())
    }

    /// What comes of a connection: whether it is encrypted, or what is said against it.
    async fn connected(&self, place: &PostgresPlace) -> Result<bool, String> {
        let session = Session::bare(place).await.map_err(|error| match error {
            StoreError::Unavailable(said) => said,
            other => panic!("{other}"),
        })?;
        let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        Ok(session.client.query_one(query, &[]).await.unwrap().get(0))
    }

    async fn refusal(&self, name: &str, parameters: &str) -> String {
        self.connected(&self.place(OWNER, name, parameters))
            .await
            .unwrap_err()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_of_a_store_and_of_who_reads_beside_it_is_encrypted() {
    let encrypted = Encrypted::by(&Authority::new());
    let place = encrypted.place(OWNER, NAME, &encrypted.believing("verify-full", "authority.pem"));
    let store = PostgresStore::open(place.clone(), PostgresOptions::default())
        .await
        .unwrap();
    add(&store, &["acme"]).await;
    append(&store, "acme", 3).await;
    assert_eq!(store.heads().await.unwrap().len(), 1);
    let report = PostgresReader::open(place)
        .unwrap()
        .verify(&Scope::All, &VerifyOptions::default())
        .unwrap();
    assert_eq!((report.status(), report.records), (ChainStatus::Sound, 3));
    let count = |which: &str| {
        let query = format!(
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'kora' AND {which}"
        );
        encrypted.server.sql(&encrypted.database, &query)
    };
    // The writer, a reader, and the one that hears of other hosts, which connects in its own time.
    let begin = Instant::now();
    while count("ssl") != "3" {
        assert!(begin.elapsed() < DEADLINE, "{} of them", count("ssl"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(count("NOT ssl"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_verified_as_far_as_the_mode_says() {
    let encrypted = Encrypted::by(&Authority::new());
    encrypted.file("other.pem", &Authority::new().pem);
    let (right, wrong) = ("authority.pem", "other.pem");
    let connected = |name, parameters: String| {
        let place = encrypted.place(OWNER, name, &parameters);
        let encrypted = &encrypted;
        async move { encrypted.connected(&place).await }
    };
    let believing = |mode, authority| encrypted.believing(mode, authority);
    assert_eq!(connected(NAME, believing("verify-full", right)).await, Ok(true));
    assert_eq!(
        connected("other.test", believing("verify-ca", right)).await,
        Ok(true)
    );
    // Without authorities it believes anybody, as libpq does; with some it is `verify-ca`.
    assert_eq!(
        connected("other.test", "sslmode=require".to_owned()).await,
        Ok(true)
    );
    assert_eq!(
        connected("other.test", believing("require", right)).await,
        Ok(true)
    );
    assert_eq!(
        connected("other.test", "sslmode=prefer".to_owned()).await,
        Ok(true)
    );
    assert_eq!(connected(NAME, "sslmode=disable".to_owned()).await, Ok(false));

    let said = connected("other.test", believing("verify-full", right))
        .await
        .unwrap_err();
    assert!(
        said.contains("expected a certificate for `other.test`, found one for") && said.contains(NAME),
        "{said}"
    );
    for mode in ["verify-full", "verify-ca", "require"] {
        let said = connected(NAME, believing(mode, wrong)).await.unwrap_err();
        assert!(
            said.contains("signed by an authority in `")
                && said.contains("other.pem`, found one of somebody else"),
            "{mode}: {said}"
        );
    }
    // Whom the machine trusts did not sign it; or it trusts nobody.
    let said = connected(NAME, "sslmode=verify-full".to_owned())
        .await
        .unwrap_err();
    assert!(said.contains("that this machine trusts, found"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_gets_no_word_but_where_that_was_allowed() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign(&named(NAME));
    let encrypted = Encrypted::start(&authority, &certificate, &key, "off");
    for parameters in [
        encrypted.believing("verify-full", "authority.pem"),
        encrypted.believing("verify-ca", "authority.pem"),
        "sslmode=require".to_owned(),
    ] {
        let said = encrypted.refusal(NAME, &parameters).await;
        assert!(
            said.contains("expected a server that speaks TLS, found one that does not"),
            "{said}"
        );
    }
    let place = encrypted.place(OWNER, NAME, "sslmode=prefer");
    assert_eq!(encrypted.connected(&place).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_bound_to_the_encrypted_connection() {
    let encrypted = Encrypted::by(&Authority::new());
    encrypted
        .server
        .sql("postgres", "CREATE ROLE secretive LOGIN PASSWORD 'hunter2'");
    let parameters = encrypted.believing("verify-full", "authority.pem") + "&channel_binding=require";
    let with = |password: &str, parameters: &str| {
        let password = SecretSlice::from(password.as_bytes().to_vec());
        encrypted
            .place("secretive", NAME, parameters)
            .with_password(&password)
    };
    assert_eq!(encrypted.connected(&with("hunter2", &parameters)).await, Ok(true));
    for place in [
        with("hunter3", &parameters),
        // There is nothing to bind it to.
        with("hunter2", "sslmode=disable&channel_binding=require"),
    ] {
        let said = encrypted.connected(&place).await.unwrap_err();
        assert!(!said.contains("hunter"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_shows_its_own_certificate_where_the_server_demands_one() {
    let authority = Authority::new();
    let encrypted = Encrypted::by(&authority);
    encrypted.server.sql("postgres", "CREATE ROLE certified LOGIN");
    let (certificate, key) = authority.sign(&named("certified"));
    let certificate = encrypted.file("client.pem", &certificate);
    let key_file = encrypted.file("client.key", &key);
    let plain = encrypted.believing("verify-full", "authority.pem");
    let with = |parameters: &str| encrypted.place("certified", NAME, parameters);
    let said = encrypted.connected(&with(&plain)).await.unwrap_err();
    assert!(said.contains("client certificate"), "{said}");
    let pair = format!("{plain}&sslcert={certificate}&sslkey={key_file}");
    assert_eq!(encrypted.connected(&with(&pair)).await, Ok(true));

    // Another's key, and a key that everybody reads.
    let (_, other) = authority.sign(&named("certified"));
    let other = encrypted.file("other.key", &other);
    let mismatched = format!("{plain}&sslcert={certificate}&sslkey={other}");
    let said = encrypted.connected(&with(&mismatched)).await.unwrap_err();
    assert!(
        said.contains("that go together in `sslcert` and `sslkey`"),
        "{said}"
    );
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).unwrap();
    let said = encrypted.connected(&with(&pair)).await.unwrap_err();
    assert!(said.contains("found the mode 644: `chmod 600` it"), "{said}");
    // A key that is none is not shown.
    let spoilt = encrypted.file("client.key", &key.replace("-----END", "--END"));
    let said = encrypted.connected(&with(&pair)).await.unwrap_err();
    assert!(said.contains(&spoilt) && said.contains("no whole PEM"), "{said}");
    let secret = key.lines().nth(1).unwrap();
    assert!(!said.contains(&secret[..8]), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_verified_is_refused_with_what_to_do() {
    let authority = Authority::new();
    let mut expired = named(NAME);
    expired.not_after = date_time_ymd(2001, 1, 1);
    let (certificate, key) = authority.sign(&expired);
    let encrypted = Encrypted::with(&authority, &certificate, &key);
    let said = encrypted
        .refusal(NAME, &encrypted.believing("verify-full", "authority.pem"))
        .await;
    assert!(said.contains("has expired: have it renewed"), "{said}");

    // As `openssl req -x509` makes one.
    let mut of_itself = named(NAME);
    of_itself.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = of_itself.self_signed(&key).unwrap().pem();
    let encrypted = Encrypted::with(&authority, &certificate, &key.serialize_pem());
    encrypted.file("itself.pem", &certificate);
    let said = encrypted
        .refusal(NAME, &encrypted.believing("verify-full", "itself.pem"))
        .await;
    assert!(said.contains("found an authority's"), "{said}");
    let place = encrypted.place(OWNER, NAME, "sslmode=require");
    assert_eq!(encrypted.connected(&place).await, Ok(true));

    // Without being an authority it may vouch for itself.
    of_itself.is_ca = IsCa::ExplicitNoCa;
    let certificate = of_itself.self_signed(&key).unwrap().pem();
    let encrypted = Encrypted::with(&authority, &certificate, &key.serialize_pem());
    encrypted.file("itself.pem", &certificate);
    let place = encrypted.place(OWNER, NAME, &encrypted.believing("verify-full", "itself.pem"));
    assert_eq!(encrypted.connected(&place).await, Ok(true));
}

#[tokio::test]
async fn a_file_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    // Somebody must be there, but hears nothing.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let place = |path: &Path| {
        let url = format!(
            "postgres://kora@localhost:{port}/kora?sslrootcert={}",
            path.display()
        );
        PostgresPlace::parse(&url).unwrap()
    };
    for content in [
        None,
        Some(""),
        Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let error = Session::bare(&place(&path)).await.err().unwrap().to_string();
        assert!(
            error.contains(path.to_str().unwrap()) && error.contains("`sslrootcert`"),
            "{error}"
        );
    }
}
