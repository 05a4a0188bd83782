//! Very many tenants: how soon the first one is ready, and what it takes to go round all of them, beside a host that has two.

use std::{fmt::Write as _, thread, time::Instant};

use anyhow::{Result, ensure};

use super::{
    Surroundings,
    daemon::{FILES_STAND_STILL, resident_mib},
    home::{Daemon, Home},
    measure::{in_turn, median, milliseconds},
    row::{Budget, Row},
};

/// One of the two tenants that every home here has.
const FIRST: &str = "acme";

/// `restart`, `cold`: from the start of the process until the first tenant is ready; the tenants are in the store, as in the
/// configuration, or the store is empty, and they are added meanwhile. The others: of a host whose tenants are all ready.
pub fn bench(surroundings: &Surroundings) -> Result<Vec<Row>> {
    let folder = surroundings.folder("tenants")?;
    let many = tenants(surroundings.choose(10_000, 1_000) - 2)?;
    let rounds = surroundings.choose(7, 3);

    let mut cold = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for (case, more) in [many.as_str(), ""].into_iter().enumerate() {
            let home = Home::make(surroundings, &folder.join(format!("cold{round}{case}")), more)?;
            thread::sleep(FILES_STAND_STILL);
            cold[case].push(until_ready(surroundings, &home)?);
        }
    }
    let [mut ours, mut theirs] = cold;
    let cold = (median(&mut ours), median(&mut theirs));

    let settled = [("many", many.as_str()), ("two", "")].map(|(name, more)| {
        let home = Home::make(surroundings, &folder.join(name), more)?;
        thread::sleep(FILES_STAND_STILL);
        let daemon = home.start(surroundings)?;
        daemon.wait_until_all_are_ready()?;
        let rounds = Rounds::of(&daemon)?;
        let stop = milliseconds_of(|| daemon.stop())?;
        Ok::<_, anyhow::Error>((home, rounds, stop))
    });
    let [with_many, with_two] = settled;
    let ((with_many, of_many, stop_many), (with_two, of_two, stop_two)) = (with_many?, with_two?);
    let [ours, theirs] = in_turn(
        rounds,
        [&mut || until_ready(surroundings, &with_many), &mut || {
            until_ready(surroundings, &with_two)
        }],
    )?;
    let against = "the same with two tenants";
    Ok(vec![
        Row::new("tenants/restart", "ms", (ours, theirs), against).budget(Budget::AtMost(3.0)),
        Row::new("tenants/cold", "ms", cold, against),
        Row::new(
            "tenants/resident",
            "MiB",
            (of_many.resident, of_two.resident),
            against,
        ),
        Row::new(
            "tenants/checkpoints_first",
            "ms",
            (of_many.first_checkpoints, of_two.first_checkpoints),
            against,
        ),
        Row::new(
            "tenants/checkpoints",
            "ms",
            (of_many.checkpoints, of_two.checkpoints),
            against,
        ),
        Row::new("tenants/health", "ms", (of_many.health, of_two.health), against),
        Row::new("tenants/stop", "ms", (stop_many, stop_two), against),
    ])
}

/// What it takes to go round all tenants, in milliseconds, and what the host holds afterwards, in MiB.
struct Rounds {
    first_checkpoints: f64,
    checkpoints: f64,
    health: f64,
    resident: f64,
}

impl Rounds {
    fn of(daemon: &Daemon) -> Result<Self> {
        let checkpoints = || {
            milliseconds_of(|| {
                let signed = daemon.call("events.checkpoint")?;
                ensure!(
                    signed.as_array().is_some_and(|signed| !signed.is_empty()),
                    "nothing was signed"
                );
                Ok(())
            })
        };
        Ok(Self {
            first_checkpoints: checkpoints()?,
            checkpoints: checkpoints()?,
            health: milliseconds_of(|| daemon.call("health").map(drop))?,
            resident: resident_mib(daemon.pid())?,
        })
    }
}

fn milliseconds_of(operation: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    operation()?;
    Ok(milliseconds(began.elapsed()))
}

fn until_ready(surroundings: &Surroundings, home: &Home) -> Result<f64> {
    let began = Instant::now();
    let daemon = home.start(surroundings)?;
    daemon.wait_until_ready(FIRST)?;
    let took = began.elapsed();
    daemon.stop()?;
    Ok(milliseconds(took))
}

fn tenants(count: usize) -> Result<String> {
    let mut text = String::new();
    for number in 0..count {
        writeln!(text, "[tenants.t{number:05}]\nidentity = \"kora\"")?;
    }
    Ok(text)
}
