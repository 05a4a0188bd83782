//! The configuration of the host: `kora.toml` in the home, the environment and flags, read and judged whole before any of it
//! applies. What a value means to the rest of the host is theirs; a plugin's own keys are judged against its manifest
//! where that is known.
//!
//! A flag goes before the environment, the environment before the file, the file before the default.

mod change;
mod cost;
mod document;
mod edit;
mod environment;
mod health;
mod home;
mod keys;
mod kind;
mod levels;
mod near_miss;
mod problem;
mod reference;
mod secret_source;
mod sections;
mod settings;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    io::{ErrorKind, Read as _},
    ops::Deref,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use change::{AtWork, KeyChange, diff};
pub use cost::{CostSection, TenantCostSection};
pub use edit::{EditError, set_plugin_enabled};
pub use environment::{Flag, VARIABLES, Variable};
pub use health::HealthSection;
pub use home::{HOME_VARIABLE, Home, HomeInputs, HomeUnknown};
pub use keys::{Applies, KEYS, Key};
pub use kind::Kind;
pub use near_miss::near_miss;
pub use problem::{ConfigProblems, Place, Problem};
pub use reference::{reference, template};
pub use secret_source::{InvalidSecretSource, SecretSource};
pub use sections::{
    AccessSection, Admitted, AuditSection, CheckpointsSection, CoordinatorSection, DeployEnv, DiskSection,
    EventsSection, HOST_KEYS, HostName, HttpSection, InvalidListen, InvalidStoreAddress, Listen,
    PluginSection, PluginsSection, ProviderChoice, Sections, StoreAddress, StoreSection, TenantSection,
    TicketsSection, Tier, WebOrigin, WebhooksSection,
};
pub use settings::Origin;

use self::{
    document::Document,
    problem::SourceText,
    settings::{KeyPath, Settings},
};
use crate::domain::{Digest, PluginName, TenantId};

/// A file that is longer was not written by hand.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What decides a configuration.
pub struct Inputs<'a> {
    /// The home, which holds the file.
    pub home: &'a Home,
    /// Looks a variable up.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Flags of the command that stand for keys.
    pub flags: &'a [Flag],
}

/// A configuration that was judged sound. Its sections are reached as if they were its own: `config.log.level`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    home: Home,
    sections: Sections,
    /// The ids of `[tenants.<id>]` by their folded forms: each of ten thousand tenants is looked up several times.
    tenant_ids: BTreeMap<String, TenantId>,
    settings: Settings,
    from_file: bool,
}

impl Deref for Config {
    type Target = Sections;

    fn deref(&self) -> &Sections {
        &self.sections
    }
}

