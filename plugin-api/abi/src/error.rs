//! Errors cross as data: a code, a sentence and, for some codes, what it is about.

use abi_stable::{StableAbi, std_types::RVec};

/// A failure, from either side.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct AbiError {
    /// One of the constants beside this type. An unknown code means [`FAILED`].
    pub code: u32,
    /// One sentence for a human, UTF-8. Never holds a secret.
    pub message: RVec<u8>,
    /// What the error is about, UTF-8: the name of the secret for [`MISSING_CREDENTIAL`], else empty.
    pub subject: RVec<u8>,
}

impl AbiError {
    /// An error without a subject.
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into().into_bytes().into(),
            subject: RVec::new(),
        }
    }

    /// The same error, about `subject`.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into().into_bytes().into();
        self
    }
}

/// It failed, for the reason in the message.
pub const FAILED: u32 = 0;
/// The code that was called panicked.
pub const PANICKED: u32 = 1;
/// The entry panicked before and is out of use until it is made anew.
pub const POISONED: u32 = 2;
/// No such entry, task or plugin.
pub const NO_SUCH_HANDLE: u32 = 3;
/// An argument is not what the function takes.
pub const INVALID: u32 = 4;
/// The manifest does not ask for this permission, or the thing belongs to somebody else.
pub const DENIED: u32 = 5;
/// The plugin does not act for this tenant.
pub const TENANT_NOT_SERVED: u32 = 6;
/// The service cannot answer now: during `register`, while stopping, or because the store is away.
pub const UNAVAILABLE: u32 = 7;
/// What was expected is no longer so (a sequence number, a generation).
pub const CONFLICT: u32 = 8;
/// A secret that is needed is not configured. The subject names it.
pub const MISSING_CREDENTIAL: u32 = 9;
/// A limit is used up.
pub const QUOTA: u32 = 10;
/// The caller gave up and the work was cancelled.
pub const CANCELLED: u32 = 11;
