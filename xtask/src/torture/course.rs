//! What every kind of torture takes and does alike: how many rounds, from which seed, in which form the outcome is told.

use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;

use super::{
    chamber::{Blow, Chamber},
    chance::Chance,
};
use crate::artifacts;

/// How the torture goes.
#[derive(Args)]
pub struct Course {
    /// How often to strike
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Repeat the moments, the payloads and the damage of an earlier run
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print one JSON object: rounds, acknowledged, lost, doubled, broken_chains; where the store goes away also pending,
    /// out_of_order
    #[arg(long)]
    json: bool,
}

impl Course {
    /// Builds `kora`, tortures it, counts, and prints what came of it.
    ///
    /// # Errors
    /// If something was lost, doubled or out of order, or a chain is broken; the home is kept then.
    pub fn run(self, blow: impl Blow) -> Result<()> {
        let kora = artifacts::build_kora()?;
        let seed = self.seed.unwrap_or_else(Chance::any_seed);
        eprintln!("seed {seed}; repeat it with `--seed {seed}`");
        let began = Instant::now();
        let mut chamber = Chamber::new(kora, blow)?;
        let outcome = chamber.torture(self.rounds, seed);
        let is_well = outcome.as_ref().is_ok_and(|outcome| outcome.is_well());
        if !is_well {
            let kept = chamber.keep();
            eprintln!("the home and its log are kept in `{}`", kept.display());
        }
        let outcome = outcome?;
        eprintln!("took {:.1} s", began.elapsed().as_secs_f64());
        println!("{}", outcome.shown(self.json)?);
        ensure!(
            is_well,
            "expected nothing lost, doubled, broken or out of order, found {outcome:?}"
        );
        Ok(())
    }
}
