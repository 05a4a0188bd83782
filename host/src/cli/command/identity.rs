//! `kora identity`.

use clap::Subcommand;

use crate::{
    cli::{context::Context, failure::Outcome, view},
    service::api::{Call, Nothing, OneTenant, Rollback, Swap},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum IdentityCommand {
    /// List who speaks for which tenant, and who could
    List,
    /// Show who speaks for a tenant, with the texts
    Show {
        /// The tenant
        tenant: String,
    },
    /// Let another provider speak for a tenant
    ///
    /// All or nothing: if the provider does not give a whole identity, or somebody else was faster, the old one goes on
    /// speaking.
    Swap {
        /// The tenant
        tenant: String,
        /// Who is to speak, as `PLUGIN/PROVIDER`, or `PROVIDER` where only one plugin has it
        provider: String,
        /// Refuse unless this generation speaks now
        #[arg(long, value_name = "N")]
        expect_generation: Option<u64>,
        /// Why; kept in the event
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let an earlier generation speak again, with exactly its bytes
    ///
    /// It becomes a new generation: nothing is taken back, and the chain tells of both.
    Rollback {
        /// The tenant
        tenant: String,
        /// Which; without it, the one before
        generation: Option<u64>,
        /// Why; kept in the event
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Prove who speaks for a tenant: generation, snapshot, plugin, event
    Why {
        /// The tenant
        tenant: String,
    },
}

pub(in crate::cli) fn run(command: IdentityCommand, context: &mut Context<'_>) -> Outcome {
    match command {
        IdentityCommand::List => context.ask(&Call::IdentityList(Nothing {}), view::identity::identities),
        IdentityCommand::Show { tenant } => context.ask(
            &Call::IdentityShow(OneTenant { tenant }),
            view::identity::identity,
        ),
        IdentityCommand::Swap {
            tenant,
            provider,
            expect_generation,
            reason,
        } => {
            let swap = Swap {
                tenant,
                provider,
                expect_generation,
                reason,
            };
            context.ask(&Call::IdentitySwap(swap), view::identity::swapped)
        }
        IdentityCommand::Rollback {
            tenant,
            generation,
            reason,
        } => {
            let rollback = Rollback {
                tenant,
                generation,
                reason,
            };
            context.ask(&Call::IdentityRollback(rollback), view::identity::swapped)
        }
        IdentityCommand::Why { tenant } => {
            context.ask(&Call::IdentityWhy(OneTenant { tenant }), view::identity::why)
        }
    }
}
