//! Tenants of the configuration: whether somebody will speak for each.

use std::{fs, path::PathBuf};

use super::Finding;
use crate::{
    config::{Config, ProviderChoice},
    domain::{ProviderId, TenantId},
    plugin::Admitted,
};

const CHECK: &str = "tenants";

pub(super) fn look(config: &Config, admitted: &[Admitted], findings: &mut Vec<Finding>) {
    if config.tenants.is_empty() {
        findings.push(Finding::ok(
            CHECK,
            "the configuration names no tenants; `kora tenants add` may have added some",
        ));
    }
    let providers: Vec<ProviderId> = admitted.iter().flat_map(providers_of).collect();
    findings.extend(
        config
            .tenants
            .keys()
            .map(|tenant| voice(config, tenant, &providers)),
    );
}

fn providers_of(plugin: &Admitted) -> Vec<ProviderId> {
    let manifest = &plugin.manifest;
    let names = manifest.provides.identity_providers.iter();
    // Both halves were checked when the manifest was read.
    names
        .filter_map(|name| ProviderId::new(&manifest.name, name.as_str()).ok())
        .collect()
}

/// Who will speak for a tenant, unless the store has it otherwise.
fn voice(config: &Config, tenant: &TenantId, providers: &[ProviderId]) -> Finding {
    let section = config.tenant(tenant);
    let choice = section
        .and_then(|section| section.identity.as_ref())
        .or(config.default_identity.as_ref());
    let fallback = config.fallback_prompt(tenant);
    match (choice, fallback) {
        (Some(choice), fallback) => chosen(tenant, choice, providers, fallback.is_some()),
        (None, Some(prompt)) => prompted(tenant, prompt),
        (None, None) => Finding::warn(
            CHECK,
            format!(
                "nothing says who speaks for `{tenant}`: unless `kora identity swap` has, it does not start"
            ),
            format!("set `identity` or `fallback_prompt` in `[tenants.{tenant}]`, or `default_identity`"),
        ),
    }
}

fn chosen(
    tenant: &TenantId,
    choice: &ProviderChoice,
    providers: &[ProviderId],
    has_fallback: bool,
) -> Finding {
    let found: Vec<_> = providers
        .iter()
        .filter(|provider| choice.matches(provider))
        .collect();
    match found.as_slice() {
        [one] => Finding::ok(
            CHECK,
            format!("`{one}` speaks for `{tenant}`, unless the store has another by now"),
        ),
        [] => {
            let message = format!(
                "no plugin here has the identity provider `{choice}`, which is to speak for `{tenant}`"
            );
            let hint =
                format!("install the plugin that has it, or choose another in `[tenants.{tenant}] identity`");
            if has_fallback {
                Finding::warn(CHECK, message, hint)
            } else {
                Finding::fail(CHECK, message, hint)
            }
        }
        several => {
            let names: Vec<_> = several.iter().map(|provider| format!("`{provider}`")).collect();
            let message = format!(
                "`{choice}`, which is to speak for `{tenant}`, may be {}",
                names.join(" or ")
            );
            Finding::fail(
                CHECK,
                message,
                format!("write one of them in `[tenants.{tenant}] identity`"),
            )
        }
    }
}

fn prompted(tenant: &TenantId, prompt: PathBuf) -> Finding {
    let shown = prompt.display();
    let hint = format!("write the prompt there, or name another in `[tenants.{tenant}] fallback_prompt`");
    match fs::read_to_string(&prompt) {
        Ok(text) if text.trim().is_empty() => Finding::fail(
            CHECK,
            format!("the fallback prompt of `{tenant}`, `{shown}`, is empty"),
            hint,
        ),
        Ok(_) => Finding::ok(
            CHECK,
            format!(
                "the fallback prompt `{shown}` speaks for `{tenant}`, unless the store has another by now"
            ),
        ),
        Err(error) => Finding::fail(
            CHECK,
            format!("the fallback prompt of `{tenant}`, `{shown}`, cannot be read: {error}"),
            hint,
        ),
    }
}
