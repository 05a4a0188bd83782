//! Who may do what over the control surface: callers with their tokens and capabilities, how often they may ask, and the audit of
//! every outcome. Knows no transport and no use case.

mod audit;
mod caller;
mod callers;
mod callers_file;
mod principal;
mod rate;
mod redact;
mod refusals;
mod review;
mod token;

pub use crate::domain::{CallerKind, CallerName, Capability};
pub use audit::{
    AuditEnd, AuditEntry, AuditFilter, AuditFollower, AuditLog, AuditOptions, AuditResult, AuditUnwritten,
    Details, Seam, Source, audit_file, read_audit,
};
pub use caller::{Caller, Tenancy};
pub use callers::{AnonymousTokens, Authenticated, Callers, CallersFault};
pub use callers_file::{CallerDraft, CallersDocument, CallersFileError, EntryFault};
pub use principal::{ANONYMOUS_KIND, Principal};
pub use rate::Rates;
pub use redact::redacted;
pub use refusals::Refusals;
pub use review::{Known, Review, grantable, grantable_types};
pub use token::Token;
