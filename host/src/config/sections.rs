//! The configuration as typed values, section by section. Every key has its default here and its description in
//! [`keys`](super::keys); a test holds the two together.

mod care;
mod surface;

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::care::{CheckpointsSection, DiskSection};
pub use self::surface::{
    AccessSection, AuditSection, DeployEnv, HostName, HttpSection, InvalidListen, Listen, WebOrigin,
    WebhooksSection,
};
use super::{CostSection, HealthSection, SecretSource, TenantCostSection};
use crate::{
    domain::{Capability, Digest, EventType, InvalidName, PluginName, ProviderId, TenantId, wire_enum},
    store::postgres::{InvalidPlace, PostgresPlace},
};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sections {
    /// Who speaks for a tenant that names nobody, when it is first added.
    pub default_identity: Option<ProviderChoice>,
    /// `[log]`.
    pub log: crate::domain::LogSettings,
    /// `[plugins]`.
    pub plugins: PluginsSection,
    /// `[tenants.<id>]`.
    pub tenants: BTreeMap<TenantId, TenantSection>,
    /// `[events]`.
    pub events: EventsSection,
    /// `[cost]`.
    pub cost: CostSection,
    /// `[health]`.
    pub health: HealthSection,
    /// `[coordinator]`.
    pub coordinator: CoordinatorSection,
    /// `[store]`.
    pub store: StoreSection,
    /// `[checkpoints]`.
    pub checkpoints: CheckpointsSection,
    /// `[disk]`.
    pub disk: DiskSection,
    /// `[tickets]`.
    pub tickets: TicketsSection,
    /// `[http]`.
    pub http: HttpSection,
    /// `[webhooks]`.
    pub webhooks: WebhooksSection,
    /// `[access]`.
    pub access: AccessSection,
    /// `[audit]`.
    pub audit: AuditSection,
}

impl Sections {
    /// Whether no two tenants differ in case alone.
    pub(super) fn tenants_differ(&self) -> bool {
        self.tenant_ids().len() == self.tenants.len()
    }

    /// The ids of the tenants by the form in which they are compared.
    pub(super) fn tenant_ids(&self) -> BTreeMap<String, TenantId> {
        let ids = self.tenants.keys();
        ids.map(|id| (id.folded(), id.clone())).collect()
    }
}

/// `[plugins]`: which may be loaded, and a table for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginsSection {
    /// Where they are found; begins at the home.
    pub directory: PathBuf,
    /// Only these are admitted; empty: no narrowing.
    pub allow: Vec<Admitted>,
    /// These are not loaded.
    pub disable: Vec<PluginName>,
    /// `[plugins.<name>]`.
    #[serde(flatten)]
    pub named: BTreeMap<PluginName, PluginSection>,
}

impl Default for PluginsSection {
    fn default() -> Self {
        Self {
            directory: "plugins".into(),
            allow: Vec::new(),
            disable: Vec::new(),
            named: BTreeMap::new(),
        }
    }
}

/// `[plugins.<name>]`: a closed list of keys for the host, [`HOST_KEYS`]; all others are the plugin's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginSection {
    /// Whether it is loaded.
    pub enabled: bool,
    /// Which of its daemons run; absent: all.
    pub daemons: Option<Vec<String>>,
    /// Where its code runs.
    pub tier: Tier,
    /// Where its secrets are, by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Which capabilities it has where it calls tools.
    pub capabilities: Vec<Capability>,
    /// The plugin's own configuration, to be checked against the schema in its manifest.
    #[serde(flatten)]
    pub own: Map<String, Value>,
}

/// The keys of `[plugins.<name>]` that the host reads. A plugin's schema must not declare them.
pub const HOST_KEYS: [&str; 5] = ["enabled", "daemons", "tier", "secrets", "capabilities"];

impl Default for PluginSection {
    fn default() -> Self {
        Self {
            enabled: true,
            daemons: None,
            tier: Tier::InProcess,
            secrets: BTreeMap::new(),
            capabilities: Vec::new(),
            own: Map::new(),
        }
    }
}

wire_enum! {
    /// Where a plugin's code runs.
    Tier, "tier" {
        /// In the host's own process.
        InProcess = "in-process",
    }
}

