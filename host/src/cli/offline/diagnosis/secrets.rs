//! Secrets: whether each place that the configuration names gives one, and whether each one that a plugin requires has a
//! place. What they are is never looked at.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
};

use super::Finding;
use crate::{
    config::{Config, SecretSource},
    domain::{PluginName, TenantId},
    plugin::Admitted,
    secrets::{CREDENTIALS_VARIABLE, SecretSurroundings, SecretTable, Secrets},
};

const CHECK: &str = "secrets";

/// A secret by whose it is and its name.
type Place<'a> = (&'a PluginName, Option<&'a TenantId>, &'a str);

pub(super) fn look(
    config: &Config,
    environment: &dyn Fn(&str) -> Option<OsString>,
    admitted: &[Admitted],
    findings: &mut Vec<Finding>,
) {
    let configured = configured(config);
    let secrets = Secrets::new(
        SecretTable::from(&**config),
        surroundings(&configured, environment),
    );
    for (plugin, tenant, name) in configured.keys() {
        findings.push(match secrets.get(plugin, *tenant, name) {
            Ok(_) => Finding::ok(
                CHECK,
                format!("`{name}` of `{plugin}`{} can be read", whose(*tenant)),
            ),
            Err(error) => Finding::fail(
                CHECK,
                error.to_string(),
                "`kora config show` says of which kind its place is",
            ),
        });
    }
    for plugin in admitted {
        let name = &plugin.manifest.name;
        let missing = plugin.manifest.secrets.iter().filter(|secret| {
            let is_it = |(owner, _, found): &Place<'_>| *owner == name && *found == secret.as_str();
            !configured.keys().any(is_it)
        });
        findings.extend(missing.map(|secret| {
            let message = format!("`{name}` requires the secret `{secret}`, which no place is named for");
            Finding::warn(
                CHECK,
                message,
                format!("set `{secret}` in `[plugins.{name}.secrets]`"),
            )
        }));
    }
}

fn configured(config: &Config) -> BTreeMap<Place<'_>, &SecretSource> {
    let mut all = BTreeMap::new();
    for (plugin, section) in &config.plugins.named {
        all.extend(
            section
                .secrets
                .iter()
                .map(|(name, source)| ((plugin, None, name.as_str()), source)),
        );
    }
    for (tenant, section) in &config.tenants {
        for (plugin, secrets) in &section.secrets {
            let own = secrets
                .iter()
                .map(|(name, source)| ((plugin, Some(tenant), name.as_str()), source));
            all.extend(own);
        }
    }
    all
}

/// Only the variables that are named; they are looked up now, since what reads them outlives this borrow of the environment.
fn surroundings(
    configured: &BTreeMap<Place<'_>, &SecretSource>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> SecretSurroundings {
    let named = configured.values().filter_map(|source| match source {
        SecretSource::Environment(name) => Some((name.clone(), environment(name)?)),
        SecretSource::File(_) | SecretSource::Credential(_) => None,
    });
    let variables: HashMap<String, OsString> = named.collect();
    SecretSurroundings {
        environment: Box::new(move |name| variables.get(name).cloned()),
        credentials_directory: environment(CREDENTIALS_VARIABLE).map(Into::into),
    }
}

fn whose(tenant: Option<&TenantId>) -> String {
    tenant
        .map(|tenant| format!(" for `{tenant}`"))
        .unwrap_or_default()
}
