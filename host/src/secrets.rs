//! Secrets of plugins: read anew from the place that the configuration names each time one is asked for, so that a rotated
//! secret needs no restart. Nothing here keeps one, shows one, or says who may ask.

mod end;
mod read;

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::{
    config::{SecretSource, Sections},
    domain::{PluginName, TenantId},
};

pub use end::end_of;
pub use read::MAX_SECRET_BYTES;

/// The password for the store, if the configuration names a place for one. Reads a file, so not for a worker of a runtime.
///
/// # Errors
/// If the place does not give it.
pub fn store_password(
    config: &Sections,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<SecretSlice<u8>>, SecretError> {
    let Some(source) = &config.store.password else {
        return Ok(None);
    };
    named("password", "store.password", source, environment).map(Some)
}

/// The variable that holds the tokens that name nobody, unless the configuration names another place.
const ANONYMOUS_TOKENS_VARIABLE: &str = "KORA_MCP_BEARER_TOKEN";

/// The tokens that name nobody: texts joined by commas. None if the place that is meant where nothing is said is empty. Reads a file at
/// most, of a size that is no work.
///
/// # Errors
/// If the place that the configuration names does not give it.
pub fn anonymous_tokens(
    config: &Sections,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<SecretString>, SecretError> {
    let text = match &config.access.anonymous_tokens {
        Some(source) => {
            let bytes = named("anonymous_tokens", "access.anonymous_tokens", source, environment)?;
            String::from_utf8_lossy(bytes.expose_secret()).into_owned()
        }
        None => match environment(ANONYMOUS_TOKENS_VARIABLE) {
            Some(text) => text.to_string_lossy().into_owned(),
            None => return Ok(Vec::new()),
        },
    };
    let text = SecretString::from(text);
    let tokens = text.expose_secret().split(',').map(str::trim);
    Ok(tokens
        .filter(|token| !token.is_empty())
        .map(SecretString::from)
        .collect())
}

/// A secret of the host's own.
fn named(
    name: &str,
    key: &str,
    source: &SecretSource,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<SecretSlice<u8>, SecretError> {
    let value = match source {
        SecretSource::Environment(variable) => environment(variable),
        SecretSource::File(_) | SecretSource::Credential(_) => None,
    };
    let surroundings = SecretSurroundings {
        environment: Box::new(move |_| value.clone()),
        credentials_directory: environment(CREDENTIALS_VARIABLE).map(Into::into),
    };
    read::read(source, &surroundings).map_err(|why| SecretError::Unreadable {
        name: name.to_owned(),
        key: key.to_owned(),
        why,
    })
}

/// The variable with which systemd names the directory of a service's credentials.
pub const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// Why a secret could not be had. Holds nothing of the secret, nor of the text that names its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The configuration has no place for it.
    #[error(
        "the secret `{name}` of `{plugin}` is not configured: set `{name}` in `[plugins.{plugin}.secrets]`"
    )]
    NotConfigured {
        /// The plugin.
        plugin: PluginName,
        /// The secret.
        name: String,
    },
    /// The place does not give it.
    #[error("the secret `{name}`, configured as `{key}`, cannot be read: {why}")]
    Unreadable {
        /// The secret.
        name: String,
        /// The key of the configuration that names its place.
        key: String,
        /// What was expected and found, and what to do.
        why: String,
    },
}

/// The places of secrets, as the configuration names them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SecretTable {
    plugins: BTreeMap<PluginName, BTreeMap<String, SecretSource>>,
    /// By the id without regard to case, as tenants are unique.
    tenants: BTreeMap<String, BTreeMap<PluginName, BTreeMap<String, SecretSource>>>,
}

impl From<&Sections> for SecretTable {
    fn from(sections: &Sections) -> Self {
        let plugins = sections.plugins.named.iter();
        let tenants = sections.tenants.iter();
        Self {
            plugins: plugins
                .map(|(name, plugin)| (name.clone(), plugin.secrets.clone()))
                .collect(),
            tenants: tenants
                .map(|(id, tenant)| (id.folded(), tenant.secrets.clone()))
                .collect(),
        }
    }
}

impl SecretTable {
    /// The place of a secret and the key that names it: the tenant's own before the plugin's.
    fn find(
        &self,
        plugin: &PluginName,
        tenant: Option<&TenantId>,
        name: &str,
    ) -> Option<(&SecretSource, String)> {
        let own = tenant.and_then(|tenant| {
            let source = self.tenants.get(&tenant.folded())?.get(plugin)?.get(name)?;
            Some((source, format!("tenants.{tenant}.secrets.{plugin}.{name}")))
        });
        own.or_else(|| {
            let source = self.plugins.get(plugin)?.get(name)?;
            Some((source, format!("plugins.{plugin}.secrets.{name}")))
        })
    }
}

/// Looks a variable of the environment up.
pub type EnvironmentLookup = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// What of the process secrets are read from.
pub struct SecretSurroundings {
    /// Looks a variable up.
    pub environment: EnvironmentLookup,
    /// The value of [`CREDENTIALS_VARIABLE`], if it is set.
    pub credentials_directory: Option<PathBuf>,
}

/// Gives plugins their secrets.
pub struct Secrets {
    table: ArcSwap<SecretTable>,
    surroundings: SecretSurroundings,
}

impl Secrets {
    /// From these places.
    pub fn new(table: SecretTable, surroundings: SecretSurroundings) -> Self {
        Self {
            table: ArcSwap::from_pointee(table),
            surroundings,
        }
    }

    /// From here on secrets are read from these places.
    pub fn replace(&self, table: SecretTable) {
        self.table.store(Arc::new(table));
    }

    /// The secret `name` of `plugin`: for `tenant` if one is given and has its own, else the plugin's. Reads a file, so not for a
    /// worker of a runtime.
    ///
    /// # Errors
    /// If it is not configured, or its place does not give it.
    pub fn get(
        &self,
        plugin: &PluginName,
        tenant: Option<&TenantId>,
        name: &str,
    ) -> Result<SecretSlice<u8>, SecretError> {
        let table = self.table.load();
        let (source, key) = table
            .find(plugin, tenant, name)
            .ok_or_else(|| SecretError::NotConfigured {
                plugin: plugin.clone(),
                name: name.to_owned(),
            })?;
        let unreadable = |why| SecretError::Unreadable {
            name: name.to_owned(),
            key,
            why,
        };
        read::read(source, &self.surroundings).map_err(unreadable)
    }

    /// Whether some tenant has a place of its own for it.
    pub fn has_a_tenant(&self, plugin: &PluginName, name: &str) -> bool {
        let table = self.table.load();
        let mut tenants = table.tenants.values();
        tenants.any(|plugins| {
            plugins
                .get(plugin)
                .is_some_and(|secrets| secrets.contains_key(name))
        })
    }

    /// Whether a place is configured for it; whether that place gives it is another question.
    pub fn is_configured(&self, plugin: &PluginName, tenant: Option<&TenantId>, name: &str) -> bool {
        self.table.load().find(plugin, tenant, name).is_some()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
