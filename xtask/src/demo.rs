//! `cargo xtask demo`: the tour of the README by itself, on a temporary home, with the real command. Anything that is not as
//! expected ends it.

mod identity;
mod stage;
mod tour;

use anyhow::Result;
use clap::Args;

use self::stage::Stage;
use crate::{
    artifacts,
    home::{PLUGINS, dev_packages},
};

/// The plugin that is dropped into the running host.
const THIRD: &str = "echo";

/// Show what the host does, by itself, on a temporary home
///
/// Two identities for two tenants, a swap and its rollback, a third plugin dropped in while the host runs, pause and resume,
/// `kill -9` and a new start, the proof that the chains are sound, an export, and an orderly end. Prints each command as one
/// would type it with what it answers, and fails on any surprise.
#[derive(Args)]
pub struct Demo {}

impl Demo {
    /// Builds, and goes through it.
    pub fn run(self) -> Result<()> {
        let kora = artifacts::build_kora()?;
        let packages = tour::Packages {
            installed: dev_packages(&PLUGINS)?,
            dropped: dev_packages(&[THIRD])?.remove(0),
        };
        let mut stage = Stage::new(kora)?;
        tour::tour(&mut stage, &packages)?;
        stage.end();
        Ok(())
    }
}
