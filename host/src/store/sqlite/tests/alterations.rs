//! One changed byte, anywhere: of what is hashed in a file, and of the text of an export.

use proptest::{prelude::*, sample::Index};
use serde_json::Value;

use super::{Place, exports::hash, tampering::attack};
use crate::{
    domain::Timestamp,
    store::{Scope, sqlite::SqliteReader, verify::ChainStatus},
};

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

fn export(place: &Place) -> Vec<u8> {
    let mut out = Vec::new();
    let reader = SqliteReader::open(&place.path()).unwrap();
    reader
        .export(&Scope::All, Timestamp::from_micros(5), &mut out)
        .unwrap();
    out
}

/// What the export tells, if it is as `docs/event-log.md` describes it. When it was made is nobody's to prove.
fn believed(export: &[u8]) -> Option<Vec<Value>> {
    const HEADER: [&str; 5] = ["kind", "format", "tenant", "genesis", "exported_at_us"];
    const TRAILER: [&str; 6] = ["kind", "tenant", "first_seq", "last_seq", "count", "last_hash"];
    let text = std::str::from_utf8(export).ok()?;
    let lines: Vec<Value> = text
        .strip_suffix('\n')?
        .split('\n')
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .ok()?;
    let (mut told, mut chain) = (Vec::new(), Vec::<&Value>::new());
    let mut header: Option<&Value> = None;
    for line in &lines {
        match (line["kind"].as_str()?, header) {
            ("header", None) => {
                let is_one = has_fields(line, &HEADER) && line["format"] == "kora.events.v1";
                header = is_one.then_some(line);
                header?;
            }
            ("event", Some(header)) => {
                let (last, next) = chain.last().map_or((&header["genesis"], 1), |last| {
                    (&last["this_hash"], chain.len() as u64 + 1)
                });
                let follows =
                    line["prev_hash"] == *last && line["seq"] == next && line["tenant"] == header["tenant"];
                let id = line["event_id"].as_str()?;
                let is_sound = follows && hex_alone(id) && has_hash(line);
                chain.push(is_sound.then_some(line)?);
            }
            ("trailer", Some(begun)) => {
                let seq = |event: Option<&&Value>| event.map_or(Value::Null, |event| event["seq"].clone());
                let last_hash = chain
                    .last()
                    .map_or(Value::Null, |event| event["this_hash"].clone());
                let ends = has_fields(line, &TRAILER)
                    && line["tenant"] == begun["tenant"]
                    && begun["genesis"] == genesis(begun["tenant"].as_str()?)
                    && line["count"] == chain.len()
                    && (&line["first_seq"], &line["last_seq"]) == (&seq(chain.first()), &seq(chain.last()))
                    && line["last_hash"] == last_hash;
                ends.then_some(())?;
                told.extend(chain.drain(..).cloned());
                told.push(line.clone());
                header = None;
            }
            _ => return None,
        }
    }
    header.is_none().then_some(told)
}

fn has_fields(line: &Value, names: &[&str]) -> bool {
    line.as_object().is_some_and(|fields| {
        fields.len() == names.len() && names.iter().all(|name| fields.contains_key(*name))
    })
}

/// A field that cannot be read is one that is not as it was.
fn has_hash(event: &Value) -> bool {
    const FIELDS: [&str; 14] = [
        "kind",
        "tenant",
        "seq",
        "event_id",
        "event_type",
        "occurred_at_us",
        "actor_kind",
        "actor_id",
        "source",
        "identity_generation",
        "idempotency_key",
        "payload",
        "prev_hash",
        "this_hash",
    ];
    let texts = ["event_type", "source", "payload"].map(|name| event[name].is_string());
    let may_be_absent = ["actor_kind", "actor_id", "idempotency_key"]
        .map(|name| event[name].is_string() || event[name].is_null());
    let generation = &event["identity_generation"];
    has_fields(event, &FIELDS)
        && texts.into_iter().chain(may_be_absent).all(|is_sound| is_sound)
        && (generation.is_u64() || generation.is_null())
        && event["occurred_at_us"].is_i64()
        && event["this_hash"] == hash(event)
}

fn hex_alone(id: &str) -> bool {
    let is_hex = |(at, c): (usize, char)| match at {
        8 | 13 | 18 | 23 => c == '-',
        _ => matches!(c, '0'..='9' | 'a'..='f'),
    };
    id.len() == 36 && id.chars().enumerate().all(is_hex)
}

fn genesis(tenant: &str) -> String {
    crate::engine::chain::genesis(tenant).to_string()
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

#[test]
fn one_changed_byte_of_an_export_is_found_by_whoever_reads_it_by_the_description() {
    let sound = export(&filled());
    let told = believed(&sound).expect("is sound");
    proptest!(ProptestConfig::with_cases(2048), |(at in any::<Index>(), mask in 1_u8..=255)| {
        let mut changed = sound.clone();
        changed[at.index(sound.len())] ^= mask;
        if let Some(other) = believed(&changed) {
            // Only the time at which it was made can be another.
            prop_assert_eq!(&other, &told);
        }
    });
}

#[test]
fn one_line_of_an_export_that_is_missing_or_there_twice_is_found() {
    let sound = export(&filled());
    let lines: Vec<&[u8]> = sound.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..lines.len() {
        let mut fewer = lines.clone();
        let line = fewer.remove(at);
        assert_eq!(believed(&fewer.concat()), None, "without line {at}");
        let mut more = lines.clone();
        more.insert(at, line);
        assert_eq!(believed(&more.concat()), None, "with line {at} twice");
    }
}
