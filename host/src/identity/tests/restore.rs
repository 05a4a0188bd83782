//! Tests of what a tenant's identity is when it begins to be served.

use std::path::PathBuf;

use super::super::testing::*;
use crate::{
    identity::*,
    tenants::testing::{NextCommit, tenant},
};

fn prompt_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prompt.md");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[tokio::test]
async fn identity_is_not_fixed_for_the_process_but_each_tenants_own() {
    let world = World::new();
    world.providers.set("zoo/mirror", Behaviour::NamesTheTenant);
    let seeds = vec![
        seed("acme", "kora"),
        seed("globex", "marvin/marvin"),
        seed("hooli", "mirror"),
        seed("pied", "mirror"),
    ];
    world.identities.restore(seeds).await.unwrap();
    let prompts = ["acme", "globex", "hooli", "pied"].map(|id| world.prompt(id));
    assert_eq!(prompts, ["You are Kora.", "You are Marvin.", "hooli", "pied"]);

    world.swap("acme", "marvin").await.unwrap();
    assert_eq!(world.generation("globex"), 1, "a swap is one tenant's");
}

#[tokio::test]
async fn two_hosts_in_one_process_share_nothing() {
    let (first, second) = (World::with_acme().await, World::with_acme().await);
    first.swap("acme", "marvin").await.unwrap();
    assert_eq!(second.prompt("acme"), "You are Kora.");
    assert_eq!(second.generation("acme"), 1);
}

