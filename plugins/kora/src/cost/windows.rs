//! The three windows of one tenant. Pure: every time is given.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use kora_plugin_api::serde_json::{Value, json};

use super::{counters::Routes, record::CostRecord};
use crate::moment;

const HOUR_SECONDS: i64 = 3600;

/// The current UTC hour and the 23 before it, so the window holds between 23 and 24 hours and slides by the hour.
const ROLLING_HOURS: i64 = 24;

/// A UTC hour, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(i64);

impl Hour {
    /// The hour that holds `moment`.
    pub fn of(moment: Timestamp) -> Self {
        Self(moment.as_second().div_euclid(HOUR_SECONDS))
    }

    /// When it begins.
    pub fn begin(self) -> Timestamp {
        Timestamp::from_second(self.0 * HOUR_SECONDS).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The first hour of the rolling window that ends with this one.
    fn window_begin(self) -> Self {
        Self(self.0 - (ROLLING_HOURS - 1))
    }
}

/// The first moment of the UTC calendar month that holds `moment`.
pub fn month_begin(moment: Timestamp) -> Timestamp {
    let date: Date = moment.to_zoned(TimeZone::UTC).date().first_of_month();
    date.to_zoned(TimeZone::UTC)
        .map_or(Timestamp::UNIX_EPOCH, |first| first.timestamp())
}

/// What is counted for one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    pub(super) lifetime_from: Timestamp,
    pub(super) lifetime: Routes,
    pub(super) hours: BTreeMap<Hour, Routes>,
    /// Its first moment.
    pub(super) month: Timestamp,
    pub(super) monthly: Routes,
}

impl Windows {
    /// Nothing counted yet, in a process that began at `started_at`.
    pub fn new(started_at: Timestamp) -> Self {
        Self {
            lifetime_from: started_at,
            lifetime: Routes::new(),
            hours: BTreeMap::new(),
            month: month_begin(started_at),
            monthly: Routes::new(),
        }
    }

    /// Counts a call that happened at `at` in the windows that hold that moment.
    pub fn record(&mut self, at: Timestamp, call: &CostRecord) {
        if at >= self.lifetime_from {
            count(&mut self.lifetime, call);
        }
        count(self.hours.entry(Hour::of(at)).or_default(), call);
        self.begin_month(at);
        if month_begin(at) == self.month {
            count(&mut self.monthly, call);
        }
    }

    /// Forgets the hours that have left the rolling window.
    pub fn forget_old_hours(&mut self, now: Timestamp) {
        self.hours = self.hours.split_off(&Hour::of(now).window_begin());
    }

    /// Begins the month that holds `now`, if it is a later one.
    pub fn begin_month(&mut self, now: Timestamp) {
        let month = month_begin(now);
        if month > self.month {
            self.month = month;
            self.monthly.clear();
        }
    }

    /// The windows as they are at `now`, whether or not anything was forgotten in time.
    pub fn report(&self, now: Timestamp) -> Value {
        let rolling_from = Hour::of(now).window_begin();
        let month = month_begin(now);
        let empty = Routes::new();
        let monthly = if month > self.month { &empty } else { &self.monthly };
        json!({
            "process_lifetime": {"from": moment::text(self.lifetime_from), "routes": self.lifetime},
            "rolling_24h": {"from": moment::text(rolling_from.begin()), "routes": self.rolling(rolling_from)},
            "monthly": {"from": moment::text(month.max(self.month)), "routes": monthly},
        })
    }

    fn rolling(&self, from: Hour) -> Routes {
        let mut sum = Routes::new();
        for routes in self.hours.range(from..).map(|(_, routes)| routes) {
            for (route, counters) in routes {
                sum.entry(route.clone()).or_default().merge(counters);
            }
        }
        sum
    }
}

fn count(routes: &mut Routes, call: &CostRecord) {
    routes.entry(call.route().to_owned()).or_default().add(call);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("is a time")
    }

    fn call() -> CostRecord {
        CostRecord::parse(r#"{"route":"slack_dm","cost_usd":0.5}"#).expect("is a record")
    }

    fn calls_in(report: &Value, window: &str) -> u64 {
        report[window]["routes"]["slack_dm"]["calls_count"]
            .as_u64()
            .unwrap_or(0)
    }

    #[test]
    fn the_rolling_window_slides_and_does_not_end_at_midnight() {
        let mut windows = Windows::new(at("2026-11-19T00:00:00Z"));
        windows.record(at("2026-11-19T23:30:00Z"), &call());
        windows.record(at("2026-11-20T00:30:00Z"), &call());
        let count = |now| calls_in(&windows.report(at(now)), "rolling_24h");
        assert_eq!(
            count("2026-11-20T00:31:00Z"),
            2,
            "midnight has passed and both still count"
        );
        assert_eq!(count("2026-11-20T22:59:59Z"), 2);
        assert_eq!(
            count("2026-11-20T23:00:00Z"),
            1,
            "the hour 23 of yesterday has left"
        );
        assert_eq!(count("2026-11-21T00:00:00Z"), 0);
    }

    #[test]
    fn the_rolling_window_says_where_it_begins() {
        let windows = Windows::new(at("2026-11-19T00:00:00Z"));
        let report = windows.report(at("2026-11-20T10:45:00Z"));
        assert_eq!(report["rolling_24h"]["from"], "2026-11-19T11:00:00Z");
    }

    #[test]
    fn the_monthly_window_is_the_calendar_month_in_utc() {
        let mut windows = Windows::new(at("2026-11-30T00:00:00Z"));
        windows.record(at("2026-11-30T23:59:59Z"), &call());
        let report = windows.report(at("2026-11-30T23:59:59Z"));
        assert_eq!(
            (calls_in(&report, "monthly"), &report["monthly"]["from"]),
            (1, &json!("2026-11-01T00:00:00Z"))
        );
        let report = windows.report(at("2026-12-01T00:00:00Z"));
        assert_eq!(
            (calls_in(&report, "monthly"), &report["monthly"]["from"]),
            (0, &json!("2026-12-01T00:00:00Z"))
        );
        assert_eq!(
            calls_in(&report, "rolling_24h"),
            1,
            "which the rolling window does not care about"
        );
    }

    #[test]
    fn a_call_of_last_month_that_is_read_late_is_not_put_into_this_month() {
        let mut windows = Windows::new(at("2026-12-01T00:10:00Z"));
        windows.record(at("2026-11-30T23:50:00Z"), &call());
        let report = windows.report(at("2026-12-01T00:10:00Z"));
        assert_eq!(calls_in(&report, "monthly"), 0);
        assert_eq!(calls_in(&report, "rolling_24h"), 1);
        assert_eq!(
            calls_in(&report, "process_lifetime"),
            0,
            "the process did not live yet"
        );
    }

    #[test]
    fn forgetting_changes_memory_and_no_number() {
        let mut windows = Windows::new(at("2026-11-01T00:00:00Z"));
        for day in 1..=20 {
            windows.record(at(&format!("2026-11-{day:02}T12:00:00Z")), &call());
        }
        let now = at("2026-11-20T13:00:00Z");
        let before = windows.report(now);
        windows.forget_old_hours(now);
        windows.begin_month(now);
        assert_eq!(windows.report(now), before);
        assert_eq!(windows.hours.len(), 1);
    }
}
