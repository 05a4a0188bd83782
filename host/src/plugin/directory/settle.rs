//! When something dropped has stood still: the rule alone, on times that it is given.

use std::{collections::BTreeMap, path::PathBuf};

use tokio::time::Instant;

use super::{Candidate, QUIET};

/// What happened in the plugin directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryChange {
    /// What is new or has changed, and now stands still. Whether its content is another, its digest tells.
    pub settled: Vec<Candidate>,
    /// What was announced before and is no longer there.
    pub gone: Vec<PathBuf>,
}

impl DirectoryChange {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.gone.is_empty()
    }
}

/// Remembers what was seen, and since when it has looked the same.
#[derive(Debug, Default)]
pub struct Settle {
    sightings: BTreeMap<PathBuf, Sighting>,
}

#[derive(Debug)]
struct Sighting {
    candidate: Candidate,
    since: Instant,
    /// This very stamp was announced.
    is_settled: bool,
    /// Some stamp of it was announced.
    is_announced: bool,
}

impl Settle {
    /// Begins with what is known already, and will not be announced unless it changes.
    pub fn knowing(known: Vec<Candidate>, now: Instant) -> Self {
        let sightings = known.into_iter().map(|candidate| {
            let sighting = Sighting {
                candidate,
                since: now,
                is_settled: true,
                is_announced: true,
            };
            (sighting.candidate.path.clone(), sighting)
        });
        Self {
            sightings: sightings.collect(),
        }
    }

    /// Takes in what a look at the directory showed at `now`, and says what is to be announced. Something that keeps changing
    /// is announced once it stops.
    pub fn observe(&mut self, now: Instant, listing: Vec<Candidate>) -> DirectoryChange {
        let mut before = std::mem::take(&mut self.sightings);
        let mut change = DirectoryChange::default();
        for candidate in listing {
            let sighting = match before.remove(&candidate.path) {
                Some(seen) if seen.candidate == candidate => seen,
                seen => Sighting {
                    candidate,
                    since: now,
                    is_settled: false,
                    is_announced: seen.is_some_and(|seen| seen.is_announced),
                },
            };
            let sighting = announce_if_still(sighting, now, &mut change);
            self.sightings.insert(sighting.candidate.path.clone(), sighting);
        }
        let announced = before.into_iter().filter(|(_, sighting)| sighting.is_announced);
        change.gone = announced.map(|(path, _)| path).collect();
        change
    }

    /// Whether something is there that has not stood still long enough: then it pays to look again soon.
    pub fn is_waiting(&self) -> bool {
        self.sightings.values().any(|sighting| !sighting.is_settled)
    }

    /// What stands still.
    pub(super) fn into_settled(self) -> Vec<Candidate> {
        let settled = self
            .sightings
            .into_values()
            .filter(|sighting| sighting.is_settled);
        settled.map(|sighting| sighting.candidate).collect()
    }
}

fn announce_if_still(mut sighting: Sighting, now: Instant, change: &mut DirectoryChange) -> Sighting {
    if !sighting.is_settled && now.duration_since(sighting.since) >= QUIET {
        sighting.is_settled = true;
        sighting.is_announced = true;
        change.settled.push(sighting.candidate.clone());
    }
    sighting
}
