//! Any sequence of requests, against a reference that was written from the rules and not from the table; and what the chain tells
//! of it, read back.

use std::collections::BTreeSet;

use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
    sample::select,
};

use super::{Rig, acme, engine};
use crate::{
    domain::{
        ClaimPermission,
        DegradationReason::{self, Cost, Operator, Substrate},
        OperationalState,
        PrimaryState::{self, Active, Booting, Paused, Ready, Stopped},
        TriggerKind,
    },
    engine::{
        transition::{Recorded, Request},
        vocabulary::OwnType,
    },
};

/// Something that is asked of the state of a tenant, or done to the store.
#[derive(Debug, Clone)]
enum Step {
    Change(Request),
    Pause,
    Resume,
    StoreGoes,
    StoreComes,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => request().prop_map(Step::Change),
        2 => Just(Step::Pause),
        3 => Just(Step::Resume),
        1 => Just(Step::StoreGoes),
        1 => Just(Step::StoreComes),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let reasons = || btree_set(select(DegradationReason::ALL), 0..3);
    // Half of them between the states that work goes on in, or most sequences would end in `stopped` at once.
    let to = prop_oneof![3 => select(vec![Ready, Active, Paused]), 1 => select(PrimaryState::ALL)];
    (
        option::weighted(0.7, to),
        select(TriggerKind::ALL),
        option::weighted(0.2, select(ClaimPermission::ALL)),
        reasons(),
        reasons(),
        option::weighted(0.1, select(PrimaryState::ALL)),
    )
        .prop_map(|(to, kind, permission, add, remove, expected)| Request {
            to,
            permission,
            add,
            remove,
            expected,
            ..Request::stay(kind, "for a reason")
        })
}

/// The rules, in the shortest form.
struct Reference {
    primary: PrimaryState,
    permission: ClaimPermission,
    reasons: BTreeSet<DegradationReason>,
}

impl Reference {
    fn new() -> Self {
        let booting = OperationalState::booting();
        Self {
            primary: Booting,
            permission: booting.claim_permission,
            reasons: booting.degradation_reasons,
        }
    }

    /// Whether it is granted; it changes then.
    fn take(&mut self, step: &Step) -> bool {
        match step {
            Step::Change(request) => self.change(request),
            Step::Pause => {
                self.primary != Paused
                    && self.go(Paused, |reasons| {
                        reasons.insert(Operator);
                    })
            }
            Step::Resume => self.resume(),
            Step::StoreGoes | Step::StoreComes => true,
        }
    }

    fn change(&mut self, request: &Request) -> bool {
        let (from, to) = (self.primary, request.to.unwrap_or(self.primary));
        let lifts_a_pause = from == Paused && request.to == Some(Ready);
        if lifts_a_pause || request.expected.is_some_and(|expected| expected != from) {
            return false;
        }
        let granted = self.go(to, |reasons| {
            reasons.extend(&request.add);
            reasons.retain(|reason| !request.remove.contains(reason));
        });
        match request.permission {
            Some(permission) if granted => self.permission = permission,
            None if granted && (from, to) == (Booting, Ready) => self.permission = ClaimPermission::Normal,
            _ => {}
        }
        granted
    }

    fn resume(&mut self) -> bool {
        let is_held = self.reasons.contains(&Cost) || self.reasons.contains(&Substrate);
        if self.primary != Paused || is_held {
            return false;
        }
        self.go(Ready, |reasons| {
            reasons.remove(&Operator);
        });
        if self.permission != ClaimPermission::CriticalOnly || self.reasons.is_empty() {
            self.permission = ClaimPermission::Normal;
        }
        true
    }

    fn go(&mut self, to: PrimaryState, change: impl FnOnce(&mut BTreeSet<DegradationReason>)) -> bool {
        let may = match (self.primary, to) {
            (Stopped, _) | (Paused, Active | Booting) | (Ready | Active, Booting) | (Booting, Active) => {
                false
            }
            (Booting | Ready | Active | Paused, _) => true,
        };
        if may {
            self.primary = to;
            change(&mut self.reasons);
        }
        may
    }

    fn state(&self) -> OperationalState {
        OperationalState {
            primary_state: self.primary,
            claim_permission: self.permission,
            degradation_reasons: self.reasons.clone(),
        }
    }
}

async fn ask(rig: &Rig, step: &Step) -> bool {
    let (tenant, writer, words) = (acme(), engine(), "for a reason");
    match step {
        Step::Change(request) => {
            let changed = rig.states.transition(&tenant, request.clone(), &writer);
            changed.await.is_ok()
        }
        Step::Pause => rig.states.pause(&tenant, words, &writer).await.is_ok(),
        Step::Resume => rig.states.resume(&tenant, words, &writer).await.is_ok(),
        Step::StoreGoes => {
            rig.store.go_away();
            true
        }
        Step::StoreComes => {
            rig.store.come_back();
            true
        }
    }
}

/// What the chain tells, in order.
fn told(rig: &Rig) -> Vec<Recorded> {
    let events = rig.store.chain("acme").into_iter();
    events
        .filter(|event| event.event_type == OwnType::OperationalStateTransitioned.as_str())
        .map(|event| Recorded::read(&event.payload).unwrap())
        .collect()
}

/// The state at the end of what the chain tells; each change goes on where the one before ended.
fn replayed(told: &[Recorded]) -> OperationalState {
    told.iter().fold(OperationalState::booting(), |state, recorded| {
        assert_eq!(recorded.from_primary_state, state.primary_state);
        OperationalState {
            primary_state: recorded.to_primary_state,
            claim_permission: recorded.claim_permission,
            degradation_reasons: recorded.degradation_reasons.clone(),
        }
    })
}

async fn check(steps: Vec<Step>) {
    let mut rig = Rig::new();
    rig.states.wire_in(&acme()).await.unwrap();
    let mut reference = Reference::new();
    for step in &steps {
        let before = reference.state();
        assert_eq!(
            ask(&rig, step).await,
            reference.take(step),
            "{step:?} in {before:?}"
        );
        let now = rig.states.current(&acme()).unwrap();
        assert_eq!(now.state, reference.state(), "{step:?} in {before:?}");
    }
    rig.store.come_back();
    rig.states.flush().await;
    assert_eq!(rig.log.drain().await.waiting, 0);
    let told = told(&rig);
    assert_eq!(replayed(&told), reference.state());

    // A restart remembers a pause, and nothing else.
    rig.restart();
    let last = told
        .iter()
        .rev()
        .find(|told| matches!(told.to_primary_state, Ready | Active | Paused));
    let taken_up = rig.states.wire_in(&acme()).await.unwrap();
    match last.filter(|told| told.to_primary_state == Paused) {
        Some(pause) => {
            assert_eq!(taken_up.state.primary_state, Paused);
            assert_eq!(taken_up.state.degradation_reasons, pause.degradation_reasons);
        }
        None => assert_eq!(taken_up.state, OperationalState::booting()),
    }
}

proptest! {
    // Each has a store, a file for what waits, and some of them syncs.
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_is_asked_the_state_is_that_of_the_reference_and_the_chain_tells_the_same(
        steps in vec(step(), 1..24)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(steps));
    }
}
