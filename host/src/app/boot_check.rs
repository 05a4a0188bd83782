//! `kora boot --check-only`: each gate once, as far as that goes without changing anything. No plugin's code runs, nothing is
//! copied, and no store is made.

use std::time::Instant;

use super::{
    HomeConfig, config_problem,
    parts::{counted, passed, store_problem},
};
use crate::{
    cli::{BootOptions, BootOutcome, BootReport},
    config::Config,
    domain::{ProviderId, TenantId},
    engine::transition::{GateClass, GateOutcome, GateReport},
    plugin::{Examined, Limits, Platform, Strictness, check_settings, examine, scan},
    service::{ConfigSource as _, Problem, TENANT_IDENTITY, api::Gate, store_place},
    store::StorePlace,
};

const TAIL_RECORDS: u64 = 1000;

pub fn check_boot(options: BootOptions) -> Result<BootReport, Problem> {
    let source = HomeConfig::new(&options.home, options.log_level, options.log_format);
    let config = source.read().map_err(config_problem)?;
    let mut gates = store_gates(&store_place(&config, &|name| std::env::var_os(name))?);
    let (plugins, admitted) = plugins_gate(&config);
    gates.push(plugins);
    gates.extend(
        config
            .tenants
            .keys()
            .map(|tenant| tenant_gate(&config, tenant, &admitted)),
    );
    let failed = gates.iter().find(|gate| gate.outcome == GateOutcome::Fail);
    let outcome = match failed.map(|gate| gate.gate_class) {
        None => BootOutcome::Passed,
        Some(GateClass::Transient) => BootOutcome::TransientFailed,
        Some(GateClass::Invariant) => BootOutcome::InvariantFailed,
        Some(GateClass::InvariantPause) => BootOutcome::EpochPause,
    };
    Ok(BootReport {
        outcome,
        gates: gates.into_iter().map(Gate::from).collect(),
    })
}

fn store_gates(place: &StorePlace) -> Vec<GateReport> {
    let began = Instant::now();
    if let StorePlace::Sqlite(path) = place
        && !path.exists()
    {
        let detail = format!("`{}` is not there yet: the first start makes it", path.display());
        return vec![passed("store", began, detail)];
    }
    let reader = match place.inspect() {
        Ok(reader) => reader,
        Err(error) => return vec![failed("store", began, store_problem(&error).message)],
    };
    let opened = passed(
        "store",
        began,
        format!("{place} can be read, its schema is known"),
    );
    let began = Instant::now();
    let tail = match reader.check_tails(TAIL_RECORDS) {
        Ok(None) => passed(
            "chain_tail",
            began,
            format!("the last {TAIL_RECORDS} records of each chain are sound"),
        ),
        Ok(Some(fault)) => failed("chain_tail", began, fault),
        Err(error) => failed("chain_tail", began, error.to_string()),
    };
    vec![opened, tail]
}

fn failed(gate_id: &str, began: Instant, detail: String) -> GateReport {
    GateReport {
        outcome: GateOutcome::Fail,
        ..passed(gate_id, began, detail)
    }
}

/// A refused file does not end a boot, so the gate fails only if the directory cannot be read at all.
fn plugins_gate(config: &Config) -> (GateReport, Vec<Examined>) {
    const GATE: &str = "plugins_admitted";
    let began = Instant::now();
    let directory = config.plugins_directory();
    let found = match scan(&directory) {
        Ok(found) => found,
        Err(_) if !directory.exists() => Vec::new(),
        Err(error) => {
            return (
                failed(GATE, began, format!("`{}`: {error}", directory.display())),
                Vec::new(),
            );
        }
    };
    let (limits, platform) = (Limits::default(), Platform::current());
    let judged = found
        .iter()
        .map(|found| examine(&found.path, Strictness::AtLoad, &limits, &platform));
    let (sound, refused): (Vec<_>, Vec<_>) = judged.partition(Result::is_ok);
    let mut refused: Vec<String> = refused
        .into_iter()
        .filter_map(|r| r.err().map(|e| e.to_string()))
        .collect();
    let sound: Vec<Examined> = sound
        .into_iter()
        .flatten()
        .filter(|examined| config.is_plugin_enabled(&examined.manifest.name))
        .collect();
    let (sound, unconfigured) = configured(config, highest_versions(sound));
    refused.extend(unconfigured);
    let mut detail = format!(
        "{} would be loaded, {} refused",
        counted(sound.len(), "plugin"),
        counted(refused.len(), "file")
    );
    for refusal in &refused {
        detail.push_str("; ");
        detail.push_str(refusal);
    }
    (passed(GATE, began, detail), sound)
}

