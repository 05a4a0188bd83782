//! Signed notes (<https://c2sp.org/signed-note>): a text, an empty line, and lines with the signatures of who vouches for it.
//! Several notes may stand one after another in a file, with empty lines between them.
//!
//! Signatures of other keys than the one that is asked for are passed over, as the specification wants it: a witness may add its
//! own.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Checkpoint, KeyId, KeyName, SigningKey, VerifierKey};

/// Longer lines stand in no note of ours, nor in one that a witness signed too.
const MAX_LINE_BYTES: usize = 16 * 1024;
/// As many signatures as the specification wants to be accepted.
const MAX_SIGNATURES: usize = 16;
const DASH: &str = "— ";

/// A text with its signatures. Nothing of it is known to be true before [`checkpoint`](Self::checkpoint) says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    id: KeyId,
    bytes: Vec<u8>,
}

/// Why a note says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteRefusal {
    /// The key did not sign it; others did.
    #[error("it is signed by another key: {}, not `{wanted}`", .found.join(", "))]
    OtherKey {
        /// The keys that say they did, as `` `name+number` ``.
        found: Vec<String>,
        /// The key that was asked for.
        wanted: String,
    },
    /// It says that the key signed it, and the key did not: not this text.
    #[error("its signature does not hold: it was changed, or the key did not sign it")]
    Forged,
    /// The key signed something else than a checkpoint.
    #[error(transparent)]
    NoCheckpoint(#[from] super::InvalidCheckpoint),
}

impl Note {
    /// Signs a checkpoint.
    pub fn sign(checkpoint: &Checkpoint, key: &SigningKey) -> Self {
        let public = key.public();
        let text = checkpoint.text(public.name());
        let signature = Signature {
            name: public.name().to_string(),
            id: public.id(),
            bytes: key.sign(&text).to_vec(),
        };
        Self {
            text,
            signatures: vec![signature],
        }
    }

    /// The checkpoint in it, if `key` signed it.
    ///
    /// # Errors
    /// If it did not, or what it signed is none.
    pub fn checkpoint(&self, key: &VerifierKey) -> Result<Checkpoint, NoteRefusal> {
        let own: Vec<_> = self
            .signatures
            .iter()
            .filter(|signature| signature.name == key.name().as_str() && signature.id == key.id())
            .collect();
        if own.is_empty() {
            return Err(NoteRefusal::OtherKey {
                found: self.signatures.iter().map(Signature::key).collect(),
                wanted: format!("{}+{}", key.name(), key.id()),
            });
        }
        let holds = |signature: &&Signature| {
            let bytes = signature.bytes.as_slice().try_into();
            bytes.is_ok_and(|bytes| key.verifies(&self.text, bytes))
        };
        if !own.iter().all(holds) {
            return Err(NoteRefusal::Forged);
        }
        Ok(Checkpoint::read(&self.text, key.name())?)
    }

    /// What it would say if its first signature held: for comparing a checkpoint of a key that is no longer there.
    pub fn unproved(&self) -> Option<Checkpoint> {
        let name: KeyName = self.signatures.first()?.name.parse().ok()?;
        Checkpoint::read(&self.text, &name).ok()
    }
}

impl Signature {
    fn key(&self) -> String {
        format!("`{}+{}`", self.name, self.id)
    }

    fn read(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (id, signature) = bytes.split_first_chunk()?;
        let is_name = !name.is_empty() && !name.contains('+') && !name.chars().any(char::is_whitespace);
        (is_name && !signature.is_empty()).then(|| Self {
            name: name.to_owned(),
            id: KeyId::from_bytes(*id),
            bytes: signature.to_vec(),
        })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signature { name, id, bytes } in &self.signatures {
            let encoded = STANDARD.encode([&id.as_bytes()[..], bytes].concat());
            writeln!(f, "{DASH}{name} {encoded}")?;
        }
        Ok(())
    }
}

/// The notes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes {
    /// In their order.
    pub notes: Vec<Note>,
    /// How many bytes of the file they take, from its begin, with the empty lines after the last.
    pub complete_bytes: usize,
    /// What follows them, if it is none.
    pub fault: Option<NoteFault>,
}

/// Something in a file of notes that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteFault {
    /// The line, from 1.
    pub line: usize,
    /// The file ends in the midst of a note, as it does after a crash while one was written.
    pub is_cut: bool,
}

/// Reads notes that stand one after another, up to the first thing that is none. What is not UTF-8 is none.
pub fn read_notes(bytes: &[u8]) -> Notes {
    let mut read = Notes::default();
    let mut open = Open::default();
    let mut offset = 0;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let Some(line) = whole_line(line) else {
            let is_cut = offset + line.len() == bytes.len() && !line.ends_with(b"\n");
            read.finish(&mut open, offset);
            read.fault = Some(NoteFault { line: number, is_cut });
            return read;
        };
        if !open.signatures.is_empty() && !line.starts_with(DASH) {
            read.finish(&mut open, offset);
        }
        if !open.add(line) {
            read.fault = Some(NoteFault {
                line: number,
                is_cut: false,
            });
            return read;
        }
        offset += line.len() + 1;
        if open.is_nothing() {
            read.complete_bytes = offset;
        }
    }
    if open.signatures.is_empty() && !open.is_nothing() {
        let line = bytes.split_inclusive(|byte| *byte == b'\n').count();
        read.fault = Some(NoteFault { line, is_cut: true });
    } else {
        read.finish(&mut open, offset);
    }
    read
}

fn whole_line(line: &[u8]) -> Option<&str> {
    let line = line.strip_suffix(b"\n")?;
    let line = std::str::from_utf8(line).ok()?;
    (line.len() <= MAX_LINE_BYTES && !line.bytes().any(|byte| byte < b' ')).then_some(line)
}

impl Notes {
    /// The note that was being read ends at `offset`, if it has a signature.
    fn finish(&mut self, open: &mut Open, offset: usize) {
        let Open { text, signatures, .. } = std::mem::take(open);
        if !signatures.is_empty() {
            self.notes.push(Note { text, signatures });
            self.complete_bytes = offset;
        }
    }
}

/// The note that is being read.
#[derive(Default)]
struct Open {
    text: String,
    text_ended: bool,
    signatures: Vec<Signature>,
}

impl Open {
    fn is_nothing(&self) -> bool {
        self.text.is_empty() && self.signatures.is_empty()
    }

    /// Takes a line. False if none such can stand here. Our texts have no empty line in them, so the first one ends a text.
    fn add(&mut self, line: &str) -> bool {
        if self.text_ended {
            let signature = Signature::read(line);
            let taken = signature.filter(|_| self.signatures.len() < MAX_SIGNATURES);
            let is_signature = taken.is_some();
            self.signatures.extend(taken);
            return is_signature;
        }
        if line.is_empty() {
            self.text_ended = !self.text.is_empty();
        } else {
            self.text.push_str(line);
            self.text.push('\n');
        }
        true
    }
}

#[cfg(test)]
mod tests;