/// One key with its effective value, for humans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownValue {
    /// The key.
    pub key: String,
    /// The value as it would stand in the file; of a secret only the kind of its source.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl Config {
    /// Reads and judges the whole. A home without `kora.toml` has the defaults. Reads the file, so not for a worker of a
    /// runtime.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub fn load(inputs: &Inputs<'_>) -> Result<Self, ConfigProblems> {
        let file = inputs.home.config_file();
        match read_text(&file) {
            Ok(text) => Self::parse(text.as_deref(), inputs),
            Err(message) => Err(ConfigProblems::new(vec![Problem::new(
                Place::File(file),
                message,
            )])),
        }
    }

    /// Judges `text` as if it stood in the home's file; absent as if there were none.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub fn parse(text: Option<&str>, inputs: &Inputs<'_>) -> Result<Self, ConfigProblems> {
        let file = inputs.home.config_file();
        let source = SourceText::new(&file, text.unwrap_or_default());
        let Document {
            mut settings,
            mut problems,
        } = Document::read(&source);
        environment::overlay_variables(&mut settings, &mut problems, inputs.environment);
        environment::overlay_flags(&mut settings, &mut problems, inputs.flags);
        let sections: Sections = match toml::Value::Table(settings.to_table()).try_into() {
            Ok(sections) => sections,
            Err(error) => {
                // The table of keys lets nothing through that the types refuse; if it did, this says so.
                problems.push(Problem::new(
                    Place::File(file.clone()),
                    toml::de::Error::message(&error),
                ));
                Sections::default()
            }
        };
        let tenant_ids = sections.tenant_ids();
        let mut contradictions = contradictions(&sections, &settings);
        if tenant_ids.len() < sections.tenants.len() {
            contradictions.extend(differ_in_case_alone(&sections));
        }
        if let Some((key, message)) = collision(&sections, &settings) {
            match settings.get(&key).map(|setting| &setting.origin) {
                Some(Origin::File { .. }) => contradictions.push((key, message)),
                origin => {
                    let origin = origin.unwrap_or(&Origin::Default);
                    problems.push(Problem::new(origin.place(file.clone()), message));
                }
            }
        }
        problems.extend(document::placed(&source, contradictions));
        if problems.is_empty() {
            Ok(Self {
                home: inputs.home.clone(),
                tenant_ids,
                sections,
                settings,
                from_file: text.is_some(),
            })
        } else {
            Err(ConfigProblems::new(problems))
        }
    }

    /// The home it belongs to.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Whether there was a file.
    pub fn is_from_file(&self) -> bool {
        self.from_file
    }

    /// Where plugins are found.
    pub fn plugins_directory(&self) -> PathBuf {
        self.home.join(&self.plugins.directory)
    }

    /// Where the database's file is, if it is one.
    pub fn store_path(&self) -> PathBuf {
        match &self.store.url {
            Some(StoreAddress::Sqlite(path)) => self.home.join(path),
            _ => self.home.join(&self.store.path),
        }
    }

    /// The section of a plugin, if it has one.
    pub fn plugin(&self, plugin: &PluginName) -> Option<&PluginSection> {
        self.plugins.named.get(plugin)
    }

    /// Whether the plugin is to be loaded as far as its name goes.
    pub fn is_plugin_enabled(&self, plugin: &PluginName) -> bool {
        !self.plugins.disable.contains(plugin) && self.plugin(plugin).is_none_or(|section| section.enabled)
    }

    /// Whether `[plugins] allow` lets this build of a plugin in. An empty list narrows nothing.
    pub fn is_admitted(&self, plugin: &PluginName, digest: &Digest) -> bool {
        let allow = &self.plugins.allow;
        allow.is_empty() || allow.iter().any(|admitted| admitted.admits(plugin, digest))
    }

    /// Whether the operator lets this daemon of a plugin run.
    pub fn is_daemon_chosen(&self, plugin: &PluginName, daemon: &str) -> bool {
        let chosen = self.plugin(plugin).and_then(|section| section.daemons.as_ref());
        chosen.is_none_or(|chosen| chosen.iter().any(|name| name == daemon))
    }

    /// The plugins of which anything is configured, be it for one tenant.
    pub fn configured_plugins(&self) -> BTreeSet<&PluginName> {
        let of_tenants = self.tenants.values();
        let of_tenants = of_tenants.flat_map(|section| section.config.keys().chain(section.secrets.keys()));
        self.plugins.named.keys().chain(of_tenants).collect()
    }

    /// What is wrong with a plugin's own key, which stands below its table: at the place of the nearest one that is set.
    pub fn plugin_problem(
        &self,
        plugin: &PluginName,
        tenant: Option<&TenantId>,
        key: &[String],
        message: &str,
    ) -> Problem {
        let plain = KeyPath::dotted("plugins").child(plugin.as_str());
        let of_tenant = tenant.map(|tenant| {
            let section = KeyPath::dotted("tenants").child(tenant.as_str());
            section.child("config").child(plugin.as_str())
        });
        let tables: Vec<_> = of_tenant.into_iter().chain([plain]).collect();
        let nearest = (0..=key.len()).rev().find_map(|depth| {
            tables.iter().find_map(|table| {
                let found = key[..depth].iter().fold(table.clone(), |at, part| at.child(part));
                let setting = self.settings.below(&found)?;
                Some((table, &setting.origin))
            })
        });
        let table = nearest.map_or(&tables[0], |(table, _)| table);
        let shown = key.iter().fold(table.clone(), |at, part| at.child(part));
        let place = nearest.map_or_else(
            || Place::File(self.home.config_file()),
            |(_, origin)| self.place(origin),
        );
        Problem::new(place, format!("`{shown}`: {message}"))
    }

    fn place(&self, origin: &Origin) -> Place {
        origin.place(self.home.config_file())
    }

    /// The section of a tenant, if it has one. Ids are compared without regard to case, as they are unique.
    pub fn tenant(&self, tenant: &TenantId) -> Option<&TenantSection> {
        let as_written = self.tenants.get(tenant);
        as_written.or_else(|| self.tenants.get(self.tenant_ids.get(&tenant.folded())?))
    }

    /// The prompt that speaks for a tenant when no provider does.
    pub fn fallback_prompt(&self, tenant: &TenantId) -> Option<PathBuf> {
        let path = self.tenant(tenant)?.fallback_prompt.as_ref()?;
        Some(self.home.join(path))
    }

    /// A plugin's own configuration, with what is otherwise for `tenant` laid over it: tables are merged at every depth,
    /// everything else is replaced.
    pub fn plugin_config(&self, plugin: &PluginName, tenant: Option<&TenantId>) -> Map<String, Value> {
        let mut merged = self
            .plugin(plugin)
            .map(|section| section.own.clone())
            .unwrap_or_default();
        let over = tenant.and_then(|tenant| self.tenant(tenant)?.config.get(plugin));
        if let Some(over) = over {
            merge(&mut merged, over);
        }
        merged
    }

    /// All that is configured of a plugin: for everybody, then for each tenant for whom something is otherwise.
    pub fn plugin_configs(&self, plugin: &PluginName) -> Vec<(Option<TenantId>, Map<String, Value>)> {
        let overriding = self.tenants.iter();
        let overriding = overriding.filter(|(_, section)| section.config.contains_key(plugin));
        let tenants = overriding.map(|(tenant, _)| Some(tenant.clone()));
        std::iter::once(None)
            .chain(tenants)
            .map(|tenant| (tenant.clone(), self.plugin_config(plugin, tenant.as_ref())))
            .collect()
    }

    /// Every fixed key and every other that is set, with its effective value.
    pub fn show(&self) -> Vec<ShownValue> {
        let unset = KEYS
            .iter()
            .filter(|key| key.is_fixed() && self.settings.get(&KeyPath::dotted(key.path)).is_none())
            .filter_map(|key| {
                Some((
                    KeyPath::dotted(key.path),
                    key.default?.to_owned(),
                    Origin::Default,
                ))
            });
        let set = self
            .settings
            .iter()
            .map(|(key, setting)| (key.clone(), setting.shown(), setting.origin.clone()));
        let sorted: BTreeMap<_, _> = unset
            .chain(set)
            .map(|(key, value, origin)| (key, (value, origin)))
            .collect();
        let shown = |(key, (value, origin)): (KeyPath, _)| ShownValue {
            key: key.to_string(),
            value,
            origin,
        };
        sorted.into_iter().map(shown).collect()
    }
}

