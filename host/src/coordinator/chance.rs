//! Chance, injected, so that what depends on it can be tested.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use uuid::Uuid;

/// A source of numbers that nobody has to guess wrong: it spreads load, it guards nothing.
pub trait Chance: Send + Sync {
    /// The next number, evenly spread over 0 (included) to 1 (excluded).
    fn unit(&self) -> f64;
}

/// A part of `most`, by chance.
pub(super) fn up_to(chance: &dyn Chance, most: Duration) -> Duration {
    most.mul_f64(chance.unit().clamp(0.0, 1.0))
}

/// The generator of Steele, Lea and Flood: a counter, well mixed. Any number of threads may ask it at once.
#[derive(Debug)]
pub struct SplitMix64(AtomicU64);

impl SplitMix64 {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

    /// The same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Other numbers each time.
    pub fn from_entropy() -> Self {
        Self::seeded(Uuid::new_v4().as_u64_pair().0)
    }

    fn next(&self) -> u64 {
        let mut mixed = self
            .0
            .fetch_add(Self::STEP, Ordering::Relaxed)
            .wrapping_add(Self::STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl Chance for SplitMix64 {
    fn unit(&self) -> f64 {
        // The upper 53 bits fill a double's mantissa exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_over_the_unit_and_repeat_for_a_seed() {
        let (one, same) = (SplitMix64::seeded(7), SplitMix64::seeded(7));
        let numbers: Vec<f64> = (0..1000).map(|_| one.unit()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(numbers.iter().all(|number| *number == same.unit()));
        let mean = numbers.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }

    #[test]
    fn the_generator_gives_its_published_numbers() {
        let generator = SplitMix64::seeded(1_234_567);
        assert_eq!(generator.next(), 6_457_827_717_110_365_317);
        assert_eq!(generator.next(), 3_203_168_211_198_807_973);
    }
}
