//! When a periodic task is due: first one interval after the start, without drift, later by chance, never twice at once.
//! Pure: told the time.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    chance::{Chance, up_to},
    plan::{Overlap, TaskPlan},
};

/// When one task is due next.
#[derive(Debug)]
pub(super) struct Schedule {
    every: Duration,
    jitter: Duration,
    overlap: Overlap,
    /// The moment on the grid of whole intervals to which `due` belongs.
    nominal: Instant,
    due: Instant,
}

impl Schedule {
    /// Begins at `start`.
    pub(super) fn new(task: &TaskPlan, start: Instant, chance: &dyn Chance) -> Self {
        let nominal = start + task.every;
        Self {
            every: task.every,
            jitter: task.jitter,
            overlap: task.overlap,
            nominal,
            due: nominal + up_to(chance, task.jitter),
        }
    }

    /// When it is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// A run ended at `now`: finds the next moment, and says how many moments were left out because the run went on past them.
    pub(super) fn advance(&mut self, now: Instant, chance: &dyn Chance) -> u64 {
        self.nominal += self.every;
        self.due = self.nominal + up_to(chance, self.jitter);
        if self.due >= now {
            return 0;
        }
        let passed = (now - self.nominal).as_nanos() / self.every.as_nanos();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.nominal += Duration::from_nanos_u128(self.every.as_nanos() * u128::from(passed));
        match self.overlap {
            Overlap::Queue => {
                self.due = now;
                passed
            }
            Overlap::Skip => {
                self.nominal += self.every;
                self.due = self.nominal + up_to(chance, self.jitter);
                passed + 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Half;

    impl Chance for Half {
        fn unit(&self) -> f64 {
            0.5
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule(overlap: Overlap, jitter_seconds: u32) -> (Schedule, Instant) {
        let start = Instant::now();
        let task = TaskPlan {
            jitter: SECOND * jitter_seconds,
            overlap,
            ..TaskPlan::new("tick", SECOND * 10)
        };
        (Schedule::new(&task, start, &Half), start)
    }

    #[test]
    fn the_first_run_comes_after_one_interval_and_a_slow_run_does_not_shift_the_grid() {
        let (mut schedule, start) = schedule(Overlap::Skip, 0);
        assert_eq!(schedule.due(), start + SECOND * 10);
        assert_eq!(schedule.advance(start + SECOND * 17, &Half), 0);
        assert_eq!(schedule.due(), start + SECOND * 20);
    }

    #[test]
    fn jitter_is_added_to_the_grid_and_does_not_add_up() {
        let (mut schedule, start) = schedule(Overlap::Skip, 4);
        assert_eq!(schedule.due(), start + SECOND * 12);
        schedule.advance(start + SECOND * 12, &Half);
        assert_eq!(schedule.due(), start + SECOND * 22);
    }

    #[test]
    fn runs_that_would_overlap_are_left_out_and_counted() {
        let (mut schedule, start) = schedule(Overlap::Skip, 0);
        assert_eq!(schedule.advance(start + SECOND * 45, &Half), 3);
        assert_eq!(schedule.due(), start + SECOND * 50);
    }

    #[test]
    fn with_a_queue_one_run_follows_at_once_and_the_rest_is_counted() {
        let (mut schedule, start) = schedule(Overlap::Queue, 0);
        let now = start + SECOND * 45;
        assert_eq!(schedule.advance(now, &Half), 2);
        assert_eq!(schedule.due(), now);
        assert_eq!(schedule.advance(now + SECOND, &Half), 0);
        assert_eq!(schedule.due(), start + SECOND * 50);
    }
}
