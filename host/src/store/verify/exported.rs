//! Verification of an export: of the lines alone, without a store, against checkpoints where there are some.
//!
//! A line is accepted only if it is, byte for byte, what an export writes of its values, so that another program which reads it
//! cannot read something else. `docs/verify/kora_verify.py` does the same by the same description, and tests hold the two together:
//! what is said here is said there in the same words.

mod chain;
mod lines;

use std::{
    collections::BTreeSet,
    io::{self, BufRead},
};

use serde::Serialize;

use self::{chain::Chain, lines::Lines};
use super::ChainStatus;
use crate::{
    domain::Hash,
    engine::{
        chain::{RecordHasher, genesis as genesis_of},
        checkpoint::{Checkpoint, CheckpointFault},
    },
    store::export::{FORMAT, Line},
};

/// What was found in an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// All of it in a word.
    pub status: ExportStatus,
    /// The chains in the order of the file.
    pub chains: Vec<ExportedChain>,
    /// The tenants of checkpoints of which there is no chain in the export, sorted.
    pub without_chain: Vec<String>,
}

/// How an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportStatus {
    /// Every record is as it was written, and none is missing.
    Sound,
    /// There is no record.
    Empty,
    /// Something is not as it was written, or not what was signed.
    Broken,
    /// What is there is sound, but the chain of a checkpoint is not there; or there is nothing at all.
    Unchecked,
}

/// What was found of one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportedChain {
    /// Whose; empty if that cannot be read.
    pub tenant: String,
    /// How it is.
    pub status: ChainStatus,
    /// How many records are sound, from the first on.
    pub records: u64,
    /// The hash of the last of them.
    pub last_hash: Option<Hash>,
    /// The last record that a checkpoint vouches for.
    pub signed_to: Option<u64>,
    /// The first line that is not as it was written.
    pub first_bad: Option<BadLine>,
    /// The checkpoints that it contradicts.
    pub checkpoint_faults: Vec<CheckpointFault>,
}

/// Where an export is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadLine {
    /// The line of the file, from 1.
    pub line: u64,
    /// The place in the chain; absent in a header or trailer.
    pub seq: Option<u64>,
    /// What failed.
    pub check: ExportCheck,
    /// In words.
    pub detail: String,
}

/// What is checked of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportCheck {
    /// It is as an export writes its values.
    Line,
    /// A chain begins with its header.
    Header,
    /// It is of this chain.
    Tenant,
    /// Its fields have its hash.
    Hash,
    /// It names the hash of the record before it.
    Link,
    /// Sequence numbers go on without a gap.
    Gap,
    /// The trailer fits what stands before it.
    Trailer,
    /// The chain goes on to its trailer.
    Cut,
}

/// Reads an export once, and says what is as it was written and what is not. The checkpoints must have been proved.
///
/// # Errors
/// If it cannot be read.
pub fn verify_export(export: impl BufRead, checkpoints: &[Checkpoint]) -> io::Result<ExportReport> {
    let mut verifier = Verifier {
        checkpoints,
        chains: Vec::new(),
        at: At::Outside,
        hasher: RecordHasher::new(),
    };
    let mut lines = Lines::new(export);
    let mut number = 0;
    while let Some(line) = lines.next()? {
        number += 1;
        verifier.take(number, line);
    }
    verifier.end(number + 1);
    Ok(verifier.report())
}

/// Where the reader is.
enum At {
    /// Between chains.
    Outside,
    /// In the last chain.
    Inside,
    /// In what follows a bad line: until the next trailer or header.
    Skipping,
}

struct Verifier<'a> {
    checkpoints: &'a [Checkpoint],
    chains: Vec<Chain<'a>>,
    at: At,
    hasher: RecordHasher,
}

impl<'a> Verifier<'a> {
    fn take(&mut self, number: u64, line: Option<Line<'static>>) {
        match (line, &self.at) {
            (
                Some(Line::Header {
                    format,
                    tenant,
                    genesis,
                    ..
                }),
                _,
            ) => {
                self.end(number);
                self.begin(number, &format, &tenant, genesis);
            }
            (Some(Line::Trailer { .. }), At::Skipping) => self.at = At::Outside,
            (_, At::Skipping) => {}
            (_, At::Outside) => {
                let mut chain = Chain::new("", &[]);
                chain.bad(
                    number,
                    None,
                    (ExportCheck::Header, "expected the header of a chain".to_owned()),
                );
                self.chains.push(chain);
                self.at = At::Skipping;
            }
            (line, At::Inside) => self.go_on(number, line),
        }
    }

    fn begin(&mut self, number: u64, format: &str, tenant: &str, genesis: Hash) {
        let fault = if format != FORMAT {
            Some(format!("expected the format `{FORMAT}`"))
        } else if genesis != genesis_of(tenant) {
            Some("the genesis hash is not that of the chain".to_owned())
        } else if self.chains.iter().any(|chain| chain.tenant == tenant) {
            Some("this chain comes twice".to_owned())
        } else {
            None
        };
        let mut chain = Chain::new(tenant, self.checkpoints);
        self.at = if fault.is_some() { At::Skipping } else { At::Inside };
        if let Some(detail) = fault {
            chain.bad(number, None, (ExportCheck::Header, detail));
        }
        self.chains.push(chain);
    }

    fn go_on(&mut self, number: u64, line: Option<Line<'_>>) {
        let Some(chain) = self.chains.last_mut() else {
            return;
        };
        let next = chain.records + 1;
        match line {
            Some(event @ Line::Event { .. }) => {
                if let Err(fault) = chain.event(&event, &mut self.hasher) {
                    chain.bad(number, Some(next), fault);
                    self.at = At::Skipping;
                }
            }
            Some(trailer) => {
                if let Err(fault) = chain.trailer(&trailer) {
                    chain.bad(number, None, fault);
                }
                self.at = At::Outside;
            }
            None => {
                let detail = "the line is not as an export writes it".to_owned();
                chain.bad(number, Some(next), (ExportCheck::Line, detail));
                self.at = At::Skipping;
            }
        }
    }

    /// Nothing more of the chain that is being read follows: the next line, or what would be it, is `number`.
    fn end(&mut self, number: u64) {
        if let (At::Inside, Some(chain)) = (&self.at, self.chains.last_mut()) {
            let detail = "the chain has no trailer: its end was cut off".to_owned();
            chain.bad(number, Some(chain.records + 1), (ExportCheck::Cut, detail));
        }
    }

    fn report(self) -> ExportReport {
        let tenants: BTreeSet<_> = self.chains.iter().map(|chain| chain.tenant.clone()).collect();
        let signed: BTreeSet<_> = self
            .checkpoints
            .iter()
            .map(|signed| signed.tenant.to_string())
            .collect();
        let without_chain: Vec<_> = signed.difference(&tenants).cloned().collect();
        let chains: Vec<_> = self.chains.into_iter().map(Chain::report).collect();
        let any = |status| chains.iter().any(|chain| chain.status == status);
        let status = if any(ChainStatus::Broken) {
            ExportStatus::Broken
        } else if chains.is_empty() || !without_chain.is_empty() {
            ExportStatus::Unchecked
        } else if any(ChainStatus::Sound) {
            ExportStatus::Sound
        } else {
            ExportStatus::Empty
        };
        ExportReport {
            status,
            chains,
            without_chain,
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
