//! The port to those who give identities, and how a name that an operator wrote finds one of them.
//!
//! Which provider speaks is written down and never a matter of the order in which plugins are loaded: a short name that
//! fits two providers is refused.

use async_trait::async_trait;
use serde::Serialize;

use super::strict;
use crate::domain::{Digest, Generation, ProviderId, TenantId};

/// An identity provider that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderInfo {
    /// Its id.
    pub id: ProviderId,
    /// The version of its plugin.
    pub plugin_version: String,
    /// The digest of what its plugin was admitted from.
    pub plugin_digest: Digest,
}

/// What a provider answered, unchecked, and the code that answered.
#[derive(Debug, Clone)]
pub struct Provided {
    /// The answer: a snapshot as JSON, or `null` for no claim.
    pub bytes: Vec<u8>,
    /// The version of the plugin that answered.
    pub plugin_version: String,
    /// The digest of what that plugin was admitted from.
    pub plugin_digest: Digest,
}

/// Why a provider gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// No running plugin registers it.
    #[error("it is not loaded: put its plugin into the plugin directory, or swap to another provider")]
    NotFound,
    /// It panicked before and is not asked again.
    #[error("it is poisoned by a panic, and stays so until the host starts again")]
    Poisoned,
    /// It answered with an error.
    #[error("it failed: {}", strict::clipped(.0))]
    Failed(String),
    /// It did not answer in time.
    #[error("it did not answer in time")]
    TimedOut,
}

/// Those who give identities: the plugins' providers, as `app` wires them.
#[async_trait]
pub trait Providers: Send + Sync + 'static {
    /// Asks a provider who the agent of `tenant` is. `next_generation` is what the answer would become.
    ///
    /// Must not block the task that awaits it: plugins are called on threads of their own. The future may be dropped at any
    /// time; the call it began may then go on and its answer is lost.
    ///
    /// # Errors
    /// See [`ProviderError`].
    async fn snapshot(
        &self,
        provider: &ProviderId,
        tenant: &TenantId,
        next_generation: Generation,
    ) -> Result<Provided, ProviderError>;

    /// Every provider that can be asked now, sorted by id.
    fn list(&self) -> Vec<ProviderInfo>;
}

/// A name that does not name one provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// None has it.
    #[error("no identity provider is called `{asked}`: there are {}", enumerated(.there_are))]
    Unknown {
        /// What was asked for, clipped.
        asked: String,
        /// All there are.
        there_are: Vec<ProviderId>,
    },
    /// Several have it. Never decided by the order of anything.
    #[error("`{asked}` is the name of several identity providers: write one of {}", enumerated(.candidates))]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// Whom it could mean.
        candidates: Vec<ProviderId>,
    },
}

/// Finds the provider that `text` names: `plugin/provider`, or the provider's part alone if only one has it.
///
/// # Errors
/// If none or several have it; either lists what there is.
pub fn resolve(text: &str, there_are: &[ProviderInfo]) -> Result<ProviderId, ResolveError> {
    let named = |id: &&ProviderId| id.as_str() == text || id.provider() == text;
    let ids = there_are.iter().map(|info| &info.id);
    let candidates: Vec<_> = ids.clone().filter(named).cloned().collect();
    match <[ProviderId; 1]>::try_from(candidates) {
        Ok([only]) => Ok(only),
        Err(none) if none.is_empty() => Err(ResolveError::Unknown {
            asked: strict::clipped(text),
            there_are: ids.cloned().collect(),
        }),
        Err(candidates) => Err(ResolveError::Ambiguous {
            asked: text.to_owned(),
            candidates,
        }),
    }
}

/// Ids for a message: `` `a/b`, `c/d` ``, or `none`.
pub(super) fn enumerated(ids: &[ProviderId]) -> String {
    if ids.is_empty() {
        return "none".to_owned();
    }
    let quoted: Vec<_> = ids.iter().map(|id| format!("`{id}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_are(ids: &[&str]) -> Vec<ProviderInfo> {
        let info = |id: &&str| ProviderInfo {
            id: id.parse().unwrap(),
            plugin_version: "1.0.0".to_owned(),
            plugin_digest: Digest::of(id.as_bytes()),
        };
        ids.iter().map(info).collect()
    }

    #[test]
    fn a_short_name_means_the_only_provider_that_has_it() {
        let all = there_are(&["kora/kora", "marvin/marvin", "zoo/kora"]);
        assert_eq!(resolve("marvin", &all).unwrap().as_str(), "marvin/marvin");
        assert_eq!(resolve("zoo/kora", &all).unwrap().as_str(), "zoo/kora");
    }

    #[test]
    fn load_order_never_chooses_between_providers_of_one_name() {
        for order in [["kora/kora", "zoo/kora"], ["zoo/kora", "kora/kora"]] {
            let error = resolve("kora", &there_are(&order)).unwrap_err();
            let ResolveError::Ambiguous { candidates, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(candidates.len(), 2);
            assert!(error.to_string().contains("`zoo/kora`"), "{error}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_what_there_is() {
        let error = resolve("marvn", &there_are(&["kora/kora", "marvin/marvin"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no identity provider is called `marvn`: there are `kora/kora`, `marvin/marvin`"
        );
        assert!(
            resolve("", &[])
                .unwrap_err()
                .to_string()
                .ends_with("there are none")
        );
    }
}
