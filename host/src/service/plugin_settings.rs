//! Whether what the configuration says of plugins is what those plugins take: the judgement of admission, with the places.

use crate::{
    config::{Config, Problem},
    plugin::{Manifest, setting_faults},
};

/// What is wrong with the own keys of those of these plugins that are enabled, in the terms of the configuration. Takes as long as
/// the plugins' schemas make it: not for a worker of the runtime.
pub fn plugin_setting_problems<'a>(
    config: &Config,
    manifests: impl IntoIterator<Item = &'a Manifest>,
) -> Vec<Problem> {
    let enabled = manifests
        .into_iter()
        .filter(|manifest| config.is_plugin_enabled(&manifest.name));
    enabled
        .flat_map(|manifest| problems_of(config, manifest))
        .collect()
}

fn problems_of(config: &Config, manifest: &Manifest) -> Vec<Problem> {
    let name = &manifest.name;
    match setting_faults(manifest, &config.plugin_configs(name)) {
        Ok(faults) => faults
            .iter()
            .map(|fault| {
                let hint = format!(
                    "change it as the manifest of `{name}` {} says, or the plugin is refused when it is loaded",
                    manifest.version
                );
                config
                    .plugin_problem(name, fault.tenant.as_ref(), &fault.key, &fault.message)
                    .hinting(Some(hint))
            })
            .collect(),
        Err(refusal) => vec![config.plugin_problem(name, None, &[], &refusal.to_string())],
    }
}
