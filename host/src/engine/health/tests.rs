//! Each subsignal through fresh, stale, missing and degraded; and what they say together, whatever they are.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    SignalStatus::{Degraded, Fresh, Missing, Stale},
    *,
};
use crate::domain::{Money, TenantId, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(2_000_000_000_000_000);

fn ago(seconds: u64) -> Timestamp {
    Timestamp::from_micros(NOW.as_micros() - i64::try_from(seconds).unwrap() * 1_000_000)
}

fn ahead(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn away() -> String {
    "disk full".to_owned()
}

#[track_caller]
fn check(name: Subsignal, cases: impl IntoIterator<Item = (Reading, SignalStatus)>) {
    let mut met = Vec::new();
    for (reading, expected) in cases {
        assert_eq!((reading.name, reading.status), (name, expected), "{reading:?}");
        assert!(!reading.detail.is_empty(), "{reading:?}");
        met.push(expected);
    }
    let unmet = SignalStatus::ALL.iter().filter(|status| !met.contains(status));
    assert_eq!(
        unmet.count(),
        0,
        "`{name}` was not driven through all four: {met:?}"
    );
}

#[test]
fn last_successful_write_goes_by_the_newest_event_and_by_what_the_store_says() {
    let writes = |newest_at, failing| Writes {
        newest_at,
        failing,
        probe_every: seconds(60),
    };
    let newest = |at| writes(Ok(Some(at)), None).reading(NOW);
    let slow_probe = |at| Writes {
        probe_every: seconds(3600),
        ..writes(Ok(Some(at)), None)
    };
    check(
        Subsignal::LastSuccessfulWrite,
        [
            (newest(ago(300)), Fresh),
            (newest(ago(301)), Stale),
            (slow_probe(ago(3630)).reading(NOW), Fresh),
            (slow_probe(ago(3631)).reading(NOW), Stale),
            // A clock that went back: what it wrote before proves nothing.
            (newest(ahead(301)), Stale),
            (writes(Ok(None), None).reading(NOW), Missing),
            (writes(Err(away()), None).reading(NOW), Missing),
            (writes(Ok(Some(NOW)), Some(away())).reading(NOW), Degraded),
        ],
    );
    assert_eq!(newest(ago(301)).last_update_at, Some(ago(301)));
}

#[test]
fn claim_state_goes_by_leases_and_by_what_may_be_claimed() {
    let claims = |ends_at: Option<Timestamp>, barred: Option<&str>| {
        let seen = Claims {
            held: usize::from(ends_at.is_some()),
            newest_at: ends_at.map(|_| ago(700)),
            first_lease_ends_at: ends_at,
            barred: barred.map(str::to_owned),
        };
        Claims::reading(&Ok(seen), NOW)
    };
    check(
        Subsignal::ClaimState,
        [
            (claims(None, None), Fresh),
            (claims(Some(ahead(600)), None), Fresh),
            (claims(Some(ago(30)), None), Fresh),
            (claims(Some(ago(31)), None), Stale),
            (Claims::reading(&Err(away()), NOW), Missing),
            (claims(None, Some("the store is away")), Degraded),
        ],
    );
}

#[test]
fn credit_burn_goes_by_the_account_and_by_whether_it_is_believed() {
    let credit = |spent, unknown: Option<&str>| {
        Credit::reading(&Ok(Credit {
            spent: Money::from_dollars(spent),
            pool: Money::from_dollars(100),
            unknown: unknown.map(str::to_owned),
            changed_at: Some(ago(5)),
        }))
    };
    check(
        Subsignal::CreditBurn,
        [
            (credit(0, None), Fresh),
            (credit(89, None), Fresh),
            (credit(90, None), Degraded),
            (credit(100, Some("never compared")), Degraded),
            (credit(10, Some("never compared")), Stale),
            (Credit::reading(&Err(away())), Missing),
        ],
    );
}

#[test]
fn breaker_state_is_that_of_the_worst_which_acts_for_the_tenant() {
    let breaker = |state| Breaker {
        what: format!("{state:?}"),
        state,
        detail: "why".to_owned(),
    };
    let reading = |states: &[BreakerState]| {
        let breakers: Vec<_> = states.iter().copied().map(breaker).collect();
        Breaker::reading(&breakers, NOW)
    };
    use BreakerState::{Absent, Closed, HalfOpen, Open};
    check(
        Subsignal::BreakerState,
        [
            (reading(&[]), Fresh),
            (reading(&[Closed, Closed]), Fresh),
            (reading(&[Closed, HalfOpen]), Stale),
            (reading(&[HalfOpen, Absent]), Missing),
            (reading(&[Absent, Open, HalfOpen]), Degraded),
        ],
    );
    assert!(reading(&[Closed, Open]).detail.contains("`Open`: why"));
}

#[test]
fn auth_validity_window_goes_by_each_required_secret_and_by_when_it_ends() {
    let secrets = |ends: &[Result<Option<Timestamp>, String>]| {
        let credential = |ends_at: &Result<_, _>| Credential {
            what: "mailer/TOKEN".to_owned(),
            ends_at: ends_at.clone(),
        };
        Credential::reading(&Ok(ends.iter().map(credential).collect()), NOW)
    };
    let days = |days: u64| days * 24 * 3600;
    check(
        Subsignal::AuthValidityWindow,
        [
            (secrets(&[]), Fresh),
            (secrets(&[Ok(None), Ok(Some(ahead(days(30) + 1)))]), Fresh),
            (secrets(&[Ok(None), Ok(Some(ahead(days(30))))]), Stale),
            (secrets(&[Ok(Some(ahead(1))), Ok(Some(NOW))]), Degraded),
            (secrets(&[Ok(None), Err("not configured".to_owned())]), Degraded),
            (Credential::reading(&Err("timed out".to_owned()), NOW), Missing),
        ],
    );
}

#[test]
fn dispatch_reachable_goes_by_the_last_answer_of_the_store() {
    let dispatch = |answered_at, refused| Dispatch { refused, answered_at }.reading(NOW);
    check(
        Subsignal::DispatchReachable,
        [
            (dispatch(Some(ago(60)), None), Fresh),
            (dispatch(Some(ago(61)), None), Stale),
            (dispatch(None, None), Missing),
            (dispatch(Some(NOW), Some(away())), Degraded),
        ],
    );
}

#[test]
fn last_heartbeat_goes_by_the_newest_beat_once_one_is_due() {
    let heart = |newest_at, since| Heart {
        newest_at,
        every: seconds(30),
        expected_since: since,
        failing: None,
    };
    let old = ago(100_000);
    let slow = Heart {
        every: seconds(600),
        ..heart(Ok(Some(ago(1800))), old)
    };
    let failing = Heart {
        failing: Some("`kora/heartbeat` is failed".to_owned()),
        ..heart(Ok(Some(NOW)), old)
    };
    check(
        Subsignal::LastHeartbeat,
        [
            (heart(Ok(Some(ago(90))), old).reading(NOW), Fresh),
            (heart(Ok(Some(ago(91))), old).reading(NOW), Stale),
            (slow.reading(NOW), Fresh),
            (heart(Ok(None), ago(90)).reading(NOW), Fresh),
            (heart(Ok(Some(old)), ago(90)).reading(NOW), Fresh),
            (heart(Ok(None), ago(91)).reading(NOW), Missing),
            (heart(Err(away()), ago(5)).reading(NOW), Missing),
            (failing.reading(NOW), Degraded),
        ],
    );
}

#[test]
fn escalation_watcher_liveness_goes_by_its_last_look() {
    let watcher = |age, could_read| {
        Watcher::reading(Some(Watcher {
            looked_at: NOW,
            age: seconds(age),
            could_read,
        }))
    };
    check(
        Subsignal::EscalationWatcherLiveness,
        [
            (watcher(15, true), Fresh),
            (watcher(16, true), Stale),
            (watcher(16, false), Stale),
            (watcher(5, false), Degraded),
            (Watcher::reading(None), Missing),
        ],
    );
}

#[test]
fn a_stopped_tenant_is_stopped_unless_what_steers_it_is_in_outage() {
    let reading = |name, status| Reading::new(name, status, "why");
    let stopped = |control| {
        let readings = vec![
            reading(Subsignal::BreakerState, Degraded),
            reading(Subsignal::DispatchReachable, control),
        ];
        let rollup = Rollup::of(readings, Some("an operator said so".to_owned()));
        (rollup.overall, rollup.control_plane, rollup.worker)
    };
    assert_eq!(
        stopped(Fresh),
        (Health::Stopped, Health::Healthy, Health::Stopped)
    );
    assert_eq!(
        stopped(Missing),
        (Health::Stopped, Health::Degraded, Health::Stopped)
    );
    assert_eq!(
        stopped(Degraded),
        (Health::Outage, Health::Outage, Health::Stopped)
    );
}

#[test]
fn a_host_names_the_tenant_that_is_worst_and_is_stopped_when_all_are() {
    let tenant = |id: &str| id.parse::<TenantId>().unwrap();
    let rollup = |status, stopped: Option<&str>| {
        let readings = vec![Reading::new(Subsignal::CreditBurn, status, "all is spent")];
        Rollup::of(readings, stopped.map(str::to_owned))
    };
    let own = || {
        vec![Reading::new(
            Subsignal::DispatchReachable,
            Fresh,
            "the store answers",
        )]
    };
    let host = Rollup::of_host(
        own(),
        &[
            (tenant("acme"), rollup(Fresh, None)),
            (tenant("globex"), rollup(Degraded, None)),
        ],
    );
    assert_eq!(
        (host.overall, host.control_plane),
        (Health::Outage, Health::Healthy)
    );
    assert_eq!(host.subsignals[0].detail, "`globex`: all is spent");

    let one = (tenant("acme"), rollup(Degraded, Some("gate `identity` failed")));
    let all_stopped = Rollup::of_host(own(), std::slice::from_ref(&one));
    assert_eq!(
        (all_stopped.overall, all_stopped.stopped_reason.as_deref()),
        (Health::Stopped, Some("`acme`: gate `identity` failed"))
    );
    let with_another = Rollup::of_host(own(), &[one, (tenant("globex"), rollup(Fresh, None))]);
    assert_eq!(
        (with_another.overall, with_another.stopped_reason),
        (Health::Healthy, None)
    );
    assert_eq!(Rollup::of_host(own(), &[]).overall, Health::Healthy);
}

#[test]
fn an_outline_is_read_back_from_what_was_told() {
    let rollup = Rollup::of(vec![Reading::new(Subsignal::CreditBurn, Stale, "why")], None);
    let told = r#"{"overall":"degraded","control_plane":"healthy","worker":"degraded","stopped_reason":null,
        "subsignals":[{"name":"credit_burn","status":"stale","last_update_at":null,"detail":"other words"}],
        "probe_cadence_seconds":300}"#;
    assert_eq!(serde_json::from_str::<Outline>(told).unwrap(), rollup.outline());
}

fn any_status() -> impl Strategy<Value = SignalStatus> {
    prop::sample::select(SignalStatus::ALL.to_vec())
}

fn any_readings() -> impl Strategy<Value = Vec<Reading>> {
    let reading = |name: &Subsignal| {
        let name = *name;
        any_status().prop_map(move |status| Reading::new(name, status, "why"))
    };
    Subsignal::ALL.iter().map(reading).collect::<Vec<_>>()
}

proptest! {
    #[test]
    fn a_group_is_what_its_worst_subsignal_makes_it(readings in any_readings()) {
        let rollup = Rollup::of(readings.clone(), None);
        for (group, health) in [(Group::ControlPlane, rollup.control_plane), (Group::Worker, rollup.worker)] {
            let has = |status| {
                readings.iter().any(|reading| reading.name.group() == group && reading.status == status)
            };
            let expected = if has(Degraded) {
                Health::Outage
            } else if has(Stale) || has(Missing) {
                Health::Degraded
            } else {
                Health::Healthy
            };
            prop_assert_eq!(health, expected);
        }
        prop_assert_eq!(rollup.overall, rollup.control_plane.max(rollup.worker));
        let all_fresh = readings.iter().all(|reading| reading.status == Fresh);
        prop_assert_eq!(rollup.overall == Health::Healthy, all_fresh);
    }

    #[test]
    fn what_gets_worse_never_makes_it_look_better(
        readings in any_readings(), which in 0..Subsignal::ALL.len(), status in any_status(), stopped: bool,
    ) {
        let stopped = stopped.then(|| "why".to_owned());
        let before = Rollup::of(readings.clone(), stopped.clone());
        let mut worse = readings;
        worse[which].status = worse[which].status.max(status);
        prop_assert!(Rollup::of(worse, stopped).overall >= before.overall);
    }

    #[test]
    fn a_host_is_never_better_than_a_tenant_that_works(readings in any_readings(), others in any_readings()) {
        let tenant = |id: &str| id.parse::<TenantId>().unwrap();
        let tenants = [(tenant("acme"), Rollup::of(readings, None)), (tenant("globex"), Rollup::of(others, None))];
        let host = Rollup::of_host(Vec::new(), &tenants);
        let worst = tenants.iter().map(|(_, rollup)| rollup.overall).max();
        prop_assert_eq!(Some(host.overall), worst);
        prop_assert_eq!(host.subsignals.len(), Subsignal::ALL.len());
    }
}
