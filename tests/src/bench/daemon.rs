//! A host from outside: how soon it is ready, and what it takes while nothing happens.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{
    Surroundings,
    home::Home,
    measure::{count, median, milliseconds, nanoseconds},
    row::Row,
};

/// A file in the plugin directory is judged once it has stood still for a second; a start right after a copy waits for that.
pub const FILES_STAND_STILL: Duration = Duration::from_millis(1100);

/// From the start of the process until it answers that it runs. Store and cache are empty, the plugins have lain there.
pub fn bench_start(surroundings: &Surroundings) -> Result<Vec<Row>> {
    let folder = surroundings.folder("start")?;
    let homes = (0..surroundings.choose(15, 3))
        .map(|number| Home::make(surroundings, &folder.join(number.to_string()), ""))
        .collect::<Result<Vec<_>>>()?;
    thread::sleep(FILES_STAND_STILL);
    let mut times = Vec::new();
    for home in &homes {
        let began = Instant::now();
        let daemon = home.start(surroundings)?;
        daemon.wait_until_running()?;
        times.push(milliseconds(began.elapsed()));
    }
    Ok(vec![Row::limited("start/cold", "ms", median(&mut times), 300.0)])
}

/// What a host with two plugins and two tenants holds and does when nobody asks anything of it.
pub fn bench_idle(surroundings: &Surroundings) -> Result<Vec<Row>> {
    let home = Home::make(surroundings, &surroundings.folder("idle")?, "")?;
    thread::sleep(FILES_STAND_STILL);
    let daemon = home.start(surroundings)?;
    daemon.wait_until_running()?;
    // What the boot left to do is not idling.
    thread::sleep(Duration::from_secs(1));
    let (began, before) = (Instant::now(), processor_time(daemon.pid())?);
    // Longer than the period of the most frequent daemon, 30 s.
    thread::sleep(surroundings.choose(Duration::from_secs(35), Duration::from_secs(5)));
    let used = processor_time(daemon.pid())?.saturating_sub(before);
    let percent = 100.0 * nanoseconds(used) / nanoseconds(began.elapsed());
    let resident = resident_mib(daemon.pid())?;
    Ok(vec![
        Row::limited("idle/resident", "MiB", resident, 40.0),
        Row::limited("idle/processor", "% of a core", percent, 0.5),
    ])
}

/// What all threads of a process have used, to the nanosecond. A thread that has ended is not counted.
fn processor_time(pid: u32) -> Result<Duration> {
    let mut used = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // One that ends while the list is read can no longer be asked.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        let on_processor = text.split(' ').next().context("expected three numbers")?;
        used += on_processor.trim().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(used))
}

/// What a process holds in memory.
pub fn resident_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(count(kib.context("expected `VmRSS` in kB")?.parse()?) / 1024.0)
}
