//! `cargo xtask torture power-cut`: what the host wrote and did not sync is lost when it is struck, all of it or some.
//!
//! ```text
//!   kora daemon, with tests/powercut loaded into it ── what each change replaced ──▶ journal
//!        ▲                                                                             │ kill -9
//!        │ starts anew                                                                 ▼
//!        └───────────────── data/, as a disk without power may have kept it ◀──────── cut
//! ```

mod cut;
mod journal;
mod shim;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

pub use cut::{Cut, Damage};
pub use shim::Shim;

use super::{
    chamber::{Blow, Struck},
    course::Course,
};
pub use crate::torture::chance::Chance;
use crate::{daemon::Daemon, home::Home};

/// Cut the power again and again while writers append, and count what was lost
///
/// As `torture kill`, and after each kill what the host had written and not yet synced is taken back, as a disk without power
/// would: all of it, what came last, or pages of 512 bytes or 4 KiB by chance. A library that is loaded into the host writes
/// down what each change below `data/` replaces until it is synced. Chance chooses which, from the seed.
///
/// Fails if anything was lost or doubled, or a chain is broken; the home is kept then.
#[derive(Args)]
pub struct PowerCut {
    /// Let the disk say from the second round on that it has synced, without having done so: this must fail, or losses are not seen
    #[arg(long)]
    lying_disk: bool,
    #[command(flatten)]
    course: Course,
}

impl PowerCut {
    /// Builds, tortures, and counts.
    pub fn run(self) -> Result<()> {
        let blow = Cutting {
            library: shim::build()?,
            lying_disk: self.lying_disk,
            shim: None,
        };
        self.course.run(blow)
    }
}

struct Cutting {
    library: PathBuf,
    lying_disk: bool,
    /// Made with the first host: before, there is no directory to watch.
    shim: Option<Shim>,
}

impl Blow for Cutting {
    fn start(&mut self, home: &Home, log: &Path) -> Result<Daemon> {
        let shim = match &mut self.shim {
            Some(shim) => shim,
            none => {
                let beside = home.root.with_extension("power");
                let shim = Shim::new(&self.library, &home.root.join("data"), &beside)?;
                none.insert(shim)
            }
        };
        Daemon::start_with(home, log, &shim.variables())
    }

    fn strike(&mut self, daemon: Daemon, _: &Home, _: &Path, chance: &mut Chance) -> Result<Struck> {
        daemon.kill()?;
        let Some(shim) = &mut self.shim else {
            return Ok(Struck::Gone);
        };
        // A disk that lies and forgets pages as well leaves no store that could be read at all.
        let damage = match self.lying_disk {
            true => Damage::Suffix,
            false => Damage::by(chance),
        };
        let cut = shim.cut(damage, &mut chance.apart())?;
        eprintln!("power cut, {damage:?}: {cut:?}");
        if self.lying_disk {
            shim.lie();
        }
        Ok(Struck::Gone)
    }
}