/// The text of the file, if there is one.
fn read_text(file: &Path) -> Result<Option<String>, String> {
    let opened = match fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("expected a file that can be read; found: {error}")),
    };
    let mut bytes = Vec::new();
    opened
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("expected a file that can be read; found: {error}"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("expected at most {MAX_FILE_BYTES} bytes; found more"));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        format!(
            "expected UTF-8; found other bytes from byte {} on",
            error.utf8_error().valid_up_to()
        )
    })
}

/// What is wrong although each value for itself is right, and at which key.
fn contradictions(sections: &Sections, settings: &Settings) -> Vec<(KeyPath, String)> {
    let in_file = |key: &KeyPath| {
        let setting = settings.get(key);
        setting.is_some_and(|setting| matches!(setting.origin, Origin::File { .. }))
    };
    let mut found = Vec::new();
    let own = |id: &TenantId| KeyPath::dotted("tenants").child(id.as_str()).child("cost");
    let of_tenants = sections.tenants.iter();
    let of_tenants = of_tenants.filter(|(_, section)| section.cost.has_own_thresholds());
    let of_tenants = of_tenants.map(|(id, section)| (own(id), sections.cost.with(&section.cost)));
    for (key, cost) in std::iter::once((KeyPath::dotted("cost"), sections.cost.clone())).chain(of_tenants) {
        if let Some(message) = cost.contradiction() {
            let [warn, downshift] = ["warn_percent", "downshift_percent"].map(|name| key.child(name));
            let place = if in_file(&warn) { warn } else { downshift };
            found.push((place, format!("`{key}`: {message}")));
        }
    }
    for plugin in &sections.plugins.disable {
        let key = KeyPath::dotted("plugins").child(plugin.as_str()).child("enabled");
        let enabled = sections
            .plugins
            .named
            .get(plugin)
            .is_some_and(|section| section.enabled);
        if enabled && in_file(&key) {
            let message =
                format!("`{key}` is true, and `plugins.disable` names `{plugin}`: expected one of them");
            found.push((key, message));
        }
    }
    found
}

fn differ_in_case_alone(sections: &Sections) -> Vec<(KeyPath, String)> {
    let mut seen = BTreeMap::new();
    let twice = |id: &TenantId, other: &TenantId| {
        let key = KeyPath::dotted("tenants").child(id.as_str());
        let message = format!("the tenants `{other}` and `{id}` differ only in case: expected one of them");
        (key, message)
    };
    let found = sections.tenants.keys().filter_map(|id| {
        let other = seen.insert(id.folded(), id)?;
        Some(twice(id, other))
    });
    found.collect()
}

/// Two ports that cannot both be had, and at which key. Where that is said may be the file, a variable or a flag.
fn collision(sections: &Sections, settings: &Settings) -> Option<(KeyPath, String)> {
    let (http, webhooks) = (sections.http.listen, sections.webhooks.listen);
    if !http.collides_with(webhooks) {
        return None;
    }
    let [webhooks_key, http_key] = ["webhooks.listen", "http.listen"].map(KeyPath::dotted);
    let key = match settings.get(&webhooks_key) {
        Some(_) => webhooks_key,
        None => http_key,
    };
    let message = format!(
        "`http.listen` is `{http}` and `webhooks.listen` is `{webhooks}`: expected two ports, or `off` for one of them"
    );
    Some((key, message))
}

fn merge(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(over)) => merge(below, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
