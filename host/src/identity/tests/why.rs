//! Tests of the proof of who speaks.

use super::super::testing::*;
use crate::{
    domain::{Digest, EventId},
    identity::*,
    store::GenerationRecord,
    tenants::testing::{Contents, tenant},
};

async fn why(world: &World) -> Why {
    world.identities.why(&tenant("acme")).await.unwrap()
}

#[tokio::test]
async fn why_leads_from_the_tenant_to_the_event_and_proves_every_link() {
    let world = World::with_acme().await;
    let swapped = world.swap("acme", "marvin").await.unwrap();
    let proof = why(&world).await;
    assert!(proof.proved, "{:?}", proof.broken_link);
    assert_eq!(
        (proof.generation, proof.provider.as_str(), proof.plugin.as_deref()),
        (2, "marvin/marvin", Some("marvin"))
    );
    assert_eq!(
        (proof.plugin_version.as_deref(), proof.plugin_digest),
        (Some("1.0.0"), Some(Digest::of(b"1.0.0")))
    );
    assert_eq!(proof.snapshot_hash, swapped.to_hash);
    let event = proof.event.unwrap();
    assert_eq!(
        (event.event_id, event.seq, event.this_hash),
        (swapped.event.event_id, swapped.event.seq, swapped.event.this_hash)
    );
    assert_eq!(event.event_type, SWAPPED);

    world.rollback("acme", None).await.unwrap();
    let proof = why(&world).await;
    assert!(proof.proved, "a rollback is proved too: {:?}", proof.broken_link);
    assert_eq!(proof.event.unwrap().event_type, ROLLED_BACK);
}

#[tokio::test]
async fn the_proof_names_the_link_that_somebody_tampered_with() {
    type Tamper = fn(&mut Contents);
    fn newest(contents: &mut Contents) -> &mut GenerationRecord {
        contents.generations.last_mut().unwrap()
    }
    fn retell(contents: &mut Contents, from: &str, to: &str) {
        let event = contents.events.last_mut().unwrap();
        assert!(event.payload.contains(from));
        event.payload = event.payload.replace(from, to);
    }
    let cases: [(&str, Tamper); 9] = [
        ("→ store", |contents| {
            contents.generations.clear();
        }),
        ("→ snapshot", |contents| newest(contents).snapshot.push(' ')),
        ("its hash is", |contents| {
            newest(contents).snapshot_hash = Digest::of(b"else")
        }),
        ("provider, plugin or event", |contents| {
            newest(contents).plugin_digest = None
        }),
        ("provider, plugin or event", |contents| {
            newest(contents).event_id = EventId::new();
        }),
        ("there is no event", |contents| contents.events.clear()),
        ("the provider is recorded", |contents| {
            retell(contents, r#""to":"kora/kora""#, r#""to":"kora/kira""#)
        }),
        ("the plugin version is recorded", |contents| {
            retell(contents, "1.0.0", "1.0.1")
        }),
        ("the event is a", |contents| {
            contents.events.last_mut().unwrap().event_type = SWAP_REFUSED.to_owned();
        }),
    ];
    for (expected, tamper) in cases {
        let world = World::with_acme().await;
        tamper(&mut world.store.contents());
        let proof = why(&world).await;
        assert!(!proof.proved);
        let link = proof.broken_link.unwrap();
        assert!(link.contains(expected), "{expected}: {link}");
    }
}

#[tokio::test]
async fn bytes_that_were_exchanged_together_with_their_hash_are_betrayed_by_the_event() {
    let world = World::with_acme().await;
    {
        let mut contents = world.store.contents();
        let record = &mut contents.generations[0];
        record.snapshot = Snapshot::parse(&answer("You are evil."))
            .unwrap()
            .unwrap()
            .to_canonical();
        record.snapshot_hash = Digest::of(record.snapshot.as_bytes());
    }
    world.providers.remove("kora/kora");
    let second = world.restarted();
    second.restore(seed("acme", "kora")).await.unwrap();
    let proof = why(&second).await;
    assert!(!proof.proved);
    assert!(
        proof
            .broken_link
            .unwrap()
            .contains("the snapshot hash is recorded")
    );
}

#[tokio::test]
async fn there_is_no_answer_for_nobody() {
    let world = World::new();
    let unknown = world.identities.why(&tenant("acme")).await;
    assert!(matches!(unknown, Err(WhyError::TenantUnknown { .. })));
    world.restore(unbound("acme")).await.unwrap_err();
    let silent = world.identities.why(&tenant("acme")).await;
    assert!(matches!(silent, Err(WhyError::NoIdentity { .. })));
}
