//! The test vectors in `docs/`: made here from fixed values, and compared with what stands there. `KORA_BLESS=1` writes them anew.

use std::{fmt::Write as _, fs, path::PathBuf};

use super::*;
use crate::{
    domain::{Event, EventId, TenantId, Timestamp},
    engine::{
        chain::Record,
        checkpoint::{Note, SigningKey, tenant_of},
    },
    store::export::ChainExport,
};

const SEED: [u8; 32] = [7; 32];
const TIME: Timestamp = Timestamp::from_micros(1_763_632_800_000_000);

fn chain(tenant: &str, events: &[(&str, &str)]) -> Vec<Event> {
    let tenant = tenant_of(tenant).unwrap();
    let mut prev_hash = genesis_of(tenant.as_str());
    let mut chain = Vec::new();
    for (seq, (event_type, payload)) in (1_u64..).zip(events) {
        let mut id = [0x01, 0x99, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
        id[15] = u8::try_from(seq).unwrap();
        let mut event = Event {
            tenant: tenant.clone(),
            seq,
            event_id: EventId::from_bytes(id),
            event_type: (*event_type).to_owned(),
            occurred_at: Timestamp::from_micros(TIME.as_micros() + i64::try_from(seq).unwrap()),
            actor_kind: Some("operator".to_owned()),
            actor_id: (seq > 1).then(|| "uid:1000".to_owned()),
            source: "kora-host@0.1.0".to_owned(),
            identity_generation: (seq > 1).then_some(1),
            idempotency_key: (seq == 2).then(|| "ticket-1".to_owned()),
            payload: (*payload).to_owned(),
            prev_hash,
            this_hash: prev_hash,
        };
        event.this_hash = RecordHasher::new().hash(prev_hash.as_bytes(), &Record::of(&event));
        prev_hash = event.this_hash;
        chain.push(event);
    }
    chain
}

pub(super) fn acme() -> Vec<Event> {
    chain(
        "acme",
        &[
            ("acme.ticket.opened", r#"{"n":1.0,"text":"ä \"first\""}"#),
            ("acme.ticket.opened", r#"{"text":"second\n"}"#),
            ("acme.ticket.closed", "{}"),
        ],
    )
}

/// Two chains, as a host exports them.
pub(super) fn export() -> String {
    let mut out = Vec::new();
    for events in [acme(), chain("host", &[("kora.boot.ready", "{}")])] {
        let tenant: TenantId = events[0].tenant.clone();
        let mut export = ChainExport::begin(&mut out, &tenant, TIME).unwrap();
        events.iter().for_each(|event| export.event(event).unwrap());
        export.end().unwrap();
    }
    String::from_utf8(out).unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_seed("logs.example.com".parse().unwrap(), &SEED)
}

fn note() -> Note {
    let events = acme();
    let last = events.last().unwrap();
    let checkpoint = Checkpoint {
        tenant: last.tenant.clone(),
        seq: last.seq,
        head: last.this_hash,
        signed_at: TIME,
    };
    Note::sign(&checkpoint, &key())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the page shows: the hashes step by step.
fn steps() -> String {
    let mut steps = String::from("```\n");
    let events = acme();
    writeln!(steps, "genesis(\"acme\")     {}", genesis_of("acme")).unwrap();
    let first = &events[0];
    let mut hasher = RecordHasher::new();
    let encoded = hex(hasher.encoded(first.prev_hash.as_bytes(), &Record::of(first)));
    writeln!(steps, "hashed of record 1  {encoded}").unwrap();
    for event in &events {
        writeln!(steps, "this_hash of {}      {}", event.seq, event.this_hash).unwrap();
    }
    writeln!(steps, "seed of the key     {}", hex(&SEED)).unwrap();
    writeln!(steps, "verifier key        {}", key().public()).unwrap();
    steps.push_str("```\n");
    steps
}

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name)
}

fn hold(name: &str, expected: &str) {
    let path = docs(name);
    if std::env::var_os("KORA_BLESS").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "`docs/{name}` has drifted: `KORA_BLESS=1` writes it anew. Expected:\n{expected}"
    );
}

#[test]
fn the_vectors_in_the_documentation_are_what_this_program_makes() {
    hold("verify/vectors/export.jsonl", &export());
    hold("verify/vectors/checkpoint.txt", &note().to_string());
    hold("verify/vectors/key.txt", &format!("{}\n", key().public()));
    const PAGE: &str = "event-log.md";
    let page = fs::read_to_string(docs(PAGE)).unwrap();
    let (before, rest) = page.split_once("<!-- vectors: made by a test -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of vectors -->\n").unwrap();
    let expected = format!(
        "{before}<!-- vectors: made by a test -->\n{}<!-- end of vectors -->\n{after}",
        steps()
    );
    hold(PAGE, &expected);
}

#[test]
fn the_vectors_hold() {
    let signed = note().checkpoint(key().public()).unwrap();
    let report = verify_export(export().as_bytes(), &[signed]).unwrap();
    assert_eq!(report.status, ExportStatus::Sound);
    assert_eq!(report.chains[0].signed_to, Some(3));
}
