//! Who hears of changes.

use std::{sync::Mutex, time::Duration};

use async_trait::async_trait;

use super::*;
use crate::state::{Listener, Transition};

/// Notes what it hears, and does what it is made to do.
#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<String>>,
    manner: Manner,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Manner {
    #[default]
    Listens,
    Fails,
    Panics,
    Hangs,
}

#[async_trait]
impl Listener for Ear {
    async fn changed(&self, transition: Arc<Transition>) -> Result<(), String> {
        let (from, to) = (transition.from.primary_state, transition.to.primary_state);
        self.heard.lock().unwrap().push(format!("{from} to {to}"));
        match self.manner {
            Manner::Listens => Ok(()),
            Manner::Fails => Err("no".to_owned()),
            Manner::Panics => panic!("on purpose"),
            Manner::Hangs => std::future::pending().await,
        }
    }
}

impl Ear {
    fn that(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner,
            ..Self::default()
        })
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

const ALL: [&str; 3] = ["booting to ready", "ready to active", "active to ready"];

async fn boot_and_work(rig: &Rig) {
    rig.boot().await;
    rig.go(Active, TriggerKind::ClaimAcquired).await;
    rig.go(Ready, TriggerKind::ClaimReleased).await;
}

#[tokio::test]
async fn fault_s_wiring_twice_doubles_nothing() {
    let rig = Rig::new();
    let ear = Ear::that(Manner::Listens);
    assert!(rig.states.listen("ear", ear.clone()));
    assert!(!rig.states.listen("ear", ear.clone()));
    rig.boot().await;
    rig.states.wire_in(&acme()).await.unwrap();
    assert!(!rig.states.add_tenant(&acme()));
    assert_eq!(rig.primary(), Ready);
    rig.states.flush().await;
    assert_eq!(ear.heard(), ["booting to ready"]);
    assert_eq!(rig.store.chain("acme").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_panics_or_hangs_stops_neither_the_others_nor_the_change() {
    let rig = Rig::new();
    let last = Ear::that(Manner::Listens);
    let bad = [Manner::Fails, Manner::Panics, Manner::Hangs].map(Ear::that);
    for (number, ear) in bad.iter().enumerate() {
        rig.states.listen(&format!("bad {number}"), ear.clone());
    }
    rig.states.listen("last", last.clone());
    boot_and_work(&rig).await;
    rig.states.flush().await;
    assert_eq!(rig.primary(), Ready);
    assert_eq!(last.heard(), ALL);
    for ear in &bad {
        assert_eq!(ear.heard(), ALL);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_does_not_wait_for_its_listeners() {
    let rig = Rig::new();
    rig.states.listen("stuck", Ear::that(Manner::Hangs));
    let worked = tokio::time::timeout(Duration::from_secs(1), boot_and_work(&rig)).await;
    assert!(worked.is_ok(), "the changes waited for a listener that hangs");
}

/// Makes a tenant that became ready work.
struct Eager(Arc<States>);

#[async_trait]
impl Listener for Eager {
    async fn changed(&self, transition: Arc<Transition>) -> Result<(), String> {
        if transition.from.primary_state != Booting {
            return Ok(());
        }
        let request = Request::to(Active, TriggerKind::ClaimAcquired, "claim acquired");
        let changed = self.0.transition(&transition.tenant, request, &engine()).await;
        changed.map(drop).map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn a_listener_may_itself_change_the_state_and_all_hear_in_order() {
    let rig = Rig::new();
    let ear = Ear::that(Manner::Listens);
    rig.states.listen("eager", Arc::new(Eager(rig.states.clone())));
    rig.states.listen("ear", ear.clone());
    rig.boot().await;
    rig.states.flush().await;
    rig.states.flush().await;
    assert_eq!(rig.primary(), Active);
    assert_eq!(ear.heard(), ALL[..2]);
}

#[tokio::test]
async fn who_leaves_hears_no_more_and_what_is_queued_is_told_before_the_states_close() {
    let rig = Rig::new();
    let (gone, stays) = (Ear::that(Manner::Listens), Ear::that(Manner::Listens));
    rig.states.listen("gone", gone.clone());
    rig.states.listen("stays", stays.clone());
    rig.boot().await;
    rig.states.flush().await;
    assert!(rig.states.unlisten("gone") && !rig.states.unlisten("gone"));
    rig.go(Active, TriggerKind::ClaimAcquired).await;
    rig.states.close().await;
    assert_eq!(gone.heard(), ALL[..1]);
    assert_eq!(stays.heard(), ALL[..2]);
}
