//! Very many tenants: how soon the first one is ready, beside a host that has two.

use std::{fmt::Write as _, thread, time::Instant};

use anyhow::Result;

use super::{
    Surroundings,
    daemon::FILES_STAND_STILL,
    home::Home,
    measure::{in_turn, median, milliseconds},
    row::{Budget, Row},
};

/// One of the two tenants that every home here has.
const FIRST: &str = "acme";

/// From the start of the process until the first tenant is ready. `restart`: the tenants are in the store, as in the configuration;
/// `cold`: the store is empty, and they are added meanwhile.
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

    let homes = [("many", many.as_str()), ("two", "")].map(|(name, more)| {
        let home = Home::make(surroundings, &folder.join(name), more)?;
        thread::sleep(FILES_STAND_STILL);
        let daemon = home.start(surroundings)?;
        daemon.wait_until_all_are_ready()?;
        daemon.stop()?;
        Ok::<_, anyhow::Error>(home)
    });
    let [with_many, with_two] = homes;
    let (with_many, with_two) = (with_many?, with_two?);
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
    ])
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
