//! The hash chain: what a record is, byte for byte, and what its hash is.
