//! The vocabulary of event types, and whose each is.
//!
//! Every type has exactly one owner, and only its owner may append it. The host's own types are a closed list; operators
//! declare theirs in the configuration, plugins theirs in the manifest. Who *is* the owner of a request is decided where the
//! request comes from, never here.

mod own_types;

use std::{collections::BTreeMap, fmt};

pub use own_types::OwnType;

use crate::domain::{EventType, PluginName, RESERVED_FIRST_WORDS};

/// The first word that the host shares with the plugin of that name.
const SHARED_FIRST_WORD: &str = "kora";

/// Whose an event type is, and as whom a writer asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The state engine, with boot, cost, tickets and health.
    Engine,
    /// Stop commands.
    Control,
    /// Sessions of agents.
    Session,
    /// Identities and their swaps.
    Identity,
    /// The host's own life: plugins, daemons, tenants, configuration.
    Host,
    /// The operator of this machine.
    Operator,
    /// A plugin.
    Plugin(PluginName),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine => f.write_str("the host's engine"),
            Self::Control => f.write_str("the host's control"),
            Self::Session => f.write_str("the host's sessions"),
            Self::Identity => f.write_str("the host's identity"),
            Self::Host => f.write_str("the host"),
            Self::Operator => f.write_str("the operator"),
            Self::Plugin(name) => write!(f, "the plugin `{name}`"),
        }
    }
}

/// Why a set of types cannot join the vocabulary. None of the set did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    /// The first word is the system's.
    #[error(
        "`{event_type}` cannot be declared by {by}: `{word}` is a first word of the host; begin it with another word"
    )]
    Reserved {
        /// The type.
        event_type: EventType,
        /// Its first word.
        word: String,
        /// Who declares it.
        by: Owner,
    },
    /// A plugin declares a type that does not begin with its name.
    #[error("`{event_type}` cannot be declared by {by}: a plugin's types begin with its name and a dot")]
    NotUnderOwnName {
        /// The type.
        event_type: EventType,
        /// Who declares it.
        by: Owner,
    },
    /// It belongs to somebody already.
    #[error("`{event_type}` cannot be declared by {by}: it belongs to {owner}")]
    Taken {
        /// The type.
        event_type: EventType,
        /// Whose it is.
        owner: Owner,
        /// Who declares it.
        by: Owner,
    },
}

/// Why a writer may not append a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// Nobody declared it.
    #[error(
        "the event type `{event_type}` is not in the vocabulary: declare it in the plugin's manifest, or under `[events] types`"
    )]
    NotInVocabulary {
        /// The type.
        event_type: EventType,
    },
    /// It is another's.
    #[error("the event type `{event_type}` belongs to {owner}: {writer} may append only its own")]
    AnothersType {
        /// The type.
        event_type: EventType,
        /// Whose it is.
        owner: Owner,
        /// Who asked.
        writer: Owner,
    },
}

/// All event types there are now, each with its owner. A value: a change makes a new one, so that a reader keeps what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    owners: BTreeMap<EventType, Owner>,
}

impl Vocabulary {
    /// The host's own types and the operator's.
    ///
    /// # Errors
    /// If an operator's type lies under a word of the system, or under `kora`.
    pub fn new(operator_types: &[EventType]) -> Result<Self, VocabularyError> {
        let own = OwnType::ALL.iter().map(|own| (own.event_type(), own.owner()));
        Self {
            owners: own.collect(),
        }
        .with_operator_types(operator_types)
    }

    /// The same with these types for the operator in place of those before.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if a plugin owns one of them.
    pub fn with_operator_types(&self, types: &[EventType]) -> Result<Self, VocabularyError> {
        self.with_types_of(&Owner::Operator, types, |event_type| {
            let word = event_type.first_word();
            if RESERVED_FIRST_WORDS.contains(&word) || word == SHARED_FIRST_WORD {
                return Err(VocabularyError::Reserved {
                    event_type: event_type.clone(),
                    word: word.to_owned(),
                    by: Owner::Operator,
                });
            }
            Ok(())
        })
    }

    /// The same with these types for `plugin` in place of those it had.
    ///
    /// # Errors
    /// If one does not begin with the plugin's name, or belongs to another.
    pub fn with_plugin(&self, plugin: &PluginName, types: &[EventType]) -> Result<Self, VocabularyError> {
        let by = Owner::Plugin(plugin.clone());
        self.with_types_of(&by, types, |event_type| {
            if event_type.first_word() == plugin.as_str() {
                return Ok(());
            }
            Err(VocabularyError::NotUnderOwnName {
                event_type: event_type.clone(),
                by: by.clone(),
            })
        })
    }

    /// The same without the types of `plugin`.
    #[must_use]
    pub fn without_plugin(&self, plugin: &PluginName) -> Self {
        self.without(&Owner::Plugin(plugin.clone()))
    }

    fn without(&self, gone: &Owner) -> Self {
        let kept = self.owners.iter().filter(|(_, owner)| *owner != gone);
        Self {
            owners: kept
                .map(|(event_type, owner)| (event_type.clone(), owner.clone()))
                .collect(),
        }
    }

    fn with_types_of(
        &self,
        by: &Owner,
        types: &[EventType],
        check: impl Fn(&EventType) -> Result<(), VocabularyError>,
    ) -> Result<Self, VocabularyError> {
        let mut next = self.without(by);
        for event_type in types {
            check(event_type)?;
            if let Some(owner) = next.owners.get(event_type).filter(|owner| *owner != by) {
                return Err(VocabularyError::Taken {
                    event_type: event_type.clone(),
                    owner: owner.clone(),
                    by: by.clone(),
                });
            }
            next.owners.insert(event_type.clone(), by.clone());
        }
        Ok(next)
    }

