//! The plugin `greeter`: the example of the author's guide.

#![forbid(unsafe_code)]

mod bell;
mod daemon;
mod doorbell;
mod identity;
pub mod letters;
mod settings;
mod tool;

use kora_plugin_api::{BackgroundDaemon, Plugin, Registrar, Result, Subscription, export_plugin};

use crate::{
    bell::bell_webhook, daemon::Greetings, doorbell::Doorbell, identity::GreeterIdentity, settings::Settings,
    tool::greet_tool,
};

export_plugin!(Greeter, manifest = "plugin.toml");

#[derive(Default)]
struct Greeter;

impl Plugin for Greeter {
    fn register(&self, registrar: &mut Registrar<'_>) -> Result {
        let settings: Settings = registrar.config()?.parse()?;
        let every = settings.greet_every()?;

        registrar.identity_provider("greeter", GreeterIdentity)?;
        registrar.background_daemon(
            BackgroundDaemon::new("greeter", move || Greetings::new(settings.clone()))
                .periodic_task("greeter.greet", every)
                .jitter(every / 10),
        )?;
        registrar.listener("doorbell", Subscription::new().states(), Doorbell)?;
        registrar.tool(greet_tool())?;
        registrar.webhook(bell_webhook())
    }
}
