//! Chance that can be repeated: the same seed gives the same moments. SplitMix64; nothing here is secret.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where chance is.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// The same seed, the same course.
    pub const fn of_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed that nobody chose.
    pub fn any_seed() -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ now.as_secs()
    }

    /// A chance of its own, for what draws a number of times that depends on what it finds: what comes after it here does not.
    pub const fn apart(&mut self) -> Self {
        Self(self.number())
    }

    /// A number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True once in so many times.
    pub const fn once_in(&mut self, times: u64) -> bool {
        self.number().is_multiple_of(times)
    }

    /// A number from nothing up to `most`, that one included.
    pub fn up_to(&mut self, most: usize) -> usize {
        let choices = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        usize::try_from(self.number() % choices).unwrap_or(most)
    }

    /// From nothing up to `longest`.
    pub fn duration_up_to(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        Duration::from_micros(self.number() % micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_course_and_another_another() {
        let course = |seed| {
            let mut chance = Chance::of_seed(seed);
            [(); 8].map(|()| chance.duration_up_to(Duration::from_millis(400)))
        };
        assert_eq!(course(7), course(7));
        assert_ne!(course(7), course(8));
        assert!(
            course(7)
                .iter()
                .all(|moment| *moment <= Duration::from_millis(400))
        );
    }
}
