//! What is to be said of the callers before a host lets anybody in: entries that are left out, and rights to what there is not.
//!
//! It takes nothing from anybody and gives nothing. A right to a tool that is not there is worth nothing today, and something on the
//! day when a plugin brings one of that name: who wrote it should hear of it before.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Caller, CallersDocument, Capability, EntryFault, Tenancy};
use crate::{
    domain::{Digest, EventType, TenantId},
    engine::vocabulary::{Owner, Vocabulary, VocabularyError},
};

/// A shorter token can be guessed: the original asked as much of its own.
const TOKEN_MIN_CHARS: usize = 20;

/// What there is that a caller can have a right to.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// What tools ask for.
    pub capabilities: BTreeSet<Capability>,
    /// The tenants there are.
    pub tenants: BTreeSet<TenantId>,
    /// Types that a caller can be let append: those that the operator declared, and a session's.
    pub event_types: BTreeSet<EventType>,
}

/// What a look at the callers found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Review {
    /// How many callers are in force.
    pub callers: usize,
    /// How many tokens there are that name nobody.
    pub anonymous: usize,
    /// Entries that are left out.
    pub left_out: Vec<EntryFault>,
    /// Rights that come to nothing: whose, and why.
    pub void: Vec<EntryFault>,
    /// Which of the tokens that name nobody are short enough to be guessed, counted from 1.
    pub guessable: Vec<usize>,
}

/// The types that a caller can be let append, where the operator declared these.
///
/// # Errors
/// If what he declared cannot be.
pub fn grantable_types(declared: &[EventType]) -> Result<BTreeSet<EventType>, VocabularyError> {
    Vocabulary::new(declared).map(|vocabulary| grantable(&vocabulary))
}

/// The same of a vocabulary: the operator's, and a session's. The host's own are nobody's to append, and a plugin's are the plugin's.
pub fn grantable(vocabulary: &Vocabulary) -> BTreeSet<EventType> {
    let types = vocabulary.types();
    let types = types.filter(|(_, owner)| matches!(owner, Owner::Operator | Owner::Session));
    types.map(|(event_type, _)| event_type.clone()).collect()
}

impl Review {
    /// Looks at the callers of a file, and at the tokens that name nobody.
    pub fn of(document: &CallersDocument, anonymous: &[SecretString], known: &Known) -> Self {
        let (callers, left_out) = document.callers();
        let mut void: Vec<_> = callers
            .iter()
            .flat_map(|caller| void_rights(caller, known))
            .collect();
        for (index, token) in anonymous.iter().enumerate() {
            let hash = Digest::of(token.expose_secret().as_bytes());
            let owner = callers.iter().find(|caller| caller.token_hash == hash);
            void.extend(owner.map(|caller| EntryFault {
                name: caller.name.to_string(),
                why: format!("token {} of those that name nobody is its own", index + 1),
            }));
        }
        let is_short = |token: &SecretString| token.expose_secret().chars().count() < TOKEN_MIN_CHARS;
        let guessable = anonymous.iter().enumerate().filter(|(_, token)| is_short(token));
        Self {
            callers: callers.len(),
            anonymous: anonymous.len(),
            guessable: guessable.map(|(index, _)| index + 1).collect(),
            left_out,
            void,
        }
    }
}

/// The rights of a caller to what there is not.
fn void_rights(caller: &Caller, known: &Known) -> Vec<EntryFault> {
    let capabilities = caller.capabilities.difference(&known.capabilities);
    let capabilities = capabilities.map(|one| format!("no tool asks for the capability `{one}`"));
    let tenants: Vec<_> = match &caller.tenancy {
        Tenancy::All => Vec::new(),
        Tenancy::Only(tenants) => tenants.difference(&known.tenants).collect(),
    };
    let tenants = tenants
        .into_iter()
        .map(|one| format!("there is no tenant `{one}`"));
    let events = caller.allowed_events.difference(&known.event_types);
    let events =
        events.map(|one| format!("the event type `{one}` is neither in `[events] types` nor a session's"));
    capabilities
        .chain(tenants)
        .chain(events)
        .map(|why| EntryFault {
            name: caller.name.to_string(),
            why,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn review(text: &str, anonymous: &[&str]) -> Review {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("callers.toml");
        std::fs::write(&path, text).unwrap();
        let tokens: Vec<_> = anonymous.iter().map(|token| SecretString::from(*token)).collect();
        let known = Known {
            capabilities: ["kora__request_pause".parse().unwrap()].into(),
            tenants: ["acme".parse().unwrap()].into(),
            event_types: ["deploy.finished".parse().unwrap()].into(),
        };
        Review::of(&CallersDocument::read(&path).unwrap(), &tokens, &known)
    }

    fn told(faults: &[EntryFault]) -> Vec<String> {
        faults
            .iter()
            .map(|fault| format!("{}: {}", fault.name, fault.why))
            .collect()
    }

    #[test]
    fn rights_to_what_there_is_not_are_told_and_the_others_are_not() {
        let found = review(
            &format!(
                "[[callers]]\nname = \"ops\"\nkind = \"ops\"\ntoken_hash = \"{HASH}\"\ntenants = [\"acme\", \"globex\"]\n\
                 capabilities = [\"kora__request_pause\", \"kora__request_puase\"]\n\
                 allowed_events = [\"deploy.finished\", \"deploy.begun\"]\n"
            ),
            &[],
        );
        assert_eq!(
            told(&found.void),
            [
                "ops: no tool asks for the capability `kora__request_puase`",
                "ops: there is no tenant `globex`",
                "ops: the event type `deploy.begun` is neither in `[events] types` nor a session's",
            ]
        );
        assert_eq!((found.callers, found.left_out.len()), (1, 0));
    }

    #[test]
    fn a_doubled_token_is_left_out_and_a_short_one_that_names_nobody_is_found() {
        let entry = |name: &str| {
            format!(
                "[[callers]]\nname = \"{name}\"\nkind = \"ops\"\ntoken_hash = \"{HASH}\"\ntenants = [\"*\"]\n"
            )
        };
        // The hash is that of no bytes at all, so the empty token is the first caller's.
        let found = review(
            &(entry("one") + &entry("two") + &entry("one")),
            &["a-token-that-nobody-can-guess", "short", ""],
        );
        assert_eq!(
            told(&found.left_out),
            [
                "two: its token is another caller's",
                "one: its name is another caller's"
            ]
        );
        assert_eq!(
            told(&found.void),
            ["one: token 3 of those that name nobody is its own"]
        );
        assert_eq!((found.anonymous, found.guessable), (3, vec![2, 3]));
    }
}
