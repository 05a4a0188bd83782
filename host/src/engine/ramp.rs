//! The ramp: after a pause, or once there is money again, a tenant takes up work slowly. Claims keep a distance for a while.

use super::ticket::later;
use crate::domain::Timestamp;

/// How long claims are spaced, in seconds.
pub const RAMP_SECONDS: u64 = 3600;
/// The least time between two claims while they are spaced, in seconds.
pub const RAMP_SPACING_SECONDS: u64 = 30;

/// How a tenant takes up work. Of several reasons to begin slowly the later one counts, which is the greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SlowStart {
    /// At its usual pace.
    #[default]
    None,
    /// Slowly since then.
    Since(Timestamp),
    /// Slowly, as if it began to at this moment: it is not known yet since when it takes work.
    Due,
}

impl From<Option<Timestamp>> for SlowStart {
    fn from(since: Option<Timestamp>) -> Self {
        since.map_or(Self::None, Self::Since)
    }
}

/// How slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp {
    /// How long, in seconds. 0: no ramp.
    pub lasts_seconds: u64,
    /// The least time between two claims meanwhile, in seconds.
    pub spacing_seconds: u64,
}

impl Default for Ramp {
    fn default() -> Self {
        Self {
            lasts_seconds: RAMP_SECONDS,
            spacing_seconds: RAMP_SPACING_SECONDS,
        }
    }
}

impl Ramp {
    /// Until when nothing may be claimed, if that is not over yet. Claims from before the slow start do not count.
    pub fn waits_until(
        &self,
        start: SlowStart,
        last_claim_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let last = last_claim_at?;
        let began_at = match start {
            SlowStart::Since(at) if last >= at => at,
            SlowStart::Due => now,
            SlowStart::None | SlowStart::Since(_) => return None,
        };
        let ends_at = later(began_at, self.lasts_seconds);
        let free_at = later(last, self.spacing_seconds).min(ends_at);
        (now < free_at).then_some(free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn waits(start: SlowStart, last: Option<i64>, now: i64) -> Option<Timestamp> {
        Ramp::default().waits_until(start, last.map(at), at(now))
    }

    #[test]
    fn after_a_resume_claims_keep_their_distance_for_an_hour() {
        let resumed = SlowStart::Since(at(0));
        assert_eq!(waits(SlowStart::None, Some(0), 1), None, "there was no resume");
        assert_eq!(waits(resumed, None, 1), None, "the first claim after it");
        assert_eq!(waits(SlowStart::Since(at(5)), Some(4), 6), None, "so is this");
        assert_eq!(waits(resumed, Some(10), 39), Some(at(40)));
        assert_eq!(waits(resumed, Some(10), 40), None);
        assert_eq!(
            waits(resumed, Some(3590), 3599),
            Some(at(3600)),
            "no longer than the ramp"
        );
        assert_eq!(waits(resumed, Some(3590), 3600), None);
    }

    #[test]
    fn where_it_is_not_known_since_when_claims_keep_their_distance_without_end() {
        assert_eq!(waits(SlowStart::Due, None, 0), None);
        assert_eq!(waits(SlowStart::Due, Some(10_000), 10_029), Some(at(10_030)));
        assert_eq!(waits(SlowStart::Due, Some(10_000), 10_030), None);
        let none = Ramp {
            lasts_seconds: 0,
            ..Ramp::default()
        };
        assert_eq!(none.waits_until(SlowStart::Due, Some(at(9)), at(9)), None);
    }

    #[test]
    fn of_two_reasons_to_begin_slowly_the_later_counts() {
        let (early, late) = (SlowStart::Since(at(1)), SlowStart::Since(at(2)));
        assert_eq!(early.max(late), late);
        assert_eq!(SlowStart::None.max(early), early);
        assert_eq!(SlowStart::Due.max(late), SlowStart::Due);
    }
}