/// Those that take what is configured of them, and why the others do not.
fn configured(config: &Config, sound: Vec<Examined>) -> (Vec<Examined>, Vec<String>) {
    let mut refused = Vec::new();
    let taken = sound.into_iter().filter(|examined| {
        let configs = config.plugin_configs(&examined.manifest.name);
        let judged = check_settings(&examined.manifest, &configs);
        refused.extend(judged.as_ref().err().map(ToString::to_string));
        judged.is_ok()
    });
    (taken.collect(), refused)
}

/// Of several files of one plugin the highest version is loaded, and of those the first path.
fn highest_versions(mut sound: Vec<Examined>) -> Vec<Examined> {
    sound.sort_by(|a, b| {
        let (of_a, of_b) = (&a.manifest, &b.manifest);
        (&of_a.name, &of_b.version, &a.path).cmp(&(&of_b.name, &of_a.version, &b.path))
    });
    sound.dedup_by(|next, kept| next.manifest.name == kept.manifest.name);
    sound
}

fn tenant_gate(config: &Config, tenant: &TenantId, plugins: &[Examined]) -> GateReport {
    let began = Instant::now();
    let gate_id = format!("{TENANT_IDENTITY}:{tenant}");
    let chosen = config
        .tenant(tenant)
        .and_then(|section| section.identity.as_ref())
        .or(config.default_identity.as_ref());
    let provided: Vec<_> = plugins.iter().flat_map(providers_of).collect();
    let matching: Vec<_> = provided
        .iter()
        .filter(|id| chosen.is_some_and(|chosen| chosen.matches(id)))
        .collect();
    let no_provider = match (matching.as_slice(), chosen) {
        ([only], _) => return passed(&gate_id, began, format!("`{only}` would be asked")),
        ([], Some(chosen)) => format!("no identity provider is called `{chosen}`"),
        ([], None) => "no provider is configured for it".to_owned(),
        (several, _) => {
            // No fallback hides that a name means several.
            let detail = format!(
                "tenant `{tenant}` has no identity: the configured name may be {}; write one of them as `identity` in `[tenants.{tenant}]`",
                enumerated(several.iter().copied())
            );
            return failed(&gate_id, began, detail);
        }
    };
    let no_fallback = match config.fallback_prompt(tenant) {
        Some(prompt) if prompt.metadata().is_ok_and(|file| file.len() > 0) => {
            return passed(&gate_id, began, format!("`{}` would speak", prompt.display()));
        }
        Some(prompt) => format!("the fallback prompt `{}` is missing or empty", prompt.display()),
        None => "no fallback prompt is configured".to_owned(),
    };
    let detail = format!(
        "tenant `{tenant}` has no identity: {no_provider}; {no_fallback}. Name one of the identity providers there are ({}) as `identity` in \
         `[tenants.{tenant}]`, give it a `fallback_prompt`, or install the plugin that has its provider",
        enumerated(&provided)
    );
    failed(&gate_id, began, detail)
}

fn providers_of(plugin: &Examined) -> Vec<ProviderId> {
    let manifest = &plugin.manifest;
    let names = manifest.provides.identity_providers.iter();
    // Both halves were checked when the manifest was read.
    names
        .filter_map(|name| ProviderId::new(&manifest.name, name.as_str()).ok())
        .collect()
}

fn enumerated<'a>(ids: impl IntoIterator<Item = &'a ProviderId>) -> String {
    let quoted: Vec<_> = ids.into_iter().map(|id| format!("`{id}`")).collect();
    match quoted.is_empty() {
        true => "none".to_owned(),
        false => quoted.join(", "),
    }
}