    /// Whose a type is, if it is in the vocabulary.
    pub fn owner_of(&self, event_type: &EventType) -> Option<&Owner> {
        self.owners.get(event_type)
    }

    /// All types with their owners, sorted by type.
    pub fn types(&self) -> impl Iterator<Item = (&EventType, &Owner)> {
        self.owners.iter()
    }

    /// Whether somebody who asks as `writer` may append `event_type`.
    ///
    /// # Errors
    /// If nobody owns the type, or another does.
    pub fn may_append(&self, writer: &Owner, event_type: &EventType) -> Result<(), NotAllowed> {
        match self.owner_of(event_type) {
            Some(owner) if owner == writer => Ok(()),
            Some(owner) => Err(NotAllowed::AnothersType {
                event_type: event_type.clone(),
                owner: owner.clone(),
                writer: writer.clone(),
            }),
            None => Err(NotAllowed::NotInVocabulary {
                event_type: event_type.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(texts: &[&str]) -> Vec<EventType> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn plugin(name: &str) -> PluginName {
        name.parse().unwrap()
    }

    fn empty() -> Vocabulary {
        Vocabulary::new(&[]).unwrap()
    }

    #[test]
    fn a_plugin_appends_its_own_types_and_nobody_else_does() {
        let vocabulary = empty()
            .with_plugin(&plugin("marvin"), &types(&["marvin.sighed"]))
            .unwrap();
        let sighed = &types(&["marvin.sighed"])[0];
        vocabulary
            .may_append(&Owner::Plugin(plugin("marvin")), sighed)
            .unwrap();
        for other in [
            Owner::Operator,
            Owner::Engine,
            Owner::Host,
            Owner::Plugin(plugin("echo")),
        ] {
            let refused = vocabulary.may_append(&other, sighed).unwrap_err();
            assert!(
                refused.to_string().contains("belongs to the plugin `marvin`"),
                "{refused}"
            );
        }
    }

    #[test]
    fn nobody_but_its_part_of_the_host_appends_a_type_of_the_host() {
        let vocabulary = empty();
        for own in OwnType::ALL {
            vocabulary.may_append(&own.owner(), &own.event_type()).unwrap();
            for outside in [Owner::Operator, Owner::Plugin(plugin("kora"))] {
                assert!(
                    vocabulary.may_append(&outside, &own.event_type()).is_err(),
                    "{own}"
                );
            }
        }
    }

    #[test]
    fn the_plugin_kora_owns_what_it_declares_under_kora_but_for_the_types_of_the_host() {
        let kora = plugin("kora");
        let vocabulary = empty()
            .with_plugin(&kora, &types(&["kora.daemon.alive"]))
            .unwrap();
        vocabulary
            .may_append(&Owner::Plugin(kora.clone()), &types(&["kora.daemon.alive"])[0])
            .unwrap();
        let refused = empty()
            .with_plugin(&kora, &types(&["kora.boot.ready"]))
            .unwrap_err();
        assert!(
            matches!(
                refused,
                VocabularyError::Taken {
                    owner: Owner::Engine,
                    ..
                }
            ),
            "{refused}"
        );
        let undeclared = vocabulary.may_append(&Owner::Plugin(kora), &types(&["kora.daemon.dead"])[0]);
        assert!(matches!(undeclared, Err(NotAllowed::NotInVocabulary { .. })));
    }

    #[test]
    fn a_plugin_declares_nothing_outside_its_name() {
        for foreign in ["kora.x", "marvinous.x", "host.x", "sea_ticket.x"] {
            let refused = empty()
                .with_plugin(&plugin("marvin"), &types(&[foreign]))
                .unwrap_err();
            assert!(
                matches!(refused, VocabularyError::NotUnderOwnName { .. }),
                "{refused}"
            );
        }
    }

    #[test]
    fn an_operator_declares_nothing_under_a_word_of_the_system() {
        for reserved in [
            "kora.mine",
            "kora_control.x",
            "sea_ticket.x",
            "kronicle.x",
            "host.x",
        ] {
            let refused = Vocabulary::new(&types(&[reserved])).unwrap_err();
            assert!(matches!(refused, VocabularyError::Reserved { .. }), "{refused}");
        }
        let vocabulary = Vocabulary::new(&types(&["deploy.finished"])).unwrap();
        vocabulary
            .may_append(&Owner::Operator, &types(&["deploy.finished"])[0])
            .unwrap();
    }

    #[test]
    fn a_type_has_one_owner() {
        let operators = Vocabulary::new(&types(&["marvin.sighed"])).unwrap();
        let refused = operators
            .with_plugin(&plugin("marvin"), &types(&["marvin.sighed"]))
            .unwrap_err();
        assert!(
            refused.to_string().contains("it belongs to the operator"),
            "{refused}"
        );
        let plugins = empty()
            .with_plugin(&plugin("marvin"), &types(&["marvin.sighed"]))
            .unwrap();
        assert!(plugins.with_operator_types(&types(&["marvin.sighed"])).is_err());
    }

    #[test]
    fn what_a_plugin_owned_goes_with_it_and_a_new_set_replaces_the_old_one() {
        let marvin = plugin("marvin");
        let first = empty().with_plugin(&marvin, &types(&["marvin.a"])).unwrap();
        let second = first.with_plugin(&marvin, &types(&["marvin.b"])).unwrap();
        assert_eq!(second.owner_of(&types(&["marvin.a"])[0]), None);
        assert!(second.owner_of(&types(&["marvin.b"])[0]).is_some());
        assert_eq!(second.without_plugin(&marvin), empty());
    }
}
