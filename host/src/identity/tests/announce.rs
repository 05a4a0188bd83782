//! Tests of providers that say they have changed.

use super::super::testing::*;
use crate::{domain::ProviderId, identity::*, tenants::testing::tenant};

fn kora() -> ProviderId {
    "kora/kora".parse().unwrap()
}

#[tokio::test]
async fn an_announced_change_speaks_for_every_tenant_of_that_provider_and_no_other() {
    let world = World::new();
    let seeds = vec![
        seed("acme", "kora"),
        seed("globex", "marvin"),
        seed("hooli", "kora"),
    ];
    world.identities.restore(seeds).await.unwrap();
    world
        .providers
        .set("kora/kora", Behaviour::Says("You are Kora, improved."));

    let announced = world
        .identities
        .announced(&kora(), Some(&tenant("hooli")))
        .await
        .unwrap();
    assert_eq!(announced, [(tenant("hooli"), Announced::Renewed(2))]);
    let announced = world.identities.announced(&kora(), None).await.unwrap();
    assert_eq!(
        announced,
        [
            (tenant("acme"), Announced::Renewed(2)),
            (tenant("hooli"), Announced::Unchanged)
        ]
    );
    assert_eq!(world.generation("globex"), 1);

    let told = world.store.told("acme");
    let actor = &told.last().unwrap().1["actor"];
    assert_eq!(
        (actor["kind"].as_str(), actor["id"].as_str()),
        (Some("plugin"), Some("kora"))
    );
}

#[tokio::test]
async fn a_provider_cannot_change_a_tenant_that_it_does_not_speak_for() {
    let world = World::with_acme().await;
    let announced = world
        .identities
        .announced(&"marvin/marvin".parse().unwrap(), Some(&tenant("acme")))
        .await
        .unwrap();
    assert!(announced.is_empty());
    assert_eq!(world.prompt("acme"), "You are Kora.");
}

#[tokio::test]
async fn an_announcement_that_comes_to_nothing_is_told_once_however_often_it_is_made() {
    let world = World::with_acme().await;
    world.providers.set("kora/kora", Behaviour::Bytes(b"garbage"));
    for _ in 0..5 {
        let announced = world.identities.announced(&kora(), None).await.unwrap();
        assert!(matches!(announced[0].1, Announced::Refused(_)));
    }
    assert_eq!(world.count(SWAP_REFUSED), 1);
    assert_eq!(world.prompt("acme"), "You are Kora.");
    world.providers.set("kora/kora", Behaviour::Bytes(b"null"));
    world.identities.announced(&kora(), None).await.unwrap();
    assert_eq!(world.count(SWAP_REFUSED), 2, "another fault is told");
}

#[tokio::test]
async fn a_flood_of_announcements_asks_a_few_times_and_misses_no_change() {
    let world = World::with_acme().await;
    let asked = world.providers.asked();
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let identities = world.identities.clone();
        flood.spawn(async move { identities.announced(&kora(), None).await.unwrap() });
    }
    flood.join_all().await;
    assert!(
        world.providers.asked() - asked < 10,
        "{}",
        world.providers.asked() - asked
    );

    world.providers.set("kora/kora", Behaviour::Says("the last word"));
    world.identities.announced(&kora(), None).await.unwrap();
    assert_eq!(world.prompt("acme"), "the last word");
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_waited_while_an_operator_swapped_away_changes_nothing() {
    let world = World::with_acme().await;
    // Every swap after this one waits for its turn.
    world.providers.set("zoo/slow", Behaviour::Hangs);
    let spawn = |provider: &'static str| {
        let identities = world.identities.clone();
        tokio::spawn(async move { identities.swap(request("acme", provider)).await })
    };
    let hanging = spawn("slow");
    tokio::task::yield_now().await;
    let swap = spawn("marvin");
    tokio::task::yield_now().await;
    let announced = world.identities.announced(&kora(), None).await.unwrap();
    assert_eq!(announced, [(tenant("acme"), Announced::Nothing)]);
    assert!(hanging.await.unwrap().is_err());
    assert!(swap.await.unwrap().is_ok());
    assert_eq!(world.prompt("acme"), "You are Marvin.");
}
