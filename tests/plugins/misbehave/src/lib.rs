//! The plugin `misbehave`: does on purpose what no plugin should do, as its configuration says.
//!
//! `mode` is `none`, or a fault in a hook (`panic_in_tick`, `spin_in_startup`: see `fault.rs`), or another offence: what is
//! registered (below), what the identity is (`identity.rs`), what is asked of the host (`trespass.rs`). `times` limits how often
//! a fault in a hook shows, counted over restarts, so that recovery can be seen.

#![forbid(unsafe_code)]

mod background;
mod fault;
mod identity;
mod settings;
mod tools;
mod trespass;

use std::{sync::Arc, time::Duration};

use kora_plugin_api::{
    BackgroundDaemon, Plugin, PluginError, Registrar, RestartPolicy, Result, Subscription, export_plugin,
    tracing,
};

use crate::{
    background::{Ears, Worker},
    fault::{Hook, Misbehaviour},
    identity::Claim,
    settings::Settings,
};

const NAME: &str = "misbehave";
const UNPROVIDED: &str = "unprovided";

export_plugin!(Misbehave, manifest = "plugin.toml");

#[derive(Default)]
struct Misbehave;

impl Plugin for Misbehave {
    fn register(&self, registrar: &mut Registrar<'_>) -> Result {
        let settings: Settings = registrar.config()?.parse()?;
        let fault = Arc::new(Misbehaviour::from_settings(&settings)?);
        fault.strike(Hook::Register)?;
        if settings.mode == "absent" {
            return Ok(()); // Registers nothing of what the manifest provides.
        }
        if settings.mode == "services_in_register" {
            trespass::during_register();
        }
        registrar.identity_provider(NAME, Claim::new(&settings, fault.clone()))?;
        registrar.background_daemon(daemon(NAME, &settings, &fault)?)?;
        registrar.listener(NAME, subscription(), Ears::new(fault.clone()))?;
        offend(registrar, &settings, &fault)
    }
}

/// Registers what should not be registered.
fn offend(registrar: &mut Registrar<'_>, settings: &Settings, fault: &Arc<Misbehaviour>) -> Result {
    match settings.mode.as_str() {
        "unprovided_provider" => registrar.identity_provider(UNPROVIDED, Claim::new(settings, fault.clone())),
        "unprovided_daemon" => registrar.background_daemon(daemon(UNPROVIDED, settings, fault)?),
        "unprovided_listener" => registrar.listener(UNPROVIDED, subscription(), Ears::new(fault.clone())),
        "duplicate_provider" => registrar.identity_provider(NAME, Claim::new(settings, fault.clone())),
        "duplicate_daemon" => registrar.background_daemon(daemon(NAME, settings, fault)?),
        "duplicate_listener" => registrar.listener(NAME, subscription(), Ears::new(fault.clone())),
        "duplicate_task" => {
            let daemon = daemon("another", settings, fault)?;
            registrar.background_daemon(daemon.periodic_task(background::TASK, Duration::from_secs(1)))
        }
        "register_twice_and_go_on" => {
            // An author who ignores the refusal has still registered the first one only.
            if let Err(error) = registrar.identity_provider(NAME, Claim::new(settings, fault.clone())) {
                tracing::warn!(%error, "refused by the SDK");
            }
            Ok(())
        }
        "tools" => tools::register(registrar),
        _ => Ok(()),
    }
}

fn subscription() -> Subscription {
    Subscription::new().events(background::TICKED).states()
}

fn daemon(name: &str, settings: &Settings, fault: &Arc<Misbehaviour>) -> Result<BackgroundDaemon> {
    let every = match settings.mode.as_str() {
        "zero_interval" => Duration::ZERO,
        "endless_interval" => Duration::MAX,
        _ => seconds(settings.tick_seconds)?,
    };
    let timeout = seconds(settings.timeout_seconds)?;
    let backoff = seconds(settings.backoff_seconds)?;
    let (made, worker_settings) = (fault.clone(), settings.clone());
    let mut daemon = BackgroundDaemon::new(name, move || Worker::new(&worker_settings, made.clone()))
        .periodic_task(background::TASK, every)
        .fatal_on_startup_failure(settings.fatal)
        .startup_timeout(timeout)
        .tick_timeout(timeout)
        .shutdown_timeout(timeout)
        .restart(RestartPolicy {
            max_restarts: settings.max_restarts,
            backoff_min: backoff,
            backoff_max: backoff,
            ..RestartPolicy::default()
        });
    if settings.mode == "after_itself" {
        daemon = daemon.after(name);
    }
    if settings.mode == "requires_nobody" {
        daemon = daemon.requires("nobody/here");
    }
    Ok(daemon)
}

fn seconds(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(PluginError::from)
}
