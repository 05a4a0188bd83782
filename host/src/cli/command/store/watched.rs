//! Long work on a thread of its own, while how far it is is shown.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    cli::{context::Context, failure::Failure, view::text::span},
    store::transfer::Progress,
};

/// Shorter work ends before anybody could read how far it is.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Does the work and shows how far it is.
pub(super) fn watched<T: Send>(
    context: &mut Context<'_>,
    work: impl FnOnce(&Progress) -> T + Send,
) -> Result<T, Failure> {
    let begin = Instant::now();
    let waiting = thread::current();
    let progress = Progress::new();
    thread::scope(|threads| {
        let progress = &progress;
        let working = threads.spawn(move || {
            let done = work(progress);
            waiting.unpark();
            done
        });
        while context.ui.progress && !working.is_finished() {
            thread::park_timeout(PROGRESS_EVERY);
            if begin.elapsed() >= PROGRESS_AFTER {
                let ((step, rows), seconds) = (progress.now(), begin.elapsed().as_secs());
                let text = format!("{step}, {rows} rows so far, {}", span(seconds));
                context.ui.progress(&text)?;
            }
        }
        let done = working
            .join()
            .unwrap_or_else(|fault| std::panic::resume_unwind(fault));
        if begin.elapsed() >= PROGRESS_AFTER {
            context.ui.end_progress()?;
        }
        Ok(done)
    })
}
