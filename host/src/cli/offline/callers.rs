//! What `callers.toml` says of callers, for showing it.

use serde::Serialize;

use crate::access::{Caller, CallersDocument, Tenancy};

/// Everybody who stands in the file.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Callers {
    /// Those in force.
    pub callers: Vec<ShownCaller>,
    /// Entries that admit nobody, because something is wrong with them.
    pub left_out: Vec<LeftOut>,
    /// Those whose tokens a stop command revoked.
    pub revoked: Vec<String>,
}

/// A caller, without anything of its token.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct ShownCaller {
    pub name: String,
    pub kind: String,
    pub capabilities: Vec<String>,
    /// Its tenants; `*` alone for all.
    pub tenants: Vec<String>,
    pub actor_id: Option<String>,
    pub allowed_events: Vec<String>,
    pub requests_per_second: Option<u32>,
}

/// An entry that admits nobody.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct LeftOut {
    pub name: String,
    pub why: String,
}

pub(in crate::cli) fn survey(document: &CallersDocument) -> Callers {
    let (callers, faults) = document.callers();
    Callers {
        callers: callers.iter().map(ShownCaller::from).collect(),
        left_out: faults
            .into_iter()
            .map(|fault| LeftOut {
                name: fault.name,
                why: fault.why,
            })
            .collect(),
        revoked: document.revoked(),
    }
}

impl From<&Caller> for ShownCaller {
    fn from(caller: &Caller) -> Self {
        Self {
            name: caller.name().to_string(),
            kind: caller.actor_kind().to_owned(),
            capabilities: texts(caller.capabilities()),
            tenants: match caller.tenancy() {
                Tenancy::All => vec!["*".to_owned()],
                Tenancy::Only(tenants) => texts(tenants),
            },
            actor_id: caller.actor_id().map(|id| id.hyphenated().to_string()),
            allowed_events: texts(caller.allowed_events()),
            requests_per_second: caller.requests_per_second(),
        }
    }
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}
