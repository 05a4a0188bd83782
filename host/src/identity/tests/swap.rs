//! Tests of swapping who speaks.

use super::super::testing::*;
use crate::{
    domain::Digest,
    identity::*,
    tenants::testing::{NextCommit, operator, tenant},
};

#[tokio::test]
async fn a_swap_lets_another_speak_and_tells_of_it_in_the_same_batch() {
    let world = World::with_acme().await;
    let mut wish = request("acme", "marvin");
    wish.reason = Some("  a change of mood \n".to_owned());
    let swapped = world.identities.swap(wish).await.unwrap();

    assert_eq!(world.prompt("acme"), "You are Marvin.");
    assert_eq!(
        (swapped.generation, swapped.from.as_deref(), swapped.to.as_str()),
        (2, Some("kora/kora"), "marvin/marvin")
    );

    let told = world.store.told("acme");
    let (event_type, payload) = told.last().unwrap();
    assert_eq!(event_type, SWAPPED);
    assert_eq!(
        *payload,
        serde_json::json!({
            "from": "kora/kora",
            "to": "marvin/marvin",
            "hashes": {"from": swapped.from_hash, "to": swapped.to_hash},
            "generation": 2,
            "plugin_version": "1.0.0",
            "plugin_digest": Digest::of(b"1.0.0"),
            "actor": operator(),
            "reason": "a change of mood",
        })
    );
    let record = world.store.contents().generations.pop().unwrap();
    assert_eq!(record.event_id, swapped.event.event_id);
    assert_eq!(
        Digest::of(record.snapshot.as_bytes()),
        swapped.to_hash,
        "anybody can check it"
    );
}

#[tokio::test(start_paused = true)]
async fn whatever_a_provider_does_the_old_identity_goes_on_speaking_and_the_refusal_is_told() {
    let faults = [
        Behaviour::Hangs,
        Behaviour::Fails(ProviderError::Poisoned),
        Behaviour::Fails(ProviderError::Failed("no\u{1b}[2J luck ".repeat(1000))),
        Behaviour::Bytes(b"null"),
        Behaviour::Bytes(b""),
        Behaviour::Bytes(b"\xff\xff"),
        Behaviour::Bytes(br#"{"agent_name":"half"}"#),
    ];
    let world = World::with_acme().await;
    let before = world.speaking("acme").unwrap();
    for (count, fault) in faults.into_iter().enumerate() {
        world.providers.set("marvin/marvin", fault.clone());
        let error = world.swap("acme", "marvin").await.unwrap_err();
        assert!(matches!(error, SwapError::Ask(_)), "{fault:?}: {error}");
        let message = error.to_string();
        assert!(
            message.contains("marvin/marvin") && message.len() < 600 && !message.contains('\u{1b}'),
            "{message}"
        );

        assert_eq!(world.speaking("acme").unwrap(), before);
        assert_eq!(world.count(SWAP_REFUSED), count + 1);
        let told = world.store.told("acme");
        let (_, payload) = told.last().unwrap();
        assert_eq!(
            (payload["to"].as_str(), payload["generation"].as_u64()),
            (Some("marvin/marvin"), Some(1))
        );
    }
    assert_eq!(
        world.store.contents().generations.len(),
        1,
        "nothing was committed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_given_up_at_the_deadline() {
    let world = World::with_acme().await;
    world.providers.set("marvin/marvin", Behaviour::Hangs);
    let begun = tokio::time::Instant::now();
    world.swap("acme", "marvin").await.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), PROVIDER_DEADLINE.as_secs());
}

#[tokio::test]
async fn a_swap_with_another_generation_than_expected_is_refused_without_asking() {
    let world = World::with_acme().await;
    let asked = world.providers.asked();
    let mut wish = request("acme", "marvin");
    wish.expect_generation = Some(7);
    let error = world.identities.swap(wish).await.unwrap_err();
    assert_eq!(
        error,
        SwapError::GenerationConflict {
            tenant: tenant("acme"),
            expected: 7,
            found: 1
        }
    );
    assert_eq!(world.providers.asked(), asked);
    assert_eq!(world.count(SWAP_REFUSED), 1);
}

#[tokio::test]
async fn bad_input_is_refused_and_leaves_no_trace_in_the_chain() {
    let world = World::with_acme().await;
    world
        .providers
        .set("zoo/kora", Behaviour::Says("You are another Kora."));
    let told = world.store.told("acme").len();

    let ambiguous = world.swap("acme", "kora").await.unwrap_err().to_string();
    assert!(ambiguous.contains("`kora/kora`, `zoo/kora`"), "{ambiguous}");
    let unknown = world.swap("acme", "marvn").await.unwrap_err().to_string();
    assert!(unknown.contains("`marvin/marvin`"), "{unknown}");
    assert!(matches!(
        world.swap("ghost", "marvin").await,
        Err(SwapError::TenantUnknown { .. })
    ));
    assert!(
        matches!(
            world.swap("ACME", "marvin").await,
            Err(SwapError::TenantUnknown { .. })
        ),
        "another case is nobody"
    );
    for bad in ["", "  ", &"x".repeat(MAX_REASON_CHARS + 1)] {
        let mut wish = request("acme", "marvin");
        wish.reason = Some(bad.to_owned());
        assert_eq!(world.identities.swap(wish).await.unwrap_err(), SwapError::Reason);
    }
    assert_eq!(world.store.told("acme").len(), told);
    assert_eq!(world.generation("acme"), 1);
}

#[tokio::test]
async fn a_swap_on_purpose_makes_a_generation_even_of_the_same_bytes() {
    let world = World::with_acme().await;
    let swapped = world.swap("acme", "kora").await.unwrap();
    assert_eq!(swapped.generation, 2);
    assert_eq!(swapped.from_hash, Some(swapped.to_hash));
}

