//! Whose files are trusted, and which plugins the operator lets in.
//!
//! A file in the plugin directory is code that will run, so whoever can write it, or put another in its place, rules the host.
//! Looked at are the plugin directory itself, each folder on the way down, and each file; what lies above the directory is
//! the operator's affair. (An ACL that lets another user write shows in the group bits, which hold the ACL's mask.)

mod ownership;

use std::collections::BTreeSet;

pub(super) use self::ownership::{check_path, open_regular};
use super::refusal::Refusal;
use crate::domain::{Digest, InvalidName, PluginName};

/// Which plugins the operator lets in: `[plugins] allow` and `disable`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// None: all of them.
    allow: Option<Allowed>,
    disable: BTreeSet<PluginName>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Allowed {
    names: BTreeSet<PluginName>,
    digests: BTreeSet<Digest>,
}

impl Policy {
    /// `allow` holds names and SHA-256 digests, mixed; without the list all plugins are allowed, with an empty one none is.
    /// `disable` holds names, and wins.
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn new(allow: Option<&[String]>, disable: &[String]) -> Result<Self, InvalidName> {
        Ok(Self {
            allow: allow.map(Allowed::parse).transpose()?,
            disable: disable
                .iter()
                .map(|name| name.parse())
                .collect::<Result<_, _>>()?,
        })
    }

    /// Judges a plugin by its name, the digest of what was dropped, and that of its library; either digest will do.
    ///
    /// # Errors
    /// [`Refusal::Disabled`], [`Refusal::NotAllowed`].
    pub fn check(&self, name: &PluginName, digest: Digest, library_digest: Digest) -> Result<(), Refusal> {
        if self.disable.contains(name) {
            return Err(Refusal::Disabled { name: name.clone() });
        }
        let Some(allowed) = &self.allow else { return Ok(()) };
        let listed = allowed.names.contains(name)
            || [digest, library_digest]
                .iter()
                .any(|digest| allowed.digests.contains(digest));
        if listed {
            return Ok(());
        }
        Err(Refusal::NotAllowed {
            name: name.clone(),
            digest,
        })
    }
}

impl Allowed {
    fn parse(texts: &[String]) -> Result<Self, InvalidName> {
        let mut allowed = Self::default();
        for text in texts {
            // A name has at most 32 characters and a digest 64, so neither can be taken for the other.
            if let Ok(digest) = text.parse() {
                allowed.digests.insert(digest);
            } else {
                allowed.names.insert(text.parse()?);
            }
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(policy: &Policy, name: &str) -> Option<&'static str> {
        let verdict = policy.check(
            &name.parse().unwrap(),
            Digest::of(b"package"),
            Digest::of(b"library"),
        );
        verdict.err().map(|refusal| refusal.kind())
    }

    fn policy(allow: &[&str], disable: &[&str]) -> Policy {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Policy::new(Some(&texts(allow)), &texts(disable)).unwrap()
    }

    #[test]
    fn without_a_list_all_plugins_are_allowed_and_with_an_empty_one_none() {
        assert_eq!(kind(&Policy::default(), "echo"), None);
        assert_eq!(kind(&policy(&[], &[]), "echo"), Some("not_allowed"));
    }

    #[test]
    fn a_plugin_is_allowed_by_name_or_by_either_digest() {
        assert_eq!(kind(&policy(&["echo"], &[]), "echo"), None);
        assert_eq!(kind(&policy(&["echo"], &[]), "marvin"), Some("not_allowed"));
        for bytes in [b"package", b"library"] {
            assert_eq!(
                kind(&policy(&[&Digest::of(bytes).to_string()], &[]), "echo"),
                None
            );
        }
    }

    #[test]
    fn disabling_wins() {
        assert_eq!(kind(&policy(&["echo"], &["echo"]), "echo"), Some("disabled"));
    }

    #[test]
    fn what_is_neither_name_nor_digest_is_an_error() {
        assert!(Policy::new(Some(&["Not A Name".to_owned()]), &[]).is_err());
    }
}
