//! Durable appends: writers each of whom waits for its answer before it appends again, beside one commit for each event, beside
//! Redis, and in PostgreSQL beside a function there.
//!
//! All lanes write into files of the same folder, in turn, in short slices. What is counted is what was answered, and an
//! answer comes after the sync.

mod file;
mod postgres;
mod redis;
mod socket;
mod store;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use async_trait::async_trait;
use kora_host::store::sqlite::SqliteOptions;
use tokio::task::JoinSet;

use self::{
    file::FileLane,
    postgres::PostgresLanes,
    redis::RedisLane,
    socket::SocketLane,
    store::{LogLane, StoreLane},
};
use super::{
    Surroundings,
    measure::{count, in_turn},
    row::{Budget, Row},
};

/// Writers, and connections where there are some. As many as one control socket serves.
const WRITERS: usize = 64;
/// Of the lane with many.
const TENANTS: usize = 1000;

const ONE_EACH: &str = "one commit for each event";
const REDIS: &str = "Redis XADD, appendfsync always";
const FILE: &str = "a file overwritten and synced, nothing else";
const FUNCTION: &str = "a SELECT … FOR UPDATE function, one tenant";

/// A way to append.
#[async_trait]
trait Lane: Send + Sync + 'static {
    /// Appends the event `number` of `writer`, and waits until it is durable.
    async fn append(&self, writer: usize, number: usize) -> Result<()>;
}

pub fn bench(surroundings: &Surroundings) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = surroundings.folder("append")?;
    let file = |name: &str| folder.join(name);
    let groups = SqliteOptions::default;
    let one_each = SqliteOptions {
        group_limit: 1,
        ..groups()
    };
    let single = StoreLane::open(&runtime, &file("single.db"), one_each, 1)?.lane();
    let grouped = StoreLane::open(&runtime, &file("grouped.db"), groups(), 1)?.lane();
    let keyed = StoreLane::open(&runtime, &file("keyed.db"), groups(), 1)?
        .keyed()
        .lane();
    let many = StoreLane::open(&runtime, &file("many.db"), groups(), TENANTS)?.lane();
    let logged = LogLane::open(&runtime, &file("logged.db"), &file("spool.jsonl"))?.lane();
    let socket = SocketLane::start(&runtime, surroundings, &file("home"))?.lane();
    let bare = FileLane::open(&file("bare"))?.lane();
    let redis = RedisLane::start(&runtime, &file("redis"))?.map(RedisLane::lane);
    let in_postgres = PostgresLanes::start(&runtime, TENANTS)?;

    let slice = surroundings.choose(Duration::from_millis(500), Duration::from_millis(100));
    let rate = |lane: &Arc<dyn Lane>| runtime.block_on(appends_each_second(lane, slice));
    let rate_there = |lane: fn(&PostgresLanes) -> &Arc<dyn Lane>| match &in_postgres {
        Some(lanes) => rate(lane(lanes)),
        None => Ok(f64::NAN),
    };
    let [
        single,
        grouped,
        keyed,
        many,
        logged,
        socket,
        bare,
        redis,
        in_one,
        in_many,
        function,
    ] = in_turn(
        surroundings.choose(11, 3),
        [
            &mut || rate(&single),
            &mut || rate(&grouped),
            &mut || rate(&keyed),
            &mut || rate(&many),
            &mut || rate(&logged),
            &mut || rate(&socket),
            &mut || rate(&bare),
            &mut || redis.as_ref().map_or(Ok(f64::NAN), rate),
            &mut || rate_there(|lanes| &lanes.one),
            &mut || rate_there(|lanes| &lanes.many),
            &mut || rate_there(|lanes| &lanes.function),
        ],
    )?;

    let row = |bench, ours, theirs, against| Row::new(bench, "events/s", (ours, theirs), against);
    Ok(vec![
        row("append/store", grouped, single, ONE_EACH).budget(Budget::AtLeast(8.0)),
        row("append/store_keyed", keyed, single, ONE_EACH).budget(Budget::AtLeast(4.0)),
        row("append/thousand_tenants", many, grouped, "one tenant").budget(Budget::AtLeast(0.3)),
        row("append/redis", grouped, redis, REDIS).budget(Budget::AtLeast(5.0)),
        row("append/file", grouped, bare, FILE),
        row("append/redis_at_most", bare, redis, REDIS),
        row("append/event_log", logged, grouped, "the store alone"),
        row("append/socket", socket, redis, REDIS),
        row("append/postgres", in_one, function, FUNCTION).budget(Budget::AtLeast(10.0)),
        row("append/postgres_thousand_tenants", in_many, function, FUNCTION),
    ])
}

/// Lets every writer append for `slice`, and answers how many appends were answered in a second.
async fn appends_each_second(lane: &Arc<dyn Lane>, slice: Duration) -> Result<f64> {
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let lane = Arc::clone(lane);
        writers.spawn(async move {
            let mut appended = 0;
            while began.elapsed() < slice {
                lane.append(writer, appended).await?;
                appended += 1;
            }
            anyhow::Ok(appended)
        });
    }
    let mut appended = 0;
    while let Some(writer) = writers.join_next().await {
        appended += writer??;
    }
    Ok(count(appended as u64) / began.elapsed().as_secs_f64())
}
