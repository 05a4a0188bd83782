//! `kora callers add`.

use std::collections::BTreeSet;

use clap::Args;
use uuid::Uuid;

use super::{problem, show_token};
use crate::{
    access::{CallerDraft, CallerKind, CallerName, CallersDocument, Capability, Tenancy, grantable_types},
    cli::{
        command::tickets::id,
        context::Context,
        failure::{Failure, Outcome},
    },
    config::{Config, near_miss},
    domain::{EventType, TenantId},
    service::{
        api::{Call, Nothing, Tenant, Tool},
        tools::own_capabilities,
    },
    socket::read_answer,
};

/// Let somebody call over HTTP and MCP, and show the token
///
/// The token is shown this once, alone on standard output, and kept nowhere; of it only the hash is stored. A running host knows the
/// caller from the next request on. A caller has the capabilities that are named and no other: each lets it call the one tool of that
/// name. Tools that need none, which only look, are open to every caller, for its own tenants.
#[derive(Debug, Args)]
pub(in crate::cli) struct AddArguments {
    /// What you call it
    #[arg(value_name = "NAME")]
    name: CallerName,
    /// What sort of caller it is, such as `operator` or `ci`: its label in answers and in the audit
    #[arg(long, value_name = "LABEL")]
    kind: CallerKind,
    /// A capability, by the name of its tool; may be given more than once
    #[arg(long = "capability", value_name = "TOOL")]
    capabilities: Vec<Capability>,
    /// Every capability that there is now; those that a later release or plugin brings are not among them
    #[arg(long)]
    all_capabilities: bool,
    /// A tenant that it may know of and act for; may be given more than once
    #[arg(long = "tenant", value_name = "ID")]
    tenants: Vec<TenantId>,
    /// All tenants, those that are added later too, and the host's own affairs
    #[arg(long, conflicts_with = "tenants")]
    all_tenants: bool,
    /// The actor that it stands for; without one, it cannot give stop commands
    #[arg(long, value_name = "UUID", value_parser = id)]
    actor_id: Option<Uuid>,
    /// Stand for a new actor
    #[arg(long, conflicts_with = "actor_id")]
    new_actor_id: bool,
    /// An event type of a session's, such as `kora.session.ended`, that it may append beside those of `[events] types`, which need no naming;
    /// the host's and plugins' own are nobody's to append. May be given more than once
    #[arg(long = "allow-event", value_name = "TYPE")]
    events: Vec<EventType>,
    /// How often it may ask, 0 for as often as it likes; else as `access.requests_per_second` says
    #[arg(long, value_name = "N")]
    requests_per_second: Option<u32>,
}

pub(super) fn run(arguments: AddArguments, context: &mut Context<'_>) -> Outcome {
    let known = known_capabilities(context)?;
    let mut warnings: Vec<String> = arguments
        .capabilities
        .iter()
        .filter_map(|wanted| known.doubt(wanted))
        .collect();
    // A configuration that is not valid keeps nobody from adding a caller; what it would say is not known then.
    if let Ok(config) = context.load_config() {
        warnings.extend(doubted_tenants(&arguments.tenants, &config, context)?);
        warnings.extend(doubted_events(&arguments.events, &config));
    }
    if arguments.tenants.is_empty() && !arguments.all_tenants {
        let name = &arguments.name;
        warnings.push(format!(
            "`{name}` has no tenant, so no tool of a tenant's does anything for it: revoke it and add it with `--tenant ID` or `--all-tenants`"
        ));
    }
    let name = arguments.name.clone();
    let draft = arguments.draft(known.names);
    let file = context.home.callers_file();
    let token = CallersDocument::change(&file, |document| document.add(&name, &draft)).map_err(problem)?;
    show_token(name.as_str(), &token, &warnings, context)
}

impl AddArguments {
    fn draft(self, known: BTreeSet<Capability>) -> CallerDraft {
        let mut capabilities: BTreeSet<_> = self.capabilities.into_iter().collect();
        if self.all_capabilities {
            capabilities.extend(known);
        }
        CallerDraft {
            actor_kind: self.kind.to_string(),
            capabilities,
            actor_id: self.actor_id.or_else(|| self.new_actor_id.then(Uuid::now_v7)),
            tenancy: match self.all_tenants {
                true => Tenancy::All,
                false => Tenancy::Only(self.tenants.into_iter().collect()),
            },
            allowed_events: self.events.into_iter().collect(),
            requests_per_second: self.requests_per_second,
        }
    }
}

/// Tenants that there are not.
fn doubted_tenants(
    wanted: &[TenantId],
    config: &Config,
    context: &Context<'_>,
) -> Result<Vec<String>, Failure> {
    let missing: Vec<_> = wanted
        .iter()
        .filter(|tenant| config.tenant(tenant).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let listed: Option<Vec<Tenant>> = match context.daemon_if_running()? {
        None => None,
        Some(daemon) => Some(read_answer(daemon.call(&Call::TenantsList(Nothing {}))?)?),
    };
    let registered = listed.iter().flatten().map(|tenant| tenant.tenant.as_str());
    let known: BTreeSet<_> = registered
        .chain(config.tenants.keys().map(TenantId::as_str))
        .collect();
    let missing = missing
        .into_iter()
        .filter(|tenant| !known.contains(tenant.as_str()));
    let doubts = missing.map(|tenant| {
        let meant = meant(tenant.as_str(), known.iter().copied());
        match listed {
            Some(_) => format!("there is no tenant `{tenant}`{meant}"),
            None => format!(
                "there is no tenant `{tenant}` in the configuration, and no daemon runs that would know of others{meant}"
            ),
        }
    });
    Ok(doubts.collect())
}

/// Event types that no caller can be let append.
fn doubted_events(wanted: &[EventType], config: &Config) -> Vec<String> {
    let Ok(grantable) = grantable_types(&config.events.types) else {
        return Vec::new();
    };
    let missing = wanted.iter().filter(|wanted| !grantable.contains(*wanted));
    let doubts = missing.map(|wanted| {
        let meant = meant(wanted.as_str(), grantable.iter().map(EventType::as_str));
        format!("the event type `{wanted}` is neither in `[events] types` nor a session's, so the caller cannot append it{meant}")
    });
    doubts.collect()
}

fn meant<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let near = near_miss(wanted, known);
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// The capabilities that tools ask for.
struct Known {
    names: BTreeSet<Capability>,
    /// Whether a running host was asked, which knows the tools of its plugins too.
    is_whole: bool,
}

fn known_capabilities(context: &Context<'_>) -> Result<Known, Failure> {
    let asked = match context.daemon_if_running()? {
        None => None,
        Some(daemon) => {
            let tools: Vec<Tool> = read_answer(daemon.call(&Call::ToolsList(Nothing {}))?)?;
            Some(tools.into_iter().filter_map(|tool| tool.required_capability))
        }
    };
    let is_whole = asked.is_some();
    let names = own_capabilities().into_iter().chain(asked.into_iter().flatten());
    Ok(Known {
        names: names.filter_map(|name| name.parse().ok()).collect(),
        is_whole,
    })
}

impl Known {
    /// What may be a slip and may be meant.
    fn doubt(&self, wanted: &Capability) -> Option<String> {
        if self.names.contains(wanted) {
            return None;
        }
        let meant = meant(wanted.as_str(), self.names.iter().map(Capability::as_str));
        Some(match self.is_whole {
            true => format!("no tool asks for the capability `{wanted}`{meant}"),
            false => format!(
                "no tool of the host's asks for the capability `{wanted}`, and no daemon runs that would know whether a plugin's does{meant}"
            ),
        })
    }
}
