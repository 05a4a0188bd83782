//! The transition table, and what a transition emits.
