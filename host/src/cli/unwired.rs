//! Stands in for the composition root until that is there; goes away with the first line that names it.

use super::port::{App, BootOptions, BootReport, DaemonEnd, DaemonOptions};
use crate::service::{Problem, ProblemKind};

pub(super) struct Unwired;

impl App for Unwired {
    fn run_daemon(&self, _: DaemonOptions) -> DaemonEnd {
        DaemonEnd::CannotStart(problem())
    }

    fn check_boot(&self, _: BootOptions) -> Result<BootReport, Problem> {
        Err(problem())
    }
}

fn problem() -> Problem {
    Problem::new(
        ProblemKind::Internal,
        "host.not_built",
        "this build of the command has no host in it",
    )
}
