//! Times, as this plugin writes them: RFC 3339, UTC, whole seconds.

use jiff::{Timestamp, Unit};
use kora_plugin_api::Host;

/// The host's wall clock; the system's own where no host answers.
pub fn now() -> Timestamp {
    Timestamp::try_from(Host::default().now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A moment that the host gave as microseconds since 1970. One that no calendar holds becomes 1970.
pub fn from_microseconds(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `2026-11-20T10:50:00Z`. Fractions are cut off, so that nothing seems to lie in the future.
pub fn text(moment: Timestamp) -> String {
    let whole = moment.round(
        jiff::TimestampRound::new()
            .smallest(Unit::Second)
            .mode(jiff::RoundMode::Floor),
    );
    format!("{:.0}", whole.unwrap_or(moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_a_second_are_cut_off() {
        assert_eq!(text(from_microseconds(1_999_999)), "1970-01-01T00:00:01Z");
    }

    #[test]
    fn a_time_that_no_calendar_holds_is_1970() {
        assert_eq!(text(from_microseconds(i64::MAX)), "1970-01-01T00:00:00Z");
    }
}
