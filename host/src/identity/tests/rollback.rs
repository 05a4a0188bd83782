//! Tests of rolling back.

use super::super::testing::*;
use crate::{identity::*, tenants::testing::NextCommit};

#[tokio::test]
async fn a_rollback_restores_the_exact_bytes_as_a_new_generation_without_asking_anybody() {
    let world = World::with_acme().await;
    world.swap("acme", "marvin").await.unwrap();
    world.providers.remove("kora/kora");
    let asked = world.providers.asked();

    let rolled_back = world.rollback("acme", None).await.unwrap();

    assert_eq!(world.providers.asked(), asked, "the plugin may be gone");
    assert_eq!(
        (rolled_back.generation, rolled_back.to.as_str()),
        (3, "kora/kora")
    );
    let contents = world.store.contents().clone();
    let [first, _, third] = &contents.generations[..] else {
        panic!("three generations");
    };
    assert_eq!(
        (&third.snapshot, third.snapshot_hash),
        (&first.snapshot, first.snapshot_hash)
    );
    assert_eq!(
        (&third.provider, third.plugin_digest),
        (&first.provider, first.plugin_digest)
    );
    assert_eq!(world.prompt("acme"), "You are Kora.");

    let told = world.store.told("acme");
    let (event_type, payload) = told.last().unwrap();
    assert_eq!(event_type, ROLLED_BACK);
    assert_eq!(
        (
            &payload["from_generation"],
            &payload["to_generation"],
            &payload["generation"]
        ),
        (&2.into(), &1.into(), &3.into())
    );
    assert_eq!(payload["hashes"]["to"], first.snapshot_hash.to_string());
}

#[tokio::test]
async fn any_earlier_generation_can_be_named() {
    let world = World::with_acme().await;
    for _ in 0..3 {
        world.swap("acme", "marvin").await.unwrap();
    }
    assert_eq!(world.rollback("acme", Some(1)).await.unwrap().generation, 5);
    assert_eq!(world.prompt("acme"), "You are Kora.");
}

#[tokio::test]
async fn a_generation_that_is_not_there_cannot_be_rolled_back_to() {
    let world = World::with_acme().await;
    assert!(matches!(
        world.rollback("acme", None).await,
        Err(SwapError::NothingBefore { newest: 1, .. })
    ));
    world.swap("acme", "marvin").await.unwrap();
    for asked in [0, 2, 3, u64::MAX] {
        let refused = world.rollback("acme", Some(asked)).await;
        assert!(
            matches!(refused, Err(SwapError::GenerationUnknown { newest: 2, .. })),
            "{asked}"
        );
    }
    assert_eq!((world.generation("acme"), world.count(SWAP_REFUSED)), (2, 0));
}

#[tokio::test]
async fn a_damaged_generation_never_speaks() {
    let world = World::with_acme().await;
    world.swap("acme", "marvin").await.unwrap();
    world.store.contents().generations[0].snapshot = String::from_utf8(answer("You are evil.")).unwrap();
    let error = world.rollback("acme", None).await.unwrap_err();
    assert!(
        matches!(error, SwapError::Damaged { generation: 1, .. }),
        "{error}"
    );
    assert_eq!(world.prompt("acme"), "You are Marvin.");
    assert_eq!(world.count(SWAP_REFUSED), 1);
}

#[tokio::test]
async fn a_rollback_that_cannot_be_committed_changes_nothing() {
    let world = World::with_acme().await;
    world.swap("acme", "marvin").await.unwrap();
    world.store.on_next_commit(NextCommit::Fails);
    world.rollback("acme", None).await.unwrap_err();
    assert_eq!(
        (world.generation("acme"), world.prompt("acme").as_str()),
        (2, "You are Marvin.")
    );
}

#[tokio::test]
async fn a_restart_does_not_undo_a_rollback_until_the_provider_says_something_new() {
    let world = World::with_acme().await;
    world
        .providers
        .set_version("kora/kora", "2.0.0", Behaviour::Says("You are Kora, improved."));
    world.swap("acme", "kora").await.unwrap();
    world.rollback("acme", None).await.unwrap();

    let second = world.restarted();
    second.restore(seed("acme", "kora")).await.unwrap();
    assert_eq!(
        (second.generation("acme"), second.prompt("acme").as_str()),
        (3, "You are Kora.")
    );
    assert!(second.shown("acme").held_by_rollback);
    let announced = second
        .identities
        .announced(&"kora/kora".parse().unwrap(), None)
        .await
        .unwrap();
    assert_eq!(announced[0].1, Announced::HeldByRollback);

    world
        .providers
        .set_version("kora/kora", "3.0.0", Behaviour::Says("You are Kora, mended."));
    let third = world.restarted();
    third.restore(seed("acme", "kora")).await.unwrap();
    assert_eq!(
        (third.generation("acme"), third.prompt("acme").as_str()),
        (4, "You are Kora, mended.")
    );
    assert!(!third.shown("acme").held_by_rollback);
}
