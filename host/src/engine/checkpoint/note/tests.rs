//! Notes of this and of another implementation, changed ones, and several in a file.

use super::*;
use crate::domain::{Hash, Timestamp};

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name.parse().unwrap(), &[seed; 32])
}

fn checkpoint(seq: u64) -> Checkpoint {
    Checkpoint {
        tenant: "acme".parse().unwrap(),
        seq,
        head: Hash::of(&seq.to_be_bytes()),
        signed_at: Timestamp::from_micros(1_763_632_800_000_000),
    }
}

fn one(text: &str) -> Note {
    let notes = read_notes(text.as_bytes());
    assert_eq!((notes.notes.len(), &notes.fault), (1, &None), "{text}");
    notes.notes[0].clone()
}

// Computed apart from this code, with Python's `hashlib` and the verifier in `docs/verify`.
#[test]
fn the_note_is_the_one_that_another_implementation_gets() {
    let note = Note::sign(&checkpoint(42), &key("logs.example.com", 7));
    insta::assert_snapshot!(note.to_string(), @r"
    logs.example.com/acme
    42
    prsTPLHjY4rXuKP/BTlmjp5W+bhQ7xsqgQ9UIuqmwyM=
    kora.checkpoint.v1 1763632800000000

    — logs.example.com RvThvOWLkn72+YYQTq3jnhMaydUSoGvSJZAuMbxP7qMc3gsZRHWDxUzUhX4lRzLfaPgwu9wqADnSu/OhHKykZ2mW0gk=
    ");
}

// From the documentation of Go's `golang.org/x/mod/sumdb/note`.
#[test]
fn a_note_of_another_implementation_is_signed_by_whom_it_says() {
    let note = one(
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
         — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
    );
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let refused = note.checkpoint(&key.parse().unwrap());
    assert!(
        matches!(refused, Err(NoteRefusal::NoCheckpoint(_))),
        "{refused:?}"
    );
}

#[test]
fn a_note_is_proved_by_its_key_and_by_no_other() {
    let signer = key("logs.example.com", 7);
    let note = one(&Note::sign(&checkpoint(42), &signer).to_string());
    assert_eq!(note.checkpoint(signer.public()), Ok(checkpoint(42)));
    for other in [key("logs.example.com", 8), key("other.example.com", 7)] {
        let refused = note.checkpoint(other.public()).unwrap_err();
        assert!(matches!(refused, NoteRefusal::OtherKey { .. }), "{refused}");
    }
    assert_eq!(note.unproved(), Some(checkpoint(42)));
}

#[test]
fn any_byte_changed_is_found() {
    let signer = key("logs.example.com", 7);
    let text = Note::sign(&checkpoint(42), &signer).to_string();
    for at in 0..text.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= mask;
            let notes = read_notes(&bytes);
            let proved = notes.fault.is_none()
                && notes
                    .notes
                    .iter()
                    .any(|note| note.checkpoint(signer.public()).is_ok());
            assert!(!proved, "byte {at} ^ {mask:#x}");
        }
    }
}

#[test]
fn signatures_of_others_are_passed_over() {
    let (signer, witness) = (key("logs.example.com", 7), key("witness.example.org", 9));
    let mut note = Note::sign(&checkpoint(42), &signer);
    note.signatures.insert(
        0,
        Signature {
            name: "witness.example.org".to_owned(),
            id: witness.public().id(),
            bytes: witness.sign(&note.text).to_vec(),
        },
    );
    assert!(one(&note.to_string()).checkpoint(signer.public()).is_ok());
}

#[test]
fn notes_follow_each_other_and_one_that_was_cut_is_left_out() {
    let signer = key("logs.example.com", 7);
    let (first, second) = (
        Note::sign(&checkpoint(1), &signer).to_string(),
        Note::sign(&checkpoint(2), &signer).to_string(),
    );
    for between in ["", "\n", "\n\n"] {
        let text = format!("{first}{between}{second}");
        let all = read_notes(text.as_bytes());
        assert_eq!(
            (all.notes.len(), all.complete_bytes, all.fault),
            (2, text.len(), None)
        );
        for cut in first.len() + between.len() + 1..text.len() {
            let notes = read_notes(&text.as_bytes()[..cut]);
            assert_eq!(notes.notes.len(), 1, "{cut}");
            assert_eq!(notes.complete_bytes, first.len() + between.len(), "{cut}");
            assert!(notes.fault.unwrap().is_cut, "{cut}");
        }
    }
    assert_eq!(read_notes(b""), Notes::default());
}

#[test]
fn what_is_no_note_is_named_by_its_line() {
    let first = Note::sign(&checkpoint(1), &key("k", 1)).to_string();
    for (after, line) in [
        ("\nx\n\ny\n", 10),
        ("\u{1}\n", 7),
        ("text\n\n— k not base64\n", 9),
    ] {
        let notes = read_notes(format!("{first}{after}").as_bytes());
        assert_eq!(notes.notes.len(), 1, "{after:?}");
        assert_eq!(notes.fault, Some(NoteFault { line, is_cut: false }), "{after:?}");
    }
}
