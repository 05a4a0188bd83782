//! How far a command has come. Two things are told apart: whether there is still something to do, and whether it still holds.

use crate::domain::wire_enum;

wire_enum! {
    /// How far a command has come.
    Lifecycle, "lifecycle of a command" {
        /// It was issued.
        Created = "created",
        /// The one that it is for could see it.
        VisibleToRuntime = "visible_to_runtime",
        /// The one that it is for has seen it.
        Acknowledged = "acknowledged",
        /// It is being carried out.
        Enforcing = "enforcing",
        /// It was carried out.
        Enforced = "enforced",
        /// It could not be carried out, and nothing goes further than it does.
        Failed = "failed",
        /// It took too long, and another that goes further was issued in its place.
        Escalated = "escalated",
        /// A reset cleared it.
        Superseded = "superseded",
        /// Its time is over.
        Expired = "expired",
    }
}

/// A step that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a command that is `{from}` cannot become `{to}`")]
pub struct IllegalStep {
    /// As it is.
    pub from: Lifecycle,
    /// As it was to be.
    pub to: Lifecycle,
}

impl Lifecycle {
    /// Whether there is still something to do.
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            Self::Created | Self::VisibleToRuntime | Self::Acknowledged | Self::Enforcing
        )
    }

    /// Whether it holds no longer. Nothing follows.
    pub const fn is_lifted(self) -> bool {
        matches!(self, Self::Superseded | Self::Expired)
    }

    /// Whether `next` may follow. What is open goes on step by step, or ends at any time; what has ended is still lifted.
    pub const fn may_become(self, next: Self) -> bool {
        let goes_on = matches!(
            (self, next),
            (Self::Created, Self::VisibleToRuntime)
                | (Self::VisibleToRuntime, Self::Acknowledged)
                | (Self::Acknowledged, Self::Enforcing)
                | (Self::Enforcing, Self::Enforced)
        );
        let ends_early = self.is_open() && matches!(next, Self::Failed | Self::Escalated);
        let is_lifted_now = !self.is_lifted() && next.is_lifted();
        goes_on || ends_early || is_lifted_now
    }
}
