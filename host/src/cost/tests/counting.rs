//! Counting what was spent, up to the hard stop.

use super::*;

#[tokio::test]
async fn each_rung_is_told_of_once_and_the_last_one_stops_the_tenant() {
    let rig = Rig::new();
    for (cost, rung) in [
        ("100", Normal),
        ("50", Warn75),
        ("1", Warn75),
        ("29", Downshift90),
    ] {
        assert_eq!(rig.spend(cost).await.rung, rung);
        assert!(!rig.brake.is_halted(&acme()));
    }
    let last = rig.spend("20").await;
    assert_eq!((last.rung, last.spent_to_date_usd), (HardStop100, usd("200")));
    assert!(rig.brake.is_halted(&acme()));
    assert_eq!(rig.decision().await, Decision::Halted);
    let told: Vec<_> = rig.store.told("acme").into_iter().collect();
    let rungs: Vec<_> = told
        .iter()
        .map(|(event_type, payload)| (event_type.as_str(), payload["to_rung"].as_str().unwrap()))
        .collect();
    let changed = "kora.cost.rung_changed";
    assert_eq!(
        rungs,
        [
            (changed, "warn_75"),
            (changed, "downshift_90"),
            (changed, "hard_stop_100")
        ]
    );
    assert_eq!(told[2].1["spent_to_date_usd"], "200.00");
    // What is spent beyond it is counted all the same.
    assert_eq!(rig.spend("1.50").await.spent_to_date_usd, usd("201.50"));
}

#[tokio::test]
async fn a_fresh_tenant_has_spent_a_metered_nothing_and_may_spend() {
    let rig = Rig::new();
    let state = rig.costs.state(&acme()).await.unwrap();
    assert_eq!(
        (state.rung, state.account.spent_to_date_usd),
        (Normal, Money::ZERO)
    );
    assert_eq!((state.unknown, state.last_24h_usd), (None, Money::ZERO));
    assert_eq!(state.period.start(), at("2026-11-01T00:00:00Z"));
    assert_eq!(rig.decision().await, Decision::Allowed(ModelRule::AsConfigured));
    assert!(
        rig.store.contents().documents.is_empty(),
        "looking leaves nothing behind"
    );
}

#[tokio::test]
async fn a_usage_that_is_told_of_twice_is_counted_once() {
    let rig = Rig::new();
    let once = async || rig.costs.record(&acme(), usage_once("1.25", "call-1")).await;
    let (first, second) = (once().await.unwrap(), once().await.unwrap());
    assert_eq!((first.repeated, second.repeated), (false, true));
    assert_eq!(first.id, second.id);
    assert_eq!(rig.spent().await, "1.25");
    let other = rig
        .costs
        .record(&acme(), usage_once("9", "call-1"))
        .await
        .unwrap_err();
    assert!(
        other.to_string().contains("`call-1` was used for another usage"),
        "{other}"
    );
    let of_plugin = NewUsage {
        source: "plugin/kora".to_owned(),
        ..usage_once("9", "call-1")
    };
    rig.costs.record(&acme(), of_plugin).await.unwrap();
    assert_eq!(rig.spent().await, "10.25", "ids of two sources do not meet");
    assert_eq!(
        rig.costs
            .state(&tenant("globex"))
            .await
            .unwrap()
            .account
            .spent_to_date_usd,
        Money::ZERO
    );
}

#[tokio::test]
async fn an_id_that_is_none_is_refused() {
    let rig = Rig::new();
    for id in ["", "with space", "ü", &"x".repeat(129)] {
        let refused = rig.costs.record(&acme(), usage_once("1", id)).await.unwrap_err();
        assert!(refused.to_string().contains("1 to 128 printable"), "{refused}");
    }
    assert_eq!(rig.spent().await, "0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_hosts_record_at_once_is_all_counted() {
    let rig = Rig::new();
    let hosts = [rig.other_host(), rig.other_host(), rig.other_host()];
    let mut recording = tokio::task::JoinSet::new();
    for number in 0..60 {
        let costs = hosts[number % hosts.len()].clone();
        recording.spawn(async move {
            // The store may answer that others were quicker each time; then it is told of again.
            while let Err(error) = costs
                .record(&acme(), usage_once("0.10", &number.to_string()))
                .await
            {
                assert!(
                    matches!(error, crate::cost::CostError::KeptChanging { .. }),
                    "{error}"
                );
            }
        });
    }
    recording.join_all().await;
    let account = rig.costs.state(&acme()).await.unwrap().account;
    assert_eq!(account.recorded_usd, usd("6"));
    assert_eq!(account.lines["slack_dm"]["claude-opus-4-7"].usages, 60);
}

#[tokio::test]
async fn fault_u_the_last_24_hours_are_24_hours() {
    let rig = Rig::new();
    for (moment, cost) in [
        ("2026-11-19T09:59:59.999999Z", "1"),
        ("2026-11-19T10:00:00Z", "2"),
        ("2026-11-19T10:00:00.000001Z", "4"),
        ("2026-11-19T23:59:59Z", "8"),
        ("2026-11-20T00:00:00Z", "16"),
    ] {
        rig.clock.set(moment);
        rig.spend(cost).await;
    }
    let last_24h = async |moment: &str| {
        rig.clock.set(moment);
        rig.costs.state(&acme()).await.unwrap().last_24h_usd.to_string()
    };
    assert_eq!(
        last_24h("2026-11-20T00:00:01Z").await,
        "31.00",
        "midnight ends nothing"
    );
    assert_eq!(last_24h("2026-11-20T09:59:59.999999Z").await, "30.00");
    assert_eq!(last_24h("2026-11-20T10:00:00Z").await, "28.00");
    assert_eq!(last_24h("2026-11-20T10:00:00.000001Z").await, "24.00");
    assert_eq!(last_24h("2026-11-21T00:00:00Z").await, "0.00");
}

#[tokio::test]
async fn the_state_says_what_will_have_been_spent_at_the_end_of_the_period() {
    let rig = Rig::new();
    rig.clock.set("2026-11-25T12:00:00Z");
    rig.spend("10").await;
    rig.clock.set("2026-11-26T00:00:00Z");
    let state = rig.costs.state(&acme()).await.unwrap();
    assert_eq!(
        (state.last_24h_usd, state.projected_usd),
        (usd("10"), Some(usd("60")))
    );
    rig.clock.set("2026-12-03T00:00:00Z");
    let state = rig.costs.state(&acme()).await.unwrap();
    assert_eq!(
        state.projected_usd, None,
        "the period is over and no other was granted"
    );
    assert_eq!(state.period.start(), at("2026-11-01T00:00:00Z"));
}
