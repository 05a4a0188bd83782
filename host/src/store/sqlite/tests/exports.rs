//! What an export holds, judged by a reader that knows only the format.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Place;
use crate::{
    domain::Timestamp,
    store::{
        Scope,
        conformance::{append, tenant},
        export::{ExportError, Exported},
        sqlite::SqliteReader,
    },
};

fn export(place: &Place, scope: &Scope) -> Vec<Value> {
    let mut out = Vec::new();
    let reader = SqliteReader::open(&place.path()).unwrap();
    reader.export(scope, Timestamp::from_micros(5), &mut out).unwrap();
    out.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn field(bytes: Option<&[u8]>) -> Vec<u8> {
    match bytes {
        None => vec![0xff; 4],
        Some(bytes) => [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat(),
    }
}

/// The hash of an exported event, written anew from the description of the format.
pub(super) fn hash(event: &Value) -> String {
    let text = |name: &str| field(event[name].as_str().map(str::as_bytes));
    let number = |name: &str| {
        field(
            event[name]
                .as_u64()
                .map(u64::to_be_bytes)
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        )
    };
    let hex = |name: &str| -> Vec<u8> {
        let digits: Vec<_> = event[name]
            .as_str()
            .unwrap()
            .chars()
            .filter(|c| *c != '-')
            .collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
            .collect()
    };
    let record = [
        b"kora.event.v1\0".to_vec(),
        hex("prev_hash"),
        text("tenant"),
        number("seq"),
        field(Some(&hex("event_id"))),
        text("event_type"),
        field(Some(&event["occurred_at_us"].as_i64().unwrap().to_be_bytes())),
        text("actor_kind"),
        text("actor_id"),
        text("source"),
        number("identity_generation"),
        text("idempotency_key"),
        text("payload"),
    ];
    Sha256::digest(record.concat())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test]
async fn an_export_can_be_verified_by_who_knows_only_the_format() {
    let place = Place::filled().await;
    let lines = export(&place, &Scope::All);
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    let mut expected = vec!["header"];
    expected.extend(["event"; 5]);
    expected.extend([
        "trailer", "header", "event", "event", "event", "trailer", "header", "trailer",
    ]);
    assert_eq!(kinds, expected);

    let mut last = Value::Null;
    for line in &lines {
        match line["kind"].as_str().unwrap() {
            "header" => {
                assert_eq!(line["format"], "kora.events.v1");
                assert_eq!(line["exported_at_us"], 5);
                last = line["genesis"].clone();
            }
            "event" => {
                assert_eq!(line["prev_hash"], last);
                assert_eq!(line["this_hash"], hash(line));
                last = line["this_hash"].clone();
            }
            _ => assert!(line["count"] == 0 || line["last_hash"] == last),
        }
    }
    let trailer = &lines[6];
    assert_eq!(trailer["tenant"], "acme");
    assert_eq!(
        (&trailer["first_seq"], &trailer["last_seq"], &trailer["count"]),
        (&1.into(), &5.into(), &5.into())
    );
    let of_host = lines.last().unwrap();
    assert_eq!(
        (&of_host["tenant"], &of_host["first_seq"], &of_host["last_hash"]),
        (&"host".into(), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn an_event_is_one_line_with_every_field() {
    let place = Place::filled().await;
    let mut out = Vec::new();
    let scope = Scope::Range {
        tenant: tenant("globex"),
        from: 2,
        to: 2,
    };
    let reader = SqliteReader::open(&place.path()).unwrap();
    let exported = reader
        .export(&scope, Timestamp::from_micros(5), &mut out)
        .unwrap();
    assert_eq!(exported, Exported { chains: 1, events: 1 });
    let text = String::from_utf8(out).unwrap();
    let line = text.lines().nth(1).unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    let expected = format!(
        "{{\"kind\":\"event\",\"tenant\":\"globex\",\"seq\":2,\"event_id\":{},\"event_type\":\"kora.test.happened\",\
         \"occurred_at_us\":1700000000000002,\"actor_kind\":\"operator\",\"actor_id\":\"uid:0\",\
         \"source\":\"kora-host@0.1.0\",\"identity_generation\":2,\"idempotency_key\":null,\
         \"payload\":\"{{\\\"n\\\":2}}\",\"prev_hash\":{},\"this_hash\":{}}}",
        event["event_id"], event["prev_hash"], event["this_hash"]
    );
    assert_eq!(line, expected);
    let trailer: Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    assert_eq!(
        (&trailer["first_seq"], &trailer["last_seq"]),
        (&2.into(), &2.into())
    );
}

#[tokio::test]
async fn an_export_beside_a_running_host_is_of_one_moment() {
    let place = Place::filled().await;
    let store = place.open();
    append(&store, "acme", 1).await;
    assert_eq!(export(&place, &Scope::Chain(tenant("acme"))).len(), 6 + 2);
    append(&store, "acme", 1).await;
}

#[tokio::test]
async fn an_export_of_nobody_is_refused() {
    let place = Place::filled().await;
    let reader = SqliteReader::open(&place.path()).unwrap();
    let error = reader.export(
        &Scope::Chain(tenant("nobody")),
        Timestamp::from_micros(5),
        Vec::new(),
    );
    assert!(matches!(error, Err(ExportError::TenantUnknown { .. })));
}
