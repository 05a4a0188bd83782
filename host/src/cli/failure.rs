//! How a command ends: its exit code, and what stands between it and a good end.

use std::{io, process::ExitCode};

use crate::service::{Problem, ProblemKind};

/// An exit code with its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit(u8);

impl Exit {
    /// It was done; a check found nothing wrong.
    pub const OK: Self = Self(0);
    /// It was refused or failed; a check found something wrong.
    pub const FAILED: Self = Self(1);
    /// The command was used wrongly, or what it needs cannot be reached: it was not tried, or the answer is not known.
    pub const UNREACHABLE: Self = Self(2);
    /// `kora boot --check-only`: the epoch gate holds the boot.
    pub const EPOCH_PAUSE: Self = Self(3);
    /// Interrupted, as a shell would say it.
    pub const INTERRUPTED: Self = Self(130);
    /// Nobody read the output any more, as a shell would say it.
    const OUTPUT_CLOSED: Self = Self(141);
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// How a command ended.
pub(super) type Outcome = Result<Exit, Failure>;

/// Why a command did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something to say, and the code to end with.
    Problem(Problem, Exit),
    /// The output cannot be written; there is nobody to say it to.
    Output(io::Error),
}

impl Failure {
    /// What the command needs is out of reach.
    pub const fn unreachable(problem: Problem) -> Self {
        Self::Problem(problem, Exit::UNREACHABLE)
    }

    /// The code to end with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Problem(_, exit) => *exit,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::OUTPUT_CLOSED,
            Self::Output(_) => Exit::FAILED,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = exit_for(&problem);
        Self::Problem(problem, exit)
    }
}

/// `daemon.` and `socket.` are the codes of the conversation itself: it is not known what the daemon would have answered.
fn exit_for(problem: &Problem) -> Exit {
    let conversation = problem.code.starts_with("daemon.") || problem.code.starts_with("socket.");
    match problem.kind {
        _ if conversation => Exit::UNREACHABLE,
        ProblemKind::BadInput
        | ProblemKind::NotFound
        | ProblemKind::WrongState
        | ProblemKind::Conflict
        | ProblemKind::Denied
        | ProblemKind::Unavailable
        | ProblemKind::Internal => Exit::FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_and_silence_is_two() {
        let exit = |code| Failure::from(Problem::new(ProblemKind::Unavailable, code, "")).exit();
        assert_eq!(exit("store.unavailable"), Exit::FAILED);
        assert_eq!(exit("daemon.not_running"), Exit::UNREACHABLE);
        assert_eq!(exit("socket.busy"), Exit::UNREACHABLE);
    }
}
