//! What hosts on one store promise each other, round by round.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::{
    domain::{Clock, SystemClock},
    store::memory::{MemoryStore, NextCommit},
};

struct Host {
    membership: Membership,
    home: TempDir,
}

impl Host {
    fn on(store: &Arc<MemoryStore>, name: &str) -> Self {
        Self::in_home(store, name, TempDir::new().unwrap())
    }

    fn in_home(store: &Arc<MemoryStore>, name: &str, home: TempDir) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let membership = Membership::new(MembershipParts {
            store: store.clone(),
            clock,
            is_shared: true,
            name: name.to_owned(),
            session: format!("run of {name}"),
            remembered: home.path().join("member"),
        });
        Self { membership, home }
    }

    async fn round(&self) -> Round {
        self.membership.round().await.unwrap()
    }

    async fn take(&self, tenants: &[&str]) -> Vec<String> {
        let tenants: Vec<_> = tenants.iter().map(|id| tenant(id)).collect();
        self.membership.take(&tenants).await.unwrap();
        let held = tenants.iter().filter(|tenant| self.membership.holds(tenant));
        held.map(ToString::to_string).collect()
    }
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::with_tenants(&["acme", "globex"]))
}

const BOTH: [&str; 2] = ["acme", "globex"];

#[tokio::test]
async fn of_two_hosts_one_holds_a_tenant_and_the_other_can_say_who() {
    let store = store();
    let (one, other) = (Host::on(&store, "one"), Host::on(&store, "other"));
    assert!(one.round().await.is_new);
    assert_eq!(one.take(&["acme"]).await, ["acme"]);
    other.round().await;
    assert_eq!(other.take(&BOTH).await, ["globex"]);
    assert_eq!(other.membership.holder(&tenant("acme")).as_deref(), Some("one"));
    one.round().await;
    assert_eq!(one.take(&BOTH).await, ["acme"]);
    assert_eq!(one.membership.holder(&tenant("globex")).as_deref(), Some("other"));
    assert!(one.membership.is_up_elsewhere("run of other"));
    assert!(!one.membership.is_up_elsewhere("run of one"), "that is here");
}

