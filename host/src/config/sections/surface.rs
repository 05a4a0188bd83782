//! `[http]`, `[webhooks]`, `[access]` and `[audit]`: what is open to callers, who they are, and what is noted of them.

use std::{fmt, net::SocketAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{config::SecretSource, domain::wire_enum};

/// Where something listens, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Listen {
    /// Nowhere.
    Off,
    /// Here. Port 0: wherever the system likes.
    At(SocketAddr),
}

/// A text that says of no place where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an address and a port such as `127.0.0.1:9119` or `[::1]:9119`, or `off`; found another text"
)]
pub struct InvalidListen;

impl Listen {
    /// Whether only one of the two can be had: the same port at the same address, or at all of them.
    pub fn collides_with(self, other: Self) -> bool {
        let (Self::At(one), Self::At(two)) = (self, other) else {
            return false;
        };
        // What listens at all addresses of IPv6 does so at those of IPv4, too.
        let takes_all = |one: SocketAddr, other: SocketAddr| {
            one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4())
        };
        let is_same_place = one.ip() == two.ip() || takes_all(one, two) || takes_all(two, one);
        one.port() != 0 && one.port() == two.port() && is_same_place
    }
}

impl FromStr for Listen {
    type Err = InvalidListen;
    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        match text {
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::At).map_err(|_| InvalidListen),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = InvalidListen;
    fn try_from(text: String) -> Result<Self, InvalidListen> {
        text.parse()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) => address.fmt(f),
        }
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.to_string()
    }
}

/// The name or address of a host, with a port or without: what a `Host` header may say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

/// A text that is no name of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the name or address of a host such as `kora.example.com`, with a port or without; found another text"
)]
pub struct InvalidHostName;

impl HostName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = InvalidHostName;
    fn from_str(text: &str) -> Result<Self, InvalidHostName> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if (1..=255).contains(&text.len()) && text.chars().all(is_part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidHostName)
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = InvalidHostName;
    fn try_from(text: String) -> Result<Self, InvalidHostName> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

/// Where a page comes from: what an `Origin` header may say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin(String);

/// A text that is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an origin such as `https://kora.example.com:443`; found another text")]
pub struct InvalidWebOrigin;

impl WebOrigin {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WebOrigin {
    type Err = InvalidWebOrigin;
    fn from_str(text: &str) -> Result<Self, InvalidWebOrigin> {
        let host = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        match host {
            Some(host) if host.parse::<HostName>().is_ok() => Ok(Self(text.to_owned())),
            _ => Err(InvalidWebOrigin),
        }
    }
}

impl TryFrom<String> for WebOrigin {
    type Error = InvalidWebOrigin;
    fn try_from(text: String) -> Result<Self, InvalidWebOrigin> {
        text.parse()
    }
}

impl From<WebOrigin> for String {
    fn from(origin: WebOrigin) -> Self {
        origin.0
    }
}

/// `[http]`: MCP, the HTTP interface and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSection {
    /// Where it listens.
    pub listen: Listen,
    /// What a `Host` header may say beside the names of this machine's loopback.
    pub allowed_hosts: Vec<HostName>,
    /// What an `Origin` header may say, if there is one.
    pub allowed_origins: Vec<WebOrigin>,
    /// The largest body.
    pub max_body_bytes: u64,
    /// How long a request may take to arrive.
    pub read_timeout_seconds: u64,
    /// The most connections at once.
    pub max_connections: u64,
    /// The most streams at once, of events and of MCP.
    pub max_streams: u64,
    /// The most of them of one caller.
    pub max_streams_per_caller: u64,
}

impl Default for HttpSection {
    fn default() -> Self {
        Self {
            listen: Listen::At(SocketAddr::from(([127, 0, 0, 1], 9119))),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_body_bytes: 1_048_576,
            read_timeout_seconds: 10,
            max_connections: 4096,
            max_streams: 1024,
            max_streams_per_caller: 64,
        }
    }
}

/// `[webhooks]`: what strangers may send to plugins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhooksSection {
    /// Where it listens.
    pub listen: Listen,
    /// What a `Host` header may say beside the names of this machine's loopback.
    pub allowed_hosts: Vec<HostName>,
    /// How many requests of one address are taken in a minute.
    pub requests_per_minute: u64,
    /// The largest body.
    pub max_body_bytes: u64,
}

impl Default for WebhooksSection {
    fn default() -> Self {
        Self {
            listen: Listen::At(SocketAddr::from(([127, 0, 0, 1], 9118))),
            allowed_hosts: Vec::new(),
            requests_per_minute: 60,
            max_body_bytes: 1_048_576,
        }
    }
}

wire_enum! {
    /// What this host is used for.
    DeployEnv, "deploy environment" {
        /// Development: tools for that are allowed.
        Development = "dev",
        /// Staging: they are too.
        Staging = "stg",
        /// Production: they are refused.
        Production = "prd",
    }
}

/// `[access]`: who may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSection {
    /// Where the tokens are read that name nobody, joined by commas; absent: `KORA_MCP_BEARER_TOKEN` of the environment.
    pub anonymous_tokens: Option<SecretSource>,
    /// How often a caller may ask whose entry says nothing else; 0: as often as it likes.
    pub requests_per_second: u32,
    /// What this host is used for.
    pub deploy_env: DeployEnv,
}

impl Default for AccessSection {
    fn default() -> Self {
        Self {
            anonymous_tokens: None,
            requests_per_second: 100,
            deploy_env: DeployEnv::Production,
        }
    }
}

impl AccessSection {
    /// Whether tools for development are refused.
    pub fn is_production(&self) -> bool {
        self.deploy_env == DeployEnv::Production
    }
}

/// `[audit]`: how outcomes are noted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSection {
    /// So many lines are written at once; 0 and 1: each as it comes.
    pub batch_size: u64,
    /// No line waits longer. Denials never wait.
    pub flush_interval_seconds: u64,
    /// A file that has grown so large is put aside.
    pub max_file_mib: u64,
    /// So many files of each tenant that were put aside are kept.
    pub keep_files: u64,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            batch_size: 100,
            flush_interval_seconds: 5,
            max_file_mib: 64,
            keep_files: 10,
        }
    }
}