/// `[tenants.<id>]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantSection {
    /// Who speaks for it when it is first added; afterwards the store decides.
    pub identity: Option<ProviderChoice>,
    /// The prompt that speaks for it when no provider does; begins at the home.
    pub fallback_prompt: Option<PathBuf>,
    /// The agent's name beside the fallback prompt.
    pub agent_name: Option<String>,
    /// Plugins that act for it, beside the one that speaks for it.
    pub plugins: Vec<PluginName>,
    /// What it may spend, where that is otherwise than for all.
    pub cost: TenantCostSection,
    /// What its plugins are configured otherwise for it.
    pub config: BTreeMap<PluginName, Map<String, Value>>,
    /// Where its own secrets are, by plugin and name.
    pub secrets: BTreeMap<PluginName, BTreeMap<String, SecretSource>>,
}

/// `[events]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsSection {
    /// Event types that the operator owns.
    pub types: Vec<EventType>,
}

/// `[coordinator]`: what holds for a daemon that says nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CoordinatorSection {
    /// Whether a daemon that is declared fatal may end the boot.
    pub honour_fatal: bool,
    /// How long a start may take.
    pub startup_timeout_seconds: u64,
    /// How long a tick may take.
    pub tick_timeout_seconds: u64,
    /// How long a stop may take.
    pub shutdown_timeout_seconds: u64,
}

impl Default for CoordinatorSection {
    fn default() -> Self {
        Self {
            honour_fatal: true,
            startup_timeout_seconds: 30,
            tick_timeout_seconds: 60,
            shutdown_timeout_seconds: 5,
        }
    }
}

impl CoordinatorSection {
    /// How long a start may take.
    pub const fn startup_timeout(&self) -> Duration {
        Duration::from_secs(self.startup_timeout_seconds)
    }

    /// How long a tick may take.
    pub const fn tick_timeout(&self) -> Duration {
        Duration::from_secs(self.tick_timeout_seconds)
    }

    /// How long a stop may take.
    pub const fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_seconds)
    }
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSection {
    /// The database's file; begins at the home. Not used if there is an address.
    pub path: PathBuf,
    /// Where the store is.
    pub url: Option<StoreAddress>,
    /// Where the password for it is.
    pub password: Option<SecretSource>,
}

impl StoreSection {
    /// Whether the store is a file of this machine.
    pub const fn is_file(&self) -> bool {
        !matches!(self.url, Some(StoreAddress::Postgres(_)))
    }
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            path: "data/kora.db".into(),
            url: None,
            password: None,
        }
    }
}

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StoreAddress {
    /// `sqlite:PATH`: in a file, which begins at the home.
    Sqlite(PathBuf),
    /// `postgres://…`: in a database, which hosts may share.
    Postgres(String),
}

/// A text that says of no store where it is. Holds nothing of the text, in which somebody may have written a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStoreAddress {
    /// Of no known kind.
    #[error("expected `sqlite:PATH` or `postgres://USER@HOST/DATABASE`; found another text")]
    Kind,
    /// Of PostgreSQL, and not of its form.
    #[error(transparent)]
    Postgres(#[from] InvalidPlace),
}

impl FromStr for StoreAddress {
    type Err = InvalidStoreAddress;

    fn from_str(text: &str) -> Result<Self, InvalidStoreAddress> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() && !path.contains('\0') => {
                // `sqlite:///kora.db` is said of `/kora.db` elsewhere: more slashes name nothing else.
                let path = match path.strip_prefix("//") {
                    Some(absolute) => format!("/{}", absolute.trim_start_matches('/')),
                    None => path.to_owned(),
                };
                Ok(Self::Sqlite(path.into()))
            }
            Some(("postgres" | "postgresql", _)) => {
                PostgresPlace::parse(text)?;
                Ok(Self::Postgres(text.to_owned()))
            }
            _ => Err(InvalidStoreAddress::Kind),
        }
    }
}

impl TryFrom<String> for StoreAddress {
    type Error = InvalidStoreAddress;
    fn try_from(text: String) -> Result<Self, InvalidStoreAddress> {
        text.parse()
    }
}