#[tokio::test]
async fn the_provider_is_told_the_generation_that_its_answer_becomes() {
    let world = World::with_acme().await;
    world
        .providers
        .set("marvin/marvin", Behaviour::NamesTheGeneration);
    for generation in 2..5 {
        world.swap("acme", "marvin").await.unwrap();
        assert_eq!(world.prompt("acme"), generation.to_string());
    }
}

#[tokio::test]
async fn a_commit_that_fails_changes_nothing() {
    let world = World::with_acme().await;
    world.store.on_next_commit(NextCommit::Fails);
    let error = world.swap("acme", "marvin").await.unwrap_err();
    assert!(matches!(error, SwapError::Store(_)), "{error}");
    assert_eq!(
        (world.generation("acme"), world.prompt("acme").as_str()),
        (1, "You are Kora.")
    );
    assert_eq!(world.swap("acme", "marvin").await.unwrap().generation, 2);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_caught_up_with() {
    for by_swapping in [true, false] {
        let world = World::with_acme().await;
        world.store.on_next_commit(NextCommit::HappensAndFails);
        world.swap("acme", "marvin").await.unwrap_err();
        if by_swapping {
            let swapped = world.swap("acme", "kora").await.unwrap();
            assert_eq!(
                (swapped.generation, swapped.from.as_deref()),
                (3, Some("marvin/marvin"))
            );
        } else {
            assert_eq!(world.identities.catch_up().await.unwrap(), [tenant("acme")]);
            assert_eq!(
                (world.generation("acme"), world.prompt("acme").as_str()),
                (2, "You are Marvin.")
            );
            assert!(world.identities.catch_up().await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn another_host_on_the_same_store_cannot_be_overwritten_unseen() {
    let here = World::with_acme().await;
    let there = here.restarted();
    there.restore(seed("acme", "kora")).await.unwrap();
    there.swap("acme", "marvin").await.unwrap();

    let mut wish = request("acme", "kora");
    wish.expect_generation = Some(1);
    let error = here.identities.swap(wish).await.unwrap_err();
    assert!(
        matches!(error, SwapError::GenerationConflict { found: 2, .. }),
        "{error}"
    );
    assert_eq!(
        here.prompt("acme"),
        "You are Marvin.",
        "what was found speaks here too"
    );
}

#[tokio::test]
async fn a_swap_whose_caller_went_away_is_still_published_once_it_is_committed() {
    let world = World::with_acme().await;
    let swap = world.swap("acme", "marvin");
    let mut swap = Box::pin(swap);
    // Polled once, so that the work has begun; then the caller's connection breaks.
    assert!(
        std::future::poll_fn(|context| std::task::Poll::Ready(swap.as_mut().poll(context)))
            .await
            .is_pending()
    );
    drop(swap);
    world.identities.join().await;
    assert_eq!(
        (world.generation("acme"), world.prompt("acme").as_str()),
        (2, "You are Marvin.")
    );
}

#[tokio::test]
async fn a_tenant_that_is_no_longer_served_is_silent_and_cannot_be_swapped() {
    let world = World::with_acme().await;
    let slot = world.identities.slots().resolve(&tenant("acme")).unwrap();
    world.identities.withdraw(&tenant("acme")).await;
    assert!(world.speaking("acme").is_none());
    assert!(
        slot.speaking().is_none(),
        "who resolved the slot before reads nothing either"
    );
    assert!(matches!(
        world.swap("acme", "marvin").await,
        Err(SwapError::TenantUnknown { .. })
    ));

    world.restore(seed("acme", "kora")).await.unwrap();
    assert_eq!(world.generation("acme"), 1, "served again, it is who it was");
}

#[tokio::test(start_paused = true)]
async fn a_swap_that_waits_while_its_tenant_is_withdrawn_commits_nothing() {
    let world = World::with_acme().await;
    world.providers.set("marvin/marvin", Behaviour::Hangs);
    let hanging = tokio::spawn({
        let identities = world.identities.clone();
        async move { identities.swap(request("acme", "marvin")).await }
    });
    tokio::task::yield_now().await;
    let waiting = tokio::spawn({
        let identities = world.identities.clone();
        async move { identities.swap(request("acme", "kora")).await }
    });
    tokio::task::yield_now().await;
    world.identities.withdraw(&tenant("acme")).await;
    assert!(hanging.await.unwrap().is_err());
    assert!(matches!(
        waiting.await.unwrap(),
        Err(SwapError::TenantUnknown { .. })
    ));
    assert_eq!(world.store.contents().generations.len(), 1);
    assert!(world.speaking("acme").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_swaps_that_expect_one_generation_exactly_one_wins() {
    const ROUNDS: u64 = 20;
    const SWAPPERS: usize = 16;
    let world = World::with_acme().await;
    for generation in 1..=ROUNDS {
        let mut swaps = tokio::task::JoinSet::new();
        for swapper in 0..SWAPPERS {
            let mut wish = request("acme", ["kora", "marvin"][swapper % 2]);
            wish.expect_generation = Some(generation);
            let identities = world.identities.clone();
            swaps.spawn(async move { identities.swap(wish).await });
        }
        let outcomes = swaps.join_all().await;
        let won: Vec<_> = outcomes.iter().flatten().collect();
        assert_eq!(won.len(), 1);
        assert_eq!(won[0].generation, generation + 1);
        assert_eq!(world.speaking("acme").unwrap().snapshot_hash, won[0].to_hash);
    }
    let contents = world.store.contents();
    let generations: Vec<_> = contents
        .generations
        .iter()
        .map(|record| record.generation)
        .collect();
    assert_eq!(
        generations,
        (1..=ROUNDS + 1).collect::<Vec<_>>(),
        "no gap, no double"
    );
}
