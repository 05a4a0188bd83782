//! The machine: what plugins it can load.

use super::Finding;
use crate::plugin::Platform;

const CHECK: &str = "machine";

pub(super) fn look() -> Finding {
    let Platform { target, glibc } = Platform::current();
    match glibc {
        Some(version) => Finding::ok(
            CHECK,
            format!("plugins for {target} that need at most glibc {version} can be loaded"),
        ),
        None => Finding::warn(
            CHECK,
            format!("plugins for {target} can be loaded; which C library runs here is not known"),
            "a plugin that needs a newer one is refused only when it is loaded",
        ),
    }
}
