//! `kora boot --check-only`: each gate once, as far as that goes without changing anything. No plugin's code runs, nothing is
//! copied, and no store is made.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;

use super::{
    HomeConfig, callers_gate, cannot_start, config_problem,
    home_modes::home_modes,
    parts::{counted, store_problem, surroundings},
};
use crate::{
    cli::{BootOptions, BootOutcome, BootReport},
    config::Config,
    disk::try_to_write,
    domain::{ProviderId, TenantId},
    engine::{
        gates::{
            CALLERS, CANONICAL_ACTOR, CHAIN_TAIL, EPOCH, GateSpec, HOST_BUDGET, Mode, PLUGINS_ADMITTED,
            SCHEMA, SECRETS, STORE, STORE_RIGHTS, TENANT_IDENTITY,
        },
        vocabulary::Vocabulary,
    },
    gates::{Epoch, Fault, Gate, KnownEpoch, Mismatch, Run, Watcher, judge},
    plugin::{Examined, Limits, Platform, Strictness, check_settings, examine, scan},
    secrets::{SecretTable, Secrets},
    service::{ConfigSource as _, Problem, api, store_place},
    store::{Inspector, StoreError},
};

const TAIL_RECORDS: u64 = 1000;

pub fn check_boot(options: BootOptions) -> Result<BootReport, Problem> {
    let source = HomeConfig::new(&options.home, options.log_level, options.log_format);
    let config = source.read().map_err(config_problem)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| cannot_start("host.runtime", &error))?;
    let report = runtime.block_on(check(Arc::new(config)));
    // What still looks at something when it was interrupted is not waited for.
    runtime.shutdown_background();
    Ok(report)
}

async fn check(config: Arc<Config>) -> BootReport {
    let mut run = Run::new(Mode::CheckOnly, HOST_BUDGET, Arc::new(Nobody));
    let checked = async {
        for gate in gates(&config) {
            run.pass(&gate).await;
        }
    };
    let interrupted = tokio::select! {
        () = checked => false,
        _ = tokio::signal::ctrl_c() => true,
    };
    let gates = run.into_reports();
    BootReport {
        outcome: match interrupted {
            true => BootOutcome::Interrupted,
            false => BootOutcome::of(&gates),
        },
        gates: gates.into_iter().map(api::Gate::from).collect(),
    }
}

/// Nobody hears of what is only looked at.
struct Nobody;

#[async_trait]
impl Watcher for Nobody {
    async fn retrying(&self, _: &GateSpec, _: &str) {}
    async fn passed_at_last(&self, _: &GateSpec) {}
}

/// What the first gates found and the later ones look at. What is not there could not be looked at.
#[derive(Default)]
struct Found {
    store: OnceLock<StoreFound>,
    plugins: OnceLock<Vec<Examined>>,
}

enum StoreFound {
    /// There is none yet.
    Missing,
    Readable(Box<dyn Inspector>),
    /// It is there, and is no store that this release can read.
    Unreadable(StoreError),
}

fn gates(config: &Arc<Config>) -> Vec<Gate> {
    let found = Arc::new(Found::default());
    let mut gates = vec![
        home_modes(config),
        looking(STORE, config, &found, store),
        looking(SCHEMA, config, &found, schema),
        looking(EPOCH, config, &found, epoch),
        looking(STORE_RIGHTS, config, &found, store_rights),
        looking(CHAIN_TAIL, config, &found, chain_tail),
        looking(CANONICAL_ACTOR, config, &found, canonical_actor),
        looking(PLUGINS_ADMITTED, config, &found, plugins_admitted),
        looking(CALLERS, config, &found, callers),
        looking(SECRETS, config, &found, secrets),
    ];
    gates.extend(config.tenants.keys().map(|tenant| {
        let whose = tenant.clone();
        let look = move |config: &Config, found: &Found| tenant_identity(config, &whose, plugins(found)?);
        looking(TENANT_IDENTITY, config, &found, look).of(tenant)
    }));
    gates
}

/// A gate that looks at files, where that may take its time.
fn looking(
    spec: GateSpec,
    config: &Arc<Config>,
    found: &Arc<Found>,
    look: impl Fn(&Config, &Found) -> Result<String, Fault> + Clone + Send + Sync + 'static,
) -> Gate {
    let (config, found) = (config.clone(), found.clone());
    Gate::new(spec, move || {
        let (config, found, look) = (config.clone(), found.clone(), look.clone());
        async move {
            tokio::task::spawn_blocking(move || look(&config, &found))
                .await
                .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        }
    })
}

