//! How figures are taken: the cases of a bench in turn, in short slices, and the median of each.
//!
//! A machine that others use, too, is twice as fast in one second as in the next. Slices of a case beside slices of the other
//! meet the same seconds, and a median forgets the odd one.

use std::time::{Duration, Instant};

use anyhow::Result;

/// One way of doing what is measured; answers the figure of one slice.
pub type Case<'a> = &'a mut dyn FnMut() -> Result<f64>;

/// Runs a slice of each case in turn, `rounds` times, after one round that does not count. Answers the median of each case.
/// Every other round goes backwards, so that no case always follows the same one.
pub fn in_turn<const N: usize>(rounds: usize, cases: [Case<'_>; N]) -> Result<[f64; N]> {
    let mut figures: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for round in 0..=rounds {
        let order: Vec<usize> = if round % 2 == 0 {
            (0..N).collect()
        } else {
            (0..N).rev().collect()
        };
        for index in order {
            let figure = cases[index]()?;
            if round > 0 {
                figures[index].push(figure);
            }
        }
    }
    Ok(figures.map(|mut figures| median(&mut figures)))
}

/// The one in the middle; of none, nothing that could pass for a figure.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    match figures.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => figures[odd / 2],
        even => f64::midpoint(figures[even / 2 - 1], figures[even / 2]),
    }
}

/// A [`Case`] that cannot fail: does `operation` again and again for `slice`, and answers the nanoseconds of one.
pub fn nanoseconds_each(slice: Duration, mut operation: impl FnMut()) -> Result<f64> {
    /// Between two looks at the clock, which cost as much as several operations.
    const BATCH: u32 = 4096;
    let (began, mut operations) = (Instant::now(), 0_u64);
    loop {
        for _ in 0..BATCH {
            operation();
        }
        operations += u64::from(BATCH);
        let passed = began.elapsed();
        if passed >= slice {
            return Ok(nanoseconds(passed) / count(operations));
        }
    }
}

/// As a figure.
pub fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// As a figure.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// As a figure: no count here comes near 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of a few minutes are exact")]
pub fn count(count: u64) -> f64 {
    count as f64
}
