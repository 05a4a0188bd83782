//! One gate: what is known of it, and its check.

use std::{borrow::Cow, fmt, future::Future, pin::Pin};

use crate::{engine::gates::GateSpec, store::StoreError};

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// For humans, one line: what was expected, what was found, what to do. Never a secret.
    pub detail: String,
    /// Waiting will not help.
    pub lasts: bool,
    /// What is to be thought of the gate.
    pub meaning: FaultMeaning,
}

/// What a gate that did not pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultMeaning {
    /// What it looked at is not as it must be.
    Failed,
    /// Somebody ended the boot; nothing is wrong.
    Interrupted,
    /// There was nothing that it could look at: an earlier gate says why.
    NotLookedAt,
}

impl Fault {
    /// May be over when it is looked at again.
    pub fn now(detail: impl fmt::Display) -> Self {
        Self {
            detail: one_line(&detail),
            lasts: false,
            meaning: FaultMeaning::Failed,
        }
    }

    /// Somebody ended the boot meanwhile: the next one may pass, whatever the class of the gate.
    pub fn interrupted(detail: impl fmt::Display) -> Self {
        Self {
            meaning: FaultMeaning::Interrupted,
            ..Self::lasting(detail)
        }
    }

    /// There is nothing to look at, and an earlier gate says why.
    pub fn not_looked_at(detail: impl fmt::Display) -> Self {
        Self {
            meaning: FaultMeaning::NotLookedAt,
            ..Self::lasting(detail)
        }
    }

    /// Waiting will not help.
    pub fn lasting(detail: impl fmt::Display) -> Self {
        Self {
            lasts: true,
            ..Self::now(detail)
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::now(error),
            StoreError::Closed
            | StoreError::Held { .. }
            | StoreError::NotWritable { .. }
            | StoreError::SchemaTooNew { .. }
            | StoreError::Damaged(_) => Self::lasting(error),
        }
    }
}

fn one_line(text: &dyn fmt::Display) -> String {
    text.to_string().replace('\n', " ")
}

type Checking = Pin<Box<dyn Future<Output = Result<String, Fault>> + Send>>;

/// A gate of a boot.
pub struct Gate {
    pub(super) spec: GateSpec,
    pub(super) id: Cow<'static, str>,
    check: Box<dyn Fn() -> Checking + Send + Sync>,
}

impl Gate {
    /// The gate of this kind. `check` answers a line for humans. It runs as a task of its own: it may panic or hang, and is dropped
    /// at its deadline or when the run is.
    pub fn new<W>(spec: GateSpec, check: impl Fn() -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = Result<String, Fault>> + Send + 'static,
    {
        Self {
            spec,
            id: Cow::Borrowed(spec.id),
            check: Box::new(move || Box::pin(check())),
        }
    }

    /// The same under a name that says of whom: where one list shows the gates of several tenants.
    #[must_use]
    pub fn of(mut self, whom: &impl fmt::Display) -> Self {
        self.id = Cow::Owned(format!("{}:{whom}", self.spec.id));
        self
    }

    pub(super) fn check(&self) -> Checking {
        (self.check)()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("id", &self.id)
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}
