//! Checkpoints: what a host says under its signature of where a chain ended, and when it said so.
//!
//! ```text
//! logs.example.com/acme                              the origin: the key's name, a slash, the tenant
//! 1042                                               the sequence number of the last record
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=       the hash of that record, base64
//! kora.checkpoint.v1 1763632800000000                the format, and the host's clock in microseconds since 1970 UTC
//!
//! — logs.example.com Az3grlgt…                       the signature: see `note`
//! ```
//!
//! The shape is that of a C2SP `tlog-checkpoint`, so that tools which carry such notes about carry these. Two things differ, and
//! the fourth line says so: the third is the hash of the last record, which holds all before it through the chain, and no Merkle
//! root; and the origin is longer than the key's name, because one key signs the chains of all tenants.

mod contradiction;
mod key;
mod note;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use self::{
    contradiction::{CheckpointFault, Contradiction},
    key::{InvalidKey, KeyId, KeyName, SigningKey, VerifierKey},
    note::{Note, NoteFault, NoteRefusal, Notes, read_notes},
};
use crate::domain::{Hash, TenantId, Timestamp};

/// The first word of the fourth line.
pub const FORMAT: &str = "kora.checkpoint.v1";

/// Where a chain ended at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose chain.
    pub tenant: TenantId,
    /// The sequence number of its last record then, from 1.
    pub seq: u64,
    /// The hash of that record.
    pub head: Hash,
    /// When it was signed, by the host's clock.
    pub signed_at: Timestamp,
}

/// A text that is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no checkpoint: expected {expected} in line {line}")]
pub struct InvalidCheckpoint {
    /// Which line, from 1.
    pub line: usize,
    /// What it should be.
    pub expected: &'static str,
}

impl Checkpoint {
    /// The text that the key of this name signs.
    pub fn text(&self, name: &KeyName) -> String {
        let Self {
            tenant,
            seq,
            head,
            signed_at,
        } = self;
        let head = STANDARD.encode(head.as_bytes());
        format!(
            "{name}/{tenant}\n{seq}\n{head}\n{FORMAT} {}\n",
            signed_at.as_micros()
        )
    }

    /// What a text says that the key of this name signed.
    ///
    /// # Errors
    /// If it is not, byte for byte, what [`text`](Self::text) makes of a checkpoint.
    pub fn read(text: &str, name: &KeyName) -> Result<Self, InvalidCheckpoint> {
        let mut lines = text.lines();
        let mut next = |line, expected| {
            let found = lines.next();
            found.ok_or(InvalidCheckpoint { line, expected })
        };
        let fault = |line, expected| InvalidCheckpoint { line, expected };
        const ORIGIN: &str = "the name of the key, `/` and a tenant";
        let origin = next(1, ORIGIN)?;
        let tenant = origin
            .strip_prefix(name.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(tenant_of)
            .ok_or_else(|| fault(1, ORIGIN))?;
        const SEQ: &str = "a sequence number from 1";
        let seq = next(2, SEQ)?.parse().map_err(|_| fault(2, SEQ))?;
        const HEAD: &str = "32 bytes as base64";
        let head = STANDARD.decode(next(3, HEAD)?).ok();
        let head: [u8; 32] = head
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| fault(3, HEAD))?;
        const TIME: &str = "`kora.checkpoint.v1` and microseconds";
        let time = next(4, TIME)?
            .strip_prefix(FORMAT)
            .and_then(|rest| rest.strip_prefix(' '));
        let micros = time
            .and_then(|time| time.parse().ok())
            .ok_or_else(|| fault(4, TIME))?;
        let checkpoint = Self {
            tenant,
            seq,
            head: Hash::from_bytes(head),
            signed_at: Timestamp::from_micros(micros),
        };
        // A sign or a zero in front of a number, a fifth line: one checkpoint has one text.
        if seq == 0 || checkpoint.text(name) != text {
            return Err(fault(
                5,
                "nothing but these four lines, numbers in their shortest form",
            ));
        }
        Ok(checkpoint)
    }
}

/// The tenant of this name, the host's own chain included.
pub(crate) fn tenant_of(text: &str) -> Option<TenantId> {
    let host = TenantId::host();
    if text == host.as_str() {
        Some(host)
    } else {
        text.parse().ok()
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the chain of `{}` ended with record {} at {}",
            self.tenant, self.seq, self.signed_at
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> KeyName {
        "logs.example.com/kora".parse().unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            tenant: "acme".parse().unwrap(),
            seq: 42,
            head: Hash::of(b"record 42"),
            signed_at: Timestamp::from_micros(1_763_632_800_000_000),
        }
    }

    #[test]
    fn a_checkpoint_says_whose_chain_ended_where_and_when() {
        insta::assert_snapshot!(checkpoint().text(&name()), @r"
        logs.example.com/kora/acme
        42
        xTADxNCSdUlWRutAxpcRMpe6m0tAu5o36OUZm17rqs8=
        kora.checkpoint.v1 1763632800000000
        ");
    }

    #[test]
    fn what_was_written_is_read_again_and_nothing_else_is() {
        let text = checkpoint().text(&name());
        assert_eq!(Checkpoint::read(&text, &name()), Ok(checkpoint()));
        let own = Checkpoint {
            tenant: TenantId::host(),
            ..checkpoint()
        };
        assert_eq!(Checkpoint::read(&own.text(&name()), &name()), Ok(own));
        let changed = [
            ("kora/acme", "kora/../acme"),
            ("kora/acme", "kora2/acme"),
            ("\n42\n", "\n042\n"),
            ("\n42\n", "\n+42\n"),
            ("\n42\n", "\n0\n"),
            ("8=\n", "8\n"),
            ("v1", "v2"),
            ("v1 ", "v1  "),
            ("0000\n", "0000\nmore\n"),
            ("0000\n", "0000"),
            ("0000\n", "0000\r\n"),
        ];
        for (from, to) in changed {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text, "{from:?}");
            assert!(Checkpoint::read(&other, &name()).is_err(), "{from:?} {to:?}");
        }
    }
}
