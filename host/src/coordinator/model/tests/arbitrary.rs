//! Arbitrary histories: whatever comes in, in whatever order, what must always hold.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// One thing that may happen to the entry of that number.
#[derive(Debug, Clone, Copy)]
enum Step {
    Started(usize),
    StartFailed(usize),
    NoToken(usize),
    Ticked(usize),
    TickMissedToken(usize),
    TickPanicked(usize),
    Rested(usize),
    Stopped(usize),
    Wedged(usize),
    TimePasses(u32),
    Restart,
    Remove,
    Add(usize),
    ShutDown,
    BudgetSpent,
}

const NAMES: [&str; 5] = ["p/a", "p/b", "q/c", "q/d", "r/e"];

/// What often happens often, what ends things seldom.
fn step() -> impl Strategy<Value = Step> {
    let any = || 0..NAMES.len();
    prop_oneof![
        12 => any().prop_map(Step::Started),
        6 => any().prop_map(Step::StartFailed),
        2 => any().prop_map(Step::NoToken),
        4 => any().prop_map(Step::Ticked),
        4 => any().prop_map(Step::TickMissedToken),
        3 => any().prop_map(Step::TickPanicked),
        8 => any().prop_map(Step::Rested),
        12 => any().prop_map(Step::Stopped),
        1 => any().prop_map(Step::Wedged),
        2 => (0..400_u32).prop_map(Step::TimePasses),
        2 => Just(Step::Restart),
        2 => Just(Step::Remove),
        3 => any().prop_map(Step::Add),
        1 => Just(Step::ShutDown),
        1 => Just(Step::BudgetSpent),
    ]
}

fn plan_of(index: usize) -> EntryPlan {
    let restart = RestartPlan {
        max_restarts: 2,
        ..RestartPlan::default()
    };
    let requires = if index == 1 {
        vec![id(NAMES[0])]
    } else {
        Vec::new()
    };
    EntryPlan {
        restart,
        requires,
        fatal_on_startup_failure: index == 3,
        ..ticking(NAMES[index])
    }
}

impl Desk {
    fn follow(&mut self, step: Step) -> Vec<String> {
        match step {
            Step::Started(entry) => self.started(NAMES[entry]),
            Step::StartFailed(entry) => self.start_failed(NAMES[entry], failed("no")),
            Step::NoToken(entry) => self.start_failed(NAMES[entry], no_token()),
            Step::Ticked(entry) => self.ticked(NAMES[entry], 0, None),
            Step::TickMissedToken(entry) => self.ticked(NAMES[entry], 0, Some(no_token())),
            Step::TickPanicked(entry) => {
                self.ticked(NAMES[entry], 0, Some(Fault::Answered(EntryError::Poisoned)))
            }
            Step::Rested(entry) => self.says(NAMES[entry], Happening::Rested),
            Step::Stopped(entry) => self.stopped(NAMES[entry]),
            Step::Wedged(entry) => self.wedged(NAMES[entry]),
            Step::TimePasses(seconds) => {
                self.now += SECOND * seconds;
                Vec::new()
            }
            Step::Restart => self.restart(),
            Step::Remove => self.ask(Request::Remove {
                plugin: "q".to_owned(),
            }),
            Step::Add(entry) => self.add([plan_of(entry)]),
            Step::ShutDown => self.shut_down(sigterm()),
            Step::BudgetSpent => self.feed(Event::ShutdownBudgetSpent),
        }
    }

    /// Lets every shutdown end, as actors do.
    fn wind_up(&mut self) -> Vec<String> {
        let mut lines = self.shut_down(sigterm());
        while let Some(stopping) = self.in_state(EntryState::Stopping) {
            lines.extend(self.stopped(&stopping));
        }
        lines
    }
}

/// Each entry is told to start and to stop in turn, and nothing after its end.
fn check_orders(lines: &[String]) -> Result<(), TestCaseError> {
    let mut started = BTreeSet::new();
    for line in lines {
        match line.split_once(' ') {
            Some((name, "Start")) => prop_assert!(started.insert(name), "{} twice: {:#?}", line, lines),
            Some((name, "Stop")) => prop_assert!(started.remove(name), "{} for nothing: {:#?}", line, lines),
            Some((name, "End")) => drop(started.remove(name)),
            _ => {}
        }
    }
    prop_assert!(
        started.is_empty(),
        "never shut down: {:?} in {:#?}",
        started,
        lines
    );
    Ok(())
}

fn answers(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.starts_with("answer")).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Every change of state is checked against the table where it is made.
    #[test]
    fn what_was_started_is_shut_down_everybody_is_answered_and_the_host_always_stops(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut desk = Desk::new();
        let mut lines = desk.boot((0..4).map(plan_of));
        for step in steps {
            lines.extend(desk.follow(step));
        }
        lines.extend(desk.wind_up());
        prop_assert_eq!(desk.model.host_state(), HostState::Stopped, "{:#?}", lines);
        prop_assert_eq!(answers(&lines) as u64, desk.requests, "{:#?}", lines);
        check_orders(&lines)?;
    }
}
