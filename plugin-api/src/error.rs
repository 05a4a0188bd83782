//! The one error type of the SDK.

use std::fmt;

use kora_plugin_abi as abi;

/// What the fallible functions of the SDK and of an author answer.
pub type Result<T = (), E = PluginError> = std::result::Result<T, E>;

/// What kind of failure it is. Only [`MissingCredential`](ErrorKind::MissingCredential) changes what the host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It failed.
    Failed,
    /// An argument is not what was asked for.
    Invalid,
    /// The manifest does not ask for this permission, or the thing belongs to somebody else.
    Denied,
    /// The plugin does not act for this tenant.
    TenantNotServed,
    /// The host cannot answer now.
    Unavailable,
    /// What was expected is no longer so.
    Conflict,
    /// A secret is not configured. An entry that starts up with this error is degraded and not retried.
    MissingCredential,
    /// A limit is used up.
    Quota,
}

/// A failure: what kind, and one sentence. It becomes one line in the host's log, so it must not hold a secret.
///
/// Any [`std::error::Error`] converts into it with `?`, as [`ErrorKind::Failed`] with its message.
#[derive(Debug, Clone)]
pub struct PluginError {
    kind: ErrorKind,
    message: String,
    subject: String,
}

impl PluginError {
    /// An ordinary failure.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Failed,
            message: message.into(),
            subject: String::new(),
        }
    }

    /// The secret `name` is not configured.
    pub fn missing_credential(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            kind: ErrorKind::MissingCredential,
            message: format!("the secret `{name}` is not configured"),
            subject: name,
        }
    }

    /// An argument is not what was asked for. Whoever calls a tool is told the message.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::of_kind(ErrorKind::Invalid, message)
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn of_kind(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            subject: String::new(),
        }
    }

    pub(crate) fn into_abi(self) -> abi::AbiError {
        abi::AbiError::new(code(self.kind), self.message).about(self.subject)
    }

    pub(crate) fn from_abi(error: abi::AbiError) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            kind: kind(error.code),
            message: text(&error.message),
            subject: text(&error.subject),
        }
    }
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for PluginError {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

fn code(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::Failed => abi::FAILED,
        ErrorKind::Invalid => abi::INVALID,
        ErrorKind::Denied => abi::DENIED,
        ErrorKind::TenantNotServed => abi::TENANT_NOT_SERVED,
        ErrorKind::Unavailable => abi::UNAVAILABLE,
        ErrorKind::Conflict => abi::CONFLICT,
        ErrorKind::MissingCredential => abi::MISSING_CREDENTIAL,
        ErrorKind::Quota => abi::QUOTA,
    }
}

fn kind(code: u32) -> ErrorKind {
    match code {
        abi::INVALID => ErrorKind::Invalid,
        abi::DENIED => ErrorKind::Denied,
        abi::TENANT_NOT_SERVED => ErrorKind::TenantNotServed,
        abi::UNAVAILABLE => ErrorKind::Unavailable,
        abi::CONFLICT => ErrorKind::Conflict,
        abi::MISSING_CREDENTIAL => ErrorKind::MissingCredential,
        abi::QUOTA => ErrorKind::Quota,
        _ => ErrorKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_boundary() {
        for expected in [
            ErrorKind::Failed,
            ErrorKind::Invalid,
            ErrorKind::Denied,
            ErrorKind::TenantNotServed,
            ErrorKind::Unavailable,
            ErrorKind::Conflict,
            ErrorKind::MissingCredential,
            ErrorKind::Quota,
        ] {
            let crossed = PluginError::from_abi(PluginError::of_kind(expected, "why").into_abi());
            assert_eq!((crossed.kind(), crossed.to_string().as_str()), (expected, "why"));
        }
    }

    #[test]
    fn a_code_of_a_later_host_and_text_that_is_not_utf8_are_taken_as_a_failure() {
        let mut error = abi::AbiError::new(4_000_000, "");
        error.message = b"odd \xff".as_slice().into();
        let error = PluginError::from_abi(error);
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Failed, "odd \u{fffd}")
        );
    }

    #[test]
    fn any_error_converts_with_its_message() {
        let convert = || -> Result { Ok("x".parse::<u8>().map(drop)?) };
        assert_eq!(
            convert().expect_err("is no number").to_string(),
            "invalid digit found in string"
        );
    }
}
