//! What is checked of a store as its rows go by, and what it comes to.
//!
//! Chains are recomputed record by record and held against their heads. Of what stands beside the chains it is checked that it is
//! of a form that this release can read, that it belongs to a tenant that is there, and that texts have the digests stored with them;
//! the rest is the database's to refuse.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::row::{DocumentRow, HeadRow, Row};
use crate::{
    domain::{Digest, ProviderId, TenantId},
    store::{
        Collection,
        verify::{ChainStatus, End, Expected, Scanned, report},
    },
};

/// How many rows of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Tenants.
    pub tenants: u64,
    /// Who acts in them.
    pub actors: u64,
    /// What agents may do, in words.
    pub charters: u64,
    /// Policies.
    pub policies: u64,
    /// Identity generations.
    pub generations: u64,
    /// Values that plugins keep.
    pub values: u64,
    /// Documents: commands, tickets, accounts, boots.
    pub documents: u64,
    /// Events.
    pub events: u64,
    /// Chains, that of the host among them.
    pub chains: u64,
}

impl Counts {
    fn of_kind(&mut self, row: &Row) -> &mut u64 {
        match row {
            Row::Tenant(_) => &mut self.tenants,
            Row::Actor(_) => &mut self.actors,
            Row::Charter(_) => &mut self.charters,
            Row::Policy(_) => &mut self.policies,
            Row::Generation(_) => &mut self.generations,
            Row::Value(_) => &mut self.values,
            Row::Document(_) => &mut self.documents,
            Row::Event(_) => &mut self.events,
            Row::Head(_) => &mut self.chains,
        }
    }
}

/// What all rows come to. Two stores that come to the same hold the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many there are.
    pub counts: Counts,
    /// The SHA-256 of all rows as the lines of a backup.
    pub sha256: Digest,
}

/// Looks at rows as they come.
#[derive(Default)]
pub(super) struct Checker {
    counts: Counts,
    digest: Sha256,
    line: Vec<u8>,
    scanned: Scanned,
    /// Whose chains there must be.
    tenants: BTreeSet<String>,
    /// Whose chains have ended.
    ended: BTreeSet<String>,
    last_kind: usize,
}

impl Checker {
    /// Looks at the next row. Answers it as a line, with its end.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn row(&mut self, row: &Row) -> Result<&[u8], String> {
        let (place, kind) = row.kind();
        if place < self.last_kind {
            return Err(format!(
                "a row of the kind `{kind}` stands behind those of a later kind"
            ));
        }
        self.last_kind = place;
        self.look(row)
            .map_err(|fault| format!("a row of the kind `{kind}`: {fault}"))?;
        *self.counts.of_kind(row) += 1;
        self.line.clear();
        serde_json::to_writer(&mut self.line, row).map_err(|error| error.to_string())?;
        self.line.push(b'\n');
        self.digest.update(&self.line);
        Ok(&self.line)
    }

    /// All rows were seen.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(super) fn end(mut self) -> Result<Summary, String> {
        self.tenants.insert(TenantId::host().as_str().to_owned());
        let headless = self.tenants.iter().find(|tenant| !self.ended.contains(*tenant));
        let headless = headless.or_else(|| self.scanned.segments.keys().next());
        if let Some(tenant) = headless {
            return Err(format!("the chain of `{tenant}` has no head"));
        }
        Ok(Summary {
            counts: self.counts,
            sha256: Digest::from_bytes(self.digest.finalize().into()),
        })
    }

    fn look(&mut self, row: &Row) -> Result<(), String> {
        let tenant = row.tenant();
        if let Row::Tenant(_) = row {
            let id: TenantId = checked_text(tenant)?;
            self.tenants.insert(id.as_str().to_owned());
            return Ok(());
        }
        if tenant != TenantId::host().as_str() && !self.tenants.contains(tenant) {
            return Err(format!("there is no tenant `{tenant}`"));
        }
        match row {
            Row::Charter(charter) => has_digest("charter", &charter.content_md, &charter.content_hash),
            Row::Generation(generation) => {
                generation
                    .provider
                    .as_deref()
                    .map(checked_text::<ProviderId>)
                    .transpose()?;
                has_digest("snapshot", &generation.snapshot, &generation.snapshot_hash)
            }
            Row::Document(document) => look_at_document(document),
            Row::Event(event) => {
                self.scanned.push(&event.stored());
                Ok(())
            }
            Row::Head(head) => self.look_at_head(head),
            Row::Tenant(_) | Row::Actor(_) | Row::Policy(_) | Row::Value(_) => Ok(()),
        }
    }

    fn look_at_head(&mut self, head: &HeadRow) -> Result<(), String> {
        let tenant = &head.tenant;
        if !self.ended.insert(tenant.clone()) {
            return Err(format!("the chain of `{tenant}` has two heads"));
        }
        let end = End::Head {
            seq: head.seq,
            hash: head.hash,
        };
        let expected = Expected::whole(tenant, end);
        let found = report(tenant.clone(), self.scanned.take(tenant), &expected);
        match (found.status, found.first_bad) {
            (ChainStatus::Broken, Some(bad)) => Err(format!("chain of `{tenant}`: {}", bad.detail)),
            _ => Ok(()),
        }
    }
}

fn look_at_document(document: &DocumentRow) -> Result<(), String> {
    let collection: Collection = checked_text(&document.collection)?;
    if collection == Collection::Epochs {
        return Err("the epoch stands in the header, not among the documents".to_owned());
    }
    if document.revision < 1 {
        return Err(format!("expected a revision from 1, found {}", document.revision));
    }
    Ok(())
}

fn has_digest(what: &str, text: &str, digest: &Digest) -> Result<(), String> {
    if Digest::of(text.as_bytes()) == *digest {
        return Ok(());
    }
    Err(format!(
        "the {what} does not have the digest that is stored with it"
    ))
}

/// A text in its form.
pub(super) fn checked_text<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}
