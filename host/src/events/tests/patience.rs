//! What anybody appends to a store that lets it wait.

use super::*;
use crate::{
    events::{AppendError, Kept, Receipt},
    store::CommitError,
};

fn patient() -> Rig {
    let rig = Rig::new();
    rig.store.let_appends_wait();
    rig
}

fn keyed(what: &str) -> AppendRequest {
    AppendRequest {
        idempotency_key: Some("k".to_owned()),
        ..deployed(what)
    }
}

#[tokio::test]
async fn an_append_is_pending_while_the_store_is_away_and_is_drained_in_order_with_its_id() {
    let mut rig = patient();
    rig.store.go_away();
    let mut ids = Vec::new();
    for what in ["one", "two"] {
        let receipt = rig.log.append(deployed(what)).await.unwrap();
        assert_eq!(
            (receipt.pending, receipt.seq, receipt.repeated),
            (true, None, false)
        );
        ids.push(receipt.event_id);
    }
    rig.log.emit(vec![rig.own("acme", "three")]).await.unwrap_err();
    rig.restart();
    rig.store.come_back();
    // The next one lets those before it pass.
    let receipt = rig.log.append(deployed("four")).await.unwrap();
    assert_eq!((receipt.pending, receipt.seq), (false, Some(4)));
    assert_eq!(rig.told("acme"), ["one", "two", "three", "four"]);
    let chain = rig.store.chain("acme");
    assert_eq!([chain[0].event_id, chain[1].event_id], [ids[0], ids[1]]);
}

#[tokio::test]
async fn an_append_that_expects_a_place_is_refused_while_the_store_is_away() {
    let rig = patient();
    rig.store.go_away();
    let expecting = AppendRequest {
        expected_seq: Some(0),
        ..deployed("x")
    };
    let refused = rig.log.append(expecting).await.unwrap_err();
    assert!(refused.is_unavailable(), "{refused}");
    assert_eq!(rig.log.waiting_entries(), 0);
}

#[tokio::test]
async fn a_store_of_this_machine_lets_nobody_wait_but_the_host() {
    let rig = Rig::new();
    rig.store.go_away();
    assert!(rig.log.append(deployed("x")).await.unwrap_err().is_unavailable());
    assert_eq!(rig.log.waiting_entries(), 0);
}

#[tokio::test]
async fn what_cannot_wait_durably_is_refused() {
    let rig = patient();
    rig.store.go_away();
    std::fs::create_dir(rig.spool()).unwrap();
    assert!(rig.log.append(deployed("x")).await.unwrap_err().is_unavailable());
    assert_eq!(rig.log.waiting_entries(), 0);
}

#[tokio::test]
async fn a_key_that_waits_is_used() {
    let rig = patient();
    rig.store.go_away();
    let first = rig.log.append(keyed("x")).await.unwrap();
    let again = rig.log.append(keyed("x")).await.unwrap();
    assert_eq!(
        (again.event_id, again.pending, again.repeated),
        (first.event_id, true, true)
    );
    let conflict = CommitError::IdempotencyConflict {
        event_id: first.event_id,
    };
    assert_eq!(
        rig.log.append(keyed("other")).await.unwrap_err(),
        AppendError::Commit(conflict)
    );
    assert_eq!(rig.log.waiting_entries(), 1);
}

/// What becomes of requests with one key that are made at once.
async fn at_once(
    rig: &Rig,
    requests: impl IntoIterator<Item = AppendRequest>,
) -> Vec<Result<Receipt, AppendError>> {
    let mut running = tokio::task::JoinSet::new();
    for request in requests {
        let log = rig.log.clone();
        running.spawn(async move { log.append(request).await });
    }
    running.join_all().await
}

#[tokio::test]
async fn of_requests_with_one_key_at_once_one_waits_and_all_are_answered_with_its_id() {
    let rig = patient();
    rig.store.go_away();
    let answers = at_once(&rig, (0..16).map(|_| keyed("x"))).await;
    let receipts: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(rig.log.waiting_entries(), 1);
    let first = rig.log.waiting(&id("acme"))[0].event_id;
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.pending && receipt.event_id == first)
    );
    assert_eq!(receipts.iter().filter(|receipt| !receipt.repeated).count(), 1);
}

