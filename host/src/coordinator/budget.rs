//! How often an entry may be started anew, and after what wait. Pure: told the time.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{
    chance::{Chance, up_to},
    plan::RestartPlan,
};

/// No restart follows a failure sooner than this, whatever the plan says: a failing entry must not become a busy loop.
const SHORTEST_BACKOFF: Duration = Duration::from_millis(100);
/// A wait grows by at most this part of itself at random, so that entries which failed together do not start together.
const JITTER_PART: u32 = 4;

/// The restarts that an entry has left.
#[derive(Debug)]
pub(super) struct RestartBudget {
    plan: RestartPlan,
    used: VecDeque<Instant>,
}

impl RestartBudget {
    /// Whole.
    pub(super) fn new(plan: RestartPlan) -> Self {
        Self {
            plan,
            used: VecDeque::new(),
        }
    }

    /// Uses one restart and says how long to wait for it; nothing if none is left within the window.
    pub(super) fn spend(&mut self, now: Instant, chance: &dyn Chance) -> Option<Duration> {
        while self
            .used
            .front()
            .is_some_and(|used| now.duration_since(*used) >= self.plan.window)
        {
            self.used.pop_front();
        }
        let used = u32::try_from(self.used.len()).unwrap_or(u32::MAX);
        if used >= self.plan.max_restarts {
            return None;
        }
        self.used.push_back(now);
        let doubled = self.shortest().saturating_mul(2_u32.saturating_pow(used));
        let wait = doubled.min(self.plan.backoff_max).max(SHORTEST_BACKOFF);
        Some(wait + up_to(chance, wait / JITTER_PART))
    }

    fn shortest(&self) -> Duration {
        self.plan.backoff_min.max(SHORTEST_BACKOFF)
    }

    /// What is said when nothing is left.
    pub(super) fn used_up(&self) -> String {
        match self.plan.max_restarts {
            0 => "it is not to be restarted".to_owned(),
            most => format!("all {most} restarts within {:?} are used up", self.plan.window),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(f64);

    impl Chance for Fixed {
        fn unit(&self) -> f64 {
            self.0
        }
    }

    fn budget(max_restarts: u32) -> RestartBudget {
        RestartBudget::new(RestartPlan {
            max_restarts,
            window: Duration::from_secs(100),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(5),
        })
    }

    fn seconds(wait: Option<Duration>) -> Option<f64> {
        wait.map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_budget() {
        let (mut budget, now) = (budget(4), Instant::now());
        let waits: Vec<_> = (0..5).map(|_| seconds(budget.spend(now, &Fixed(0.0)))).collect();
        assert_eq!(waits, [Some(1.0), Some(2.0), Some(4.0), Some(5.0), None]);
    }

    #[test]
    fn what_lies_before_the_window_is_forgotten() {
        let (mut budget, now) = (budget(1), Instant::now());
        assert!(budget.spend(now, &Fixed(0.0)).is_some());
        assert!(budget.spend(now + Duration::from_secs(99), &Fixed(0.0)).is_none());
        assert!(
            budget
                .spend(now + Duration::from_secs(100), &Fixed(0.0))
                .is_some()
        );
    }

    #[test]
    fn chance_makes_a_wait_at_most_a_quarter_longer_and_never_shorter() {
        assert_eq!(seconds(budget(1).spend(Instant::now(), &Fixed(1.0))), Some(1.25));
    }

    #[test]
    fn a_plan_without_backoff_still_waits_and_one_without_restarts_has_none() {
        let mut eager = RestartBudget::new(RestartPlan {
            backoff_min: Duration::ZERO,
            backoff_max: Duration::ZERO,
            ..RestartPlan::default()
        });
        assert_eq!(eager.spend(Instant::now(), &Fixed(0.0)), Some(SHORTEST_BACKOFF));
        assert_eq!(budget(0).spend(Instant::now(), &Fixed(0.0)), None);
    }
}
