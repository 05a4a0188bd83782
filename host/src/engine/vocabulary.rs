//! The vocabulary of event types, and whose each is.