impl From<StoreAddress> for String {
    fn from(address: StoreAddress) -> Self {
        match address {
            StoreAddress::Sqlite(path) => format!("sqlite:{}", path.display()),
            StoreAddress::Postgres(url) => url,
        }
    }
}

/// `[tickets]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TicketsSection {
    /// How long a claim lasts.
    pub lease_seconds: u64,
    /// How often claims are looked for that ran out.
    pub sweep_seconds: u64,
    /// How long claims are spaced after a resume.
    pub ramp_seconds: u64,
    /// The least time between two of them.
    pub ramp_spacing_seconds: u64,
}

impl Default for TicketsSection {
    fn default() -> Self {
        Self {
            lease_seconds: 600,
            sweep_seconds: 5,
            ramp_seconds: 3600,
            ramp_spacing_seconds: 30,
        }
    }
}

/// A provider as an operator names it: `plugin/provider`, or the provider's name alone where only one plugin has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ProviderChoice {
    /// That one.
    Exact(ProviderId),
    /// The only one of this name. Which that is, and whether it is the only one, is known once plugins are loaded.
    Named(String),
}

impl ProviderChoice {
    /// Whether `provider` is meant.
    pub fn matches(&self, provider: &ProviderId) -> bool {
        match self {
            Self::Exact(exact) => exact == provider,
            Self::Named(name) => name == provider.provider(),
        }
    }
}

impl FromStr for ProviderChoice {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.contains('/') {
            return Ok(Self::Exact(text.parse()?));
        }
        // A bare name has the form of a provider's part; what stands before the slash does not matter to that.
        let whole: ProviderId = format!("any/{text}")
            .parse()
            .map_err(|error: InvalidName| InvalidName {
                found: text.chars().take(80).collect(),
                expected: "`plugin/provider`, or the provider's name alone",
                ..error
            })?;
        Ok(Self::Named(whole.provider().to_owned()))
    }
}

impl TryFrom<String> for ProviderChoice {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ProviderChoice> for String {
    fn from(choice: ProviderChoice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for ProviderChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(provider) => fmt::Display::fmt(provider, f),
            Self::Named(name) => f.pad(name),
        }
    }
}

/// What `[plugins] allow` lets in: a plugin by its name, or one file by the SHA-256 of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Admitted {
    /// Every build of this name.
    Name(PluginName),
    /// This build alone.
    Digest(Digest),
}

impl Admitted {
    /// Whether it lets this one in.
    pub fn admits(&self, plugin: &PluginName, digest: &Digest) -> bool {
        match self {
            Self::Name(name) => name == plugin,
            Self::Digest(admitted) => admitted == digest,
        }
    }
}

impl FromStr for Admitted {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        // No plugin's name is as long as a digest.
        text.parse()
            .map(Self::Digest)
            .or_else(|_| text.parse().map(Self::Name))
    }
}

impl TryFrom<String> for Admitted {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Admitted> for String {
    fn from(admitted: Admitted) -> Self {
        match admitted {
            Admitted::Name(name) => name.into(),
            Admitted::Digest(digest) => digest.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_named_whole_or_by_its_own_name() {
        let marvin: ProviderId = "marvin/marvin".parse().unwrap();
        let echo: ProviderId = "echo/marvin".parse().unwrap();
        let exact: ProviderChoice = "marvin/marvin".parse().unwrap();
        let named: ProviderChoice = "marvin".parse().unwrap();
        assert!(exact.matches(&marvin) && !exact.matches(&echo));
        assert!(named.matches(&marvin) && named.matches(&echo));
        assert!("Marvin".parse::<ProviderChoice>().is_err());
        assert!("a/b/c".parse::<ProviderChoice>().is_err());
    }

    #[test]
    fn what_is_allowed_is_a_name_or_a_digest() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let marvin: PluginName = "marvin".parse().unwrap();
        let by_digest: Admitted = one.to_string().parse().unwrap();
        let by_name: Admitted = "marvin".parse().unwrap();
        assert!(by_digest.admits(&marvin, &one) && !by_digest.admits(&marvin, &other));
        assert!(by_name.admits(&marvin, &other) && !by_name.admits(&"kora".parse().unwrap(), &one));
        assert!("zz".repeat(32).parse::<Admitted>().is_err());
    }
}