fn store(config: &Config, found: &Found) -> Result<String, Fault> {
    let place = store_place(config, &|name| std::env::var_os(name));
    let place = place.map_err(|problem| Fault::now(problem.message))?;
    let inspected = place.is_made().and_then(|is_made| match is_made {
        true => place.inspect().map(Some),
        false => Ok(None),
    });
    let (looked, said) = match inspected {
        Ok(Some(reader)) => (StoreFound::Readable(reader), format!("{place} can be read")),
        Ok(None) => {
            let said = format!("there is no store in {place} yet: the first start makes it");
            (StoreFound::Missing, said)
        }
        // Whether it can be read is the next gate's.
        Err(error @ (StoreError::Damaged(_) | StoreError::SchemaTooNew { .. })) => {
            (StoreFound::Unreadable(error), format!("{place} is there"))
        }
        Err(error) => {
            let (message, hint) = (store_problem(&error).message, place.when_unreachable());
            return Err(Fault::now(format!("{message}; {hint}")));
        }
    };
    found.store.get_or_init(|| looked);
    Ok(said)
}

/// What there is to read in; where there is no store yet, a gate that looks at one cannot look.
fn made(found: &Found) -> Result<&dyn Inspector, Fault> {
    let no_store = || Fault::not_looked_at("not looked at: there is no store yet");
    reader(found)?.ok_or_else(no_store)
}

/// The store, if there is one.
fn reader(found: &Found) -> Result<Option<&dyn Inspector>, Fault> {
    match found.store.get() {
        Some(StoreFound::Readable(reader)) => Ok(Some(&**reader)),
        Some(StoreFound::Missing) => Ok(None),
        Some(StoreFound::Unreadable(_)) | None => Err(Fault::not_looked_at(
            "not looked at: the store cannot be read, as an earlier gate says",
        )),
    }
}

fn schema(_: &Config, found: &Found) -> Result<String, Fault> {
    if let Some(StoreFound::Unreadable(error)) = found.store.get() {
        return Err(Fault::lasting(store_problem(error).message));
    }
    made(found).map(|_| "the schema is known to this release".to_owned())
}

fn epoch(config: &Config, found: &Found) -> Result<String, Fault> {
    let reader = made(found)?;
    let Some(document) = reader.document(&Epoch::place())? else {
        return Ok("the store has no epoch yet: the first start gives it one".to_owned());
    };
    let observed = Epoch::of(&document).map_err(Fault::lasting)?;
    let known = KnownEpoch::at(config.home().known_epoch()).read();
    match judge(&observed, known) {
        Ok(Some(_)) => Ok(format!("the store is in the known epoch `{observed}`")),
        Ok(None) => Ok(format!(
            "this home knows no epoch yet: it will remember `{observed}`"
        )),
        Err(mismatch) => Err(Fault::lasting(Mismatch::detail(&mismatch))),
    }
}

/// Nothing is tried in the store: it looks whether what refuses a change is there, and whether there is room beside a file for what a host
/// writes.
fn store_rights(config: &Config, found: &Found) -> Result<String, Fault> {
    let reader = reader(found)?;
    let missing = reader.map(|reader| reader.missing_guard()).transpose()?;
    if let Some(fault) = missing.flatten() {
        return Err(Fault::now(fault));
    }
    if config.store.is_file() {
        let store = config.store_path();
        // The first start makes the directories that are not there.
        let there = store.ancestors().skip(1).find(|directory| directory.is_dir());
        try_to_write(there.unwrap_or(Path::new("/"))).map_err(Fault::now)?;
    }
    made(found).map(|_| "what refuses changes of events is in the store".to_owned())
}

fn chain_tail(_: &Config, found: &Found) -> Result<String, Fault> {
    let reader = made(found)?;
    match reader.check_tails(TAIL_RECORDS)? {
        None => Ok(format!("the last {TAIL_RECORDS} records of each chain are sound")),
        Some(fault) => Err(Fault::lasting(fault)),
    }
}

fn canonical_actor(_: &Config, found: &Found) -> Result<String, Fault> {
    let reader = made(found)?;
    let tenants = reader.tenants()?;
    let acts = |tenant: &&crate::domain::TenantRecord| {
        let mut actors = tenant.actors.iter();
        actors.any(|actor| actor.canonical && actor.active)
    };
    match tenants.iter().find(|tenant| tenant.active && !acts(tenant)) {
        None => Ok("somebody acts for the agent of each tenant in the store".to_owned()),
        Some(tenant) => Err(Fault::lasting(format!(
            "the tenant `{}` has no canonical actor that is active",
            tenant.tenant
        ))),
    }
}

