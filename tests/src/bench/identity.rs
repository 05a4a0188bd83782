//! Reading who speaks while it is swapped, against cloning an `Arc`, and against looking into a map that never changes.
//!
//! Every read is checked: generation, hash and snapshot must be of one and the same publication. The other figure of each row
//! is taken in turn with ours, beside the same swaps, and is checked in the same way.

use std::{
    collections::HashMap,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use kora_host::{
    domain::{Digest, EventId, TenantId, Timestamp},
    identity::{
        Slot, Slots, Snapshot, Speaking,
        bench::{admit, publish},
    },
};

use super::{
    Surroundings,
    measure::{count, in_turn, nanoseconds_each},
    row::{Budget, Row},
};

/// As many as a large host has.
const TENANTS: usize = 1000;
/// The swaps of the budget for reads that keep nothing.
const SWAPS_EACH_SECOND: u32 = 5000;

pub fn bench(surroundings: &Surroundings) -> Result<Vec<Row>> {
    let world = World::new()?;
    let slice = surroundings.choose(Duration::from_millis(50), Duration::from_millis(10));
    let rounds = surroundings.choose(21, 5);
    let mut reads = Reads::default();
    let rows = vec![
        cached(&world, slice, rounds, &mut reads)?,
        uncached(&world, slice, rounds, &mut reads)?,
        by_name_kept(&world, slice, rounds, &mut reads)?,
        by_name(&world, slice, rounds, &mut reads)?,
    ];
    let torn = Row::new(
        "identity/torn_reads",
        "reads",
        (count(reads.torn), count(reads.all)),
        "all reads",
    );
    Ok(rows
        .into_iter()
        .chain([torn.budget(Budget::AtMost(0.0))])
        .collect())
}

fn cached(world: &World, slice: Duration, rounds: usize, reads: &mut Reads) -> Result<Row> {
    let mut reader = Arc::clone(&world.slot).reader();
    let alone = world.speaking(1);
    let (mut ours, mut theirs) = (Reads::default(), Reads::default());
    let [theirs_each, ours_each] = world.while_swapped(Pace::Full, || {
        in_turn(
            rounds,
            [
                &mut || nanoseconds_each(slice, || theirs.check(Some(&Arc::clone(black_box(&alone))))),
                &mut || nanoseconds_each(slice, || ours.check(reader.speaking())),
            ],
        )
    })?;
    reads.add(&ours);
    let row = Row::new(
        "identity/cached",
        "ns",
        (ours_each, theirs_each),
        "an Arc clone, at full swap speed",
    );
    Ok(row.budget(Budget::AtMost(2.0)))
}

fn uncached(world: &World, slice: Duration, rounds: usize, reads: &mut Reads) -> Result<Row> {
    let alone = world.speaking(1);
    let (mut ours, mut theirs) = (Reads::default(), Reads::default());
    let [theirs_each, ours_each] = world.while_swapped(Pace::EachSecond(SWAPS_EACH_SECOND), || {
        in_turn(
            rounds,
            [
                &mut || nanoseconds_each(slice, || theirs.check(Some(&Arc::clone(black_box(&alone))))),
                &mut || nanoseconds_each(slice, || ours.check(black_box(&world.slot).speaking().as_ref())),
            ],
        )
    })?;
    reads.add(&ours);
    let row = Row::new(
        "identity/uncached",
        "ns",
        (ours_each, theirs_each),
        "an Arc clone, at 5000 swaps a second",
    );
    Ok(row.budget(Budget::AtMost(3.0)))
}

/// Through a reader that a place of the code keeps. It answers a reference, and so does the map.
fn by_name_kept(world: &World, slice: Duration, rounds: usize, reads: &mut Reads) -> Result<Row> {
    let mut reader = world.slots.reader();
    let (map, tenant) = (world.immutable_map(), world.slot.tenant());
    let (mut ours, mut theirs) = (Reads::default(), Reads::default());
    let [theirs_each, ours_each] = world.while_swapped(Pace::EachSecond(SWAPS_EACH_SECOND), || {
        in_turn(
            rounds,
            [
                &mut || nanoseconds_each(slice, || theirs.check(black_box(&map).get(black_box(tenant)))),
                &mut || nanoseconds_each(slice, || ours.check(reader.speaking(black_box(tenant)))),
            ],
        )
    })?;
    reads.add(&ours);
    let row = Row::new(
        "identity/by_name_kept",
        "ns",
        (ours_each, theirs_each),
        "a look into an immutable map",
    );
    Ok(row.budget(Budget::AtMost(1.5)))
}

/// Without keeping anything, as for the one look that a call of the service takes. It answers an `Arc` of its own, and so does
/// the map. Without a budget: beside the look, it guards the map and the slot while it reads them, which costs as much as the
/// look. Whoever looks often keeps a reader.
fn by_name(world: &World, slice: Duration, rounds: usize, reads: &mut Reads) -> Result<Row> {
    let (map, tenant) = (world.immutable_map(), world.slot.tenant());
    let (mut ours, mut theirs) = (Reads::default(), Reads::default());
    let [theirs_each, ours_each] = world.while_swapped(Pace::EachSecond(SWAPS_EACH_SECOND), || {
        in_turn(
            rounds,
            [
                &mut || {
                    nanoseconds_each(slice, || {
                        theirs.check(black_box(&map).get(black_box(tenant)).cloned().as_ref());
                    })
                },
                &mut || {
                    nanoseconds_each(slice, || {
                        ours.check(black_box(&world.slots).speaking(black_box(tenant)).as_ref());
                    })
                },
            ],
        )
    })?;
    reads.add(&ours);
    Ok(Row::new(
        "identity/by_name",
        "ns",
        (ours_each, theirs_each),
        "a look into an immutable map, and an Arc clone",
    ))
}

/// What was read, and how much of it was not whole.
#[derive(Default)]
struct Reads {
    all: u64,
    torn: u64,
}

impl Reads {
    #[inline]
    fn check(&mut self, speaking: Option<&Arc<Speaking>>) {
        let is_whole = speaking.is_some_and(|speaking| is_whole(speaking));
        self.all += 1;
        self.torn += u64::from(!is_whole);
    }

    fn add(&mut self, other: &Self) {
        self.all += other.all;
        self.torn += other.torn;
    }
}

/// What [`World::speaking`] wrote into one belongs together.
#[inline]
fn is_whole(speaking: &Speaking) -> bool {
    let number = speaking.generation.to_le_bytes();
    speaking.snapshot_hash.as_bytes()[..8] == number && speaking.event_id.as_bytes()[..8] == number
}

/// How fast the other thread swaps.
#[derive(Clone, Copy)]
enum Pace {
    Full,
    EachSecond(u32),
}

/// A thousand tenants that speak, one of whom is swapped.
struct World {
    slots: Slots,
    slot: Arc<Slot>,
    all: Vec<Arc<Slot>>,
    snapshot: Arc<Snapshot>,
}

impl World {
    fn new() -> Result<Self> {
        const ANSWER: &[u8] = br#"{"agent_name": "Agent", "agent_version": "1", "soul_md": "", "system_prompt": "You are an agent.", "metadata": {}}"#;
        let slots = Slots::default();
        let tenants = (0..TENANTS).map(|number| Ok(format!("tenant-{number}").parse()?));
        let all = admit(&slots, tenants.collect::<Result<Vec<TenantId>>>()?);
        let world = Self {
            slots,
            slot: Arc::clone(all.get(TENANTS / 2).context("there are tenants")?),
            all,
            snapshot: Arc::new(Snapshot::parse(ANSWER)?.context("the answer is a claim")?),
        };
        for slot in &world.all {
            publish(slot, world.speaking(1));
        }
        Ok(world)
    }

    fn speaking(&self, generation: u64) -> Arc<Speaking> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&generation.to_le_bytes());
        let [first, ..] = bytes.as_chunks::<16>().0 else {
            unreachable!("32 bytes are two times 16");
        };
        Arc::new(Speaking {
            generation,
            provider: None,
            snapshot: Arc::clone(&self.snapshot),
            snapshot_hash: Digest::from_bytes(bytes),
            plugin_version: None,
            plugin_digest: None,
            event_id: EventId::from_bytes(*first),
            since: Timestamp::from_micros(0),
        })
    }

    /// The same tenants and what speaks for them, in a map that nobody changes.
    fn immutable_map(&self) -> HashMap<TenantId, Arc<Speaking>> {
        let entry = |slot: &Arc<Slot>| Some((slot.tenant().clone(), slot.speaking()?));
        self.all.iter().filter_map(entry).collect()
    }

    /// Does `work` while another thread swaps.
    fn while_swapped<T>(&self, pace: Pace, work: impl FnOnce() -> T) -> T {
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| self.keep_swapping(pace, &ended));
            let answer = work();
            ended.store(true, Ordering::Relaxed);
            answer
        })
    }

    fn keep_swapping(&self, pace: Pace, ended: &AtomicBool) {
        let mut generation = self.slot.speaking().map_or(0, |speaking| speaking.generation);
        let mut due = Instant::now();
        while !ended.load(Ordering::Relaxed) {
            if let Pace::EachSecond(swaps) = pace {
                due += Duration::from_secs(1) / swaps;
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            generation += 1;
            publish(&self.slot, self.speaking(generation));
        }
    }
}
