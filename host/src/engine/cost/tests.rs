//! The rules of money, against tables and against exact arithmetic.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    domain::{BillingPeriod, Money, Timestamp},
    engine::ramp::SlowStart,
};
use Criticality::{DownshiftEligible, FrontierOnly};
use Rung::{Downshift90, HardStop100, Normal, Warn75};

const LADDER: Ladder = Ladder {
    pool: Money::from_dollars(200),
    warn_percent: 75,
    downshift_percent: 90,
};
const DAY_US: i64 = 24 * 3600 * 1_000_000;

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_micros(moment.as_microsecond())
}

fn usage(cost: &str) -> Usage {
    Usage {
        route: "slack_dm".to_owned(),
        model: "claude-opus-4-7".to_owned(),
        input_tokens: 10,
        output_tokens: 2,
        cost_usd: usd(cost),
    }
}

fn november() -> Account {
    Account::fresh(BillingPeriod::month_of(at("2026-11-20T10:00:00Z")))
}

fn policy(hours: u64) -> Policy {
    Policy {
        ladder: LADDER,
        stale_after: Duration::from_hours(hours),
    }
}

#[test]
fn each_rung_begins_exactly_at_its_share_of_the_pool() {
    for (spent, rung) in [
        ("0", Normal),
        ("149.999999", Normal),
        ("150", Warn75),
        ("179.999999", Warn75),
        ("180", Downshift90),
        ("199.999999", Downshift90),
        ("200", HardStop100),
        ("9223372036854.775807", HardStop100),
    ] {
        assert_eq!(LADDER.rung(usd(spent)), rung, "{spent}");
    }
    let nothing = Ladder {
        pool: Money::ZERO,
        ..LADDER
    };
    assert_eq!(nothing.rung(Money::ZERO), HardStop100, "of nothing, all is spent");
}

#[test]
fn what_a_rung_lets_be_done_depends_on_how_critical_the_work_is() {
    use ModelRule::{AsConfigured, OneStepDown, Smallest};
    let table = [
        (
            Normal,
            Decision::Allowed(AsConfigured),
            Decision::Allowed(AsConfigured),
        ),
        (Warn75, Decision::Allowed(OneStepDown), Decision::Deferred(Warn75)),
        (
            Downshift90,
            Decision::Allowed(Smallest),
            Decision::Deferred(Downshift90),
        ),
        (HardStop100, Decision::Halted, Decision::Halted),
    ];
    for (rung, eligible, frontier) in table {
        assert_eq!(Decision::on(rung, Some(DownshiftEligible)), eligible, "{rung}");
        assert_eq!(Decision::on(rung, Some(FrontierOnly)), frontier, "{rung}");
        assert_eq!(
            Decision::on(rung, None),
            frontier,
            "{rung}: who says nothing is `frontier_only`"
        );
    }
}

#[test]
fn a_metered_zero_is_known_however_old_it_is() {
    let free = november().recorded(&usage("0"), at("2026-11-01T00:00:00Z"), &LADDER);
    for account in [november(), free] {
        let decision = Decision::of(&account, &policy(1), None, at("2027-11-20T10:00:00Z"));
        assert!(decision.is_allowed(), "{decision:?}");
    }
}

#[test]
fn what_was_never_compared_with_the_provider_becomes_unknown_and_unknown_is_no_spending() {
    let spent_at = at("2026-11-02T00:00:00Z");
    let account = november().recorded(&usage("1"), spent_at, &LADDER);
    let account = account.recorded(&usage("1"), at("2026-11-02T20:00:00Z"), &LADDER);
    let decide =
        |account: &Account, now| Decision::of(account, &policy(24), Some(DownshiftEligible), at(now));
    assert!(decide(&account, "2026-11-03T00:00:00Z").is_allowed());
    let stale = decide(&account, "2026-11-03T00:00:00.000001Z");
    assert_eq!(stale, Decision::Unknown(UnknownCost::Stale { since: spent_at }));
    let (compared, _) = account
        .clone()
        .reconciled(usd("2"), at("2026-11-04T00:00:00Z"), &LADDER);
    assert!(decide(&compared, "2026-11-30T00:00:00Z").is_allowed());
    let all = account.recorded(&usage("198"), at("2026-11-02T21:00:00Z"), &LADDER);
    assert_eq!(decide(&all, "2026-11-30T00:00:00Z"), Decision::Halted);
}

#[test]
fn the_providers_figure_moves_ours_forward_only_and_noise_does_not_move_it() {
    for (ours, theirs, spent, within) in [
        ("100", "100", "100", true),
        ("100", "109", "100", true),
        ("100", "111.111111", "100", true),
        ("100", "111.2", "111.2", false),
        ("100", "50", "100", false),
        ("0", "0", "0", true),
        ("0", "0.01", "0.01", false),
        ("0.01", "0", "0.01", false),
        // Within the tolerance, but the provider says that nothing is left.
        ("190", "200", "200", true),
        ("149", "150", "150", true),
    ] {
        let compared = Comparison::of(usd(ours), usd(theirs), &LADDER);
        assert_eq!(
            (compared.spent, compared.is_within_tolerance),
            (usd(spent), within),
            "{ours} against {theirs}"
        );
        assert_eq!(compared.bumped_by, usd(spent).checked_sub(usd(ours)).unwrap());
    }
}

