//! The use cases: the one API that the rims call. What they take and answer is plain data; who asks is set by the rim.

pub mod api;
mod problem;

pub use problem::{Problem, ProblemKind};
