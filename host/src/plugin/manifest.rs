//! What a plugin says of itself, in `plugin.toml` and in its library: read and checked as a stranger's text.
//!
//! Nothing of the plugin runs for it. Whether the library keeps to it is checked when it registers; whether its event types
//! collide with the host's own is asked of the caller, who knows those.

mod document;
mod schema;
#[cfg(test)]
mod tests;

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::document::Document;
use super::refusal::Refusal;
use crate::domain::{EntryName, EventType, PluginName, PromptName, ResourceUri, SecretName, ToolName};

/// The plugin API that this host offers. A manifest's `api` is a requirement on it.
pub const HOST_API: Version = Version::new(1, 0, 0);

/// Far above what a manifest with a long configuration schema needs, and small enough to read before anything is trusted.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// The one plugin that shares the host's names.
const PLUGIN_OF_THE_HOST: &str = "kora";

/// A plugin with more entries of one kind is several plugins.
const MAX_ENTRIES: usize = 64;
/// The vocabulary of the host itself has a few dozen.
const MAX_EVENT_TYPES: usize = 256;
/// Each is configured by hand.
const MAX_SECRETS: usize = 64;
/// Shown in one line each.
const MAX_AUTHORS: usize = 32;
/// `description`, `license` and each author are shown in one line of a list.
const MAX_LINE_CHARS: usize = 300;
/// The version is part of the source of every event that the plugin appends.
const MAX_VERSION_BYTES: usize = 64;

/// What becomes of a key that this host does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// An error: for packaging and validating, where it can only be a slip.
    Strict,
    /// A warning, unless the requirement `api` ends within what this host knows: then it cannot come from a later API, and is
    /// an error all the same.
    AtLoad,
}

/// What a plugin says of itself. Every value was checked for form, count and length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its name: the first word of its event types, its section of the configuration, the stem of its library.
    pub name: PluginName,
    /// Its version.
    pub version: Version,
    /// Which plugin API it needs.
    pub api: VersionReq,
    /// One line on what it is for; may be empty.
    #[serde(default)]
    pub description: String,
    /// An SPDX expression, not checked; may be empty.
    #[serde(default)]
    pub license: String,
    /// Who made it.
    #[serde(default)]
    pub authors: Vec<String>,
    /// All that it may register.
    #[serde(default)]
    pub provides: Provides,
    /// The event types that it owns. Each begins with its name.
    #[serde(default)]
    pub event_types: Vec<EventType>,
    /// The secrets without which it cannot do its work.
    #[serde(default)]
    pub secrets: Vec<SecretName>,
    /// Which services it asks for.
    #[serde(default)]
    pub permissions: Permissions,
    /// JSON Schema of its configuration, always for an object. Without `[config]` in the manifest: no key is accepted.
    #[serde(default = "schema::nothing", deserialize_with = "schema::deserialize")]
    pub config: Value,
}

/// What a plugin may register; anything else is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provides {
    /// Its identity providers, by the part of their id after the plugin's name.
    pub identity_providers: Vec<EntryName>,
    /// Its daemon entries.
    pub daemons: Vec<EntryName>,
    /// Its listeners.
    pub listeners: Vec<EntryName>,
    /// Its tools.
    pub tools: Vec<ToolName>,
    /// Its prompts.
    pub prompts: Vec<PromptName>,
    /// Its resources and resource templates.
    pub resources: Vec<ResourceUri>,
    /// Its webhooks: the last part of their path.
    pub webhooks: Vec<EntryName>,
}

impl Provides {
    /// The first name that belongs to the host: `kora__…` among tools and prompts, `kora:…` among resources.
    fn name_of_host(&self) -> Option<(&'static str, &str)> {
        let of_host = |name: &&str| name.starts_with("kora__");
        let tool = self.tools.iter().map(ToolName::as_str).find(of_host);
        let prompt = self.prompts.iter().map(PromptName::as_str).find(of_host);
        let resource = self.resources.iter().find(|uri| uri.scheme() == "kora");
        tool.map(|name| ("tools", name))
            .or_else(|| prompt.map(|name| ("prompts", name)))
            .or_else(|| resource.map(|uri| ("resources", uri.as_str())))
    }
}

/// Which services a plugin asks for. What it does not ask for is refused to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// Append and read events.
    pub events: bool,
    /// Read the operational state, set degradation reasons.
    pub state: bool,
    /// Keep values by key.
    pub kv: bool,
    /// Read the secrets that the operator configured for it.
    pub secrets: bool,
    /// Work with tickets.
    pub tickets: bool,
    /// Read and report cost.
    pub cost: bool,
    /// Call tools.
    pub tools: bool,
    /// Use the network. Declared and shown; inside the host's process nothing enforces it.
    pub network: bool,
}

impl Permissions {
    /// The keys that are asked for, in the manifest's order.
    pub fn granted(&self) -> Vec<&'static str> {
        let all = [
            ("events", self.events),
            ("state", self.state),
            ("kv", self.kv),
            ("secrets", self.secrets),
            ("tickets", self.tickets),
            ("cost", self.cost),
            ("tools", self.tools),
            ("network", self.network),
        ];
        all.into_iter()
            .filter(|(_, asked)| *asked)
            .map(|(key, _)| key)
            .collect()
    }
}

