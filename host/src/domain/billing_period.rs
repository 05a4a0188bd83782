//! The span of time for which credit is granted.

use jiff::{Span, tz::TimeZone};

use super::Timestamp;

/// A month of credit, in UTC. It ends one calendar month after its start, at the same time of day; where that month has no such
/// day, on its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillingPeriod {
    start: Timestamp,
    end: Timestamp,
}

impl BillingPeriod {
    /// The period that begins at this moment.
    pub fn starting(start: Timestamp) -> Self {
        Self {
            start,
            end: months_after(start, 1).unwrap_or(start),
        }
    }

    /// The calendar month that holds this moment: what is assumed until somebody says when credit is renewed.
    pub fn month_of(moment: Timestamp) -> Self {
        let first = zoned(moment).and_then(|zoned| zoned.first_of_month().ok()?.start_of_day().ok());
        let start = first.map(|first| Timestamp::from_micros(first.timestamp().as_microsecond()));
        Self::starting(start.unwrap_or(moment))
    }

    /// The latest period that has begun at this moment, if periods follow upon each other from this one; this one at least.
    #[must_use]
    pub fn latest_at(self, moment: Timestamp) -> Self {
        let mut latest = self;
        for months in 1.. {
            // Counted from the first start, so that a short month does not move the day of all that follow.
            match months_after(self.start, months) {
                Some(start) if start <= moment => latest = Self::starting(start),
                _ => break,
            }
        }
        latest
    }

    /// When it began.
    pub const fn start(self) -> Timestamp {
        self.start
    }

    /// When the next one begins.
    pub const fn end(self) -> Timestamp {
        self.end
    }
}

fn zoned(moment: Timestamp) -> Option<jiff::Zoned> {
    let moment = jiff::Timestamp::from_microsecond(moment.as_micros()).ok()?;
    Some(moment.to_zoned(TimeZone::UTC))
}

fn months_after(start: Timestamp, months: i32) -> Option<Timestamp> {
    let after = zoned(start)?
        .checked_add(Span::new().try_months(months).ok()?)
        .ok()?;
    Some(Timestamp::from_micros(after.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_micros(moment.as_microsecond())
    }

    #[test]
    fn a_period_is_a_month_whatever_its_length() {
        for (start, end) in [
            ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-01-31T09:30:00Z", "2026-02-28T09:30:00Z"),
            ("2028-01-31T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("2026-12-14T00:00:00Z", "2027-01-14T00:00:00Z"),
        ] {
            assert_eq!(BillingPeriod::starting(at(start)).end(), at(end), "{start}");
        }
        let month = BillingPeriod::month_of(at("2026-11-20T10:00:00.5Z"));
        assert_eq!(
            (month.start(), month.end()),
            (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"))
        );
    }

    #[test]
    fn periods_follow_upon_each_other_and_keep_their_day() {
        let period = BillingPeriod::starting(at("2026-01-31T00:00:00Z"));
        for (moment, start) in [
            ("2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z"),
            ("2026-02-27T23:59:59Z", "2026-01-31T00:00:00Z"),
            ("2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z"),
            ("2026-04-01T00:00:00Z", "2026-03-31T00:00:00Z"),
            ("2025-01-01T00:00:00Z", "2026-01-31T00:00:00Z"),
        ] {
            assert_eq!(period.latest_at(at(moment)).start(), at(start), "{moment}");
        }
    }

    #[test]
    fn a_moment_beyond_the_calendar_breaks_nothing() {
        for micros in [i64::MAX, i64::MIN] {
            let period = BillingPeriod::month_of(Timestamp::from_micros(micros));
            assert!(period.end() >= period.start());
        }
    }
}
