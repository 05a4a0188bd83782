//! `plugin.toml`, read strictly: when packaging, a key that nobody knows is a slip.
//!
//! The host judges a manifest again, and more closely, when it admits the plugin.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use semver::{Version, VersionReq};
use serde::Deserialize;

/// The plugin API that this repository's SDK is built for.
const API: Version = Version::new(1, 0, 0);
const MAX_NAME_BYTES: usize = 32;
const MAX_LABEL_BYTES: usize = 64;

/// What a plugin says of itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    api: VersionReq,
    description: String,
    license: String,
    authors: Vec<String>,
    #[serde(default)]
    event_types: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    provides: Provides,
    #[serde(default, rename = "permissions")]
    _permissions: Permissions,
    #[serde(default)]
    config: toml::Table,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Provides {
    identity_providers: Vec<String>,
    daemons: Vec<String>,
    listeners: Vec<String>,
    tools: Vec<String>,
    prompts: Vec<String>,
    resources: Vec<String>,
    webhooks: Vec<String>,
}

/// Only for their names and that each is a boolean.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Permissions {
    events: bool,
    state: bool,
    kv: bool,
    secrets: bool,
    tickets: bool,
    cost: bool,
    tools: bool,
    network: bool,
}

impl Manifest {
    /// Reads and checks it.
    ///
    /// # Errors
    /// With the place and what was expected there.
    pub fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text).context("not a manifest")?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<()> {
        ensure!(
            is_word(&self.name),
            "`name`: expected 1 to {MAX_NAME_BYTES} lower-case letters, digits and `_`, the first a letter, found `{}`",
            self.name
        );
        ensure!(
            self.api.matches(&API),
            "`api`: expected a requirement that {API} satisfies, found `{}`",
            self.api
        );
        for (key, line) in [("description", &self.description), ("license", &self.license)] {
            ensure!(
                !line.trim().is_empty(),
                "`{key}`: expected a line of text, found none"
            );
        }
        ensure!(
            !self.authors.is_empty(),
            "`authors`: expected at least one, found none"
        );
        for (key, entries) in [
            ("provides.identity_providers", &self.provides.identity_providers),
            ("provides.daemons", &self.provides.daemons),
            ("provides.listeners", &self.provides.listeners),
            ("provides.webhooks", &self.provides.webhooks),
        ] {
            each_once(key, entries)?;
            if let Some(bad) = entries.iter().find(|entry| !is_word(entry)) {
                bail!("`{key}`: expected names of lower-case letters, digits and `_`, found `{bad}`");
            }
        }
        for (key, names) in [
            ("provides.tools", &self.provides.tools),
            ("provides.prompts", &self.provides.prompts),
        ] {
            each_once(key, names)?;
            if let Some(bad) = names.iter().find(|name| !is_label(name)) {
                bail!(
                    "`{key}`: expected 1 to 64 letters, digits, `_` and `-`, the first a letter or digit, found `{bad}`"
                );
            }
        }
        each_once("provides.resources", &self.provides.resources)?;
        if let Some(bad) = self.provides.resources.iter().find(|uri| !uri.contains(':')) {
            bail!("`provides.resources`: expected URIs or templates of URIs, found `{bad}`");
        }
        each_once("secrets", &self.secrets)?;
        each_once("event_types", &self.event_types)?;
        let prefix = format!("{}.", self.name);
        if let Some(bad) = self.event_types.iter().find(|owned| !owned.starts_with(&prefix)) {
            bail!("`event_types`: expected types that begin with `{prefix}`, found `{bad}`");
        }
        match self.config.get("type") {
            None if self.config.is_empty() => Ok(()),
            Some(toml::Value::String(kind)) if kind == "object" => Ok(()),
            _ => bail!("`config`: expected a JSON Schema with `type = \"object\"`, found another"),
        }
    }
}

fn each_once(key: &str, list: &[String]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match list.iter().find(|item| !seen.insert(item.as_str())) {
        Some(twice) => bail!("`{key}`: expected each once, found `{twice}` twice"),
        None => Ok(()),
    }
}

/// Whether it can name a plugin, and what a plugin provides.
pub fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= MAX_NAME_BYTES
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Whether it can name a tool or a prompt.
fn is_label(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= MAX_LABEL_BYTES
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name = \"echo\"\nversion = \"1.0.0\"\napi = \"^1\"\ndescription = \"d\"\nlicense = \"MIT\"\nauthors = [\"a\"]\n";

    fn fault(text: &str) -> String {
        format!("{:#}", Manifest::parse(text).expect_err("is not valid"))
    }

    #[test]
    fn the_smallest_manifest_is_valid() {
        assert_eq!(Manifest::parse(HEAD).expect("is valid").name, "echo");
    }

    #[test]
    fn a_slip_is_named() {
        for (text, expected) in [
            (format!("{HEAD}descripton = \"d\""), "unknown field `descripton`"),
            (
                format!("{HEAD}[permissions]\nevnts = true"),
                "unknown field `evnts`",
            ),
            (format!("{HEAD}[provides]\ntoools = []"), "unknown field `toools`"),
            (
                format!("{HEAD}[provides]\ntools = [\"a b\"]"),
                "`provides.tools`: expected",
            ),
            (
                format!("{HEAD}[provides]\nresources = [\"notes\"]"),
                "`provides.resources`: expected URIs",
            ),
            (
                format!("{HEAD}[provides]\ndaemons = [\"a\", \"a\"]"),
                "found `a` twice",
            ),
            (
                format!("{HEAD}event_types = [\"kora.boot.ready\"]"),
                "begin with `echo.`",
            ),
            (format!("{HEAD}[config]\ntype = \"array\""), "`config`: expected"),
            (HEAD.replace("echo", "My Plugin"), "`name`: expected"),
            (
                HEAD.replace("^1", "^9"),
                "`api`: expected a requirement that 1.0.0 satisfies, found `^9`",
            ),
            (HEAD.replace("[\"a\"]", "[]"), "`authors`: expected at least one"),
            (HEAD.replace("1.0.0", "one"), "version"),
        ] {
            let fault = fault(&text);
            assert!(fault.contains(expected), "{fault}");
        }
    }
}
