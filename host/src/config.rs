//! The configuration of the host.
