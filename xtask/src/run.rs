//! `cargo xtask run`: a host with two plugins and two tenants, in the foreground.

use std::{os::unix::process::CommandExt as _, path::Path};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    artifacts,
    home::{Home, PLUGINS, as_argument, dev_packages},
    process::quoted,
    workspace::repository,
};

/// Build everything, and run a host with two plugins and two tenants
///
/// Builds `kora` and packages of the plugins `kora` and `marvin`, installs them into a home, and runs the daemon in the
/// foreground; Ctrl-C stops it in order. `kora` speaks for the tenant `acme`, and `marvin` for `globex`.
///
/// All of it is built with the profile `dev`, which is there soonest. `cargo build --release --package kora-host` and
/// `cargo xtask package` build what is meant to be kept.
#[derive(Args)]
pub struct Run {
    /// Begin with a new home: everything in the old one is removed
    #[arg(long)]
    fresh: bool,
}

impl Run {
    /// Builds, prepares the home, and becomes the daemon.
    pub fn run(self) -> Result<()> {
        let kora = artifacts::build_kora()?;
        let root = repository().join("target/kora-home");
        let home = Home { root, kora };
        home.ensure_nobody_runs()?;
        let packages = dev_packages(&PLUGINS)?;
        if self.fresh {
            home.remove()?;
        }
        if home.make()? {
            home.add_tenants()?;
        }
        for package in &packages {
            home.quietly(&["plugins", "install", as_argument(package)?])?;
        }
        eprintln!("{}", what_to_try(&home));
        // The daemon takes the place of this process, so that it gets every signal itself.
        let error = home.command(&["daemon"]).exec();
        Err(error).with_context(|| format!("cannot run `{}`", home.kora.display()))
    }
}

fn what_to_try(home: &Home) -> String {
    let shown = |path: &Path| quoted(&path.display().to_string());
    let commands = home.kora.parent().map(shown).unwrap_or_default();
    format!(
        "
The host starts below; Ctrl-C stops it. Its home is {home}.
In another terminal:

  export KORA_HOME={home} PATH={commands}:$PATH

  kora status                                # the tenants, the plugins, the daemons
  kora identity show globex                  # who speaks, in which words
  kora identity swap acme marvin --reason 'to see it'
  kora identity why acme                     # the proof of who speaks
  kora identity rollback acme                # the exact bytes of before

  cargo xtask package echo --profile dev --out $KORA_HOME/plugins
  kora plugins list                          # a third plugin, without a restart

  kora events tail --tenant acme             # what happened
  kora events verify                         # every hash of every chain
",
        home = shown(&home.root),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_try_can_be_pasted_whatever_the_folders_are_called() {
        let home = Home {
            root: "/a b/target/kora-home".into(),
            kora: "/a b/target/debug/kora".into(),
        };
        let text = what_to_try(&home);
        let expected = "export KORA_HOME='/a b/target/kora-home' PATH='/a b/target/debug':$PATH\n";
        assert!(text.contains(expected), "{text}");
    }
}
