//! The operation ledger: what an attempt does outside, step by step, so that after a crash it is known what may have happened.
//!
//! `allocated → dispatched → committed | abandoned`; what was never dispatched can only be abandoned.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{Timestamp, wire_enum};

/// What came of an operation is a line in a ledger, not a report.
pub const OUTCOME_MAX_CHARS: usize = 2000;

wire_enum! {
    /// How far an operation is.
    OperationStatus, "status of an operation" {
        /// It has a place in the ledger; nothing of it happened yet.
        Allocated = "allocated",
        /// It is on its way: whether it happened is not known until it ends.
        Dispatched = "dispatched",
        /// It happened.
        Committed = "committed",
        /// It did not happen, or nobody knows any more.
        Abandoned = "abandoned",
    }
}

/// One row of the ledger. Its id is that of its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The attempt.
    pub work_attempt_id: Uuid,
    /// Its place in the attempt, from 0: the claim itself.
    pub sequence_within_attempt: u32,
    /// For which ticket.
    pub ticket_id: Uuid,
    /// What was called.
    pub tool_name: String,
    /// How far it is.
    pub status: OperationStatus,
    /// What it answered.
    pub dispatch_result: Option<String>,
    /// Why it was abandoned.
    pub dispatch_error: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// The next step of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is handed out.
    Dispatch,
    /// It happened; what it answered.
    Commit(Option<String>),
    /// It is given up; why.
    Abandon(Option<String>),
}

impl Step {
    /// Where it leads.
    pub const fn to(&self) -> OperationStatus {
        match self {
            Self::Dispatch => OperationStatus::Dispatched,
            Self::Commit(_) => OperationStatus::Committed,
            Self::Abandon(_) => OperationStatus::Abandoned,
        }
    }
}

/// A step that cannot follow. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an operation that is `{from}` cannot become `{to}`: allocated, then dispatched, then committed or abandoned"
)]
pub struct IllegalStep {
    /// How far it is.
    pub from: OperationStatus,
    /// How far it was to be.
    pub to: OperationStatus,
}

impl OperationStatus {
    /// Whether a step may lead from here to there.
    pub const fn may_become(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::Allocated, Self::Dispatched | Self::Abandoned)
                | (Self::Dispatched, Self::Committed | Self::Abandoned)
        )
    }
}

impl Operation {
    /// A fresh row.
    pub fn allocated(
        work_attempt_id: Uuid,
        sequence_within_attempt: u32,
        ticket_id: Uuid,
        tool_name: String,
        now: Timestamp,
    ) -> Self {
        Self {
            work_attempt_id,
            sequence_within_attempt,
            ticket_id,
            tool_name,
            status: OperationStatus::Allocated,
            dispatch_result: None,
            dispatch_error: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The row after a step. What it answered or why it was given up is cut at [`OUTCOME_MAX_CHARS`].
    ///
    /// # Errors
    /// If the step cannot follow.
    pub fn after(mut self, step: Step, now: Timestamp) -> Result<Self, IllegalStep> {
        let (from, to) = (self.status, step.to());
        if !from.may_become(to) {
            return Err(IllegalStep { from, to });
        }
        self.status = to;
        self.updated_at = now;
        match step {
            Step::Dispatch => {}
            Step::Commit(result) => self.dispatch_result = result.as_deref().map(cut),
            Step::Abandon(error) => self.dispatch_error = error.as_deref().map(cut),
        }
        Ok(self)
    }
}

impl Operation {
    /// The row after its attempt ended: committed if the work was done, through `dispatched` like any other; else abandoned.
    /// Nothing if it came to an end before.
    pub fn finished(self, done: bool, why: &str, now: Timestamp) -> Option<Self> {
        let (is_allocated, row) = (self.status == OperationStatus::Allocated, self);
        if !done {
            return row.after(Step::Abandon(Some(why.to_owned())), now).ok();
        }
        let dispatched = if is_allocated {
            row.after(Step::Dispatch, now).ok()?
        } else {
            row
        };
        dispatched.after(Step::Commit(Some(why.to_owned())), now).ok()
    }
}

fn cut(text: &str) -> String {
    text.chars().take(OUTCOME_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Operation {
        let now = Timestamp::from_micros(0);
        Operation::allocated(Uuid::nil(), 0, Uuid::nil(), "tool".to_owned(), now)
    }

    fn steps() -> [Step; 3] {
        [Step::Dispatch, Step::Commit(None), Step::Abandon(None)]
    }

    #[test]
    fn the_end_of_an_attempt_ends_its_rows_and_leaves_alone_what_ended_before() {
        let now = Timestamp::from_micros(5);
        let done = fresh().finished(true, "done", now).unwrap();
        assert_eq!((done.status, done.updated_at), (OperationStatus::Committed, now));
        assert_eq!(done.dispatch_result.as_deref(), Some("done"));
        let given_up = fresh().finished(false, "ran out", now).unwrap();
        assert_eq!(given_up.status, OperationStatus::Abandoned);
        assert_eq!(given_up.dispatch_error.as_deref(), Some("ran out"));
        assert_eq!(done.finished(false, "too late", now), None);
        assert_eq!(given_up.finished(true, "too late", now), None);
    }

    proptest::proptest! {
        #[test]
        fn only_what_was_dispatched_is_committed_and_what_ended_stays_as_it_is(
            choices in proptest::collection::vec(0_usize..3, 0..6),
        ) {
            let mut row = fresh();
            let mut past = vec![row.status];
            for choice in choices {
                let step = steps()[choice].clone();
                let (before, to) = (row.clone(), step.to());
                match row.clone().after(step, Timestamp::from_micros(1)) {
                    Ok(after) => row = after,
                    Err(refused) => {
                        proptest::prop_assert_eq!(refused, IllegalStep { from: before.status, to });
                        continue;
                    }
                }
                past.push(row.status);
            }
            use OperationStatus::{Abandoned, Allocated, Committed, Dispatched};
            let lives: [&[OperationStatus]; 6] = [
                &[Allocated],
                &[Allocated, Dispatched],
                &[Allocated, Abandoned],
                &[Allocated, Dispatched, Committed],
                &[Allocated, Dispatched, Abandoned],
                &[],
            ];
            proptest::prop_assert!(lives.contains(&past.as_slice()), "{:?}", past);
        }
    }
}
