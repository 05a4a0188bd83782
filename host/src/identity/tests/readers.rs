//! Tests of reading who speaks while that changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::super::testing::*;
use crate::{domain::Digest, identity::*, tenants::testing::tenant};

/// Its parts belong together: the prompt is the generation, and the hash is that of the snapshot.
fn assert_whole(speaking: &Speaking) {
    assert_eq!(speaking.snapshot.system_prompt, speaking.generation.to_string());
    let bytes = speaking.snapshot.to_canonical();
    assert_eq!(Digest::of(bytes.as_bytes()), speaking.snapshot_hash);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_see_a_torn_identity_nor_an_older_one_after_a_newer() {
    let world = World::new();
    world.providers.set("zoo/counter", Behaviour::NamesTheGeneration);
    world.restore(seed("acme", "counter")).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let slots = world.identities.slots().clone();

    let by_name = {
        let (slots, done) = (slots.clone(), Arc::clone(&done));
        let mut reader = slots.reader();
        read_until(done, move || reader.speaking(&tenant("acme")).cloned())
    };
    let by_slot = {
        let mut reader = slots.resolve(&tenant("acme")).unwrap().reader();
        read_until(Arc::clone(&done), move || reader.speaking().cloned())
    };
    for _ in 0..300 {
        world.swap("acme", "counter").await.unwrap();
    }
    done.store(true, Ordering::Release);
    assert_eq!(by_name.join().unwrap(), 301);
    assert_eq!(by_slot.join().unwrap(), 301);
}

/// Reads until told to end, and once more; answers the last generation read.
fn read_until(
    done: Arc<AtomicBool>,
    mut read: impl FnMut() -> Option<Arc<Speaking>> + Send + 'static,
) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        let mut newest = 0;
        loop {
            let last = done.load(Ordering::Acquire);
            let speaking = read().expect("somebody always speaks");
            assert_whole(&speaking);
            assert!(
                speaking.generation >= newest,
                "{} after {newest}",
                speaking.generation
            );
            newest = speaking.generation;
            if last {
                return newest;
            }
        }
    })
}

#[tokio::test]
async fn a_reader_by_name_sees_tenants_come_and_go() {
    let world = World::with_acme().await;
    let mut reader = world.identities.slots().reader();
    assert!(reader.speaking(&tenant("acme")).is_some());
    assert!(reader.speaking(&tenant("globex")).is_none());
    world.restore(seed("globex", "marvin")).await.unwrap();
    world.identities.withdraw(&tenant("acme")).await;
    assert!(reader.speaking(&tenant("acme")).is_none());
    let speaking = reader.speaking(&tenant("globex")).unwrap();
    assert_eq!(
        world.identities.slots().generation(&tenant("globex")),
        Some(speaking.generation)
    );

    world.restore(seed("acme", "kora")).await.unwrap();
    world.swap("acme", "marvin").await.unwrap();
    let speaking = reader.speaking(&tenant("acme")).unwrap();
    assert_eq!(
        speaking.generation, 2,
        "served again, it is read anew and not as it was"
    );
}

#[tokio::test]
async fn what_was_read_stays_whole_after_a_swap() {
    let world = World::with_acme().await;
    let pinned = world.speaking("acme").unwrap();
    world.swap("acme", "marvin").await.unwrap();
    assert_eq!(pinned.snapshot.system_prompt, "You are Kora.");
    assert_eq!(pinned.generation, 1);
}