#[tokio::test]
async fn of_requests_with_one_key_for_other_things_at_once_one_is_acknowledged_and_appended() {
    let rig = patient();
    rig.store.go_away();
    let answers = at_once(&rig, (0..16).map(|number| keyed(&number.to_string()))).await;
    let (acknowledged, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    let ids: Vec<_> = acknowledged
        .into_iter()
        .map(|receipt| receipt.unwrap().event_id)
        .collect();
    assert_eq!(ids.len(), 1);
    let conflict = AppendError::Commit(CommitError::IdempotencyConflict { event_id: ids[0] });
    assert!(
        refused
            .iter()
            .all(|refused| refused.as_ref().unwrap_err() == &conflict)
    );
    rig.store.come_back();
    rig.log.drain().await;
    let there: Vec<_> = rig
        .store
        .chain("acme")
        .iter()
        .map(|event| event.event_id)
        .collect();
    assert_eq!(there, ids);
}

#[tokio::test]
async fn so_many_bytes_wait_and_a_quarter_of_them_is_for_the_hosts_own_account() {
    let mut rig = patient();
    rig.store.go_away();
    let (total, mib) = (64, 1024 * 1024);
    let bytes = |rig: &Rig| std::fs::metadata(rig.spool()).map_or(0, |file| file.len());
    let large = "x".repeat(60_000);
    let entry = |rig: &Rig| (0..16).map(|_| rig.own("acme", &large)).collect::<Vec<_>>();
    while bytes(&rig) < (total / 4 * 3) * mib {
        assert_eq!(rig.log.emit(entry(&rig)).await.unwrap_err().kept, Kept::Durably);
    }
    let refused = rig.log.append(deployed("x")).await.unwrap_err();
    assert!(
        refused.is_unavailable() && refused.to_string().contains("48 MiB"),
        "{refused}"
    );

    let lost = loop {
        let failure = rig.log.emit(entry(&rig)).await.unwrap_err();
        assert!(bytes(&rig) <= total * mib, "{} bytes wait", bytes(&rig));
        if failure.kept == Kept::Lost {
            break failure;
        }
    };
    assert!(lost.to_string().contains("64 MiB"), "{lost}");
    assert!(bytes(&rig) > (total - 1) * mib);
    rig.restart();
    assert_eq!(rig.log.emit(entry(&rig)).await.unwrap_err().kept, Kept::Lost);
}

#[tokio::test]
async fn what_is_drained_together_keeps_its_order_around_one_that_is_refused() {
    let rig = patient();
    rig.store.go_away();
    let numbers = || (0..600).map(|number| number.to_string());
    for number in numbers() {
        let request = if number == "300" {
            keyed(&number)
        } else {
            deployed(&number)
        };
        rig.log.append(request).await.unwrap();
    }
    rig.store.come_back();
    let other = open(&rig.store, rig.home.path().join("other.jsonl"));
    other.append(keyed("theirs")).await.unwrap();
    let drained = rig.log.drain().await;
    assert_eq!((drained.appended, drained.waiting), (599, 0));
    let there = rig.told("acme");
    let others = numbers().filter(|number| number != "300");
    assert!(there.into_iter().skip(1).eq(others));
}

#[tokio::test]
async fn a_key_that_another_host_used_meanwhile_holds_up_nobody_and_is_kept_beside_the_spool() {
    let rig = patient();
    rig.store.go_away();
    rig.log.append(keyed("mine")).await.unwrap();
    rig.log.append(deployed("next")).await.unwrap();
    rig.store.come_back();
    let other = open(&rig.store, rig.home.path().join("other.jsonl"));
    other.append(keyed("theirs")).await.unwrap();
    rig.log.drain().await;
    assert_eq!(rig.told("acme"), ["theirs", "next"]);
    let aside = std::fs::read_to_string(rig.home.path().join("spool.jsonl.refused")).unwrap();
    assert!(aside.contains("mine"), "{aside}");
}
