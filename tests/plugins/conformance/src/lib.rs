//! The plugin `conformance`: the tools, prompts and resources that the conformance suite of the Model Context Protocol expects of a
//! server, under the names that it gives them, and a webhook that tells what it was sent.

mod asking;
mod content;
mod media;
mod prompts;
mod resources;
mod signed;
mod webhook;

use kora_plugin_api::{Host, Plugin, Registrar, Result, export_plugin};

export_plugin!(Conformance, manifest = "plugin.toml");

#[derive(Default)]
struct Conformance;

impl Plugin for Conformance {
    fn register(&self, registrar: &mut Registrar<'_>) -> Result {
        content::register(registrar)?;
        asking::register(registrar)?;
        prompts::register(registrar)?;
        resources::register(registrar)?;
        webhook::register(registrar)
    }
}

/// The other way round than it was.
struct Switch(std::sync::atomic::AtomicBool);

impl Switch {
    const fn on() -> Self {
        Self(std::sync::atomic::AtomicBool::new(true))
    }

    /// Shows what is hidden and hides what is shown.
    fn turn(&self, host: Host, kind: kora_plugin_api::OfferKind, name: &str) -> Result {
        let is_shown = !self.0.fetch_xor(true, std::sync::atomic::Ordering::AcqRel);
        host.offer(kind, name, is_shown)
    }
}
