//! Trigger texts: the canonical ones of the host, and the one place that maps a text to a kind.
