//! Why a plugin's tool, prompt, resource or webhook did not answer.

use std::time::Duration;

/// Why it did not answer. Messages hold words of the plugin's where they are said to; show a caller the kind alone, unless it is
/// [`Invalid`](Self::Invalid), which is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// There is none of that name, or its plugin hides it.
    #[error("there is no {0}")]
    Unknown(String),
    /// Its plugin was stopped, disabled or removed, or did not start.
    #[error("the plugin `{plugin}` is {state}")]
    Gone {
        /// The plugin.
        plugin: String,
        /// What state it is in.
        state: String,
    },
    /// The plugin's thread does not come back: it is disabled until the host starts again.
    #[error("the plugin `{plugin}` does not come back; it is disabled until the host starts again")]
    Wedged {
        /// The plugin.
        plugin: String,
    },
    /// The plugin does not act for the tenant.
    #[error("the plugin `{plugin}` does not act for the tenant")]
    NotServed {
        /// The plugin.
        plugin: String,
    },
    /// As many calls of the plugin are under way as there may be.
    #[error("{limit} calls of the plugin are under way: try again later")]
    Busy {
        /// How many there may be.
        limit: usize,
    },
    /// It did not answer in time. The work was cancelled.
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// It panicked just now, and is out of use until the host starts again. The message is the plugin's.
    #[error("{0}")]
    Panicked(String),
    /// It panicked before, and is out of use until the host starts again.
    #[error("it panicked before and is out of use until the host starts again")]
    Poisoned,
    /// It cannot use what it was asked with. The message is the plugin's, for the caller.
    #[error("{0}")]
    Invalid(String),
    /// A secret that it needs is not configured.
    #[error("the secret `{0}` is not configured")]
    MissingCredential(String),
    /// It failed. The message is the plugin's.
    #[error("{0}")]
    Failed(String),
    /// What it answered is not what it must be. The message is the host's.
    #[error("the plugin's answer is not valid: {0}")]
    BadAnswer(String),
}

impl OfferError {
    /// A stable word for logs, audits and counters: the variant's name in snake case.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown",
            Self::Gone { .. } => "gone",
            Self::Wedged { .. } => "wedged",
            Self::NotServed { .. } => "not_served",
            Self::Busy { .. } => "busy",
            Self::TimedOut(_) => "timed_out",
            Self::Panicked(_) => "panicked",
            Self::Poisoned => "poisoned",
            Self::Invalid(_) => "invalid",
            Self::MissingCredential(_) => "missing_credential",
            Self::Failed(_) => "failed",
            Self::BadAnswer(_) => "bad_answer",
        }
    }
}