#[tokio::test]
async fn load_order_never_chooses_who_speaks() {
    let world = World::new();
    world
        .providers
        .set("zoo/kora", Behaviour::Says("You are another Kora."));
    let (_folder, path) = prompt_file("You are the fallback.");
    let error = world
        .restore(with_prompt(seed("acme", "kora"), path))
        .await
        .unwrap_err();
    assert!(matches!(error, RestoreError::Ambiguous { .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("`kora/kora`") && message.contains("`zoo/kora`"),
        "{message}"
    );
    assert!(
        world.speaking("acme").is_none(),
        "no guess, and no fallback that hides it"
    );
}

#[tokio::test]
async fn a_provider_of_the_same_name_that_comes_later_does_not_change_who_speaks() {
    let world = World::with_acme().await;
    world
        .providers
        .set("aaa/kora", Behaviour::Says("You are another Kora."));
    let second = world.restarted();
    let restored = second.restore(seed("acme", "kora")).await.unwrap();
    assert!(!restored.renewed);
    assert_eq!(second.prompt("acme"), "You are Kora.");
}

#[tokio::test]
async fn without_provider_and_prompt_a_tenant_does_not_start_and_the_error_lists_the_providers() {
    let (_folder, empty) = prompt_file(" \n");
    let missing = PathBuf::from("/nowhere/prompt.md");
    let cases = [
        unbound("acme"),
        with_prompt(unbound("acme"), empty),
        with_prompt(unbound("acme"), missing),
        with_prompt(unbound("acme"), std::env::temp_dir()),
        seed("acme", "marvn"),
    ];
    for case in cases {
        let world = World::new();
        let error = world.restore(case.clone()).await.unwrap_err();
        assert!(
            matches!(error, RestoreError::NoIdentity { .. }),
            "{case:?}: {error}"
        );
        assert!(
            error.to_string().contains("`kora/kora`, `marvin/marvin`"),
            "{error}"
        );
        assert!(world.speaking("acme").is_none());
        assert!(
            world.shown("acme").fault.is_some(),
            "the list says why nobody speaks"
        );
        assert!(world.store.contents().generations.is_empty());
        // Mended by the operator: swapping gives it its first identity.
        assert_eq!(world.swap("acme", "marvin").await.unwrap().generation, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_fallback_prompt_speaks_where_no_provider_claims() {
    let (_folder, path) = prompt_file("You are the fallback.");
    let faults = [
        Behaviour::Bytes(b"null"),
        Behaviour::Bytes(br#"{"agent_name":"half"}"#),
        Behaviour::Fails(ProviderError::Failed("no luck".to_owned())),
        Behaviour::Hangs,
    ];
    for fault in faults {
        let world = World::new();
        world.providers.set("kora/kora", fault);
        let restored = world
            .restore(with_prompt(seed("acme", "kora"), path.clone()))
            .await
            .unwrap();
        assert!(
            restored.fault.is_some(),
            "that it is not who was configured is said"
        );
        let speaking = world.speaking("acme").unwrap();
        assert_eq!(speaking.provider, None);
        assert_eq!(
            (
                speaking.snapshot.agent_name.as_str(),
                speaking.snapshot.agent_version.as_str()
            ),
            ("acme", "fallback")
        );
        assert_eq!(world.shown("acme").drift.as_deref(), Some("kora"));
        assert_eq!(world.store.told("acme")[0].1["to"], "fallback");
    }
}

#[tokio::test]
async fn a_fallback_prompt_that_changed_is_a_new_generation_and_one_that_vanished_speaks_on() {
    let world = World::new();
    let (folder, path) = prompt_file("first");
    let seed = with_prompt(unbound("acme"), path.clone());
    world.restore(seed.clone()).await.unwrap();
    std::fs::write(&path, "second").unwrap();
    let second = world.restarted();
    assert!(second.restore(seed.clone()).await.unwrap().renewed);
    drop(folder);
    let third = world.restarted();
    let restored = third.restore(seed).await.unwrap();
    assert!(!restored.renewed && restored.fault.is_some());
    assert_eq!(
        (third.generation("acme"), third.prompt("acme").as_str()),
        (2, "second")
    );
}

#[tokio::test]
async fn a_restart_with_the_same_answer_changes_nothing_and_tells_nothing() {
    let world = World::with_acme().await;
    let (before, told) = (world.speaking("acme"), world.store.told("acme").len());
    let second = world.restarted();
    let restored = second.restore(seed("acme", "kora")).await.unwrap();
    assert!(!restored.renewed && restored.fault.is_none());
    assert_eq!(second.speaking("acme"), before);
    assert_eq!(world.store.told("acme").len(), told);
}

#[tokio::test]
async fn other_bytes_or_other_code_at_boot_make_a_generation_with_its_event() {
    let world = World::with_acme().await;
    world
        .providers
        .set("kora/kora", Behaviour::Says("You are Kora, improved."));
    let second = world.restarted();
    second.restore(seed("acme", "kora")).await.unwrap();
    assert_eq!(
        (second.generation("acme"), second.prompt("acme").as_str()),
        (2, "You are Kora, improved.")
    );

    world
        .providers
        .set_version("kora/kora", "2.0.0", Behaviour::Says("You are Kora, improved."));
    let third = world.restarted();
    third.restore(seed("acme", "kora")).await.unwrap();
    assert_eq!(third.generation("acme"), 3, "the same words, said by other code");
    let told = world.store.told("acme");
    let (event_type, payload) = told.last().unwrap();
    assert_eq!(
        (event_type.as_str(), payload["actor"]["kind"].as_str()),
        (SWAPPED, Some("host"))
    );
    assert!(
        payload["reason"]
            .as_str()
            .unwrap()
            .contains("answered differently")
    );
}

#[tokio::test]
async fn the_store_wins_over_the_configuration_and_the_drift_is_shown() {
    let world = World::with_acme().await;
    world.swap("acme", "marvin").await.unwrap();
    let second = world.restarted();
    second.restore(seed("acme", "kora")).await.unwrap();
    assert_eq!(second.prompt("acme"), "You are Marvin.");
    assert_eq!(second.shown("acme").drift.as_deref(), Some("kora"));

    second.identities.reconfigure([seed("acme", "marvin/marvin")]);
    assert_eq!(second.shown("acme").drift, None);
    second.providers.remove("marvin/marvin");
    assert_eq!(
        second.shown("acme").drift,
        None,
        "a plugin that is gone is no drift"
    );
}

#[tokio::test]
async fn the_snapshot_outlives_the_plugin_that_made_it() {
    let world = World::with_acme().await;
    world.providers.remove("kora/kora");
    let second = world.restarted();
    let restored = second.restore(seed("acme", "kora")).await.unwrap();
    assert!(restored.fault.is_some());
    assert_eq!(second.prompt("acme"), "You are Kora.");
    let shown = second.shown("acme");
    assert!(shown.provider_missing && shown.fault.is_some());

    // Its plugin is dropped in again.
    world
        .providers
        .set("kora/kora", Behaviour::Says("You are Kora, back."));
    second
        .identities
        .announced(&"kora/kora".parse().unwrap(), None)
        .await
        .unwrap();
    assert_eq!(second.prompt("acme"), "You are Kora, back.");
    let shown = second.shown("acme");
    assert!(!shown.provider_missing && shown.fault.is_none());
}

#[tokio::test]
async fn a_provider_that_fails_at_boot_does_not_silence_its_tenants() {
    let faults = [
        Behaviour::Bytes(b"garbage"),
        Behaviour::Bytes(b"null"),
        Behaviour::Fails(ProviderError::Poisoned),
    ];
    for fault in faults {
        let world = World::with_acme().await;
        world.providers.set("kora/kora", fault);
        let second = world.restarted();
        second.restore(seed("acme", "kora")).await.unwrap();
        assert_eq!(
            (second.generation("acme"), second.prompt("acme").as_str()),
            (1, "You are Kora.")
        );
        assert!(second.shown("acme").fault.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_costs_a_boot_few_deadlines_however_many_tenants_it_has() {
    let world = World::new();
    let seeds: Vec<_> = (0..200).map(|n| seed(&format!("t{n}"), "kora")).collect();
    for seed in &seeds {
        world.store.add_tenant(seed.tenant.as_str());
    }
    world.identities.restore(seeds.clone()).await.unwrap();
    world.providers.set("kora/kora", Behaviour::Hangs);
    let second = world.restarted();
    let begun = tokio::time::Instant::now();
    let restored = second.identities.restore(seeds).await.unwrap();
    assert!(begun.elapsed() <= PROVIDER_DEADLINE * 2, "{:?}", begun.elapsed());
    assert!(restored.iter().all(|(_, restored)| restored.is_ok()));
    assert_eq!(second.prompt("t199"), "You are Kora.");
}

#[tokio::test]
async fn damaged_bytes_never_speak_and_are_given_anew_or_the_tenant_does_not_start() {
    let world = World::with_acme().await;
    world.store.contents().generations[0].snapshot = String::from_utf8(answer("You are evil.")).unwrap();

    world.providers.remove("kora/kora");
    let second = world.restarted();
    let error = second.restore(seed("acme", "kora")).await.unwrap_err();
    assert!(matches!(error, RestoreError::Damaged { .. }), "{error}");
    assert!(second.speaking("acme").is_none());

    world.providers.set("kora/kora", Behaviour::Says("You are Kora."));
    let third = world.restarted();
    assert!(third.restore(seed("acme", "kora")).await.unwrap().renewed);
    assert_eq!(
        (third.generation("acme"), third.prompt("acme").as_str()),
        (2, "You are Kora.")
    );
}

#[tokio::test]
async fn a_first_identity_that_cannot_be_kept_does_not_speak() {
    let world = World::new();
    world.store.on_next_commit(NextCommit::Fails);
    let error = world.restore(seed("acme", "kora")).await.unwrap_err();
    assert!(matches!(error, RestoreError::Commit { .. }), "{error}");
    assert!(world.speaking("acme").is_none());
    world.restore(seed("acme", "kora")).await.unwrap();
    assert_eq!(world.generation("acme"), 1, "trying again helps");
}

#[tokio::test]
async fn one_tenant_without_identity_does_not_stop_the_others() {
    let world = World::new();
    let outcomes = world
        .identities
        .restore(vec![unbound("acme"), seed("globex", "marvin")])
        .await
        .unwrap();
    assert_eq!(
        outcomes.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(),
        [tenant("acme"), tenant("globex")]
    );
    assert!(outcomes[0].1.is_err() && outcomes[1].1.is_ok());
    let shown = world.identities.list();
    assert_eq!(
        shown
            .iter()
            .map(|shown| shown.speaks.is_some())
            .collect::<Vec<_>>(),
        [false, true]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_that_boot_together_on_an_empty_store_agree_on_one_first_identity() {
    for _ in 0..20 {
        let first = World::new();
        let second = first.restarted();
        let (one, two) = tokio::join!(
            first.restore(seed("acme", "kora")),
            second.restore(seed("acme", "kora"))
        );
        assert_eq!(one.unwrap().speaking, two.unwrap().speaking);
        assert_eq!(first.store.contents().generations.len(), 1);
    }
}