/// Which capability a plugin's tool asks for is known only to the plugin's code, which does not run here: most ask for one of the tool's
/// own name.
fn callers(config: &Config, found: &Found) -> Result<String, Fault> {
    let vocabulary = Vocabulary::new(&config.events.types).map_err(Fault::lasting)?;
    let reader = reader(found);
    let registered = match &reader {
        Ok(Some(reader)) => reader.tenants()?,
        Ok(None) | Err(_) => Vec::new(),
    };
    let tenants = registered.into_iter().map(|record| record.tenant);
    let plugins = found.plugins.get().into_iter().flatten();
    let tools = plugins.flat_map(|examined| &examined.manifest.provides.tools);
    let capabilities = tools.map(|tool| tool.as_str().to_owned());
    let known = callers_gate::known(config, &vocabulary, tenants, capabilities);
    // A file that is not believed fails whatever is known of tenants.
    let review = callers_gate::look(config, &known)?;
    reader?;
    Ok(callers_gate::line(&review, config, []))
}

/// The plugins that would be loaded.
fn plugins(found: &Found) -> Result<&[Examined], Fault> {
    let none = || Fault::not_looked_at("not looked at: which plugins there are is not known");
    found.plugins.get().map(Vec::as_slice).ok_or_else(none)
}

/// Which daemons are fatal is known only to the plugin's code, which does not run here: what is missing is told, and the host's own gate
/// decides.
fn secrets(config: &Config, found: &Found) -> Result<String, Fault> {
    let secrets = Secrets::new(SecretTable::from(&**config), surroundings());
    let mut missing = Vec::new();
    for examined in plugins(found)? {
        let manifest = &examined.manifest;
        let mut daemons = manifest.provides.daemons.iter();
        if !daemons.any(|daemon| config.is_daemon_chosen(&manifest.name, daemon.as_str())) {
            continue;
        }
        for secret in &manifest.secrets {
            let name = secret.as_str();
            if let Err(error) = secrets.get(&manifest.name, None, name)
                && !secrets.has_a_tenant(&manifest.name, name)
            {
                missing.push(error.to_string());
            }
        }
    }
    if missing.is_empty() {
        return Ok("every secret that a plugin requires is there".to_owned());
    }
    Ok(format!(
        "daemons will be degraded, or not start if they are fatal: {}",
        missing.join("; ")
    ))
}

/// A refused file does not end a boot, so the gate fails only if the directory cannot be read at all.
fn plugins_admitted(config: &Config, found: &Found) -> Result<String, Fault> {
    let (detail, sound) = judged_plugins(config)?;
    found.plugins.get_or_init(|| sound);
    Ok(detail)
}

fn judged_plugins(config: &Config) -> Result<(String, Vec<Examined>), Fault> {
    let directory = config.plugins_directory();
    let found = match scan(&directory) {
        Ok(found) => found,
        Err(_) if !directory.exists() => Vec::new(),
        Err(error) => return Err(Fault::lasting(format!("`{}`: {error}", directory.display()))),
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
    Ok((detail, sound))
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

fn tenant_identity(config: &Config, tenant: &TenantId, plugins: &[Examined]) -> Result<String, Fault> {
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
        ([only], _) => return Ok(format!("`{only}` would be asked")),
        ([], Some(chosen)) => format!("no identity provider is called `{chosen}`"),
        ([], None) => "no provider is configured for it".to_owned(),
        (several, _) => {
            // No fallback hides that a name means several.
            let detail = format!(
                "tenant `{tenant}` has no identity: the configured name may be {}; write one of them as `identity` in `[tenants.{tenant}]`",
                enumerated(several.iter().copied())
            );
            return Err(Fault::lasting(detail));
        }
    };
    let no_fallback = match config.fallback_prompt(tenant) {
        Some(prompt) if prompt.metadata().is_ok_and(|file| file.len() > 0) => {
            return Ok(format!("`{}` would speak", prompt.display()));
        }
        Some(prompt) => format!("the fallback prompt `{}` is missing or empty", prompt.display()),
        None => "no fallback prompt is configured".to_owned(),
    };
    let detail = format!(
        "tenant `{tenant}` has no identity: {no_provider}; {no_fallback}. Name one of the identity providers there are ({}) as `identity` in \
         `[tenants.{tenant}]`, give it a `fallback_prompt`, or install the plugin that has its provider",
        enumerated(&provided)
    );
    Err(Fault::lasting(detail))
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
