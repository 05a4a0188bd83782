//! The gate that looks at who may call, before anybody is let in.
//!
//! What would leave the host with nobody who can steer it, or with a door that anybody can open, fails it: a file that is not believed as
//! a whole, tokens that cannot be read, in production one that can be guessed. A bad entry costs its own caller only, as it does while the
//! host runs, and is told.

use std::{collections::BTreeSet, sync::Arc};

use super::parts::counted;
use crate::{
    access::{CallersDocument, CallersFileError, EntryFault, Known, Review, grantable},
    config::Config,
    domain::TenantId,
    engine::{gates::CALLERS, vocabulary::Vocabulary},
    gates::{Fault, Gate},
    secrets::anonymous_tokens,
    service::{Service, tools::own_specs},
};

/// How many remarks are told. Whoever has more of them looks at the list.
const TOLD: usize = 8;

/// The callers, once it is known which tools, tenants and event types there are.
pub fn callers(service: &Arc<Service>) -> Gate {
    let service = service.clone();
    Gate::new(CALLERS, move || {
        let service = service.clone();
        async move {
            let looked = tokio::task::spawn_blocking(move || {
                let config = service.config.load_full();
                let review = look(&config, &known_to(&service, &config))?;
                for EntryFault { name, why } in &review.void {
                    tracing::warn!(
                        caller = name,
                        why,
                        "[kora.access.callers] a right comes to nothing"
                    );
                }
                for which in &review.guessable {
                    tracing::warn!(
                        which,
                        "[kora.access.callers] a token that names nobody can be guessed: it has fewer than 20 characters"
                    );
                }
                let dev_only = service.plugins.tools().into_iter();
                let dev_only = dev_only.filter(|tool| tool.descriptor().dev_only);
                Ok(line(
                    &review,
                    &config,
                    dev_only.map(|tool| tool.descriptor().name.to_string()),
                ))
            });
            looked.await.map_err(Fault::lasting)?
        }
    })
}

/// What there is on a host whose plugins were admitted.
fn known_to(service: &Service, config: &Config) -> Known {
    let registered = service.tenants.ids();
    let plugins = service.plugins.tools();
    let capabilities = plugins
        .iter()
        .map(|tool| tool.descriptor().required_capability.clone());
    known(config, &service.log.vocabulary(), registered, capabilities)
}

/// What there is: the configuration's, and what is known beside it.
pub fn known(
    config: &Config,
    vocabulary: &Vocabulary,
    tenants: impl IntoIterator<Item = TenantId>,
    capabilities: impl IntoIterator<Item = String>,
) -> Known {
    let own = own_specs();
    let own = own.iter().filter_map(|spec| spec.required_capability.clone());
    let of_plugins = capabilities.into_iter().filter_map(|name| name.parse().ok());
    Known {
        capabilities: own.chain(of_plugins).collect(),
        tenants: tenants
            .into_iter()
            .chain(config.tenants.keys().cloned())
            .collect(),
        event_types: grantable(vocabulary),
    }
}

/// Looks at the file and at the tokens that name nobody. Blocks.
///
/// # Errors
/// What keeps a host from booting.
pub fn look(config: &Config, known: &Known) -> Result<Review, Fault> {
    let document = CallersDocument::read(&config.home().callers_file()).map_err(|error| match error {
        CallersFileError::Io { .. } => Fault::now(error),
        _ => Fault::lasting(error),
    })?;
    let tokens = anonymous_tokens(config, &|name| std::env::var_os(name)).map_err(Fault::now)?;
    let review = Review::of(&document, &tokens, known);
    match review.guessable.first() {
        Some(which) if config.access.is_production() => Err(Fault::lasting(format!(
            "token {which} of those that name nobody can be guessed: at least 20 characters are expected where `access.deploy_env` is \
             `prd`; `kora callers add` makes a caller with a random one"
        ))),
        _ => Ok(review),
    }
}

/// What a look found, in a line. `dev_only`: the tools for development that plugins brought.
pub fn line(review: &Review, config: &Config, dev_only: impl IntoIterator<Item = String>) -> String {
    let mut line = counted(review.callers, "caller");
    if review.anonymous > 0 {
        line += &format!(", {} without a name", counted(review.anonymous, "token"));
    }
    // In production it fails the gate; elsewhere it is told.
    for which in &review.guessable {
        line += &format!("; token {which} of those that name nobody can be guessed");
    }
    let remarks = [("left out", &review.left_out), ("without effect", &review.void)];
    for (what, found) in remarks.into_iter().filter(|(_, found)| !found.is_empty()) {
        line += &format!("; {what}: {}", told(found));
    }
    let own = own_specs();
    let own = own
        .iter()
        .filter(|spec| spec.dev_only)
        .map(|spec| spec.name.to_string());
    let dev_only: BTreeSet<String> = own.chain(dev_only).collect();
    let environment = config.access.deploy_env;
    line += &match config.access.is_production() {
        true => format!(
            "; {} for development refused (`{environment}`)",
            counted(dev_only.len(), "tool")
        ),
        false => {
            let names: Vec<_> = dev_only.iter().map(|name| format!("`{name}`")).collect();
            format!("; open for development (`{environment}`): {}", names.join(", "))
        }
    };
    line
}

fn told(faults: &[EntryFault]) -> String {
    let shown = faults
        .iter()
        .take(TOLD)
        .map(|EntryFault { name, why }| format!("`{name}` ({why})"));
    let mut shown: Vec<_> = shown.collect();
    if faults.len() > TOLD {
        shown.push(format!("{} more", faults.len() - TOLD));
    }
    shown.join(", ")
}
