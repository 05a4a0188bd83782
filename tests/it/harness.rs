//! A home of its own for each test, the command in it, and a host that is started, asked, and ended.

pub mod builds;
mod follower;
mod home;
mod host;
mod http;
mod libraries;
mod offenders;
mod package_file;
mod registry;

pub use follower::Follower;
pub use home::{Finished, TestHome, finish};
pub use host::{RunningHost, payload};
pub use http::{
    HttpClient, HttpRequest, HttpResponse, HttpStream, ServerSentEvent, add_caller, add_caller_with,
    remove_caller,
};
pub use libraries::{elf, library, package_of, patched, renamed, rewritten, wrong_at_load};
pub use offenders::{Offender, home_with_offenders};
pub use package_file::{Entry, package_file};
pub use registry::{TENANT, TestRegistry, caller, request};

use std::time::{Duration, Instant};

/// Far above what anything here takes; it is reached only when a test is about to fail.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often something is looked at again.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until `probe` answers, at most until the deadline.
///
/// # Panics
/// At the deadline, with what was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        std::thread::park_timeout(PAUSE);
    }
}
