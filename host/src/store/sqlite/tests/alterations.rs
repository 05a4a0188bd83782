//! One changed byte of what is hashed in a file, anywhere. Of an export: `verify/exported/tests.rs`.

use proptest::{prelude::*, sample::Index};

use super::{Place, tampering::attack};
use crate::store::{Scope, verify::ChainStatus};

/// What is hashed, and what holds the hashes. The key is absent in these events; `tampering` gives them one.
const COLUMNS: [(&str, Kind); 12] = [
    ("tenant", Kind::Text),
    ("seq", Kind::Number),
    ("event_id", Kind::Bytes),
    ("event_type", Kind::Text),
    ("occurred_at", Kind::Number),
    ("actor_kind", Kind::Text),
    ("actor_id", Kind::Text),
    ("source", Kind::Text),
    ("identity_generation", Kind::Number),
    ("payload", Kind::Text),
    ("prev_hash", Kind::Bytes),
    ("this_hash", Kind::Bytes),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
    Bytes,
}

fn filled() -> Place {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(Place::filled())
}

/// Changes a byte of a column of a record of `acme`, and says to what.
fn alter(place: &Place, (column, kind): (&str, Kind), seq: u64, at: Index, mask: u8) -> String {
    let read = match kind {
        Kind::Number => format!("printf('%016x', {column})"),
        Kind::Text | Kind::Bytes => format!("hex({column})"),
    };
    let sql = format!("SELECT {read} FROM events WHERE tenant = 'acme' AND seq = {seq}");
    let hex: String = place.plain().query_row(&sql, [], |row| row.get(0)).unwrap();
    let mut bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|index| u8::from_str_radix(&hex[index * 2..index * 2 + 2], 16).unwrap())
        .collect();
    let at = at.index(bytes.len());
    bytes[at] ^= mask;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let value = match kind {
        Kind::Number => i64::from_be_bytes(bytes.try_into().unwrap()).to_string(),
        Kind::Text => format!("CAST(X'{hex}' AS TEXT)"),
        Kind::Bytes => format!("X'{hex}'"),
    };
    attack(
        place,
        &format!(
            "DROP INDEX events_tenant_seq; DROP INDEX events_event_id; \
             UPDATE events SET {column} = {value} WHERE tenant = 'acme' AND seq = {seq}"
        ),
    );
    format!("{column} = {value}")
}

#[test]
fn one_changed_byte_of_anything_hashed_is_found_by_verification() {
    let untouched = filled();
    let place = (0..COLUMNS.len(), 1_u64..=5, any::<Index>(), 1_u8..=255);
    // Each copies and opens a file.
    proptest!(ProptestConfig::with_cases(64), |((column, seq, at, mask) in place)| {
        let copy = untouched.copy();
        let what = alter(&copy, COLUMNS[column], seq, at, mask);
        prop_assert_eq!(copy.verify(&Scope::All).status(), ChainStatus::Broken, "{} of {}", what, seq);
    });
}
