//! `kora tenants`.

use clap::Subcommand;

use crate::{
    cli::{context::Context, failure::Outcome, view},
    service::api::{AddTenant, Call, Nothing, OneTenant},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TenantsCommand {
    /// List the tenants
    List,
    /// Add a tenant
    ///
    /// It is kept in the store, beside those that `kora.toml` names, and is served at once.
    Add {
        /// Its id: letters, digits, `_` and `-`
        tenant: String,
        /// Who is to speak for it, as `PLUGIN/PROVIDER` or `PROVIDER`; else the configured default
        #[arg(long, value_name = "PROVIDER")]
        identity: Option<String>,
    },
    /// Serve a tenant no longer
    ///
    /// Its chain and its identity are kept.
    Disable {
        /// Its id
        tenant: String,
    },
    /// Serve a tenant again
    Enable {
        /// Its id
        tenant: String,
    },
}

pub(in crate::cli) fn run(command: TenantsCommand, context: &mut Context<'_>) -> Outcome {
    let call = match command {
        TenantsCommand::List => {
            return context.ask(&Call::TenantsList(Nothing {}), view::tenants::tenants);
        }
        TenantsCommand::Add { tenant, identity } => Call::TenantsAdd(AddTenant { tenant, identity }),
        TenantsCommand::Disable { tenant } => Call::TenantsDisable(OneTenant { tenant }),
        TenantsCommand::Enable { tenant } => Call::TenantsEnable(OneTenant { tenant }),
    };
    context.ask(&call, view::tenants::tenant)
}
