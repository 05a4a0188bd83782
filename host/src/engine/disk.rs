//! What is said of the medium: when it is nearly full, and how fast the store grows.

use serde::Serialize;

use crate::domain::Timestamp;

/// The room of a filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Space {
    /// The bytes that this user may still write.
    pub free_bytes: u64,
    /// All bytes.
    pub total_bytes: u64,
}

/// Below which free room is low: whichever of the two is reached first. Zero switches one off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fewer bytes than this.
    pub free_bytes: u64,
    /// A smaller share than this of all, in hundredths.
    pub free_percent: u64,
}

impl Space {
    /// Whether there is less room than there should be.
    pub fn is_low(&self, limits: Limits) -> bool {
        let share = u128::from(self.total_bytes) * u128::from(limits.free_percent) / 100;
        self.free_bytes < limits.free_bytes || u128::from(self.free_bytes) < share
    }
}

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: u128 = 24 * 3_600_000_000;

/// The bytes a day by which a store grew that has `bytes` now and whose first event is of `since`: the average over its whole life.
/// None within the first hour, when the empty file would weigh more than what was written.
pub fn growth_per_day(bytes: u64, since: Timestamp, now: Timestamp) -> Option<u64> {
    let life = now.as_micros().checked_sub(since.as_micros())?;
    if life < HOUR_MICROS {
        return None;
    }
    let life = u128::try_from(life).ok()?;
    u64::try_from(u128::from(bytes) * DAY_MICROS / life).ok()
}

/// The whole days until `free_bytes` are used up at that growth. None if it does not grow.
pub fn days_left(free_bytes: u64, growth_per_day: u64) -> Option<u64> {
    free_bytes.checked_div(growth_per_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_low_by_its_bytes_or_by_its_share() {
        let limits = Limits {
            free_bytes: 100,
            free_percent: 5,
        };
        let is_low = |free_bytes, total_bytes| {
            Space {
                free_bytes,
                total_bytes,
            }
            .is_low(limits)
        };
        assert!(is_low(99, 1000) && !is_low(100, 1000));
        assert!(is_low(499, 10_000) && !is_low(500, 10_000));
        assert!(!is_low(u64::MAX / 10, u64::MAX));
        let never = Limits {
            free_bytes: 0,
            free_percent: 0,
        };
        let full = Space {
            free_bytes: 0,
            total_bytes: 1000,
        };
        assert!(!full.is_low(never));
    }

    #[test]
    fn growth_is_the_average_of_a_life_that_lasted_long_enough() {
        let at = |hours: i64| Timestamp::from_micros(hours * HOUR_MICROS);
        assert_eq!(growth_per_day(1000, at(0), at(48)), Some(500));
        assert_eq!(growth_per_day(1000, at(0), at(12)), Some(2000));
        let young = Timestamp::from_micros(HOUR_MICROS - 1);
        assert_eq!(growth_per_day(1000, at(0), young), None);
        assert_eq!(growth_per_day(1000, at(5), at(0)), None, "a clock that went back");
        assert_eq!((days_left(1000, 300), days_left(1000, 0)), (Some(3), None));
    }
}
