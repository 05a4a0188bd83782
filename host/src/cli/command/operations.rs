//! `kora operations`.

use clap::Subcommand;
use uuid::Uuid;

use super::tickets::{id, one_of};
use crate::{
    cli::{context::Context, failure::Outcome, view},
    service::api::{Call, ListOperations, OperationStatus},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum OperationsCommand {
    /// List the rows of the operation ledger, the newest first
    ///
    /// Each attempt at a ticket counts its rows from 0, which is the claim itself. What is `dispatched` may have happened.
    List {
        /// Only of this status
        #[arg(long, value_parser = one_of(OperationStatus::ALL, OperationStatus::as_str))]
        status: Option<OperationStatus>,
        /// Only those made before this one
        #[arg(long, value_name = "OPERATION", value_parser = id)]
        before: Option<Uuid>,
        /// At most this many, 1 to 200; 50 unless said
        #[arg(long, value_name = "COUNT")]
        limit: Option<u32>,
        /// The tenant; may be left out where there is exactly one
        #[arg(long)]
        tenant: Option<String>,
    },
}

pub(in crate::cli) fn run(command: OperationsCommand, context: &mut Context<'_>) -> Outcome {
    let OperationsCommand::List {
        status,
        before,
        limit,
        tenant,
    } = command;
    let call = Call::OperationsList(ListOperations {
        tenant,
        status,
        before,
        limit,
    });
    context.ask(&call, |rows: &Vec<_>| view::tickets::operations(rows))
}