#[tokio::test]
async fn two_hosts_that_take_at_once_never_hold_the_same() {
    let names: Vec<_> = (0..300).map(|number| format!("t{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let store = Arc::new(MemoryStore::with_tenants(&names));
    let (one, other) = (Host::on(&store, "one"), Host::on(&store, "other"));
    one.round().await;
    other.round().await;
    let (of_one, of_other) = tokio::join!(one.take(&names), other.take(&names));
    assert!(of_one.iter().all(|tenant| !of_other.contains(tenant)));
    let (of_one, of_other) = (one.take(&names).await, other.take(&names).await);
    assert_eq!(of_one.len() + of_other.len(), names.len());
    assert!(of_one.iter().all(|tenant| !of_other.contains(tenant)));
}

#[tokio::test]
async fn a_host_that_gives_no_sign_loses_its_tenants_and_finds_out() {
    let store = store();
    let (one, other) = (Host::on(&store, "one"), Host::on(&store, "other"));
    one.round().await;
    one.take(&BOTH).await;
    for _ in 0..LAPSES_AFTER {
        assert!(!other.round().await.is_somebody_gone);
        assert_eq!(other.take(&BOTH).await, [""; 0]);
    }
    assert!(other.round().await.is_somebody_gone);
    assert_eq!(other.take(&BOTH).await, BOTH);
    assert!(one.membership.holds(&tenant("acme")), "it does not know yet");
    assert!(one.round().await.is_new);
    assert!(!one.membership.holds(&tenant("acme")));
    assert_eq!(one.take(&BOTH).await, [""; 0]);
    assert_eq!(one.membership.holder(&tenant("acme")).as_deref(), Some("other"));
}

#[tokio::test]
async fn a_host_that_renews_is_never_lost() {
    let store = store();
    let (one, other) = (Host::on(&store, "one"), Host::on(&store, "other"));
    one.round().await;
    one.take(&BOTH).await;
    for round in 0..4 * LAPSES_AFTER {
        // Slowly: now and then.
        if round % (LAPSES_AFTER - 1) == 0 {
            assert!(!one.round().await.is_new);
        }
        assert!(!other.round().await.is_somebody_gone, "round {round}");
    }
    assert_eq!(other.take(&BOTH).await, [""; 0]);
}

#[tokio::test]
async fn nobody_is_judged_by_a_host_that_could_not_read_the_store() {
    let store = store();
    let (one, other) = (Host::on(&store, "one"), Host::on(&store, "other"));
    one.round().await;
    other.round().await;
    one.take(&BOTH).await;
    for _ in 0..3 * LAPSES_AFTER {
        store.on_next_commit(NextCommit::Fails);
        other.membership.round().await.unwrap_err();
    }
    assert!(!other.round().await.is_somebody_gone);
    assert_eq!(one.round().await, Round::default());
    assert!(one.membership.holds(&tenant("acme")));
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_costs_nothing() {
    let store = store();
    let one = Host::on(&store, "one");
    one.round().await;
    one.take(&BOTH).await;
    store.on_next_commit(NextCommit::HappensAndFails);
    one.membership.round().await.unwrap_err();
    assert_eq!(one.round().await, Round::default());
    assert_eq!(one.take(&BOTH).await, BOTH);
}

#[tokio::test]
async fn what_an_ended_host_held_is_free_at_once() {
    let store = store();
    let (one, other) = (Host::on(&store, "one"), Host::on(&store, "other"));
    one.round().await;
    one.take(&BOTH).await;
    other.round().await;
    one.membership.leave().await;
    assert!(!one.membership.holds(&tenant("acme")));
    assert!(other.round().await.is_somebody_gone);
    assert_eq!(other.take(&BOTH).await, BOTH);
}

#[tokio::test]
async fn what_a_host_lets_go_of_is_free_and_what_was_taken_from_it_is_not() {
    let store = store();
    let (one, other) = (Host::on(&store, "one"), Host::on(&store, "other"));
    one.round().await;
    other.round().await;
    one.take(&BOTH).await;
    one.membership.release(&tenant("acme")).await.unwrap();
    assert!(!one.membership.holds(&tenant("acme")));
    assert_eq!(other.take(&BOTH).await, ["acme"]);
    for _ in 0..=LAPSES_AFTER {
        other.round().await;
    }
    assert_eq!(other.take(&BOTH).await, BOTH);
    one.membership.release(&tenant("globex")).await.unwrap();
    let third = Host::on(&store, "third");
    third.round().await;
    assert_eq!(third.take(&BOTH).await, [""; 0]);
}

#[tokio::test]
async fn a_host_that_was_killed_has_its_tenants_back_when_it_starts_again() {
    let store = store();
    let killed = Host::on(&store, "one");
    killed.round().await;
    killed.take(&BOTH).await;
    let again = Host::in_home(&store, "one", killed.home);
    assert!(again.round().await.is_new);
    assert_eq!(again.take(&BOTH).await, BOTH);
    assert!(!again.membership.is_up_elsewhere("run of one"));
}

#[tokio::test]
async fn where_no_other_host_can_be_every_tenant_is_held_and_nothing_is_written() {
    let store = store();
    let home = TempDir::new().unwrap();
    let membership = Membership::new(MembershipParts {
        store: store.clone(),
        clock: Arc::new(SystemClock::new()),
        is_shared: false,
        name: "one".to_owned(),
        session: "run".to_owned(),
        remembered: home.path().join("member"),
    });
    assert_eq!(membership.round().await.unwrap(), Round::default());
    membership.take(&[tenant("acme")]).await.unwrap();
    assert!(membership.holds(&tenant("acme")));
    assert_eq!(membership.holder(&tenant("acme")), None);
    membership.leave().await;
    assert!(store.contents().documents.is_empty());
}