impl Manifest {
    /// Reads a manifest, which may be padded with white space at its end. The warnings are one line each.
    ///
    /// # Errors
    /// [`Refusal::ManifestTooLarge`]; [`Refusal::ApiNotOffered`], found before anything else of the content is judged, since
    /// another API may know another manifest; [`Refusal::ManifestInvalid`] with the place of the fault.
    pub fn parse(bytes: &[u8], strictness: Strictness) -> Result<(Self, Vec<String>), Refusal> {
        let bytes = bytes.trim_ascii_end();
        if bytes.len() > MAX_BYTES {
            return Err(Refusal::ManifestTooLarge {
                limit_bytes: MAX_BYTES as u64,
                found_bytes: bytes.len() as u64,
            });
        }
        let document = Document::parse(bytes)?;
        document.check_api()?;
        let manifest: Self = document.read()?;
        manifest.check(&document)?;
        let unknown = document.unknown_keys(&manifest);
        let unknown_is_error = strictness == Strictness::Strict || knows_whole(&manifest.api);
        if let (true, Some(key)) = (unknown_is_error, unknown.first()) {
            let message = format!("expected a key of plugin API {HOST_API}, found {key}; check its spelling");
            return Err(document.invalid(&key.path(), message));
        }
        let warnings = unknown.iter().map(|key| {
            let (line, _) = document.place_of(&key.path());
            format!("manifest line {line}: {key} is not known to plugin API {HOST_API} and has no effect")
        });
        Ok((manifest, warnings.collect()))
    }

    /// Checks that the plugin claims no event type that is the host's own, which `is_host_type` tells. Only the plugin `kora`
    /// shares its first word with the host.
    ///
    /// # Errors
    /// [`Refusal::EventTypeOfHost`] with the first one.
    pub fn check_event_types(&self, is_host_type: impl Fn(&EventType) -> bool) -> Result<(), Refusal> {
        match self
            .event_types
            .iter()
            .find(|event_type| is_host_type(event_type))
        {
            Some(event_type) => Err(Refusal::EventTypeOfHost {
                event_type: event_type.clone(),
            }),
            None => Ok(()),
        }
    }

    fn check(&self, document: &Document<'_>) -> Result<(), Refusal> {
        let fail = |path: &[&str], message: String| Err(document.invalid(path, message));
        if self.version.to_string().len() > MAX_VERSION_BYTES {
            return fail(
                &["version"],
                format!("expected at most {MAX_VERSION_BYTES} bytes, found more"),
            );
        }
        for (key, line) in [("description", &self.description), ("license", &self.license)] {
            check_line(line).or_else(|message| fail(&[key], message))?;
        }
        for author in &self.authors {
            check_line(author).or_else(|message| fail(&["authors"], message))?;
        }
        let provides = &self.provides;
        let lists: [(&[&str], Result<(), String>); 10] = [
            (&["authors"], check_list(&self.authors, MAX_AUTHORS)),
            (&["event_types"], check_list(&self.event_types, MAX_EVENT_TYPES)),
            (&["secrets"], check_list(&self.secrets, MAX_SECRETS)),
            (
                &["provides", "identity_providers"],
                check_list(&provides.identity_providers, MAX_ENTRIES),
            ),
            (
                &["provides", "daemons"],
                check_list(&provides.daemons, MAX_ENTRIES),
            ),
            (
                &["provides", "listeners"],
                check_list(&provides.listeners, MAX_ENTRIES),
            ),
            (&["provides", "tools"], check_list(&provides.tools, MAX_ENTRIES)),
            (
                &["provides", "prompts"],
                check_list(&provides.prompts, MAX_ENTRIES),
            ),
            (
                &["provides", "resources"],
                check_list(&provides.resources, MAX_ENTRIES),
            ),
            (
                &["provides", "webhooks"],
                check_list(&provides.webhooks, MAX_ENTRIES),
            ),
        ];
        for (path, outcome) in lists {
            outcome.or_else(|message| fail(path, message))?;
        }
        let name = self.name.as_str();
        if let Some((list, of_host)) = provides.name_of_host().filter(|_| name != PLUGIN_OF_THE_HOST) {
            let message = format!(
                "expected names of the plugin's own, found `{of_host}`, which is the host's; rename it"
            );
            return fail(&["provides", list], message);
        }
        if let Some(stranger) = self.event_types.iter().find(|owned| owned.first_word() != name) {
            let message =
                format!("expected event types that begin with `{name}.`, found `{stranger}`; rename it");
            return fail(&["event_types"], message);
        }
        schema::check(&self.config).or_else(|message| fail(&["config"], message))
    }
}

fn check_line(line: &str) -> Result<(), String> {
    if line.chars().count() > MAX_LINE_CHARS || line.chars().any(char::is_control) {
        return Err(format!(
            "expected one line of at most {MAX_LINE_CHARS} characters, found a longer one or several; shorten it"
        ));
    }
    Ok(())
}

fn check_list<T: Ord + std::fmt::Display>(list: &[T], most: usize) -> Result<(), String> {
    if list.len() > most {
        return Err(format!(
            "expected at most {most} items, found {}; list fewer",
            list.len()
        ));
    }
    let mut sorted: Vec<_> = list.iter().collect();
    sorted.sort();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => Err(format!(
            "expected each item once, found `{}` twice; remove one",
            twice[0]
        )),
        None => Ok(()),
    }
}

/// Whether all that `api` asks for is known here: the requirement, which this API satisfies, ends before the next minor one.
/// (A requirement is one interval, so looking just behind its known part is enough.)
fn knows_whole(api: &VersionReq) -> bool {
    !api.matches(&Version::new(HOST_API.major, HOST_API.minor + 1, 0))
}
