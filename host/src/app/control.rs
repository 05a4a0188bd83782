//! What stop commands need of the host: its exit.

use crate::{
    control::Exit,
    coordinator::{CoordinatorHandle, ShutdownReason},
};

/// Ends the host by its coordinator.
pub struct CoordinatorExit(pub CoordinatorHandle);

impl Exit for CoordinatorExit {
    fn request(&self, why: String) {
        if self.0.shutdown_reason().is_none() {
            self.0.request_shutdown(ShutdownReason::Requested(why));
        }
    }
}
