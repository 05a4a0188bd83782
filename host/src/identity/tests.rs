//! Tests of identities as their users meet them.

mod announce;
mod readers;
mod restore;
mod rollback;
mod swap;
mod why;
