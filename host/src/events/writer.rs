//! Who asks for an append: as whom, and with which actor and source. Only the host makes one, from where a request came in.

use crate::{
    domain::{Actor, ActorKind, Digest, PluginName},
    engine::vocabulary::Owner,
};

/// Who asks. It fixes whose types may be appended, and actor and source of the event. It has no public fields: what a caller or a
/// plugin says of itself never gets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    owner: Owner,
    actor: Actor,
    source: String,
}

impl Writer {
    /// A part of the host, for itself. `part` is one of the host's parts; as a plugin or operator it would be nobody's.
    pub fn host(part: Owner) -> Self {
        Self {
            owner: part,
            actor: Actor::host(),
            source: host_source(),
        }
    }

    /// A plugin; `digest` is that of the package or library that it was admitted from.
    pub fn plugin(name: &PluginName, version: &semver::Version, digest: Digest) -> Self {
        Self {
            owner: Owner::Plugin(name.clone()),
            actor: Actor {
                kind: ActorKind::Plugin,
                id: Some(name.to_string()),
            },
            source: format!("{name}@{version}#{digest}"),
        }
    }

    /// The operator of this machine, known by the uid at the other end of the control socket.
    pub fn operator(uid: u32) -> Self {
        Self {
            owner: Owner::Operator,
            actor: Actor {
                kind: ActorKind::Operator,
                id: Some(format!("uid:{uid}")),
            },
            source: host_source(),
        }
    }

    /// A caller with a token. It may append what the operator declared; whether it may at all, its capabilities say.
    pub fn caller(actor: Actor) -> Self {
        Self {
            owner: Owner::Operator,
            actor,
            source: host_source(),
        }
    }

    /// A part of the host that does what this writer asked for: the types are the part's, the event still names who asked.
    #[must_use]
    pub fn through(&self, part: Owner) -> Self {
        Self {
            owner: part,
            ..self.clone()
        }
    }

    /// The same for somebody whom the host knows as this actor.
    #[must_use]
    pub fn on_behalf_of(&self, actor: &Actor) -> Self {
        Self {
            actor: actor.clone(),
            ..self.clone()
        }
    }

    /// As whom it asks.
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Who caused it.
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Which code wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }
}

fn host_source() -> String {
    concat!("kora-host@", env!("CARGO_PKG_VERSION")).to_owned()
}
