//! `kora status`.

use crate::{
    cli::{context::Context, failure::Outcome, view},
    service::api::{Call, Nothing},
};

pub(in crate::cli) fn run(context: &mut Context<'_>) -> Outcome {
    context.ask(&Call::Status(Nothing {}), view::status::status)
}