#[test]
fn a_projection_takes_the_next_days_to_be_as_the_last_24_hours() {
    let account = november().recorded(&usage("30"), at("2026-11-20T00:00:00Z"), &LADDER);
    let projected = |now| account.projected_usd(usd("3"), at(now));
    assert_eq!(projected("2026-11-21T00:00:00Z"), Some(usd("60")));
    assert_eq!(projected("2026-11-30T12:00:00Z"), Some(usd("31.50")));
    assert_eq!(projected("2026-12-01T00:00:00Z"), None, "the period is over");
}

#[test]
fn usages_are_counted_by_route_and_model_and_names_cannot_grow_without_end() {
    let mut account = november();
    for number in 0..100 {
        let usage = Usage {
            route: format!("route_{number:03}"),
            ..usage("0.50")
        };
        account = account.recorded(&usage, at("2026-11-20T00:00:00Z"), &LADDER);
    }
    let line = account.lines["other"]["other"];
    assert_eq!(
        (line.usages, line.cost_usd, line.input_tokens),
        (36, usd("18"), 360)
    );
    assert_eq!(account.lines["route_063"]["claude-opus-4-7"].usages, 1);
}

#[test]
fn a_hard_stop_is_followed_by_a_ramp_also_into_the_next_period() {
    let spent = november().recorded(&usage("200"), at("2026-11-20T00:00:00Z"), &LADDER);
    assert_eq!((spent.rung, spent.slow_start()), (HardStop100, SlowStart::Due));
    let next = spent.refreshed(BillingPeriod::starting(at("2026-12-01T00:00:00Z")), &LADDER);
    assert_eq!(
        (next.rung, next.slow_start(), next.spent_to_date_usd),
        (Normal, SlowStart::Due, Money::ZERO)
    );
    assert_eq!(next.lifetime_usd, usd("200"));
    let resumed = next.slow_since(at("2026-12-01T08:00:00Z"));
    assert_eq!(resumed.slow_start(), SlowStart::Since(at("2026-12-01T08:00:00Z")));
}

#[test]
fn a_clock_that_goes_back_does_not_put_one_usage_before_another() {
    let first = at("2026-11-20T10:00:00Z");
    let account = november().recorded(&usage("1"), first, &LADDER);
    let next = account.next_record_at(at("2026-11-20T09:00:00Z"));
    assert_eq!(next.as_micros(), first.as_micros() + 1);
    assert_eq!(
        account.next_record_at(at("2026-11-20T11:00:00Z")),
        at("2026-11-20T11:00:00Z")
    );
}

proptest! {
    #[test]
    fn the_ladder_agrees_with_exact_arithmetic(spent in 0_i64.., pool in 0_i64..) {
        let ladder = Ladder { pool: Money::from_micros(pool), ..LADDER };
        let reached = |percent: i128| i128::from(spent) * 100 >= i128::from(pool) * percent;
        let expected = match (reached(75), reached(90), reached(100)) {
            (_, _, true) => HardStop100,
            (_, true, _) => Downshift90,
            (true, _, _) => Warn75,
            _ => Normal,
        };
        prop_assert_eq!(ladder.rung(Money::from_micros(spent)), expected);
    }

    #[test]
    fn an_account_counts_exactly_what_was_recorded_and_never_goes_back(
        steps in proptest::collection::vec((0_i64..=1_000_000_000_000, proptest::option::of(0_i64..1_000_000_000_000_000)), 1..40),
    ) {
        let mut account = november();
        let (mut recorded, mut spent) = (0_i64, 0_i64);
        for (cost, provider) in steps {
            let usage = Usage { cost_usd: Money::from_micros(cost), ..usage("0") };
            let now = account.next_record_at(at("2026-11-20T10:00:00Z"));
            account = account.recorded(&usage, now, &LADDER);
            recorded += cost;
            spent += cost;
            if let Some(provider) = provider {
                let before = account.spent_to_date_usd;
                account = account.reconciled(Money::from_micros(provider), now, &LADDER).0;
                prop_assert!(account.spent_to_date_usd >= before);
                spent = account.spent_to_date_usd.as_micros();
                // Never more than a tenth of the provider's figure below it.
                prop_assert!(i128::from(provider - spent) * 10 <= i128::from(provider));
            }
            prop_assert_eq!(account.recorded_usd, Money::from_micros(recorded));
            prop_assert_eq!(account.lifetime_usd, Money::from_micros(recorded));
            prop_assert_eq!(account.spent_to_date_usd, Money::from_micros(spent));
            prop_assert_eq!(account.lines["slack_dm"]["claude-opus-4-7"].cost_usd, account.recorded_usd);
            prop_assert_eq!(account.rung, LADDER.rung(account.spent_to_date_usd));
            prop_assert_eq!(account.check(), Ok(()));
            let read: Account = serde_json::from_str(&serde_json::to_string(&account).unwrap()).unwrap();
            prop_assert_eq!(&read, &account);
        }
    }

    #[test]
    fn a_projection_is_the_least_amount_not_below_the_exact_one(
        spent in 0_i64..1_000_000_000_000, last_24h in 0_i64..1_000_000_000_000, into in 0_i64..29 * DAY_US,
    ) {
        let account = Account { spent_to_date_usd: Money::from_micros(spent), ..november() };
        let now = Timestamp::from_micros(account.billing_period_start.as_micros() + into);
        let remaining = i128::from(account.period().end().as_micros() - now.as_micros());
        let projected = account.projected_usd(Money::from_micros(last_24h), now).unwrap();
        let to_come = i128::from(projected.as_micros() - spent);
        let exact = i128::from(last_24h) * remaining;
        prop_assert!(to_come * i128::from(DAY_US) >= exact);
        prop_assert!((to_come - 1) * i128::from(DAY_US) < exact);
    }
}
